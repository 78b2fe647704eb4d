// Reads the schema table that scripts/generate-envoy-api writes.
import EnvoyAPI

extension Schema {
    /// The schema of every message in EnvoyAPI. About a millisecond; keep it for one load.
    static func envoy() -> Schema {
        var messages: [MessageSchema] = []
        var enums: [EnumSchema] = []
        envoySchemaTable.withUTF8Buffer { table in
            SchemaWord.forEachLine(of: table) { words in
                guard words.count >= 2 else { return }
                switch words[0] {
                case "E":
                    let values = words.dropFirst(2).compactMap { word -> (name: String, number: Int32)? in
                        guard let (name, value) = word.sides, let number = Int32(value.text) else { return nil }
                        return (name.text, number)
                    }
                    enums.append(EnumSchema(name: words[1].text, values: values))
                case "M":
                    messages.append(MessageSchema(name: words[1].text))
                case "O":
                    let oneof = OneofSchema(name: words[1].text, isRequired: words.count > 2)
                    messages[messages.count - 1].oneofs.append(oneof)
                default:
                    guard let field = FieldSchema(words: words) else { return }
                    let last = messages.count - 1
                    messages[last].byName[field.name] = messages[last].fields.count
                    messages[last].fields.append(field)
                }
            }
        }
        return Schema(messages: messages, enums: enums)
    }
}

extension FieldSchema {
    /// A field's line: `number name shape+kind`, then its oneof, flags and rules.
    fileprivate init?(words: [SchemaWord]) {
        guard words.count >= 3, let number = words[0].number.flatMap(UInt32.init(exactly:)) else { return nil }
        var code = words[2]
        var shape = Shape.single
        switch code.first {
        case UInt8(ascii: "*"): shape = .list
        case UInt8(ascii: "%"): shape = .map
        default: break
        }
        if shape != .single { code = code.rest }
        guard let kind = FieldKind(code: code) else { return nil }
        self.init(name: words[1].text, number: number, kind: kind, shape: shape)
        var index = 3
        while index < words.count {
            switch words[index] {
            case "p": hasPresence = true
            case "d": isDeprecated = true
            case "!": isSensitive = true
            case let word where word.first == UInt8(ascii: "o") && word.rest.number != nil:
                oneof = word.rest.number.map(Int.init)
            default:
                rules = FieldRules(words: words, index: &index)
                return
            }
            index += 1
        }
    }
}

extension FieldKind {
    fileprivate init?(code: SchemaWord) {
        switch code.first.map(Unicode.Scalar.init) {
        case "m": self = .message(Int(code.rest.number ?? 0))
        case "e": self = .enumeration(Int(code.rest.number ?? 0))
        case "W":
            guard let scalar = ScalarKind(code: code.rest) else { return nil }
            self = .wrapper(scalar)
        case "D": self = .duration
        case "A": self = .any
        case "S": self = .structure
        case "V": self = .value
        case "L": self = .valueList
        case "E": self = .empty
        case "X": self = .unmodelled
        default:
            guard let scalar = ScalarKind(code: code) else { return nil }
            self = .scalar(scalar)
        }
    }
}

extension ScalarKind {
    fileprivate init?(code: SchemaWord) {
        switch code {
        case "b": self = .bool
        case "i": self = .int32
        case "I": self = .int64
        case "u": self = .uint32
        case "U": self = .uint64
        case "f": self = .float
        case "d": self = .double
        case "s": self = .string
        case "y": self = .bytes
        default: return nil
        }
    }
}
