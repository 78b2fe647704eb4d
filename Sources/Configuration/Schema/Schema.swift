// The messages' fields, read from the table in EnvoyAPI, so that a tree can be checked without reflection.

/// What a field holds.
enum ScalarKind: UInt8, Sendable {
    case bool, int32, int64, uint32, uint64, float, double, string, bytes
}

enum FieldKind: Sendable, Equatable {
    case scalar(ScalarKind)
    /// A `google.protobuf` wrapper of a scalar.
    case wrapper(ScalarKind)
    /// Index into `Schema.enums`.
    case enumeration(Int)
    /// Index into `Schema.messages`.
    case message(Int)
    case duration, any, structure, value, valueList, empty
    /// A message that is not modelled.
    case unmodelled
}

struct FieldSchema: Sendable {
    enum Shape: Sendable { case single, list, map }

    var name: String
    var number: UInt32
    var kind: FieldKind
    var shape: Shape
    /// Index into the message's oneofs.
    var oneof: Int?
    /// `optional`: presence is kept for a scalar.
    var hasPresence = false
    var isDeprecated = false
    /// Never shown: keys, passwords.
    var isSensitive = false
    /// Envoy's validation rules; nil when there are none.
    var rules: FieldRules?

    /// lowerCamelCase, as JSON spells a proto name.
    static func jsonName(of name: String) -> String {
        var out = ""
        var raise = false
        for byte in name.utf8 {
            if byte == UInt8(ascii: "_") {
                raise = true
            } else {
                let isLower = byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z")
                out.unicodeScalars.append(Unicode.Scalar(raise && isLower ? byte - 32 : byte))
                raise = false
            }
        }
        return out
    }

    /// True where an absent value is the same as zero, false or "".
    var hasImplicitPresence: Bool {
        guard shape == .single, oneof == nil, !hasPresence else { return false }
        switch kind {
        case .scalar, .enumeration: return true
        default: return false
        }
    }
}

struct OneofSchema: Sendable {
    var name: String
    var isRequired: Bool
}

struct MessageSchema: Sendable {
    var name: String
    var fields: [FieldSchema] = []
    var oneofs: [OneofSchema] = []
    /// Proto names to indices of `fields`.
    var byName: [String: Int] = [:]

    /// The field of a proto or JSON name. JSON names are made only when somebody writes one.
    func field(named name: String) -> FieldSchema? {
        if let index = byName[name] { return fields[index] }
        return fields.first { FieldSchema.jsonName(of: $0.name) == name }
    }
    func field(number: UInt32) -> FieldSchema? { fields.first { $0.number == number } }
}

struct EnumSchema: Sendable {
    var name: String
    var values: [(name: String, number: Int32)] = []

    func value(named name: String) -> Int32? {
        if let exact = values.first(where: { $0.name == name }) { return exact.number }
        // Envoy takes a value in any case.
        let upper = name.uppercased()
        return values.first { $0.name.uppercased() == upper }?.number
    }
    func name(of number: Int32) -> String? { values.first { $0.number == number }?.name }
}

/// All modelled messages and enums. Immutable; made for a load and dropped after it.
struct Schema: Sendable {
    var messages: [MessageSchema]
    var enums: [EnumSchema]
    private var messageIndex: [String: Int]

    init(messages: [MessageSchema], enums: [EnumSchema]) {
        self.messages = messages
        self.enums = enums
        messageIndex = [:]
        for (index, message) in messages.enumerated() { messageIndex[message.name] = index }
    }

    func index(of message: String) -> Int? { messageIndex[message] }

    /// The message of a type URL such as `type.googleapis.com/envoy.…`; nil when it is not modelled.
    func index(ofTypeURL url: String) -> Int? {
        guard let slash = url.lastIndex(of: "/") else { return nil }
        return messageIndex[String(url[url.index(after: slash)...])]
    }
}
