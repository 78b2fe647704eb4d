// Metadata for tests, written as the configuration writes it.
@testable import DataPlane

/// A value of metadata.
indirect enum MetadataJSON {
    case null
    case number(Double)
    case text(String)
    case bool(Bool)
    case list([MetadataJSON])
    /// In the order of the keys.
    case object([(String, MetadataJSON)])

    fileprivate func write(to writer: inout ProtobufBytes) {
        switch self {
        case .null: writer.varint(1, 0)
        case .number(let number): writer.double(2, number)
        case .text(let text): writer.bytes(3, Array(text.utf8))
        case .bool(let flag): writer.varint(4, flag ? 1 : 0)
        case .object(let members): writer.message(5) { MetadataJSON.write(members, to: &$0) }
        case .list(let values):
            writer.message(6) { list in for value in values { list.message(1) { value.write(to: &$0) } } }
        }
    }

    /// A `Struct`.
    fileprivate static func write(_ members: [(String, MetadataJSON)], to writer: inout ProtobufBytes) {
        for (key, value) in members {
            writer.message(1) { entry in
                entry.bytes(1, Array(key.utf8))
                entry.message(2) { value.write(to: &$0) }
            }
        }
    }
}

extension Metadata {
    /// Namespaces and their members, both in order.
    static func made(_ namespaces: [(String, [(String, MetadataJSON)])]) -> Metadata? {
        var writer = ProtobufBytes()
        for (namespace, members) in namespaces {
            writer.message(1) { entry in
                entry.bytes(1, Array(namespace.utf8))
                entry.message(2) { MetadataJSON.write(members, to: &$0) }
            }
        }
        return Metadata.shared(writer.all)
    }

    /// Texts under `envoy.lb`.
    static func labels(_ labels: [String: String]) -> Metadata? {
        made([("envoy.lb", labels.sorted { $0.key < $1.key }.map { ($0.key, .text($0.value)) })])
    }
}

private struct ProtobufBytes {
    var all: [UInt8] = []

    private mutating func number(_ value: UInt64) {
        var value = value
        while value >= 0x80 {
            all.append(UInt8(truncatingIfNeeded: value) | 0x80)
            value >>= 7
        }
        all.append(UInt8(truncatingIfNeeded: value))
    }

    mutating func varint(_ field: UInt64, _ value: UInt64) {
        number(field << 3)
        number(value)
    }

    mutating func double(_ field: UInt64, _ value: Double) {
        number(field << 3 | 1)
        for shift in stride(from: UInt64(0), to: 64, by: 8) {
            all.append(UInt8(truncatingIfNeeded: value.bitPattern >> shift))
        }
    }

    mutating func bytes(_ field: UInt64, _ value: [UInt8]) {
        number(field << 3 | 2)
        number(UInt64(value.count))
        all += value
    }

    mutating func message(_ field: UInt64, _ body: (inout ProtobufBytes) -> Void) {
        var inner = ProtobufBytes()
        body(&inner)
        bytes(field, inner.all)
    }
}
