// TextOutput: a growing byte buffer and the number formats of Envoy's stats pages.
import Glibc

/// Bytes of a page that is being written.
struct TextOutput {
    private(set) var bytes: [UInt8] = []

    mutating func reserve(_ count: Int) {
        bytes.reserveCapacity(count)
    }

    mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { bytes.append(contentsOf: $0) }
    }

    mutating func append(_ text: StaticString) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    mutating func append(byte: UInt8) {
        bytes.append(byte)
    }

    mutating func append(_ value: UInt64) {
        var digits: InlineArray<20, UInt8> = .init(repeating: 0)
        var rest = value
        var start = 20
        repeat {
            start -= 1
            digits[start] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while rest > 0
        for index in start..<20 { bytes.append(digits[index]) }
    }

    /// The fewest digits that read back as the same number, whole numbers without a point: `1.05`, `45`, `nan`.
    mutating func append(shortest value: Double) {
        let text = value.description
        append(text.hasSuffix(".0") ? String(text.dropLast(2)) : text)
    }

    /// C's `%.<precision>g`.
    mutating func append(_ value: Double, precision: Int32) {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            let count = withVaList([precision, value]) { vsnprintf(buffer.baseAddress, buffer.count, "%.*g", $0) }
            for index in 0..<min(max(Int(count), 0), buffer.count - 1) {
                bytes.append(UInt8(bitPattern: buffer[index]))
            }
        }
    }

    /// A JSON number; null for what JSON has no number for.
    mutating func append(json value: Double) {
        if value.isFinite { append(shortest: value) } else { append("null") }
    }

    /// A JSON string with its quotes.
    mutating func append(json text: String) {
        append(byte: UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { plain in
            if plain.allSatisfy({ $0 >= 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) {
                bytes.append(contentsOf: plain)
            } else {
                appendEscaped(plain)
            }
        }
        append(byte: UInt8(ascii: "\""))
    }

    private mutating func appendEscaped(_ text: UnsafeBufferPointer<UInt8>) {
        for byte in text {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case UInt8(ascii: "\n"): append("\\n" as StaticString)
            case UInt8(ascii: "\r"): append("\\r" as StaticString)
            case UInt8(ascii: "\t"): append("\\t" as StaticString)
            case 0..<0x20, 0x7F:
                append("\\u00" as StaticString)
                for digit in [byte >> 4, byte & 15] {
                    bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
                }
            default: bytes.append(byte)
            }
        }
    }
}
