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

/// What is changed about a request that may pass, and about its response.
struct AuthorizationChanges: Equatable {
    var request: [ServiceField] = []
    var removed: [[UInt8]] = []
    var parametersSet: [(name: [UInt8], value: [UInt8])] = []
    var parametersRemoved: [[UInt8]] = []
    var response: [ServiceField] = []
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
    var fields: [ServiceField] = []
    var body: [UInt8] = []

    /// The status that a service names; nil where it names none that an answer can have.
    static func status(_ number: UInt64) -> Int? { (200..<600).contains(number) ? Int(number) : nil }
}
