// `/runtime`: the values of each layer, and which one holds.
import Configuration

enum RuntimePage {
    static func answer(_ backend: any AdminBackend) -> AdminAnswer {
        let runtime = backend.configuration.dump.bootstrap()["layered_runtime"]
        var names: [JSONValue] = []
        var layers: [[String: String]] = []
        if case .array(let found)? = runtime?["layers"] {
            for layer in found {
                names.append(layer["name"] ?? .string(""))
                var values: [String: String] = [:]
                if let object = layer["static_layer"] { flatten(object, "", into: &values) }
                layers.append(values)
            }
        }
        let keys = layers.reduce(into: Set()) { $0.formUnion($1.keys) }.sorted()
        return AdminAnswer(
            .members(
                ("layers", .array(names)),
                ("entries", .object(keys.map { key in (key: key, value: entry(layers.map { $0[key] })) }))))
    }

    private static func entry(_ values: [String?]) -> JSONValue {
        .members(
            ("final_value", .string(values.compactMap { $0 }.last ?? "")),
            ("layer_values", .array(values.map { .string($0 ?? "") })))
    }

    /// `{a: {b: 1}}` is the key `a.b`; an object of a numerator and a denominator is one value.
    private static func flatten(_ value: JSONValue, _ key: String, into values: inout [String: String]) {
        switch value {
        case .object(let members) where members.isEmpty || !members.contains { $0.key == "numerator" }:
            for member in members {
                flatten(member.value, key.isEmpty ? member.key : key + "." + member.key, into: &values)
            }
        case .object, .array: values[key] = String(decoding: value.rendered(pretty: false), as: UTF8.self)
        case .number(let text), .string(let text): values[key] = text
        case .bool(let flag): values[key] = flag ? "true" : "false"
        case .null: values[key] = ""
        }
    }
}
