// The parameters of a query, to be changed one by one.
import HTTPWire
import Reactor

/// Names are compared decoded. What is not changed stays as it was written and where it was: Envoy decodes the whole query and
/// sorts it, after which a value with a blank breaks the request line.
struct QueryParameterList {
    private struct Parameter {
        /// Decoded.
        var name: [UInt8]
        /// As it stands in the query.
        var text: [UInt8]
    }

    private var parameters: [Parameter] = []

    init(path: ByteView) {
        for piece in path.dropFirst(path.pathLength + 1).array.split(separator: UInt8(ascii: "&")) {
            let name = Array(piece.prefix { $0 != UInt8(ascii: "=") })
            parameters.append(
                Parameter(name: name.withUnsafeBytes { PercentCoding.decoded(ByteView($0)) }, text: Array(piece)))
        }
    }

    /// The first value of a parameter, decoded; empty when it has no `=`.
    func value(_ name: [UInt8]) -> [UInt8]? {
        parameters.first { $0.name == name }.map { parameter in
            let value = Array(parameter.text.drop { $0 != UInt8(ascii: "=") }.dropFirst())
            return value.withUnsafeBytes { PercentCoding.decoded(ByteView($0)) }
        }
    }

    mutating func remove(_ name: [UInt8]) { parameters.removeAll { $0.name == name } }

    mutating func apply(_ action: HeaderAddSpec.Action, _ name: [UInt8], _ value: ByteView) {
        let first = parameters.firstIndex { $0.name == name }
        let encoded = name.withUnsafeBytes { PercentCoding.encoded(ByteView($0)) }
        let made = Parameter(name: name, text: encoded + [UInt8(ascii: "=")] + PercentCoding.encoded(value))
        switch (action, first) {
        case (.appendIfExistsOrAdd, _), (.addIfAbsent, nil), (.overwriteIfExistsOrAdd, nil): parameters.append(made)
        case (.overwriteIfExists, let first?), (.overwriteIfExistsOrAdd, let first?):
            remove(name)
            parameters.insert(made, at: first)
        case (.addIfAbsent, _), (.overwriteIfExists, nil): break
        }
    }

    /// Makes this the query of a request.
    func set(on request: HeaderMap) {
        var path = request.path.prefix(request.path.pathLength).array
        for (index, parameter) in parameters.enumerated() {
            path.append(index == 0 ? UInt8(ascii: "?") : UInt8(ascii: "&"))
            path += parameter.text
        }
        path.withUnsafeBytes { request.setPath(ByteView($0)) }
    }
}
