// What an authorization service gets to see of a request: fields and body.
import HTTPWire
import Matching
import Reactor

/// Which fields of a request are shown. Immutable.
struct AuthorizationHeaders {
    /// nil: all.
    let allowed: [StringMatcher]?
    let disallowed: [StringMatcher]

    private func shows(_ name: [UInt8]) -> Bool {
        name.withUnsafeBytes { name in
            if disallowed.contains(where: { $0.matches(name) }) { return false }
            return allowed?.contains { $0.matches(name) } ?? true
        }
    }

    /// Calls `body` once for each name, in lower case, with all of its values joined; pseudo-headers too.
    func forEach(_ request: HeaderMap, _ body: (_ name: ByteView, _ value: ByteView) -> Void) {
        let pseudo: [(StaticString, ByteView)] = [
            (":authority", request.authority), (":path", request.path), (":method", request.method),
            (":scheme", request.scheme),
        ]
        for (name, value) in pseudo where !value.isEmpty && shows(ByteView(name).array) { body(ByteView(name), value) }
        var fields: [(name: [UInt8], value: [UInt8])] = []
        var places: [[UInt8]: Int] = [:]
        request.forEachField { name, value in
            let name = name.array.map(\.asciiLowercased)
            if let place = places[name] {
                fields[place].value += [UInt8(ascii: ",")] + value.array
            } else if shows(name) {
                places[name] = fields.count
                fields.append((name, value.array))
            }
        }
        for (name, value) in fields {
            name.withUnsafeBytes { name in value.withUnsafeBytes { body(ByteView(name), ByteView($0)) } }
        }
    }

    /// Fields that are of the message in which they came.
    private static let own: HeaderNameSet = [
        .connection, .keepAlive, .proxyConnection, .transferEncoding, .upgrade, .te, .contentLength, .expect,
    ]

    /// Puts the fields that are shown, and `authorization`, onto `question`.
    func copy(_ request: HeaderMap, to question: HeaderMap) {
        request.forEachField { name, value in
            let isShown =
                name.equalsIgnoringCase("authorization") && disallowed.isEmpty
                || shows(name.array.map(\.asciiLowercased))
            guard isShown else { return }
            if let known = HeaderName(name), AuthorizationHeaders.own.contains(known) { return }
            question.append(name: name, value: value)
        }
    }
}

/// What is shown of a request's body.
struct AuthorizationBody {
    var bytes: [UInt8]
    /// There is more of it.
    var isPartial: Bool

    /// Says which.
    static let markName: StaticString = "x-envoy-auth-partial-body"
    var mark: StaticString { isPartial ? "true" : "false" }
}
