// The protocol's first variant: each response is all there is of what was asked for.

/// One type by DiscoveryRequest and DiscoveryResponse. Envoy page: "xDS REST and gRPC protocol", "The SotW protocol
/// variants".
struct StateOfTheWorld: TypeProtocol {
    private let type: ResourceType
    /// Of the last good response; outlives streams.
    private var version = ""
    /// Of the last response of this stream.
    private var nonce = ""
    private var answers: [OwedAnswer] = []
    /// What this stream's server was told.
    private var told: ResourceInterest?

    init(_ type: ResourceType) { self.type = type }

    var owed: Int { answers.count }
    var isWhole: Bool { true }

    mutating func streamBegan() {
        nonce = ""
        answers = []
        told = nil
    }

    mutating func nextAsk(_ interest: ResourceInterest) -> DiscoveryAsk? {
        if !answers.isEmpty {
            let answer = answers.removeFirst()
            return ask(interest, version: answer.version, nonce: answer.nonce, error: answer.error)
        }
        guard told != interest else { return nil }
        if interest.isEmpty, told?.isWildcard ?? true {
            // Nobody has asked for anything. And from all resources there is no way to unsubscribe: no name means all.
            told = told == nil ? nil : interest
            return nil
        }
        return ask(interest, version: version, nonce: nonce, error: nil)
    }

    private mutating func ask(
        _ interest: ResourceInterest, version: String, nonce: String, error: String?
    ) -> DiscoveryAsk {
        told = interest
        var ask = DiscoveryAsk(type)
        ask.version = version
        ask.nonce = nonce
        ask.error = error
        ask.names = interest.isWildcard && !interest.names.isEmpty ? ["*"] + interest.names : interest.names
        return ask
    }

    mutating func answer(_ reply: DiscoveryReply, error: String?, _ interest: ResourceInterest) {
        nonce = reply.nonce
        if interest.isEmpty {
            // Nobody wants the type any more. That there is nothing of it is good to know; the rest is not taken.
            if reply.resources.isEmpty {
                version = reply.version
                return
            }
        } else if error == nil {
            version = reply.version
        }
        answers.append(OwedAnswer(nonce: reply.nonce, error: error, version: version))
    }

    mutating func expired(_ names: Set<String>) {}

    func isHeartbeat(_ resource: DiscoveryReply.Resource) -> Bool { resource.typeURL.isEmpty && resource.ttl != nil }
}
