// Reads the schema table that scripts/generate-envoy-api writes.
import EnvoyAPI

extension Schema {
    /// The schema of every message in EnvoyAPI. About a millisecond; keep it for one load.
    static func envoy() -> Schema {
        let table = envoySchemaTable.withUTF8Buffer { String(decoding: $0, as: UTF8.self) }
        var messages: [MessageSchema] = []
        var enums: [EnumSchema] = []
        for line in table.utf8.split(separator: UInt8(ascii: "\n")) {
            // Bytes, not characters: the table is ASCII, and a split by characters takes ten times as long.
            let words = line.split(separator: UInt8(ascii: " ")).map { Substring($0) }
            guard words.count >= 2 else { continue }
            switch words[0] {
            case "E":
                let values = words.dropFirst(2).compactMap { word -> (name: String, number: Int32)? in
                    guard let equals = word.firstIndex(of: "="), let number = Int32(word[word.index(after: equals)...])
                    else { return nil }
                    return (String(word[..<equals]), number)
                }
                enums.append(EnumSchema(name: String(words[1]), values: values))
            case "M":
                messages.append(MessageSchema(name: String(words[1])))
            case "O":
                let oneof = OneofSchema(name: String(words[1]), isRequired: words.count > 2)
                messages[messages.count - 1].oneofs.append(oneof)
            default:
                guard let field = FieldSchema(words: words) else { continue }
                let last = messages.count - 1
                messages[last].byName[field.name] = messages[last].fields.count
                messages[last].fields.append(field)
            }
        }
        return Schema(messages: messages, enums: enums)
    }
}

extension FieldSchema {
    /// A field's line: `number name shape+kind`, then its oneof, flags and rules.
    fileprivate init?(words: [Substring]) {
        guard words.count >= 3, let number = UInt32(words[0]) else { return nil }
        var code = words[2]
        var shape = Shape.single
        switch code.first {
        case "*": shape = .list
        case "%": shape = .map
        default: break
        }
        if shape != .single { code.removeFirst() }
        guard let kind = FieldKind(code: code) else { return nil }
        self.init(name: String(words[1]), number: number, kind: kind, shape: shape)
        var index = 3
        while index < words.count {
            switch words[index] {
            case "p": hasPresence = true
            case "d": isDeprecated = true
            case "!": isSensitive = true
            case let word where word.first == "o" && Int(word.dropFirst()) != nil: oneof = Int(word.dropFirst())
            default:
                rules = FieldRules(words: words, index: &index)
                return
            }
            index += 1
        }
    }
}

extension FieldKind {
    fileprivate init?(code: Substring) {
        let rest = code.dropFirst()
        switch code.first {
        case "m": self = .message(Int(rest) ?? 0)
        case "e": self = .enumeration(Int(rest) ?? 0)
        case "W":
            guard let scalar = ScalarKind(code: rest) else { return nil }
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
    fileprivate init?(code: Substring) {
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
