// HTTP filters before the router, and what routes change about them.

/// `HttpFilter`: one of the filters that look at a request before the router gets it.
public struct HTTPFilterSpec: Sendable {
    public enum Kind: Sendable {
        case rbac(HTTPRBACSpec)
        case localRateLimit(LocalRateLimitSpec)
        case globalRateLimit(GlobalRateLimitSpec)
        case fault(HTTPFaultSpec)
        case extAuthz(ExtAuthzSpec)
        /// It has nothing to say itself: routes do.
        case cors
        case headerMutation(HeaderMutationFilterSpec)
        case healthCheck(HealthCheckFilterSpec)
        case jwt(JWTAuthnSpec)
    }

    /// Routes refer to the filter by it.
    public var name: String
    public var kind: Kind
    /// Off, but for routes that turn it on.
    public var isDisabled = false

    public init(name: String, kind: Kind) {
        self.name = name
        self.kind = kind
    }
}

/// One entry of `typed_per_filter_config`.
public enum HTTPFilterOverride: Sendable {
    /// `FilterConfig.disabled`: the filter is not asked.
    case disabled
    /// A `FilterConfig` without more: the filter is asked as the connection manager has it.
    case enabled
    /// nil: nothing is enforced here.
    case rbac(HTTPRBACSpec?)
    case localRateLimit(LocalRateLimitSpec)
    case globalRateLimit(GlobalRateLimitOverrideSpec)
    case fault(HTTPFaultSpec)
    case extAuthz(ExtAuthzOverrideSpec)
    case cors(CORSPolicySpec)
    case headerMutation(HeaderMutationFilterSpec)
    case jwt(JWTRouteSpec)
}

/// `typed_per_filter_config` of one level, by the names of filters.
public typealias HTTPFilterOverrides = [String: HTTPFilterOverride]
