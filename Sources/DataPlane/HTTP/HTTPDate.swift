// The `date` header, written once a second.
import Reactor

/// IMF-fixdate (RFC 9110, section 5.6.7) of the loop's wall clock. One a worker; not thread-safe.
struct HTTPDate: ~Copyable {
    private static let days: [StaticString] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months: [StaticString] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private var text = ByteArena()
    private var second = Int64.min

    init() {}

    /// "Sun, 06 Nov 1994 08:49:37 GMT". Valid until the next call.
    mutating func text(at time: WallTime) -> ByteView {
        if time.unixSeconds != second {
            second = time.unixSeconds
            write()
        }
        return text.view
    }

    private mutating func write() {
        let (day, secondOfDay) = HTTPDate.split(second, by: 86_400)
        let (year, month, dayOfMonth) = HTTPDate.civil(day)
        text.removeAll()
        text.append(ByteView(HTTPDate.days[Int(HTTPDate.split(day, by: 7).rest)]))
        text.append(ByteView(", "))
        write2(dayOfMonth)
        text.append(ByteView(" "))
        text.append(ByteView(HTTPDate.months[Int(month - 1)]))
        text.append(ByteView(" "))
        write2(year / 100)
        write2(year % 100)
        text.append(ByteView(" "))
        write2(secondOfDay / 3600)
        text.append(ByteView(":"))
        write2(secondOfDay / 60 % 60)
        text.append(ByteView(":"))
        write2(secondOfDay % 60)
        text.append(ByteView(" GMT"))
    }

    private mutating func write2(_ number: Int64) {
        text.append(byte: UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number / 10 % 10))
        text.append(byte: UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number % 10))
    }

    /// Floored division.
    private static func split(_ value: Int64, by divisor: Int64) -> (quotient: Int64, rest: Int64) {
        let (quotient, rest) = value.quotientAndRemainder(dividingBy: divisor)
        return rest < 0 ? (quotient - 1, rest + divisor) : (quotient, rest)
    }

    /// Days since 1970-01-01 to year (0...9999), month (1...12) and day (1...31) of the Gregorian calendar.
    private static func civil(_ days: Int64) -> (Int64, Int64, Int64) {
        // Count from 0000-03-01, so that the leap day ends the year; 400 years are 146 097 days.
        let (era, dayOfEra) = split(days + 719_468, by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shifted + 2) / 5 + 1
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (split(year, by: 10_000).rest, month, day)
    }
}
