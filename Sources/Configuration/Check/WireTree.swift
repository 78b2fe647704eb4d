// A message in protobuf's wire format as the tree that its text would make, so that both go through the same checks.

/// Reads one message by the schema. What comes from elsewhere may be anything: bounds hold for depth and for the number
/// of values, and nothing costs more than a small multiple of the bytes.
///
/// As in protobuf the last of several values counts, messages that are there several times are merged, and of a oneof the
/// last member stays. A field that the schema does not have gets its number for a name.
struct WireTree {
    /// Levels of messages that are read; protobuf's own limit.
    static let maxDepth = 100

    /// What ends the reading: bytes that are no such message, or a bound.
    private struct Failure: Error {
        var path: FieldPath
        var message: String
    }

    private let schema: Schema
    /// Bytes have no lines.
    private let position: ConfigPosition
    private var nodes = 0
    private var values = 0
    /// Bytes that may still be copied to merge messages.
    private var mergeable: Int

    /// The message `index` that `bytes` hold; nil after a problem, which is in the report.
    static func read(
        _ bytes: ArraySlice<UInt8>, as index: Int, source: Int, schema: Schema, report: ConfigurationReport
    ) -> ConfigNode? {
        let position = ConfigPosition(source: source, line: 0, column: 0)
        var tree = WireTree(schema: schema, position: position, mergeable: 2 * bytes.count)
        do throws(Failure) {
            return try tree.message(bytes, index, FieldPath(document: source), depth: 0)
        } catch {
            report.add(.syntax, at: position, path: error.path, error.message)
            return nil
        }
    }

    /// Whether a name in a tree is the number of a field.
    static func isNumber(_ key: String) -> Bool {
        key.utf8.allSatisfy { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
    }

    private init(schema: Schema, position: ConfigPosition, mergeable: Int) {
        self.schema = schema
        self.position = position
        self.mergeable = mergeable
    }

    private mutating func node(_ value: ConfigNode.Value, _ path: FieldPath) throws(Failure) -> ConfigNode {
        nodes += 1
        guard nodes <= YAMLReader.maxNodes else { throw tooMany(path) }
        return ConfigNode(value: value, position: position)
    }

    private func tooMany(_ path: FieldPath) -> Failure {
        Failure(path: path, message: "there are more than \(YAMLReader.maxNodes) values")
    }

    private func entry(_ key: String, _ value: ConfigNode) -> ConfigNode.Entry {
        ConfigNode.Entry(key: key, keyPosition: position, value: value)
    }

    // MARK: - Messages

    private mutating func message(
        _ bytes: ArraySlice<UInt8>, _ index: Int, _ path: FieldPath, depth: Int
    ) throws(Failure) -> ConfigNode {
        try node(.map(try entries(bytes, index, path, depth: depth)), path)
    }

    /// The fields in the order of their numbers.
    private mutating func entries(
        _ bytes: ArraySlice<UInt8>, _ index: Int, _ path: FieldPath, depth: Int
    ) throws(Failure) -> [ConfigNode.Entry] {
        guard depth < Self.maxDepth else {
            throw Failure(path: path, message: "messages are nested deeper than \(Self.maxDepth) levels")
        }
        let message = schema.messages[index]
        var known: [UInt32: (field: FieldSchema, values: [WireReader.Value])] = [:]
        var unknown: Set<UInt32> = []
        var chosen: [Int: UInt32] = [:]
        var reader = WireReader(bytes)
        while let (number, value) = reader.next() {
            values += 1
            guard values <= YAMLReader.maxNodes else { throw tooMany(path) }
            guard let field = message.field(number: number), field.takes(reader.type) else {
                unknown.insert(number)
                continue
            }
            if let oneof = field.oneof, let other = chosen.updateValue(number, forKey: oneof), other != number {
                known[other] = nil
            }
            known[number, default: (field, [])].values.append(value)
        }
        if reader.isBroken { throw broken(path, message.name) }
        var entries: [ConfigNode.Entry] = []
        for number in Set(known.keys).union(unknown).sorted() {
            guard let (field, values) = known[number] else {
                entries.append(entry("\(number)", try node(.null, path)))
                continue
            }
            entries.append(entry(field.name, try node(of: field, values, path.field(field.name), depth: depth)))
        }
        return entries
    }

    private func broken(_ path: FieldPath, _ name: String) -> Failure {
        Failure(path: path, message: "the bytes are no message of type \(name)")
    }

    private mutating func node(
        of field: FieldSchema, _ values: [WireReader.Value], _ path: FieldPath, depth: Int
    ) throws(Failure) -> ConfigNode {
        switch field.shape {
        case .single:
            return try single(field.kind, values, path, depth: depth)
        case .list:
            var elements: [ConfigNode] = []
            for value in try unpacked(values, field.kind, path) {
                elements.append(try single(field.kind, [value], path[elements.count], depth: depth))
            }
            return try node(.list(elements), path)
        case .map:
            var found: [String: ConfigNode] = [:]
            for value in values {
                let pair = try pair(value, path)
                let path = path.key(pair.key)
                let standard = WireReader.Value.empty(field.kind)
                found[pair.key] = try single(field.kind, [pair.value ?? standard], path, depth: depth)
            }
            return try node(.map(found.sorted { $0.key < $1.key }.map { entry($0.key, $0.value) }), path)
        }
    }

    /// An entry of a map: a message of a key, 1, and a value, 2.
    private mutating func pair(
        _ value: WireReader.Value, _ path: FieldPath
    ) throws(Failure) -> (key: String, value: WireReader.Value?) {
        let parts = try parts([value], path, "a map's entry")
        guard case .delimited(let name)? = parts[1] else { return ("", parts[2]) }
        return (try text(name, path), parts[2])
    }

    /// The last value of each field of a small message.
    private mutating func parts(
        _ values: [WireReader.Value], _ path: FieldPath, _ name: String
    ) throws(Failure) -> [UInt32: WireReader.Value] {
        var found: [UInt32: WireReader.Value] = [:]
        var reader = WireReader(try content(values, path))
        while let (number, value) = reader.next() { found[number] = value }
        if reader.isBroken { throw broken(path, name) }
        return found
    }

    /// Messages one after the other are merged. On each level anew the whole rest may be such a copy: that is bounded.
    private mutating func content(
        _ values: [WireReader.Value], _ path: FieldPath
    ) throws(Failure) -> ArraySlice<UInt8> {
        if values.count == 1, case .delimited(let bytes) = values[0] { return bytes }
        var merged: [UInt8] = []
        for case .delimited(let bytes) in values {
            mergeable -= bytes.count
            guard mergeable >= 0 else {
                throw Failure(path: path, message: "the message is split into pieces on too many levels")
            }
            merged += bytes
        }
        return merged[...]
    }

    /// Numbers of a list may be packed into one value.
    private func unpacked(
        _ values: [WireReader.Value], _ kind: FieldKind, _ path: FieldPath
    ) throws(Failure) -> [WireReader.Value] {
        guard let type = kind.packedType else { return values }
        var elements: [WireReader.Value] = []
        for value in values {
            guard case .delimited(let packed) = value else {
                elements.append(value)
                continue
            }
            guard let bits = WireReader.unpack(packed, type, limit: YAMLReader.maxNodes - nodes) else {
                throw broken(path, "a packed list")
            }
            elements += bits.map { .bits($0) }
        }
        return elements
    }

    // MARK: - Values

    private mutating func single(
        _ kind: FieldKind, _ values: [WireReader.Value], _ path: FieldPath, depth: Int
    ) throws(Failure) -> ConfigNode {
        let last = values.last ?? .empty(kind)
        switch kind {
        case .scalar(let scalar):
            return try node(.plain(try text(last, scalar, path)), path)
        case .wrapper(let scalar):
            let inner = try parts(values, path, "a wrapper")[1] ?? .empty(.scalar(scalar))
            return try node(.plain(try text(inner, scalar, path)), path)
        case .enumeration(let index):
            guard case .bits(let bits) = last else { return try node(.null, path) }
            let number = Int32(truncatingIfNeeded: bits)
            return try node(.plain(schema.enums[index].name(of: number) ?? "\(number)"), path)
        case .message(let index):
            return try message(try content(values, path), index, path, depth: depth + 1)
        case .duration:
            let parts = try parts(values, path, "google.protobuf.Duration")
            var entries: [ConfigNode.Entry] = []
            for (number, name) in [(1, "seconds"), (2, "nanos")] as [(UInt32, String)] {
                guard case .bits(let bits)? = parts[number] else { continue }
                entries.append(entry(name, try node(.plain("\(Int64(bitPattern: bits))"), path)))
            }
            return try node(.map(entries), path)
        case .any:
            return try any(values, path, depth: depth + 1)
        case .structure:
            return try structure(try content(values, path), path, depth: depth + 1)
        case .value:
            return try freeValue(try content(values, path), path, depth: depth + 1)
        case .valueList:
            return try freeList(try content(values, path), path, depth: depth + 1)
        case .empty, .unmodelled:
            return try node(.map([]), path)
        }
    }

    private mutating func any(
        _ values: [WireReader.Value], _ path: FieldPath, depth: Int
    ) throws(Failure) -> ConfigNode {
        let parts = try parts(values, path, "google.protobuf.Any")
        guard case .delimited(let bytes)? = parts[1] else { return try node(.map([]), path) }
        let url = try text(bytes, path)
        var entries = [entry("@type", try node(.quoted(url), path))]
        if let index = schema.index(ofTypeURL: url), case .delimited(let content)? = parts[2] {
            entries += try self.entries(content, index, path, depth: depth)
        }
        return try node(.map(entries), path)
    }

    private func text(_ value: WireReader.Value, _ kind: ScalarKind, _ path: FieldPath) throws(Failure) -> String {
        switch (kind, value) {
        case (.string, .delimited(let bytes)): return try text(bytes, path)
        case (.bytes, .delimited(let bytes)): return ScalarText.base64(of: bytes)
        case (_, .delimited), (.string, _), (.bytes, _): throw broken(path, "a scalar")
        case (.bool, .bits(let bits)): return bits != 0 ? "true" : "false"
        case (.double, .bits(let bits)): return "\(Double(bitPattern: bits))"
        case (.float, .bits(let bits)): return "\(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))"
        case (.int32, .bits(let bits)): return "\(Int32(truncatingIfNeeded: bits))"
        case (.uint32, .bits(let bits)): return "\(UInt32(truncatingIfNeeded: bits))"
        case (.int64, .bits(let bits)): return "\(Int64(bitPattern: bits))"
        case (.uint64, .bits(let bits)): return "\(bits)"
        }
    }

    private func text(_ bytes: ArraySlice<UInt8>, _ path: FieldPath) throws(Failure) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(path: path, message: "is no text: the bytes are not UTF-8")
        }
        return text
    }

    // MARK: - google.protobuf.Struct

    private mutating func structure(
        _ bytes: ArraySlice<UInt8>, _ path: FieldPath, depth: Int
    ) throws(Failure) -> ConfigNode {
        var found: [String: ConfigNode] = [:]
        var reader = WireReader(bytes)
        while let (number, value) = reader.next() {
            guard number == 1, case .delimited = value else { continue }
            let pair = try pair(value, path)
            found[pair.key] = try freeValue(
                try content([pair.value ?? .empty(.value)], path), path.key(pair.key), depth: depth)
        }
        if reader.isBroken { throw broken(path, "google.protobuf.Struct") }
        return try node(.map(found.sorted { $0.key < $1.key }.map { entry($0.key, $0.value) }), path)
    }

    private mutating func freeList(
        _ bytes: ArraySlice<UInt8>, _ path: FieldPath, depth: Int
    ) throws(Failure) -> ConfigNode {
        var elements: [ConfigNode] = []
        var reader = WireReader(bytes)
        while let (number, value) = reader.next() {
            guard number == 1, case .delimited(let bytes) = value else { continue }
            elements.append(try freeValue(bytes, path[elements.count], depth: depth))
        }
        if reader.isBroken { throw broken(path, "google.protobuf.ListValue") }
        return try node(.list(elements), path)
    }

    private mutating func freeValue(
        _ bytes: ArraySlice<UInt8>, _ path: FieldPath, depth: Int
    ) throws(Failure) -> ConfigNode {
        guard depth < Self.maxDepth else {
            throw Failure(path: path, message: "values are nested deeper than \(Self.maxDepth) levels")
        }
        var reader = WireReader(bytes)
        var last: (number: UInt32, value: WireReader.Value)?
        while let next = reader.next() { last = next }
        if reader.isBroken { throw broken(path, "google.protobuf.Value") }
        switch (last?.number, last?.value) {
        case (2, .bits(let bits)?): return try node(.plain("\(Double(bitPattern: bits))"), path)
        case (3, .delimited(let bytes)?): return try node(.quoted(try text(bytes, path)), path)
        case (4, .bits(let bits)?): return try node(.plain(bits != 0 ? "true" : "false"), path)
        case (5, .delimited(let bytes)?): return try structure(bytes, path, depth: depth + 1)
        case (6, .delimited(let bytes)?): return try freeList(bytes, path, depth: depth + 1)
        default: return try node(.null, path)
        }
    }
}

extension FieldKind {
    /// How a number is written; nil for what has a length.
    fileprivate var packedType: WireBuffer.WireType? {
        switch self {
        case .scalar(.string), .scalar(.bytes): nil
        case .scalar(.double): .fixed64
        case .scalar(.float): .fixed32
        case .scalar, .enumeration: .varint
        default: nil
        }
    }
}

extension FieldSchema {
    /// Whether a value that is written so can be one of this field; another is an unknown field, as in protobuf.
    fileprivate func takes(_ type: WireBuffer.WireType) -> Bool {
        guard shape != .map, let packed = kind.packedType else { return type == .delimited }
        return type == packed || shape == .list && type == .delimited
    }
}

extension WireReader.Value {
    /// What stands for a value that is not there.
    fileprivate static func empty(_ kind: FieldKind) -> WireReader.Value {
        kind.packedType == nil ? .delimited([]) : .bits(0)
    }
}
