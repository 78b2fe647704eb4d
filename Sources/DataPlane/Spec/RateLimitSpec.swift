// Local rate limits: of requests and of connections.
import Reactor

/// `envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit`.
public struct LocalRateLimitSpec: Sendable {
    public var statPrefix: String
    /// Of an answer to a request over the limit.
    public var status = 429
    /// Shared by all workers; nil: nothing is limited.
    public var limiter: RateLimiter?
    /// What the limiter's buckets but for the standard one are for, in their order.
    public var descriptors: [RateLimitDescriptorSpec] = []
    /// What makes descriptors of requests, in place of the rules of their routes; empty: these do.
    public var rules: [RateLimitRuleSpec] = []
    /// Of the rules of routes those of this stage hold.
    public var stage = 0
    public var virtualHostRules = VirtualHostRateLimits.overridden
    /// `max_dynamic_descriptors`: buckets at most of each descriptor that takes any value.
    public var maxDynamicDescriptors = 20
    public var enabled = RuntimeFraction(Fraction(numerator: 0, denominator: 100))
    public var enforced = RuntimeFraction(Fraction(numerator: 0, denominator: 100))
    /// On requests over the limit that go on all the same.
    public var requestHeaders: [HeaderAddSpec] = []
    /// On answers to requests over the limit.
    public var responseHeaders: [HeaderAddSpec] = []
    /// Each connection has a bucket of its own.
    public var perConnection = false
    /// `x-ratelimit-limit`, `-remaining` and `-reset` on all responses.
    public var addsQuotaHeaders = false
    /// gRPC calls over the limit end with RESOURCE_EXHAUSTED and not with UNAVAILABLE.
    public var isResourceExhausted = false

    public init(statPrefix: String) { self.statPrefix = statPrefix }
}

/// `envoy.extensions.common.ratelimit.v3.LocalRateLimitDescriptor`, but for its bucket.
public struct RateLimitDescriptorSpec: Sendable, Hashable {
    public struct Entry: Sendable, Hashable {
        public var key: String
        /// Empty: any.
        public var value: String
        public init(key: String, value: String) {
            self.key = key
            self.value = value
        }
    }

    public var entries: [Entry]

    /// Each value that comes has a bucket of its own.
    public var takesAnyValue: Bool { entries.contains(where: \.value.isEmpty) }

    public init(entries: [Entry]) { self.entries = entries }
}

/// `envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit`.
public struct ConnectionRateLimitSpec: Sendable {
    public var statPrefix: String
    /// Shared by all workers, and by the filters of one `share_key`.
    public var bucket: TokenBucket
    public var isEnabled = true

    public init(statPrefix: String, bucket: TokenBucket) {
        self.statPrefix = statPrefix
        self.bucket = bucket
    }
}
