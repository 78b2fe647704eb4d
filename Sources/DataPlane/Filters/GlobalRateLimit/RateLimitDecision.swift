// Which limit decided, for people and for logs.

/// That a question's subject is over its limit, in words.
struct RateLimitDecision {
    let domain: String
    /// "key=value, key=value"; empty where the service does not tell, and there are several.
    let descriptor: String
    /// The limit, as the service tells it; may be empty.
    let limit: String

    init(_ answer: RateLimitAnswer, domain: String, _ question: [UInt8]) {
        self.domain = domain
        let only = RateLimitQuestion.descriptor(1, of: question).isEmpty ? 0 : nil
        descriptor = (answer.decider ?? only).map { RateLimitQuestion.descriptor($0, of: question) } ?? ""
        limit = answer.decider.flatMap { answer.statuses[$0].limit?.words } ?? ""
    }

    /// "rate limit domain 'shop', descriptor 'user=bob', 10 a minute"
    var words: String {
        "rate limit domain '\(domain)'" + (descriptor.isEmpty ? "" : ", descriptor '\(descriptor)'")
            + (limit.isEmpty ? "" : ", \(limit)")
    }

    /// `%DYNAMIC_METADATA(outrider.ratelimit:descriptor)%`. Envoy's own namespace has what the service sends.
    static let namespace = "outrider.ratelimit"

    var entries: [StreamNote.Entry] {
        var entries = [StreamNote.Entry(RateLimitDecision.namespace, "domain", domain)]
        if !descriptor.isEmpty { entries.append(.init(RateLimitDecision.namespace, "descriptor", descriptor)) }
        return entries
    }
}
