// A serialized message, field by field, where a generated type would be too much.
import Reactor

/// Protobuf's wire format. The other side of `ProtobufReader`. Encoding page: "Message Structure".
struct ProtobufWriter {
    private(set) var bytes: [UInt8] = []

    init() {}

    /// A number; 0 is left out, as what is not set.
    mutating func append(_ field: UInt32, _ value: UInt64) {
        guard value != 0 else { return }
        append(varint: UInt64(field) << 3)
        append(varint: value)
    }

    /// Bytes or text; what is empty is left out.
    mutating func append(_ field: UInt32, _ value: ByteView) {
        guard !value.isEmpty else { return }
        appendKey(field)
        append(varint: UInt64(value.count))
        bytes.append(contentsOf: value.unsafeBytes)
    }

    /// Text; what is empty is left out.
    mutating func append(_ field: UInt32, _ value: String) {
        guard !value.isEmpty else { return }
        appendKey(field)
        append(varint: UInt64(value.utf8.count))
        bytes.append(contentsOf: value.utf8)
    }

    /// Text whose bytes come from anywhere: what is no UTF-8 gets `!` in the place of all that is not ASCII, as a receiver
    /// would refuse the whole message.
    mutating func append(_ field: UInt32, text value: ByteView) {
        if value.unsafeBytes.allSatisfy({ $0 < 0x80 }) || String(validating: value.unsafeBytes, as: UTF8.self) != nil {
            append(field, value)
        } else {
            value.array.map { $0 < 0x80 ? $0 : UInt8(ascii: "!") }.withUnsafeBytes { append(field, ByteView($0)) }
        }
    }

    /// A message, an empty one too.
    mutating func append(_ field: UInt32, message body: (inout ProtobufWriter) -> Void) {
        appendKey(field)
        let start = bytes.count
        body(&self)
        // Its length stands before it, and is known only now.
        var length = UInt64(bytes.count - start)
        var varint: [UInt8] = []
        repeat {
            varint.append(UInt8(truncatingIfNeeded: length & 0x7f) | (length > 0x7f ? 0x80 : 0))
            length >>= 7
        } while length > 0
        bytes.insert(contentsOf: varint, at: start)
    }

    /// An entry of a map from text to text.
    mutating func append(_ field: UInt32, key: ByteView, text value: ByteView) {
        append(
            field,
            message: { entry in
                entry.append(1, text: key)
                entry.append(2, text: value)
            })
    }

    private mutating func appendKey(_ field: UInt32) { append(varint: UInt64(field) << 3 | 2) }

    private mutating func append(varint value: UInt64) {
        var rest = value
        while rest > 0x7f {
            bytes.append(UInt8(truncatingIfNeeded: rest & 0x7f) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }
}
