// Numbers, booleans, durations and base64 as they are written in a file.

/// Why a scalar does not fit its field, in words.
struct ValueProblem: Error {
    var message: String
    init(_ message: String) { self.message = message }
}

enum ScalarText {
    /// The words that yaml-cpp takes for a boolean, in lower, upper and title case.
    static func bool(_ text: String) -> Bool? {
        guard
            text == text.lowercased() || text == text.uppercased() || text.dropFirst() == text.dropFirst().lowercased()
        else { return nil }
        switch text.lowercased() {
        case "true", "yes", "y", "on": return true
        case "false", "no", "n", "off": return false
        default: return nil
        }
    }

    /// An integer as Envoy reads it: decimal, hexadecimal, octal when it is not quoted and starts with 0, or a number
    /// with a fraction or an exponent that comes out whole. Bounds: -2^63 to 2^64 - 1.
    static func integer(_ text: String, isQuoted: Bool) throws(ValueProblem) -> Int128 {
        let bad = ValueProblem("expected a whole number, found \(quotedForMessage(text))")
        var digits = Substring(text)
        var isNegative = false
        if let sign = digits.first, sign == "-" || sign == "+" {
            isNegative = sign == "-"
            digits.removeFirst()
        }
        guard let first = digits.utf8.first, first >= UInt8(ascii: "0"), first <= UInt8(ascii: "9"),
            digits.utf8.count <= 64
        else { throw bad }
        var radix = 10
        if digits.hasPrefix("0x") || digits.hasPrefix("0X") {
            radix = 16
            digits = digits.dropFirst(2)
        } else if !isQuoted, digits.utf8.count > 1, first == UInt8(ascii: "0"),
            digits.utf8.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "7") })
        {
            radix = 8
        }
        if digits.first != "-", digits.first != "+", let magnitude = Int128(digits, radix: radix) {
            return isNegative ? -magnitude : magnitude
        }
        if radix == 10, digits.utf8.allSatisfy({ isDigit($0) }) { throw ValueProblem("\(text) is too large") }
        guard radix == 10, let value = decimal(text) else { throw bad }
        guard value == value.rounded(.towardZero) else { throw bad }
        guard let whole = Int128(exactly: value) else { throw ValueProblem("\(text) is too large") }
        return whole
    }

    /// A finite decimal number.
    static func decimal(_ text: String) -> Double? {
        let isPlain = text.utf8.allSatisfy { byte in
            isDigit(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E")
                || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-")
        }
        guard isPlain, let value = Double(text), value.isFinite else { return nil }
        return value
    }

    /// Seconds and nanoseconds of a duration such as "1.5s". Bounds as in protobuf: 10 000 years.
    static func duration(_ text: String) throws(ValueProblem) -> (seconds: Int64, nanoseconds: Int32) {
        guard text.utf8.last == UInt8(ascii: "s") else { throw durationProblem(text) }
        var number = text.dropLast()
        let isNegative = number.first == "-"
        if isNegative { number.removeFirst() }
        let parts = number.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, let whole = parts.first, !whole.isEmpty, whole.utf8.allSatisfy(isDigit) else {
            throw durationProblem(text)
        }
        var nanoseconds: Int32 = 0
        if parts.count == 2 {
            let fraction = parts[1]
            guard !fraction.isEmpty, fraction.utf8.count <= 9, fraction.utf8.allSatisfy(isDigit),
                let value = Int32(String(fraction) + String(repeating: "0", count: 9 - fraction.utf8.count))
            else { throw durationProblem(text) }
            nanoseconds = value
        }
        if isNegative { throw ValueProblem("a duration cannot be negative, found \(quotedForMessage(text))") }
        guard let seconds = Int64(whole), seconds <= maxSeconds else {
            throw ValueProblem("\(quotedForMessage(text)) is longer than 10000 years")
        }
        return (seconds, nanoseconds)
    }

    static let maxSeconds: Int64 = 315_576_000_000

    private static func durationProblem(_ text: String) -> ValueProblem {
        var message = "expected a duration in seconds, such as \"1.5s\", found \(quotedForMessage(text))"
        let units: [(String, Double)] = [
            ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9), ("m", 60), ("min", 60), ("h", 3600), ("d", 86400), ("s", 1),
            ("", 1),
        ]
        let number = text.prefix { $0.isNumber || $0 == "." }
        let unit = text[number.endIndex...]
        if let value = decimal(String(number)), value < 1e9,
            let factor = units.first(where: { $0.0 == unit.lowercased() })?.1
        {
            message += "; did you mean \"\(seconds(value * factor))s\"?"
        }
        return ValueProblem(message)
    }

    /// Seconds to the nanosecond, without an exponent or trailing zeros.
    private static func seconds(_ value: Double) -> String {
        let total = Int64((value * 1e9).rounded())
        return seconds(total / 1_000_000_000, Int32(total % 1_000_000_000))
    }

    /// Seconds with as many digits as they need, without the `s`.
    static func seconds(_ seconds: Int64, _ nanoseconds: Int32) -> String {
        guard nanoseconds != 0 else { return "\(seconds)" }
        let digits = String(nanoseconds.magnitude)
        var fraction = String(repeating: "0", count: max(0, 9 - digits.utf8.count)) + digits
        while fraction.hasSuffix("0") { fraction.removeLast() }
        return "\(seconds < 0 || nanoseconds < 0 ? "-" : "")\(seconds.magnitude).\(fraction)"
    }

    /// As protobuf's JSON prints a duration: no fraction, or one of 3, 6 or 9 digits.
    static func duration(_ seconds: Int64, _ nanoseconds: Int32) -> String {
        var text = self.seconds(seconds, nanoseconds)
        if let point = text.firstIndex(of: ".") {
            let digits = text.distance(from: point, to: text.endIndex) - 1
            text += String(repeating: "0", count: (3 - digits % 3) % 3)
        }
        return text + "s"
    }

    /// Base64, standard or URL-safe, with or without padding.
    static func base64(_ text: String) -> [UInt8]? {
        var out: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        var digits = Array(text.utf8)
        while digits.last == UInt8(ascii: "=") { digits.removeLast() }
        guard text.utf8.count - digits.count <= 2, digits.count % 4 != 1 else { return nil }
        out.reserveCapacity(digits.count / 4 * 3 + 2)
        for byte in digits {
            let value: UInt8
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = byte - UInt8(ascii: "A")
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = byte - UInt8(ascii: "a") + 26
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = byte - UInt8(ascii: "0") + 52
            case UInt8(ascii: "+"), UInt8(ascii: "-"): value = 62
            case UInt8(ascii: "/"), UInt8(ascii: "_"): value = 63
            default: return nil
            }
            bits = bits << 6 | UInt32(value)
            count += 6
            if count >= 8 {
                count -= 8
                out.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
                bits &= (1 << UInt32(count)) - 1
            }
        }
        return out
    }

    /// Standard base64 with padding.
    static func base64(of bytes: some Collection<UInt8>) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var out: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            count += 8
            while count >= 6 {
                count -= 6
                out.append(alphabet[Int(bits >> UInt32(count)) & 63])
            }
            bits &= (1 << UInt32(count)) - 1
        }
        if count > 0 { out.append(alphabet[Int(bits << UInt32(6 - count)) & 63]) }
        while out.count % 4 != 0 { out.append(UInt8(ascii: "=")) }
        return String(decoding: out, as: UTF8.self)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
}
