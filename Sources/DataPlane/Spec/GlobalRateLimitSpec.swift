// The global rate limit service: what it is asked about requests and connections, and what follows.
import Reactor

/// `envoy.extensions.filters.http.ratelimit.v3.RateLimit`.
public struct GlobalRateLimitSpec: Sendable {
    /// `request_type`: who is asked about. A request is internal where `x-envoy-internal` says so.
    public enum Requests: Sendable { case all, `internal`, external }

    /// `envoy.service.ratelimit.v3.RateLimitService`.
    public var service: GRPCServiceSpec
    public var domain: String
    /// Behind `ratelimit.` in the names of stats; may be empty.
    public var statPrefix = ""
    public var requests = Requests.all
    /// What makes descriptors of requests, in place of the rules of their routes; empty: these do.
    public var rules: [RateLimitRuleSpec] = []
    /// Of the rules of routes those of this stage hold.
    public var stage = 0
    /// Of all requests.
    public var enabled = RuntimeFraction(.always, key: "ratelimit.http_filter_enabled")
    /// Of the requests over their limit.
    public var enforced = RuntimeFraction(.always, key: "ratelimit.http_filter_enforcing")
    /// Of the requests about which there is no answer: these are refused.
    public var refusedOnError = RuntimeFraction(Fraction(numerator: 0, denominator: 100))
    /// Of an answer to a request over its limit.
    public var status = 429
    /// Of an answer to a request about which there is none.
    public var statusOnError = 500
    /// gRPC calls over their limit end with RESOURCE_EXHAUSTED and not with UNAVAILABLE.
    public var isResourceExhausted = false
    /// `x-envoy-ratelimited` on responses to requests over their limit.
    public var marksLimited = true
    /// `x-ratelimit-limit`, `-remaining` and `-reset`, as the service tells them.
    public var addsQuotaHeaders = false
    /// On answers to requests over their limit.
    public var responseHeaders: [HeaderAddSpec] = []

    public init(service: GRPCServiceSpec, domain: String) {
        self.service = service
        self.domain = domain
    }
}

/// `RateLimitPerRoute`.
public struct GlobalRateLimitOverrideSpec: Sendable {
    /// Empty: the filter's.
    public var domain = ""
    public var virtualHostRules = VirtualHostRateLimits.overridden
    /// Empty: the filter's, or the route's.
    public var rules: [RateLimitRuleSpec] = []

    public init() {}
}

/// `envoy.extensions.filters.network.ratelimit.v3.RateLimit`.
public struct ConnectionServiceLimitSpec: Sendable {
    public var statPrefix: String
    public var service: GRPCServiceSpec
    public var domain: String
    /// The values of entries are formats.
    public var descriptors: [RateLimitDescriptorSpec]
    public var enabled = RuntimeFraction(.always, key: "ratelimit.tcp_filter_enabled")
    public var enforced = RuntimeFraction(.always, key: "ratelimit.tcp_filter_enforcing")
    /// Without an answer connections are refused.
    public var refusesOnError = false

    public init(
        statPrefix: String, service: GRPCServiceSpec, domain: String, descriptors: [RateLimitDescriptorSpec]
    ) {
        self.statPrefix = statPrefix
        self.service = service
        self.domain = domain
        self.descriptors = descriptors
    }
}
