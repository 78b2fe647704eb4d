// JSON in memory, in the order in which it was put there.

/// A JSON value. Numbers are kept as their text, so that none loses a digit.
public indirect enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    case number(String)
    case string(String)
    case array([JSONValue])
    case object([(key: String, value: JSONValue)])

    public static func == (one: JSONValue, other: JSONValue) -> Bool {
        switch (one, other) {
        case (.null, .null): true
        case (.bool(let a), .bool(let b)): a == b
        case (.number(let a), .number(let b)), (.string(let a), .string(let b)): a == b
        case (.array(let a), .array(let b)): a == b
        case (.object(let a), .object(let b)):
            a.count == b.count && zip(a, b).allSatisfy { $0.key == $1.key && $0.value == $1.value }
        default: false
        }
    }

    /// The member of an object, or nil.
    public subscript(_ key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }

    /// As UTF-8, each level indented by one space as Envoy prints its dumps, or in one line.
    public func rendered(pretty: Bool = true) -> [UInt8] {
        var out: [UInt8] = []
        write(to: &out, depth: pretty ? 0 : nil)
        return out
    }

    private func write(to out: inout [UInt8], depth: Int?) {
        switch self {
        case .null: out += "null".utf8
        case .bool(let value): out += (value ? "true" : "false").utf8
        case .number(let text): out += text.utf8
        case .string(let text): JSONValue.write(text, to: &out)
        case .array(let elements):
            list(elements, "[", "]", to: &out, depth: depth) { element, out, inner in
                element.write(to: &out, depth: inner)
            }
        case .object(let members):
            list(members, "{", "}", to: &out, depth: depth) { member, out, inner in
                JSONValue.write(member.key, to: &out)
                out += (inner == nil ? ":" : ": ").utf8
                member.value.write(to: &out, depth: inner)
            }
        }
    }

    private func list<Element>(
        _ elements: [Element], _ open: String, _ close: String, to out: inout [UInt8], depth: Int?,
        _ body: (Element, inout [UInt8], Int?) -> Void
    ) {
        let inner = depth.map { $0 + 1 }
        out += open.utf8
        for (index, element) in elements.enumerated() {
            if index > 0 { out.append(UInt8(ascii: ",")) }
            JSONValue.newLine(to: &out, depth: inner)
            body(element, &out, inner)
        }
        if !elements.isEmpty { JSONValue.newLine(to: &out, depth: depth) }
        out += close.utf8
    }

    private static func newLine(to out: inout [UInt8], depth: Int?) {
        guard let depth else { return }
        out.append(UInt8(ascii: "\n"))
        for _ in 0..<depth { out.append(UInt8(ascii: " ")) }
    }

    private static func write(_ text: String, to out: inout [UInt8]) {
        let digits = Array("0123456789abcdef".utf8)
        out.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): out += "\\\"".utf8
            case UInt8(ascii: "\\"): out += "\\\\".utf8
            case 0x0A: out += "\\n".utf8
            case 0x0D: out += "\\r".utf8
            case 0x09: out += "\\t".utf8
            case 0x00..<0x20, 0x7F:
                out += "\\u00".utf8
                out.append(digits[Int(byte >> 4)])
                out.append(digits[Int(byte & 15)])
            default: out.append(byte)
            }
        }
        out.append(UInt8(ascii: "\""))
    }
}
