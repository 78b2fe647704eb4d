// Protobuf's wire format, written and read.

/// Bytes of one message as they are put together.
struct WireBuffer {
    enum WireType: UInt8 {
        case varint = 0
        case fixed64 = 1
        case delimited = 2
        case fixed32 = 5
    }

    private(set) var bytes: [UInt8] = []

    mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    mutating func tag(_ number: UInt32, _ type: WireType) { varint(UInt64(number) << 3 | UInt64(type.rawValue)) }

    mutating func field(_ number: UInt32, varint value: UInt64) {
        tag(number, .varint)
        varint(value)
    }

    mutating func field(_ number: UInt32, fixed64 value: UInt64) {
        tag(number, .fixed64)
        for shift in stride(from: 0, to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(shift))) }
    }

    mutating func field(_ number: UInt32, fixed32 value: UInt32) {
        tag(number, .fixed32)
        for shift in stride(from: 0, to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value >> UInt32(shift))) }
    }

    mutating func field(_ number: UInt32, delimited content: some Collection<UInt8>) {
        tag(number, .delimited)
        varint(UInt64(content.count))
        bytes.append(contentsOf: content)
    }

    /// Which field begins where, as the fields of one message are written in turn.
    struct FieldOrder {
        fileprivate let start: Int
        fileprivate var begins: [(number: UInt32, at: Int)] = []
        fileprivate var isSorted = true

        init(after buffer: WireBuffer) { start = buffer.bytes.count }

        /// What is written to `buffer` from now on belongs to field `number`.
        mutating func note(_ number: UInt32, from buffer: WireBuffer) {
            if let last = begins.last, last.number > number { isSorted = false }
            begins.append((number, buffer.bytes.count))
        }
    }

    /// Puts the fields that `order` knows, which were the last to be written, in the order of their numbers.
    mutating func sort(_ order: FieldOrder) {
        guard !order.isSorted else { return }
        let ends = order.begins.dropFirst().map(\.at) + [bytes.count]
        let pieces = zip(order.begins, ends).map { (number: $0.number, bytes: bytes[$0.at..<$1]) }
        let sorted = pieces.sorted { $0.number < $1.number }.map(\.bytes)
        bytes.replaceSubrange(order.start..., with: sorted.joined())
    }
}

/// Reads one message's fields in turn. Malformed bytes end it: nil, and `isBroken` is set.
struct WireReader {
    enum Value {
        /// varint, fixed32 and fixed64, as bits.
        case bits(UInt64)
        case delimited(ArraySlice<UInt8>)
    }

    private var rest: ArraySlice<UInt8>
    private(set) var isBroken = false
    /// How the last value was written.
    private(set) var type = WireBuffer.WireType.varint

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    mutating func next() -> (number: UInt32, value: Value)? {
        guard !rest.isEmpty else { return nil }
        guard let tag = varint(), let number = UInt32(exactly: tag >> 3), number > 0,
            let type = WireBuffer.WireType(rawValue: UInt8(truncatingIfNeeded: tag & 7))
        else { return fail() }
        self.type = type
        switch type {
        case .varint:
            guard let value = varint() else { return fail() }
            return (number, .bits(value))
        case .fixed64:
            guard let value = fixed(8) else { return fail() }
            return (number, .bits(value))
        case .fixed32:
            guard let value = fixed(4) else { return fail() }
            return (number, .bits(value))
        case .delimited:
            guard let length = varint(), let count = Int(exactly: length), count <= rest.count else { return fail() }
            let content = rest.prefix(count)
            rest = rest.dropFirst(count)
            return (number, .delimited(content))
        }
    }

    /// The numbers of a packed list as bits; nil when the bytes are none, or more than `limit`.
    static func unpack(_ packed: ArraySlice<UInt8>, _ type: WireBuffer.WireType, limit: Int = .max) -> [UInt64]? {
        var reader = WireReader(packed)
        var numbers: [UInt64] = []
        while !reader.rest.isEmpty {
            let number: UInt64? =
                switch type {
                case .fixed64: reader.fixed(8)
                case .fixed32: reader.fixed(4)
                default: reader.varint()
                }
            guard let number, numbers.count < limit else { return nil }
            numbers.append(number)
        }
        return numbers
    }

    private mutating func fail() -> (number: UInt32, value: Value)? {
        isBroken = true
        rest = []
        return nil
    }

    private mutating func varint() -> UInt64? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while let byte = rest.popFirst(), shift < 64 {
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        return nil
    }

    private mutating func fixed(_ count: Int) -> UInt64? {
        guard rest.count >= count else { return nil }
        var value: UInt64 = 0
        for (index, byte) in rest.prefix(count).enumerated() { value |= UInt64(byte) << UInt64(8 * index) }
        rest = rest.dropFirst(count)
        return value
    }
}
