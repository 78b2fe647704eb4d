// Scalars, enums and durations of a message: text to wire, with ranges and rules.

extension MessageCompiler {
    func scalar(
        _ node: ConfigNode, _ kind: ScalarKind, _ number: UInt32, _ rules: FieldRules?, path: FieldPath,
        isExplicit: Bool,
        into wire: inout WireBuffer
    ) {
        let text: String
        let isQuoted: Bool
        switch node.value {
        case .plain(let plain): (text, isQuoted) = (plain, false)
        case .quoted(let quoted): (text, isQuoted) = (quoted, true)
        default: return problem(node, path, "expected \(kind.article), found \(node.kindName)")
        }
        do throws(ValueProblem) {
            switch kind {
            case .string:
                if let bad = rules?.problem(text: text) { throw ValueProblem(bad) }
                if isExplicit || !text.isEmpty { wire.field(number, delimited: text.utf8) }
            case .bytes:
                guard let bytes = ScalarText.base64(text) else { throw ValueProblem("expected base64") }
                if let bad = rules?.problem(bytes: bytes) { throw ValueProblem(bad) }
                if isExplicit || !bytes.isEmpty { wire.field(number, delimited: bytes) }
            case .bool:
                guard let value = ScalarText.bool(text) else {
                    throw ValueProblem("expected true or false, found \(quotedForMessage(text))")
                }
                if rules?.mustBeTrue == true, !value { throw ValueProblem("can only be true") }
                if isExplicit || value { wire.field(number, varint: value ? 1 : 0) }
            case .float, .double:
                guard let value = ScalarText.decimal(text) else {
                    throw ValueProblem("expected a number, found \(quotedForMessage(text))")
                }
                if let bad = rules?.problem(number: value) { throw ValueProblem("\(bad), found \(text)") }
                guard isExplicit || value != 0 else { return }
                if kind == .double {
                    wire.field(number, fixed64: value.bitPattern)
                } else {
                    wire.field(number, fixed32: Float(value).bitPattern)
                }
            case .int32, .int64, .uint32, .uint64:
                let value = try ScalarText.integer(text, isQuoted: isQuoted)
                let range = kind.integerRange
                guard range.contains(value) else {
                    throw ValueProblem("must be from \(range.lowerBound) to \(range.upperBound), found \(text)")
                }
                if let bad = rules?.problem(number: Double(value)) { throw ValueProblem("\(bad), found \(text)") }
                if isExplicit || value != 0 { wire.field(number, varint: UInt64(truncatingIfNeeded: value)) }
            }
        } catch {
            problem(node, path, error.message)
        }
    }

    func enumeration(
        _ node: ConfigNode, _ index: Int, _ number: UInt32, _ rules: FieldRules?, path: FieldPath, isExplicit: Bool,
        care: Care, into wire: inout WireBuffer
    ) {
        let schema = schema.enums[index]
        let text: String
        switch node.value {
        case .plain(let plain), .quoted(let plain): text = plain
        default:
            return problem(node, path, "expected one of \(choices(of: schema)), found \(node.kindName)")
        }
        var found = schema.value(named: text)
        if found == nil, let value = Int32(text), schema.name(of: value) != nil { found = value }
        guard let value = found, let name = schema.name(of: value) else {
            let names = schema.values.map(\.name)
            let near = Suggestion.near(text, among: names)
            var message = "\(quotedForMessage(text)) is not a value of this field; "
            if near.isEmpty {
                message += "it takes \(choices(of: schema))"
            } else {
                message += "did you mean \(near.prefix(3).map { "\"\($0)\"" }.joined(separator: " or "))?"
            }
            return problem(node, path, message)
        }
        if let bad = rules?.problem(number: Double(value)) {
            let plain = bad.hasPrefix("must not be") ? "must not be \(name)" : bad
            return problem(node, path, plain)
        }
        if care == .acted, support.refuses(name, of: schema.name) {
            let text = "\(name) is an Envoy value that Outrider does not act on; it takes \(choices(of: schema))"
            return report.add(.unsupported, at: node.position, path: path, text)
        }
        if isExplicit || value != 0 { wire.field(number, varint: UInt64(truncatingIfNeeded: Int64(value))) }
    }

    /// The values that are taken, for an error.
    private func choices(of schema: EnumSchema) -> String {
        let names = schema.values.map(\.name).filter { !support.refuses($0, of: schema.name) }
        return names.count > 12 ? names.prefix(12).joined(separator: ", ") + ", …" : names.joined(separator: ", ")
    }

    func duration(
        _ node: ConfigNode, _ number: UInt32, _ rules: FieldRules?, path: FieldPath, into wire: inout WireBuffer
    ) {
        do throws(ValueProblem) {
            let (seconds, nanoseconds) = try durationValue(node)
            let total = Double(seconds) * 1e9 + Double(nanoseconds)
            if let bad = rules?.problem(number: total, isDuration: true) { throw ValueProblem(bad) }
            var inner = WireBuffer()
            if seconds != 0 { inner.field(1, varint: UInt64(bitPattern: seconds)) }
            if nanoseconds != 0 { inner.field(2, varint: UInt64(bitPattern: Int64(nanoseconds))) }
            wire.field(number, delimited: inner.bytes)
        } catch {
            problem(node, path, error.message)
        }
    }

    /// "1.5s", or the message written out: `{seconds: 1, nanos: 500000000}`.
    private func durationValue(_ node: ConfigNode) throws(ValueProblem) -> (seconds: Int64, nanoseconds: Int32) {
        switch node.value {
        case .plain(let text), .quoted(let text):
            return try ScalarText.duration(text)
        case .map(let entries):
            var parts: (seconds: Int128, nanoseconds: Int128) = (0, 0)
            for entry in entries {
                guard case .plain(let text) = entry.value.value else {
                    throw ValueProblem("expected a number of \(entry.key), found \(entry.value.kindName)")
                }
                switch entry.key {
                case "seconds": parts.seconds = try ScalarText.integer(text, isQuoted: false)
                case "nanos": parts.nanoseconds = try ScalarText.integer(text, isQuoted: false)
                default: throw ValueProblem("a duration has seconds and nanos, not \(quotedForMessage(entry.key))")
                }
            }
            guard (0...Int128(ScalarText.maxSeconds)).contains(parts.seconds),
                (0..<1_000_000_000).contains(parts.nanoseconds)
            else { throw ValueProblem("is out of a duration's range") }
            return (Int64(parts.seconds), Int32(parts.nanoseconds))
        default:
            throw ValueProblem("expected a duration such as \"1.5s\", found \(node.kindName)")
        }
    }
}

extension ScalarKind {
    fileprivate var article: String {
        switch self {
        case .bool: "true or false"
        case .int32, .int64, .uint32, .uint64: "a whole number"
        case .float, .double: "a number"
        case .string: "text"
        case .bytes: "base64"
        }
    }

    fileprivate var integerRange: ClosedRange<Int128> {
        switch self {
        case .int32: Int128(Int32.min)...Int128(Int32.max)
        case .uint32: 0...Int128(UInt32.max)
        case .uint64: 0...Int128(UInt64.max)
        default: Int128(Int64.min)...Int128(Int64.max)
        }
    }
}
