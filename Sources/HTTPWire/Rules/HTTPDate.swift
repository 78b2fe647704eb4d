// HTTP dates (RFC 9110, section 5.6.7).
import Reactor

/// Calendar arithmetic for the proleptic Gregorian calendar in UTC.
public struct HTTPDate: Sendable, Equatable {
    public var year: Int
    /// 1 to 12.
    public var month: Int
    /// 1 to 31.
    public var day: Int
    public var hour: Int
    public var minute: Int
    public var second: Int

    private static let monthNames: StaticString = "JanFebMarAprMayJunJulAugSepOctNovDec"
    private static let dayNames: StaticString = "ThuFriSatSunMonTueWed"

    /// The date of a time in seconds since 1970; times outside of the years 1 to 9999 become the nearest one inside.
    public init(unixSeconds seconds: Int64) {
        let unixSeconds = min(max(seconds, -62_135_596_800), 253_402_300_799)
        let days = Int(unixSeconds.dividedDown(by: 86400))
        let rest = Int(unixSeconds - Int64(days) * 86400)
        hour = rest / 3600
        minute = rest / 60 % 60
        second = rest % 60
        // Years begin in March here, so that the leap day is the last; an era has 400 years.
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    private init?(year: Int, month: Int, day: Int, time: ByteView) {
        guard time.count == 8, time[2] == 0x3a, time[5] == 0x3a,
            let hour = time.prefix(2).decimal, let minute = time.slice(3..<5).decimal,
            let second = time.suffix(2).decimal, hour < 24, minute < 60, second <= 60,
            (1...12).contains(month), (1...31).contains(day)
        else { return nil }
        self.year = year
        self.month = month
        self.day = day
        self.hour = Int(hour)
        self.minute = Int(minute)
        self.second = Int(second)
    }

    /// Reads any of the three formats of RFC 9110; `nowYear` decides the century of the two-digit one.
    public init?(_ text: ByteView, nowYear: Int = 2000) {
        if text.count == 29, text[3] == 0x2c {
            // Sun, 06 Nov 1994 08:49:37 GMT
            guard text[4] == 0x20, text[7] == 0x20, text[11] == 0x20, text[16] == 0x20, text.hasSuffix(" GMT"),
                let day = text.slice(5..<7).decimal, let month = HTTPDate.month(text.slice(8..<11)),
                let year = text.slice(12..<16).decimal
            else { return nil }
            self.init(year: Int(year), month: month, day: Int(day), time: text.slice(17..<25))
        } else if text.count == 24, text[3] == 0x20 {
            // Sun Nov  6 08:49:37 1994
            guard text[7] == 0x20, text[10] == 0x20, text[19] == 0x20,
                let day = text.slice(8..<10).trimmingOWS.decimal, let month = HTTPDate.month(text.slice(4..<7)),
                let year = text.suffix(4).decimal
            else { return nil }
            self.init(year: Int(year), month: month, day: Int(day), time: text.slice(11..<19))
        } else {
            // Sunday, 06-Nov-94 08:49:37 GMT
            guard let comma = text.firstIndex(of: 0x2c) else { return nil }
            let rest = text.dropFirst(comma + 2)
            guard rest.count == 22, rest[2] == 0x2d, rest[6] == 0x2d, rest[9] == 0x20, rest.hasSuffix(" GMT"),
                let day = rest.prefix(2).decimal, let month = HTTPDate.month(rest.slice(3..<6)),
                let short = rest.slice(7..<9).decimal
            else { return nil }
            // A year that seems to be more than 50 years ahead is the last one with those digits.
            let year = nowYear / 100 * 100 + Int(short)
            self.init(
                year: year > nowYear + 50 ? year - 100 : year, month: month, day: Int(day), time: rest.slice(10..<18))
        }
    }

    /// Seconds since 1970.
    public var unixSeconds: Int64 {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        let days = Int64(era * 146_097 + dayOfEra - 719_468)
        return days * 86400 + Int64(hour * 3600 + minute * 60 + second)
    }

    /// The IMF-fixdate form: `Sun, 06 Nov 1994 08:49:37 GMT`.
    public var text: String {
        String(decoding: bytes, as: UTF8.self)
    }

    var bytes: [UInt8] {
        let weekday = Int(unixSeconds.dividedDown(by: 86400)).remainderDown(by: 7)
        var result = ByteView(HTTPDate.dayNames).slice((weekday * 3)..<(weekday * 3 + 3)).array
        result += [0x2c, 0x20] + HTTPDate.digits(day, 2) + [0x20]
        result += ByteView(HTTPDate.monthNames).slice((month * 3 - 3)..<(month * 3)).array
        result += [0x20] + HTTPDate.digits(year, 4) + [0x20]
        result += HTTPDate.digits(hour, 2) + [0x3a] + HTTPDate.digits(minute, 2) + [0x3a] + HTTPDate.digits(second, 2)
        return result + Array(" GMT".utf8)
    }

    private static func digits(_ value: Int, _ count: Int) -> [UInt8] {
        var rest = value
        var result = [UInt8](repeating: 0x30, count: count)
        for index in stride(from: count - 1, through: 0, by: -1) {
            result[index] = 0x30 + UInt8(rest % 10)
            rest /= 10
        }
        return result
    }

    private static func month(_ name: ByteView) -> Int? {
        let names = ByteView(monthNames)
        return (1...12).first { names.slice(($0 * 3 - 3)..<($0 * 3)) == name }
    }
}

/// The `Date` of this second, made once a second. One for each loop.
public struct HTTPDateCache: ~Copyable {
    private var second = Int64.min
    private var text = ByteArena()

    public init() {}

    /// The IMF-fixdate of `unixSeconds`; valid until the next call.
    public mutating func view(unixSeconds: Int64) -> ByteView {
        if unixSeconds != second {
            second = unixSeconds
            text.removeAll()
            HTTPDate(unixSeconds: unixSeconds).bytes.withUnsafeBytes { _ = text.append(ByteView($0)) }
        }
        return text.view
    }
}

extension Int64 {
    /// Division that rounds down, for times before 1970.
    fileprivate func dividedDown(by divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}

extension Int {
    fileprivate func remainderDown(by divisor: Int) -> Int {
        let rest = self % divisor
        return rest < 0 ? rest + divisor : rest
    }
}
