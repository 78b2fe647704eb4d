// A message's bytes to JSON with proto names, secrets redacted: what /config_dump shows.

/// Renders messages by the schema. What it does not know (bytes that are no message, other fields) is left out.
struct MessageRenderer {
    /// What stands in place of a secret, as in Envoy.
    static let redacted = "[redacted]"
    /// Levels of messages; a message from a file is never deeper, and bytes from elsewhere end here.
    private static let maxDepth = 200

    let schema: Schema

    /// The message as an object in the order of field numbers; defaults are left out, as protobuf's JSON does.
    func render(_ bytes: ArraySlice<UInt8>, as index: Int) -> JSONValue {
        .object(members(bytes, as: index, isSecret: false, depth: 0))
    }

    private func members(
        _ bytes: ArraySlice<UInt8>, as index: Int, isSecret: Bool, depth: Int
    ) -> [(key: String, value: JSONValue)] {
        guard depth < Self.maxDepth else { return [] }
        var found: [UInt32: [WireReader.Value]] = [:]
        var reader = WireReader(bytes)
        while let (number, value) = reader.next() { found[number, default: []].append(value) }
        var members: [(key: String, value: JSONValue)] = []
        for field in schema.messages[index].fields.sorted(by: { $0.number < $1.number }) {
            guard let values = found[field.number], let last = values.last else { continue }
            let isSecret = isSecret || field.isSensitive
            switch field.shape {
            case .single:
                members.append((field.name, value(last, field.kind, isSecret: isSecret, depth: depth)))
            case .list:
                let elements = elements(of: values, field.kind)
                members.append(
                    (field.name, .array(elements.map { value($0, field.kind, isSecret: isSecret, depth: depth) })))
            case .map:
                let pairs = values.map { pair($0) { value($0, field.kind, isSecret: isSecret, depth: depth) } }
                members.append((field.name, .object(pairs)))
            }
        }
        return members
    }

    /// Numbers of a list may be packed into one field.
    private func elements(of values: [WireReader.Value], _ kind: FieldKind) -> [WireReader.Value] {
        switch kind {
        case .scalar(.string), .scalar(.bytes): return values
        case .scalar, .enumeration: break
        default: return values
        }
        return values.flatMap { value -> [WireReader.Value] in
            guard case .delimited(let packed) = value else { return [value] }
            let type: WireBuffer.WireType =
                kind == .scalar(.double) ? .fixed64 : kind == .scalar(.float) ? .fixed32 : .varint
            return (WireReader.unpack(packed, type) ?? []).map { .bits($0) }
        }
    }

    private func value(_ value: WireReader.Value, _ kind: FieldKind, isSecret: Bool, depth: Int) -> JSONValue {
        switch (kind, value) {
        case (.scalar(let scalar), _): return self.scalar(value, scalar, isSecret: isSecret)
        case (.enumeration(let index), .bits(let bits)):
            let number = Int32(truncatingIfNeeded: bits)
            return schema.enums[index].name(of: number).map(JSONValue.string) ?? .number("\(number)")
        case (.wrapper(let scalar), .delimited(let bytes)):
            let zero: WireReader.Value = scalar == .string || scalar == .bytes ? .delimited([]) : .bits(0)
            return self.scalar(inner(bytes)[1] ?? zero, scalar, isSecret: isSecret)
        case (.message(let index), .delimited(let bytes)):
            return .object(members(bytes, as: index, isSecret: isSecret, depth: depth + 1))
        case (.duration, .delimited(let bytes)):
            let parts = inner(bytes)
            func number(_ field: UInt32) -> Int64 {
                if case .bits(let bits)? = parts[field] { return Int64(bitPattern: bits) }
                return 0
            }
            return .string(ScalarText.duration(number(1), Int32(truncatingIfNeeded: number(2))))
        case (.any, .delimited(let bytes)): return any(bytes, isSecret: isSecret, depth: depth)
        case (.structure, .delimited(let bytes)): return structure(bytes, isSecret: isSecret, depth: depth)
        case (.value, .delimited(let bytes)): return freeValue(bytes, isSecret: isSecret, depth: depth)
        case (.valueList, .delimited(let bytes)): return freeList(bytes, isSecret: isSecret, depth: depth)
        default: return .object([])
        }
    }

    private func scalar(_ value: WireReader.Value, _ kind: ScalarKind, isSecret: Bool) -> JSONValue {
        switch (kind, value) {
        case (.string, .delimited(let bytes)):
            return .string(isSecret ? Self.redacted : String(decoding: bytes, as: UTF8.self))
        case (.bytes, .delimited(let bytes)):
            return .string(ScalarText.base64(of: isSecret ? Array(Self.redacted.utf8) : Array(bytes)))
        case (_, .delimited): return .null
        case (.bool, .bits(let bits)): return .bool(bits != 0)
        case (.double, .bits(let bits)): return .number(number(Double(bitPattern: bits)))
        case (.float, .bits(let bits)):
            return .number(number(Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))))
        case (.int32, .bits(let bits)): return .number("\(Int32(truncatingIfNeeded: bits))")
        case (.uint32, .bits(let bits)): return .number("\(UInt32(truncatingIfNeeded: bits))")
        // 64 bits do not fit a JSON number: protobuf writes them as text.
        case (.int64, .bits(let bits)): return .string("\(Int64(bitPattern: bits))")
        case (_, .bits(let bits)): return .string("\(bits)")
        }
    }

    private func number(_ value: Double) -> String {
        if let whole = Int64(exactly: value) { return "\(whole)" }
        return "\(value)"
    }

    private func any(_ bytes: ArraySlice<UInt8>, isSecret: Bool, depth: Int) -> JSONValue {
        let parts = inner(bytes)
        guard case .delimited(let url)? = parts[1] else { return .object([]) }
        let name = String(decoding: url, as: UTF8.self)
        var found: [(key: String, value: JSONValue)] = [("@type", .string(name))]
        if let index = schema.index(ofTypeURL: name), case .delimited(let content)? = parts[2] {
            found += members(content, as: index, isSecret: isSecret, depth: depth + 1)
        }
        return .object(found)
    }

    // MARK: - google.protobuf.Struct

    private func structure(_ bytes: ArraySlice<UInt8>, isSecret: Bool, depth: Int) -> JSONValue {
        guard depth < Self.maxDepth else { return .null }
        var members: [(key: String, value: JSONValue)] = []
        var reader = WireReader(bytes)
        while let (_, value) = reader.next() {
            members.append(
                pair(value) { inner in
                    guard case .delimited(let bytes) = inner else { return .null }
                    return freeValue(bytes, isSecret: isSecret, depth: depth + 1)
                })
        }
        return .object(members)
    }

    private func freeList(_ bytes: ArraySlice<UInt8>, isSecret: Bool, depth: Int) -> JSONValue {
        guard depth < Self.maxDepth else { return .null }
        var elements: [JSONValue] = []
        var reader = WireReader(bytes)
        while let (_, value) = reader.next() {
            guard case .delimited(let bytes) = value else { continue }
            elements.append(freeValue(bytes, isSecret: isSecret, depth: depth + 1))
        }
        return .array(elements)
    }

    private func freeValue(_ bytes: ArraySlice<UInt8>, isSecret: Bool, depth: Int) -> JSONValue {
        var reader = WireReader(bytes)
        guard let (number, value) = reader.next() else { return .null }
        switch (number, value) {
        case (2, .bits(let bits)): return .number(self.number(Double(bitPattern: bits)))
        case (3, .delimited(let text)):
            return .string(isSecret ? Self.redacted : String(decoding: text, as: UTF8.self))
        case (4, .bits(let bits)): return .bool(bits != 0)
        case (5, .delimited(let bytes)): return structure(bytes, isSecret: isSecret, depth: depth + 1)
        case (6, .delimited(let bytes)): return freeList(bytes, isSecret: isSecret, depth: depth + 1)
        default: return .null
        }
    }

    // MARK: - Pieces

    /// The last value of each field.
    private func inner(_ bytes: ArraySlice<UInt8>) -> [UInt32: WireReader.Value] {
        var found: [UInt32: WireReader.Value] = [:]
        var reader = WireReader(bytes)
        while let (number, value) = reader.next() { found[number] = value }
        return found
    }

    private func pair(
        _ value: WireReader.Value, _ render: (WireReader.Value) -> JSONValue
    ) -> (key: String, value: JSONValue) {
        guard case .delimited(let bytes) = value else { return ("", .null) }
        let parts = inner(bytes)
        var key = ""
        if case .delimited(let name)? = parts[1] { key = String(decoding: name, as: UTF8.self) }
        return (key, render(parts[2] ?? .delimited([])))
    }
}
