// Metadata that services send with their answers: `google.protobuf.Struct`.
import Reactor

/// Reads a serialized struct, whatever bytes it is of, into what logs show of it.
enum ServiceMetadata {
    /// Structs and lists within each other; more are no message.
    private static let maxDepth = 64

    /// A note for each field: text as it is, everything else as JSON. nil: the bytes are no struct.
    static func entries(_ bytes: [UInt8], namespace: String) -> [StreamNote.Entry]? {
        guard let fields = fields(bytes) else { return nil }
        var entries: [StreamNote.Entry] = []
        for (key, value) in fields {
            if let text = text(value) {
                entries.append(.init(namespace, key, text))
            } else {
                var json = ByteArena()
                guard append(value, to: &json, depth: 1) else { return nil }
                entries.append(.init(namespace, key, json.view.string, isText: false))
            }
        }
        return entries
    }

    /// In the order of keys, as Envoy writes them; of a key that comes twice the last value counts.
    private static func fields(_ bytes: [UInt8]) -> [(key: String, value: [UInt8])]? {
        var found: [String: [UInt8]] = [:]
        let isWhole = ProtobufReader.forEachField(bytes) { number, value in
            guard number == 1, case .bytes(let range) = value else { return true }
            guard let (key, value) = ProtobufReader.pair(Array(bytes[range])) else { return false }
            found[String(decoding: key, as: UTF8.self)] = value
            return true
        }
        return isWhole ? found.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } : nil
    }

    /// nil: the value is another one than a text.
    private static func text(_ value: [UInt8]) -> String? {
        var text: String?
        let isWhole = ProtobufReader.forEachField(value) { number, field in
            text = nil
            if number == 3, case .bytes(let range) = field { text = String(decoding: value[range], as: UTF8.self) }
            return true
        }
        return isWhole ? text : nil
    }

    /// Appends a `Value` as JSON; the last of several counts. False: it is no message.
    private static func append(_ value: [UInt8], to json: inout ByteArena, depth: Int) -> Bool {
        guard depth <= maxDepth else { return false }
        let start = json.count
        json.append(text: "null")
        return ProtobufReader.forEachField(value) { number, field in
            json.truncate(to: start)
            switch (number, field) {
            case (2, .fixed(let range)): append(number: value[range], to: &json)
            case (3, .bytes(let range)): json.append(jsonText: String(decoding: value[range], as: UTF8.self))
            case (4, .varint(let flag)): json.append(text: flag == 0 ? "false" : "true")
            case (5, .bytes(let range)): return append(fieldsOf: Array(value[range]), to: &json, depth: depth)
            case (6, .bytes(let range)): return append(listOf: Array(value[range]), to: &json, depth: depth)
            default: json.append(text: "null")
            }
            return true
        }
    }

    private static func append(fieldsOf bytes: [UInt8], to json: inout ByteArena, depth: Int) -> Bool {
        guard let fields = fields(bytes) else { return false }
        json.append(byte: UInt8(ascii: "{"))
        for (index, (key, value)) in fields.enumerated() {
            if index > 0 { json.append(byte: UInt8(ascii: ",")) }
            json.append(jsonText: key)
            json.append(byte: UInt8(ascii: ":"))
            guard append(value, to: &json, depth: depth + 1) else { return false }
        }
        json.append(byte: UInt8(ascii: "}"))
        return true
    }

    private static func append(listOf bytes: [UInt8], to json: inout ByteArena, depth: Int) -> Bool {
        json.append(byte: UInt8(ascii: "["))
        var isFirst = true
        let isWhole = ProtobufReader.forEachField(bytes) { number, field in
            guard number == 1, case .bytes(let range) = field else { return true }
            if !isFirst { json.append(byte: UInt8(ascii: ",")) }
            isFirst = false
            return append(Array(bytes[range]), to: &json, depth: depth + 1)
        }
        json.append(byte: UInt8(ascii: "]"))
        return isWhole
    }

    private static func append(number bytes: ArraySlice<UInt8>, to json: inout ByteArena) {
        let bits = bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        json.append(text: bytes.count == 8 ? jsonText(of: Double(bitPattern: bits)) : "null")
    }
}
