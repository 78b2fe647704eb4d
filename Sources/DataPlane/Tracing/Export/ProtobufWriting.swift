// Protobuf's wire format, written by hand: what spans are sent as.
import Reactor

/// Encoding page: "Message Structure". Lengths are told before what they are of, so sizes are reckoned first.
extension ByteArena {
    /// Bytes of a varint.
    static func varintSize(_ value: Int) -> Int {
        let bits = 64 - UInt64(truncatingIfNeeded: value).leadingZeroBitCount
        return bits == 0 ? 1 : (bits + 6) / 7
    }

    /// Bytes of a field of so many bytes, with its key and length. Keys are of one byte here: numbers below 16.
    static func fieldSize(_ count: Int) -> Int { 1 + varintSize(count) + count }

    mutating func append(varint value: Int) {
        var rest = UInt64(truncatingIfNeeded: value)
        while rest >= 0x80 {
            append(byte: UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(byte: UInt8(truncatingIfNeeded: rest))
    }

    /// Key and length of a field that is text, bytes or a message.
    mutating func append(field number: UInt8, length: Int) {
        append(byte: number << 3 | 2)
        append(varint: length)
    }

    mutating func append(field number: UInt8, _ bytes: ByteView) {
        append(field: number, length: bytes.count)
        append(bytes)
    }

    mutating func append(field number: UInt8, varint value: Int) {
        append(byte: number << 3)
        append(varint: value)
    }

    mutating func append(field number: UInt8, fixed64 value: UInt64) {
        append(byte: number << 3 | 1)
        withUnsafeBytes(of: value.littleEndian) { _ = append(ByteView($0)) }
    }

    /// An id: most significant byte first.
    mutating func append(bigEndian value: UInt64) {
        withUnsafeBytes(of: value.bigEndian) { _ = append(ByteView($0)) }
    }
}
