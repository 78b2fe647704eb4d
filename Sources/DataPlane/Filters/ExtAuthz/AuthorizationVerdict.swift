// What an authorization service has to say about a request.
import HTTPWire
import Reactor

/// Its answer, or that there is none.
enum AuthorizationVerdict {
    case allowed(AuthorizationChanges)
    case denied(AuthorizationRefusal)
    /// `refusal`: what the service wants the client to be told in this case; nil: nothing. `reason` is for people.
    case failed(AuthorizationRefusal?, reason: String)
}

/// A field of a request or response, as the service names it.
struct AuthorizationField: Equatable {
    enum Action: Equatable { case append, appendIfExists, addIfAbsent, set, setIfExists }

    var name: [UInt8]
    var value: [UInt8]
    var action: Action

    /// Fields that say where a message ends are its carrier's.
    private static let framing: HeaderNameSet = [
        .connection, .keepAlive, .proxyConnection, .transferEncoding, .upgrade, .te, .contentLength,
    ]

    /// Changes `headers`; names that are none change nothing.
    func apply(to headers: HeaderMap, isRequest: Bool) {
        name.withUnsafeBytes { name in
            value.withUnsafeBytes { value in apply(ByteView(name), ByteView(value), to: headers, isRequest) }
        }
    }

    private func apply(_ name: ByteView, _ value: ByteView, to headers: HeaderMap, _ isRequest: Bool) {
        guard let key = HeaderKey(name) else { return }
        if let pseudo = key.pseudo {
            guard isRequest, pseudo != .scheme, pseudo != .status else { return }
            // A tunnel is not made of what is none.
            if pseudo == .method && value.equals("CONNECT") { return }
            return headers.set(pseudo, value)
        }
        if let known = key.known, AuthorizationField.framing.contains(known) { return }
        switch action {
        case .append: headers.append(key, value)
        case .set: headers.set(key, value)
        case .addIfAbsent: if !headers.contains(key) { headers.append(key, value) }
        case .setIfExists: if headers.contains(key) { headers.set(key, value) }
        case .appendIfExists:
            guard let old = headers.combinedValue(key)?.array else { return }
            (old + [UInt8(ascii: ",")] + value.array).withUnsafeBytes { headers.set(key, ByteView($0)) }
        }
    }
}

/// What is changed about a request that may pass, and about its response.
struct AuthorizationChanges: Equatable {
    var request: [AuthorizationField] = []
    var removed: [[UInt8]] = []
    var parametersSet: [(name: [UInt8], value: [UInt8])] = []
    var parametersRemoved: [[UInt8]] = []
    var response: [AuthorizationField] = []
    /// The service sent metadata, which nobody here reads.
    var hasMetadata = false

    var changesRequest: Bool {
        !request.isEmpty || !removed.isEmpty || !parametersSet.isEmpty || !parametersRemoved.isEmpty
    }

    /// In Envoy's order.
    func apply(to headers: HeaderMap) {
        for field in request { field.apply(to: headers, isRequest: true) }
        for name in removed {
            name.withUnsafeBytes { name in
                // Neither pseudo-headers nor the host.
                if let key = HeaderKey(ByteView(name)), key.pseudo == nil { headers.remove(key) }
            }
        }
        if !parametersSet.isEmpty || !parametersRemoved.isEmpty { changeParameters(headers) }
    }

    private func changeParameters(_ headers: HeaderMap) {
        let whole = headers.path
        var path = whole.prefix(whole.pathLength).array
        var kept: [[UInt8]] = []
        QueryParameters(path: whole).forEachParameter { name, value in
            let name = name.array
            guard !parametersRemoved.contains(name), !parametersSet.contains(where: { $0.name == name }) else { return }
            kept.append(value.isEmpty ? name : name + [UInt8(ascii: "=")] + value.array)
        }
        for (name, value) in parametersSet { kept.append(name + [UInt8(ascii: "=")] + value) }
        for (index, parameter) in kept.enumerated() {
            path.append(index == 0 ? UInt8(ascii: "?") : UInt8(ascii: "&"))
            path += parameter
        }
        path.withUnsafeBytes { headers.setPath(ByteView($0)) }
    }

    static func == (left: AuthorizationChanges, right: AuthorizationChanges) -> Bool {
        left.request == right.request && left.removed == right.removed && left.response == right.response
            && left.parametersSet.elementsEqual(right.parametersSet, by: { $0 == $1 })
            && left.parametersRemoved == right.parametersRemoved && left.hasMetadata == right.hasMetadata
    }
}

/// What a client is told whose request may not pass.
struct AuthorizationRefusal: Equatable {
    /// nil: the configuration's, or 403.
    var status: Int?
    var fields: [AuthorizationField] = []
    var body: [UInt8] = []

    /// The status that a service names; nil where it names none that an answer can have.
    static func status(_ number: UInt64) -> Int? { (200..<600).contains(number) ? Int(number) : nil }
}
