// The protocol's second variant: each response is what has changed.

/// One type by DeltaDiscoveryRequest and DeltaDiscoveryResponse. Envoy page: "xDS REST and gRPC protocol", "Incremental
/// xDS".
struct Incremental: TypeProtocol {
    private let type: ResourceType
    /// Of each resource that was taken; outlives streams.
    private var versions: [String: String] = [:]
    private var answers: [OwedAnswer] = []
    /// What this stream's server was told.
    private var told: ResourceInterest?

    init(_ type: ResourceType) { self.type = type }

    var owed: Int { answers.count }
    var isWhole: Bool { false }

    mutating func streamBegan() {
        answers = []
        told = nil
    }

    mutating func nextAsk(_ interest: ResourceInterest) -> DiscoveryAsk? {
        var ask = DiscoveryAsk(type)
        var hasNews = false
        if let told {
            if told != interest { hasNews = change(&ask, from: told, to: interest) }
        } else if !interest.isEmpty {
            hasNews = true
            // No name in the first request is all resources, as before there was the name "*".
            ask.subscribe =
                interest.isWildcard && !interest.names.isEmpty ? ["*"] + interest.names : interest.names
            forget { !interest.contains($0) }
            ask.initialVersions = versions
        }
        if told != nil || hasNews { told = interest }
        if !answers.isEmpty {
            let answer = answers.removeFirst()
            ask.nonce = answer.nonce
            ask.error = answer.error
            hasNews = true
        }
        return hasNews ? ask : nil
    }

    private mutating func change(
        _ ask: inout DiscoveryAsk, from old: ResourceInterest, to new: ResourceInterest
    ) -> Bool {
        ask.subscribe = new.names.filter { !old.names($0) }
        ask.unsubscribe = old.names.filter { !new.names($0) }
        if new.isWildcard != old.isWildcard {
            if new.isWildcard { ask.subscribe.insert("*", at: 0) } else { ask.unsubscribe.insert("*", at: 0) }
        }
        forget { !new.contains($0) }
        return !ask.subscribe.isEmpty || !ask.unsubscribe.isEmpty
    }

    private mutating func forget(where isUnwanted: (String) -> Bool) {
        for name in versions.keys where isUnwanted(name) { versions[name] = nil }
    }

    mutating func answer(_ reply: DiscoveryReply, error: String?, _ interest: ResourceInterest) {
        answers.append(OwedAnswer(nonce: reply.nonce, error: error))
        // Of a response that was refused nothing counts as known, so that a new stream's server says it again.
        guard error == nil else { return }
        for resource in reply.resources where interest.contains(resource.name) {
            versions[resource.name] = resource.version
        }
        for name in reply.removed { versions[name] = nil }
    }

    mutating func expired(_ names: Set<String>) {
        for name in names { versions[name] = nil }
    }

    func isHeartbeat(_ resource: DiscoveryReply.Resource) -> Bool {
        resource.typeURL.isEmpty && resource.ttl != nil && versions[resource.name] == resource.version
    }
}
