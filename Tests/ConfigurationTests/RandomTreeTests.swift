// Random trees, random bytes: whatever comes, the loader answers with problems and not with a crash.
import Testing

@testable import Configuration

@Suite struct RandomTreeTests {
    private static let scalars = [
        "0", "-1", "1", "4294967296", "18446744073709551616", "1e400", "0x", "0xFF", "1.5", "true", "y", "~", "\"\"",
        "a",
        "1s", "-1s", "1.0000000001s", "99999999999999999999s", "s", "/", "*", "127.0.0.1", "\"::1\"", "%", "%REQ(%",
        "[", "\\",
        "ROUND_ROBIN", "type.googleapis.com/x", "\"\\u0000\"", "aGk=", "=", "TCP", "10", "200", "http",
    ]

    /// YAML in flow style that follows the schema most of the time.
    private func message(_ index: Int, depth: Int, _ dice: inout Dice) -> String {
        var parts: [String] = []
        for field in schema.messages[index].fields where Int.random(in: 0..<4, using: &dice) == 0 {
            parts.append("\(field.name): \(shaped(field, depth: depth, &dice))")
        }
        if Int.random(in: 0..<50, using: &dice) == 0 { parts.append("nonsense: 1") }
        return "{\(parts.joined(separator: ", "))}"
    }

    private func shaped(_ field: FieldSchema, depth: Int, _ dice: inout Dice) -> String {
        switch field.shape {
        case .single: return value(field, depth: depth, &dice)
        case .list:
            let count = Int.random(in: 0..<3, using: &dice)
            return "[\((0..<count).map { _ in value(field, depth: depth, &dice) }.joined(separator: ", "))]"
        case .map: return "{k: \(value(field, depth: depth, &dice))}"
        }
    }

    private func value(_ field: FieldSchema, depth: Int, _ dice: inout Dice) -> String {
        if Int.random(in: 0..<20, using: &dice) == 0 {
            return ["[]", "{}", "~", "[a]"].randomElement(using: &dice) ?? "~"
        }
        switch field.kind {
        case .message(let index): return depth > 0 ? message(index, depth: depth - 1, &dice) : "{}"
        case .enumeration(let index): return schema.enums[index].values.randomElement(using: &dice)?.name ?? "0"
        case .any:
            guard depth > 0, let index = schema.messages.indices.randomElement(using: &dice) else { return "{}" }
            let taken = ExtensionSlots.table.values.randomElement(using: &dice)?.randomElement(using: &dice)
            let chosen = taken.flatMap { schema.index(of: $0) } ?? index
            let inner = message(chosen, depth: depth - 1, &dice).dropFirst()
            return "{\"@type\": type.googleapis.com/\(schema.messages[chosen].name), \(inner)"
        case .structure: return "{a: {b: [1, c]}}"
        default: return Self.scalars.randomElement(using: &dice) ?? "0"
        }
    }

    @Test func treesByTheSchema() throws {
        let index = try #require(schema.index(of: "envoy.config.bootstrap.v3.Bootstrap"))
        var dice = Dice(state: 0x9E37_79B9_7F4A_7C15)
        for _ in 0..<300 {
            let text = message(index, depth: 9, &dice)
            for allow in [false, true] {
                var options = ConfigurationLoader.Options()
                options.allowUnknownStaticFields = allow
                _ = errors(text, options: options)
            }
        }
    }

    @Test func changedBytes() {
        var dice = Dice(state: 42)
        let text = Array(http(route: "match: {prefix: /}, route: {cluster: a, timeout: 1s}").utf8)
        for _ in 0..<2000 {
            var changed = text
            for _ in 0..<Int.random(in: 1...4, using: &dice) {
                let place = Int.random(in: changed.indices, using: &dice)
                switch Int.random(in: 0..<3, using: &dice) {
                case 0: changed[place] = UInt8.random(in: 0...255, using: &dice)
                case 1: changed.remove(at: place)
                default:
                    changed.insert(contentsOf: "{[]}:,-&*!|>'\"%@`#".utf8.prefix(place % 18 + 1).suffix(1), at: place)
                }
            }
            let source = BootstrapReader.Source(name: "f", text: changed)
            _ = try? ConfigurationLoader.load([source], options: ConfigurationLoader.Options(), schema: schema)
        }
    }
}
