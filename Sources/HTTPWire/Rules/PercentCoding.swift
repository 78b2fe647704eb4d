// Percent-encoding of RFC 3986, section 2.1.
import Reactor

/// Encodes and decodes `%41`.
public enum PercentCoding {
    /// The bytes with each `%xx` replaced by the byte that it stands for; malformed escapes stay as they are.
    public static func decoded(_ text: ByteView) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            if let byte = escape(in: text, at: index) {
                result.append(byte)
                index += 3
            } else {
                result.append(text[index])
                index += 1
            }
        }
        return result
    }

    /// The byte that a `%xx` at `index` stands for; nil when there is none.
    public static func escape(in text: ByteView, at index: Int) -> UInt8? {
        guard index >= 0 && index < text.count - 2, text[index] == 0x25,
            let high = text[index + 1].hexDigitValue, let low = text[index + 2].hexDigitValue
        else { return nil }
        return high << 4 | low
    }

    /// Every byte but the unreserved ones as `%XX`.
    public static func encoded(_ text: ByteView) -> [UInt8] {
        var result: [UInt8] = []
        for index in 0..<text.count { append(text[index], unless: ByteClass.unreserved.contains(text[index]), &result) }
        return result
    }

    /// True when every byte may stand in a request target: 0x21 to 0x7e.
    static func isTargetSafe(_ text: ByteView) -> Bool {
        var index = 0
        while index < text.count {
            if text[index] &- 0x21 > 0x5d { return false }
            index &+= 1
        }
        return true
    }

    /// The bytes that may not stand in a request target as `%XX`.
    static func targetSafe(_ text: ByteView) -> [UInt8] {
        var result: [UInt8] = []
        for index in 0..<text.count { append(text[index], unless: text[index] &- 0x21 <= 0x5d, &result) }
        return result
    }

    /// Appends the byte as it is, or as `%XX`.
    static func append(_ byte: UInt8, unless safe: Bool, _ result: inout [UInt8]) {
        if safe {
            result.append(byte)
        } else {
            result.append(0x25)
            result.append(hexDigit(byte >> 4))
            result.append(hexDigit(byte & 15))
        }
    }

    static func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x37 + value }
}
