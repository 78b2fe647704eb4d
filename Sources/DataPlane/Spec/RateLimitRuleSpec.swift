// The `rate_limits` of routes, virtual hosts and filters: what makes descriptors of requests.

/// `envoy.config.route.v3.RateLimit`.
public struct RateLimitRuleSpec: Sendable {
    public var stage: Int
    public var actions: [RateLimitActionSpec]
    /// `ratelimit.<disable_key>.http_filter_enabled`: of how many requests the rule makes a descriptor; nil: of all.
    public var enabled: RuntimeFraction?
    /// What a request counts for; nil: 1.
    public var hits: RateLimitHitsSpec?
    /// The service is told when the request is over, and the answer changes nothing.
    public var appliesAtEnd = false

    public init(stage: Int = 0, actions: [RateLimitActionSpec]) {
        self.stage = stage
        self.actions = actions
    }
}

/// `envoy.config.route.v3.RateLimit.Action`.
public enum RateLimitActionSpec: Sendable {
    case sourceCluster
    case destinationCluster
    case requestHeader(name: String, key: String, skipsAbsent: Bool)
    case queryParameter(name: String, key: String, skipsAbsent: Bool)
    case remoteAddress
    /// Bits of the address that count.
    case maskedRemoteAddress(v4: Int, v6: Int)
    case genericKey(key: String, value: String)
    case headerMatch([HeaderMatchSpec], expects: Bool, key: String, value: String)
    case queryMatch([QueryMatchSpec], expects: Bool, key: String, value: String)
}

/// `envoy.config.route.v3.RateLimit.HitsAddend`.
public enum RateLimitHitsSpec: Sendable, Equatable {
    case number(UInt64)
    /// One operator, whose value is the number.
    case format(String)

    /// The largest that there can be; a request with more has no descriptor.
    public static let limit: UInt64 = 1_000_000_000
}

/// `vh_rate_limits`: which rules hold where a route and its virtual host have some.
public enum VirtualHostRateLimits: Sendable { case overridden, included, ignored }
