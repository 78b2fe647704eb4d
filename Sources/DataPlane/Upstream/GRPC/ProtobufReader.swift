// A walk over the fields of a serialized message, where a generated type would be too much.

/// Protobuf's wire format, field by field. Safe on any bytes. Encoding page: "Message Structure".
public struct ProtobufReader {
    public enum Value: Equatable {
        case varint(UInt64)
        /// Of a length-delimited field: where its contents are.
        case bytes(Range<Int>)
        /// 4 or 8 bytes, the lowest first: where they are.
        case fixed(Range<Int>)
    }

    private let bytes: [UInt8]
    /// Where the next field begins.
    public private(set) var place: Int
    private let end: Int

    public init(_ bytes: [UInt8]) { self.init(bytes, in: bytes.indices) }

    /// A message inside of another. A range beyond the bytes ends with them.
    public init(_ bytes: [UInt8], in range: Range<Int>) {
        self.bytes = bytes
        end = min(bytes.count, range.upperBound)
        place = min(max(0, range.lowerBound), end)
    }

    public var isAtEnd: Bool { place >= end }

    /// The next field; nil: the bytes are no message, or there are none left.
    public mutating func next() -> (number: UInt64, value: Value)? {
        guard let key = varint() else { return nil }
        let number = key >> 3
        switch key & 7 {
        case 0: return varint().map { (number, .varint($0)) }
        case 1: return skip(8).map { (number, .fixed($0)) }
        case 2:
            guard let length = varint(), let range = skip(length) else { return nil }
            return (number, .bytes(range))
        case 5: return skip(4).map { (number, .fixed($0)) }
        default: return nil
        }
    }

    private mutating func varint() -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard place < end else { return nil }
            let byte = bytes[place]
            place += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
        }
        return nil
    }

    private mutating func skip(_ count: UInt64) -> Range<Int>? {
        guard count <= UInt64(end - place) else { return nil }
        let start = place
        place += Int(count)
        return start..<place
    }
}
