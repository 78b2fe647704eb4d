// JSON writes characters beyond 16 bits as two escapes; YAML has one escape for them.

enum JSONSurrogates {
    private static let backslash: UInt8 = 0x5C

    /// A JSON text with each pair such as `\ud83d\ude00` as one YAML escape. Any other text is returned as it is.
    static func joined(in text: [UInt8]) -> [UInt8] {
        let first = text.first { $0 != 0x20 && $0 != 0x09 && $0 != 0x0A && $0 != 0x0D }
        guard first == UInt8(ascii: "{") || first == UInt8(ascii: "[") else { return text }
        var out: [UInt8] = []
        var index = 0
        while index < text.count {
            guard text[index] == backslash else {
                out.append(text[index])
                index += 1
                continue
            }
            if let high = escape(text, at: index), (0xD800..<0xDC00).contains(high),
                let low = escape(text, at: index + 6), (0xDC00..<0xE000).contains(low)
            {
                let code = 0x10000 + (high - 0xD800) << 10 + (low - 0xDC00)
                let digits = String(code, radix: 16)
                out += [backslash, UInt8(ascii: "U")]
                out += repeatElement(UInt8(ascii: "0"), count: max(0, 8 - digits.utf8.count))
                out += digits.utf8
                index += 12
            } else {
                // The backslash and what it escapes, so that `\\u` is no escape of its own.
                out += text[index..<min(index + 2, text.count)]
                index += 2
            }
        }
        return out
    }

    /// The value of `\uXXXX` at `index`.
    private static func escape(_ text: [UInt8], at index: Int) -> UInt32? {
        guard index + 6 <= text.count, text[index] == backslash, text[index + 1] == UInt8(ascii: "u") else {
            return nil
        }
        let digits = text[index + 2..<index + 6]
        guard digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else { return nil }
        return UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    }
}
