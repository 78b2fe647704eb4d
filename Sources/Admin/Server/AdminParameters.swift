// The parameters of an admin request: from its query, or from a posted form.
import HTTPWire
import Reactor

/// Decoded parameters in the order in which they came.
struct AdminParameters: Equatable {
    private(set) var pairs: [Pair] = []

    struct Pair: Equatable {
        let name: String
        let value: String
    }

    init() {}

    /// The query of `target`. Percent escapes are decoded, `+` stays as it is (as in Envoy: it is common in regular
    /// expressions).
    init(target: ByteView) { add(target) }

    /// A body of the type `application/x-www-form-urlencoded`, where `+` is a space.
    init(form: [UInt8]) {
        let spaced = [UInt8(ascii: "?")] + form.map { $0 == UInt8(ascii: "+") ? UInt8(ascii: " ") : $0 }
        spaced.withUnsafeBytes { add(ByteView($0)) }
    }

    private mutating func add(_ target: ByteView) {
        func append(_ name: ByteView, _ value: ByteView) {
            pairs.append(Pair(name: AdminParameters.text(name), value: AdminParameters.text(value)))
        }
        QueryParameters(path: target).forEachParameter(append)
    }

    private static func text(_ bytes: ByteView) -> String {
        String(decoding: PercentCoding.decoded(bytes), as: UTF8.self)
    }

    var isEmpty: Bool { pairs.isEmpty }

    /// Whether the parameter is there, with whatever value.
    func has(_ name: String) -> Bool { pairs.contains { $0.name == name } }

    /// The first value of the parameter; nil when it is absent or empty, because a browser sends every field of a form.
    subscript(name: String) -> String? {
        guard let value = pairs.first(where: { $0.name == name })?.value, !value.isEmpty else { return nil }
        return value
    }
}
