// Time stamps of log lines: strftime with Envoy's %s, %f and %3f, rendered once a second.
import Reactor

/// A compiled time format. What changes once a second is rendered once a second; only fractions cost per line.
/// One thread.
final class DateFormat {
    enum Piece: Equatable {
        case literal(String)
        /// A strftime letter.
        case letter(UInt8)
        /// `%E4Y`
        case fourDigitYear
        /// `%Ez`: +hh:mm
        case offsetWithColon
        /// So many digits of the second's fraction.
        case fraction(Int)
        /// `%E*f`, `%E*S`: as many digits as it takes.
        case fullFraction(withDot: Bool)
    }

    /// `2016-04-15T20:17:00.310Z`
    static let standard = "%Y-%m-%dT%H:%M:%S.%3fZ"

    private enum Step {
        /// Bytes of `rendered`.
        case text(start: Int, count: Int)
        case fraction(Int)
        case fullFraction(withDot: Bool)
    }

    private let pieces: [Piece]
    private let local: Bool
    @exclusivity(unchecked) private var second = Int64.min
    @exclusivity(unchecked) private var rendered = ByteArena()
    @exclusivity(unchecked) private var steps: [Step] = []

    init(pieces: [Piece], local: Bool) {
        self.pieces = pieces
        self.local = local
    }

    /// Appends `time` to `sink`.
    func append(_ time: WallTime, to sink: inout ByteArena) {
        if time.unixSeconds != second { render(time.unixSeconds) }
        let nanoseconds = UInt64(clamping: time.nanosecondOfSecond)
        for step in steps {
            switch step {
            case .text(let start, let count):
                sink.append(rendered.view(start, count))
            case .fraction(let digits):
                sink.append(decimal: nanoseconds / DateFormat.divisor(digits), width: digits)
            case .fullFraction(let withDot):
                if withDot {
                    if nanoseconds == 0 { continue }
                    sink.append(byte: UInt8(ascii: "."))
                } else if nanoseconds == 0 {
                    sink.append(byte: UInt8(ascii: "0"))
                    continue
                }
                var digits = 9
                var rest = nanoseconds
                while rest % 10 == 0 {
                    rest /= 10
                    digits -= 1
                }
                sink.append(decimal: rest, width: digits)
            }
        }
    }

    private static func divisor(_ digits: Int) -> UInt64 {
        var divisor: UInt64 = 1
        var digit = digits
        while digit < 9 {
            divisor *= 10
            digit += 1
        }
        return divisor
    }

    @inline(never)
    private func render(_ second: Int64) {
        let time = CivilTime(unixSeconds: second, local: local)
        rendered.removeAll()
        steps.removeAll(keepingCapacity: true)
        var start = 0
        for piece in pieces {
            switch piece {
            case .literal(let text): rendered.append(text: text)
            case .letter(let letter): rendered.append(letter, of: time)
            case .fourDigitYear: rendered.append(decimal: UInt64(clamping: time.year), width: 4)
            case .offsetWithColon: rendered.append(offset: time.offset, colon: true)
            case .fraction(let digits):
                close(&start)
                steps.append(.fraction(digits))
            case .fullFraction(let withDot):
                close(&start)
                steps.append(.fullFraction(withDot: withDot))
            }
        }
        close(&start)
        self.second = second
    }

    private func close(_ start: inout Int) {
        if rendered.count > start { steps.append(.text(start: start, count: rendered.count - start)) }
        start = rendered.count
    }
}

extension DateFormat {
    /// Compiles a format; an empty one is the standard. `base` is its place in the whole template, for errors.
    convenience init(_ format: String, local: Bool, base: Int) throws(FormatError) {
        let text = Array((format.isEmpty ? DateFormat.standard : format).utf8)
        var pieces: [Piece] = []
        var literal: [UInt8] = []
        var index = 0
        while index < text.count {
            guard text[index] == UInt8(ascii: "%") else {
                literal.append(text[index])
                index += 1
                continue
            }
            if !literal.isEmpty {
                pieces.append(.literal(String(decoding: literal, as: UTF8.self)))
                literal.removeAll()
            }
            index = try DateFormat.parseSpecifier(text, at: index, base: base, into: &pieces)
        }
        if !literal.isEmpty { pieces.append(.literal(String(decoding: literal, as: UTF8.self))) }
        self.init(pieces: pieces, local: local)
    }

    /// Returns the index behind the specifier that begins at `start`.
    private static func parseSpecifier(
        _ text: [UInt8], at start: Int, base: Int, into pieces: inout [Piece]
    ) throws(FormatError) -> Int {
        func fail(_ end: Int) -> FormatError {
            let specifier = String(decoding: text[start..<min(end, text.count)], as: UTF8.self)
            return FormatError(position: base + start, message: "unknown time specifier '\(specifier)'")
        }
        var index = start + 1
        var digits = 0
        while index < text.count, text[index] >= 0x30 && text[index] <= 0x39 && digits < 100 {
            digits = digits * 10 + Int(text[index] - 0x30)
            index += 1
        }
        guard index < text.count else { throw fail(index) }
        let letter = text[index]
        if index > start + 1 {
            guard letter == UInt8(ascii: "f"), (1...9).contains(digits) else { throw fail(index + 1) }
            pieces.append(.fraction(digits))
            return index + 1
        }
        switch letter {
        case UInt8(ascii: "%"):
            pieces.append(.literal("%"))
        case UInt8(ascii: "f"):
            pieces.append(.fraction(9))
        case UInt8(ascii: "n"):
            throw FormatError(position: base + start, message: "a time format must not hold a newline (%n)")
        case UInt8(ascii: "E"):
            return try parseExtension(text, at: index + 1, fail: fail, into: &pieces)
        case let letter where letters.contains(letter):
            pieces.append(.letter(letter))
        default:
            throw fail(index + 1)
        }
        return index + 1
    }

    /// What follows `%E`: `4Y`, `z`, `*S`, `3S`, `*f`, `3f`, `T`.
    private static func parseExtension(
        _ text: [UInt8], at start: Int, fail: (Int) -> FormatError, into pieces: inout [Piece]
    ) throws(FormatError) -> Int {
        guard start < text.count else { throw fail(start) }
        if text[start] == UInt8(ascii: "z") {
            pieces.append(.offsetWithColon)
            return start + 1
        }
        guard start + 1 < text.count else { throw fail(start + 1) }
        let digits = Int(text[start]) - 0x30
        switch (text[start], text[start + 1]) {
        case (UInt8(ascii: "4"), UInt8(ascii: "Y")): pieces.append(.fourDigitYear)
        case (UInt8(ascii: "*"), UInt8(ascii: "S")):
            pieces += [.letter(UInt8(ascii: "S")), .fullFraction(withDot: true)]
        case (UInt8(ascii: "*"), UInt8(ascii: "f")): pieces.append(.fullFraction(withDot: false))
        case (UInt8(ascii: "0"), UInt8(ascii: "S")): pieces.append(.letter(UInt8(ascii: "S")))
        case (_, UInt8(ascii: "S")) where (1...9).contains(digits):
            pieces += [.letter(UInt8(ascii: "S")), .literal("."), .fraction(digits)]
        case (_, UInt8(ascii: "f")) where (1...9).contains(digits): pieces.append(.fraction(digits))
        default: throw fail(start + 2)
        }
        return start + 2
    }

    private static let letters = Set("aAbBcCdDeFgGhHIjklmMpPrRsStTuUVwWxXyYzZ".utf8)
}

extension ByteArena {
    fileprivate mutating func append(offset: Int64, colon: Bool) {
        append(byte: offset < 0 ? UInt8(ascii: "-") : UInt8(ascii: "+"))
        let minutes = offset.magnitude / 60
        append(decimal: minutes / 60, width: 2)
        if colon { append(byte: UInt8(ascii: ":")) }
        append(decimal: minutes % 60, width: 2)
    }

    private mutating func append(all letters: StaticString, of time: CivilTime) {
        let view = ByteView(letters)
        for index in 0..<view.count {
            let byte = view[index]
            // Letters are specifiers, all else stands for itself.
            if byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7a { append(byte, of: time) } else { append(byte: byte) }
        }
    }

    private mutating func append(two value: Int) { append(decimal: UInt64(clamping: value), width: 2) }

    private mutating func append(padded value: Int) {
        append(decimal: UInt64(clamping: value), width: 2, pad: UInt8(ascii: " "))
    }

    /// One strftime specifier in the C locale.
    fileprivate mutating func append(_ letter: UInt8, of time: CivilTime) {
        let hour12 = time.hour % 12 == 0 ? 12 : time.hour % 12
        switch letter {
        case UInt8(ascii: "a"): append(text: String(Names.days[time.weekday].prefix(3)))
        case UInt8(ascii: "A"): append(text: Names.days[time.weekday])
        case UInt8(ascii: "b"), UInt8(ascii: "h"): append(text: String(Names.months[time.month - 1].prefix(3)))
        case UInt8(ascii: "B"): append(text: Names.months[time.month - 1])
        case UInt8(ascii: "c"): append(all: "a b e H:M:S Y", of: time)
        case UInt8(ascii: "C"): append(decimal: UInt64(clamping: time.year / 100), width: 2)
        case UInt8(ascii: "d"): append(two: time.day)
        case UInt8(ascii: "D"), UInt8(ascii: "x"): append(all: "m/d/y", of: time)
        case UInt8(ascii: "e"): append(padded: time.day)
        case UInt8(ascii: "F"): append(all: "Y-m-d", of: time)
        case UInt8(ascii: "g"): append(decimal: UInt64(clamping: time.isoWeek.year % 100), width: 2)
        case UInt8(ascii: "G"): append(decimal: time.isoWeek.year)
        case UInt8(ascii: "H"): append(two: time.hour)
        case UInt8(ascii: "I"): append(two: hour12)
        case UInt8(ascii: "j"): append(decimal: UInt64(clamping: time.dayOfYear + 1), width: 3)
        case UInt8(ascii: "k"): append(padded: time.hour)
        case UInt8(ascii: "l"): append(padded: hour12)
        case UInt8(ascii: "m"): append(two: time.month)
        case UInt8(ascii: "M"): append(two: time.minute)
        case UInt8(ascii: "p"): append(literal: time.hour < 12 ? "AM" : "PM")
        case UInt8(ascii: "P"): append(literal: time.hour < 12 ? "am" : "pm")
        case UInt8(ascii: "r"): append(all: "I:M:S p", of: time)
        case UInt8(ascii: "R"): append(all: "H:M", of: time)
        case UInt8(ascii: "s"): append(decimal: time.unixSeconds)
        case UInt8(ascii: "S"): append(two: time.second)
        case UInt8(ascii: "t"): append(byte: 0x09)
        case UInt8(ascii: "T"), UInt8(ascii: "X"): append(all: "H:M:S", of: time)
        case UInt8(ascii: "u"): append(decimal: UInt64(clamping: time.weekday == 0 ? 7 : time.weekday))
        case UInt8(ascii: "U"): append(two: (time.dayOfYear + 7 - time.weekday) / 7)
        case UInt8(ascii: "V"): append(two: time.isoWeek.week)
        case UInt8(ascii: "w"): append(decimal: UInt64(clamping: time.weekday))
        case UInt8(ascii: "W"): append(two: (time.dayOfYear + 7 - (time.weekday + 6) % 7) / 7)
        case UInt8(ascii: "y"): append(decimal: UInt64(clamping: time.year % 100), width: 2)
        case UInt8(ascii: "Y"): append(decimal: time.year)
        case UInt8(ascii: "z"): append(offset: time.offset, colon: false)
        case UInt8(ascii: "Z"): append(text: time.zone)
        default: break
        }
    }

    private enum Names {
        static let days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
        static let months = [
            "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
            "November", "December",
        ]
    }
}
