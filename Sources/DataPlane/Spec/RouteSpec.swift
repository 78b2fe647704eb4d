// Route configuration: virtual hosts, matches, actions, retry policies and header mutations.
import Matching
import Reactor

/// `envoy.config.route.v3.RouteConfiguration`.
public struct RouteConfigurationSpec: Sendable {
    public var name = ""
    public var virtualHosts: [VirtualHostSpec] = []
    public var headers = HeaderMutationsSpec()
    public var mostSpecificHeaderMutationsWins = false
    public var internalOnlyHeaders: [String] = []
    public var ignorePortInHostMatching = false
    public var ignorePathParametersInPathMatching = false
    /// Bytes of a direct response body, 4096.
    public var maxDirectResponseBodySize = 4096
    public var filterOverrides: HTTPFilterOverrides = [:]
    /// nil: none. Of a virtual host or route, in place of these.
    public var mirrors: [MirrorPolicySpec]?

    public init() {}
}

/// `envoy.config.route.v3.VirtualHost`.
public struct VirtualHostSpec: Sendable {
    public var name: String
    /// Exact, `*.suffix`, `prefix.*` or `*`.
    public var domains: [String]
    public var routes: [RouteSpec]
    public var requireTLS = TLSRequirement.none
    public var headers = HeaderMutationsSpec()
    @Rare public var retryPolicy: RetryPolicySpec?
    public var includeRequestAttemptCount = false
    public var includeAttemptCountInResponse = false
    public var includeIsTimeoutRetryHeader = false
    public var perRequestBufferLimit: Int?
    public var virtualClusters: [VirtualClusterSpec] = []
    @Rare public var filterOverrides: HTTPFilterOverrides?
    @Rare public var rateLimits: [RateLimitRuleSpec]?
    public var metadata: Metadata?
    @Rare public var mirrors: [MirrorPolicySpec]?
    @Rare public var cors: CORSPolicySpec?

    public enum TLSRequirement: Sendable { case none, externalOnly, all }

    public init(name: String, domains: [String], routes: [RouteSpec]) {
        self.name = name
        self.domains = domains
        self.routes = routes
    }
}

/// `envoy.config.route.v3.VirtualCluster`: a name for requests whose headers match.
public struct VirtualClusterSpec: Sendable {
    public var name: String
    public var headers: [HeaderMatchSpec]
    public init(name: String, headers: [HeaderMatchSpec]) {
        self.name = name
        self.headers = headers
    }
}

/// `envoy.config.route.v3.Route`.
public struct RouteSpec: Sendable {
    public var name = ""
    public var match: RouteMatchSpec
    public var action: RouteActionSpec
    public var headers = HeaderMutationsSpec()
    public var metadata: Metadata?
    public var statPrefix = ""
    public var perRequestBufferLimit: Int?
    @Rare public var filterOverrides: HTTPFilterOverrides?
    @Rare public var tracing: RouteTracingSpec?

    public init(match: RouteMatchSpec, action: RouteActionSpec) {
        self.match = match
        self.action = action
    }
}

/// `envoy.config.route.v3.RouteMatch`.
public struct RouteMatchSpec: Sendable {
    public enum Path: Sendable {
        case prefix(String)
        case exact(String)
        case separatedPrefix(String)
        case regex(Regex)
        /// `connect_matcher`: CONNECT requests only.
        case connect
    }
    public var path: Path
    public var caseSensitive = true
    public var headers: [HeaderMatchSpec] = []
    public var queryParameters: [QueryMatchSpec] = []
    @Rare public var runtimeFraction: RuntimeFraction?
    /// `grpc: {}`: only requests whose content-type is application/grpc*.
    public var grpcOnly = false
    /// `tls_context.presented` / `.validated`.
    public var tlsPresented: Bool?
    public var tlsValidated: Bool?

    public init(path: Path) { self.path = path }
}

/// `envoy.config.route.v3.HeaderMatcher`.
public struct HeaderMatchSpec: Sendable {
    public enum Rule: Sendable {
        case string(StringMatcher)
        /// `[start, end)`, of an integer value.
        case range(Int64, Int64)
        case present(Bool)
    }
    /// Lower case.
    public var name: String
    public var rule: Rule
    public var invert = false
    public var treatMissingAsEmpty = false

    public init(name: String, rule: Rule) {
        self.name = name
        self.rule = rule
    }
}

/// `envoy.config.route.v3.QueryParameterMatcher`.
public struct QueryMatchSpec: Sendable {
    public enum Rule: Sendable {
        case string(StringMatcher)
        case present(Bool)
    }
    public var name: String
    public var rule: Rule
    public init(name: String, rule: Rule) {
        self.name = name
        self.rule = rule
    }
}

/// What a matched route does.
public enum RouteActionSpec: Sendable {
    case forward(ForwardSpec)
    case redirect(RedirectSpec)
    case direct(DirectResponseSpec)
}

/// `envoy.config.route.v3.RouteAction`.
public struct ForwardSpec: Sendable {
    public enum Target: Sendable {
        case cluster(String)
        /// Lower-case header whose value names the cluster.
        case clusterHeader(String)
        case weighted([WeightedRouteCluster])
    }
    public enum Priority: Int, Sendable {
        case `default` = 0
        case high = 1
    }

    public struct WeightedRouteCluster: Sendable {
        public enum Name: Sendable {
            case cluster(String)
            case header(String)
        }
        public var name: Name
        public var weight: UInt32
        public var headers = HeaderMutationsSpec()
        public var hostRewrite: String?
        /// `metadata_match`, the route's with it; nil: as the route says.
        public var metadataMatch: Metadata?
        @Rare public var filterOverrides: HTTPFilterOverrides?
        public init(name: Name, weight: UInt32) {
            self.name = name
            self.weight = weight
        }
    }

    public var target: Target
    /// Status when the cluster does not exist: 503, or 404.
    public var clusterNotFoundStatus = 503
    @Rare public var pathRewrite: PathRewriteSpec?
    @Rare public var hostRewrite: HostRewriteSpec?
    public var appendXForwardedHost = false
    /// From the request's end to the response's end, retries included: 15 s; nil: off.
    public var timeout: TimeAmount? = .seconds(15)
    /// nil: the connection manager's `stream_idle_timeout`; `.zero`: off.
    public var idleTimeout: TimeAmount?
    /// How long a client may take no byte of a response that is written; nil: `idleTimeout`, or else the connection
    /// manager's `stream_flush_timeout`; `.zero`: off.
    public var flushTimeout: TimeAmount?
    @Rare public var maxStreamDuration: MaxStreamDurationSpec?
    @Rare public var retryPolicy: RetryPolicySpec?
    public var priority = Priority.default
    public var hashPolicies: [HashPolicySpec] = []
    /// What subset of a cluster's hosts is wanted.
    public var metadataMatch: Metadata?
    @Rare public var rateLimits: [RateLimitRuleSpec]?
    @Rare public var cors: CORSPolicySpec?
    /// `include_vh_rate_limits`: those of the virtual host hold, too.
    public var includesHostRateLimits = false
    @Rare public var redirects: InternalRedirectSpec?
    @Rare public var mirrors: [MirrorPolicySpec]?
    /// By name (lower case): whether the upgrade is allowed on this route.
    public var upgrades: [UpgradeSpec] = []

    public init(target: Target) { self.target = target }
}

/// `RouteAction.MaxStreamDuration`.
public struct MaxStreamDurationSpec: Sendable, Equatable {
    public var maxStreamDuration: TimeAmount?
    public var grpcTimeoutHeaderMax: TimeAmount?
    public var grpcTimeoutHeaderOffset: TimeAmount?
    public init() {}
}

public enum PathRewriteSpec: Sendable {
    case prefix(String)
    /// `regex_rewrite`: RE2 substitution with `\1`.
    case regex(Regex, substitution: String)
    /// `path_rewrite`: a format string that replaces the whole path; the query stays.
    case literal(String)
}

public enum HostRewriteSpec: Sendable {
    case literal(String)
    case header(String)
    case pathRegex(Regex, substitution: String)
    /// `host_rewrite`: a format string.
    case format(String)
    /// `auto_host_rewrite`: the host name of the chosen endpoint.
    case auto
}

/// `RouteAction.HashPolicy`.
public struct HashPolicySpec: Sendable {
    public enum Source: Sendable {
        case header(String, rewrite: (Regex, String)?)
        /// `made`: what is to be told to clients that have none; nil: those have no hash.
        case cookie(name: String, made: MadeCookie?)
        case sourceIP
        case queryParameter(String)
    }
    /// A cookie by which a client comes back to the same host.
    public struct MadeCookie: Sendable, Equatable {
        /// Seconds; 0: as long as the client runs.
        public var maxAge: Int64
        public var path: String
        /// Name and value; those without a value are names alone.
        public var attributes: [(name: String, value: String)]

        public init(maxAge: Int64, path: String, attributes: [(name: String, value: String)]) {
            self.maxAge = maxAge
            self.path = path
            self.attributes = attributes
        }

        public static func == (one: MadeCookie, other: MadeCookie) -> Bool {
            one.maxAge == other.maxAge && one.path == other.path
                && one.attributes.elementsEqual(other.attributes, by: ==)
        }
    }
    public var source: Source
    /// With a hash, from this one or from those before, the rest is not looked at.
    public var terminal: Bool
    public init(source: Source, terminal: Bool) {
        self.source = source
        self.terminal = terminal
    }
}

/// `RedirectAction`.
public struct RedirectSpec: Sendable {
    public var status = 301
    /// "https" for `https_redirect`.
    public var scheme: String?
    public var host: String?
    public var port: UInt16?
    public var path: Path?
    public var stripQuery = false

    public enum Path: Sendable {
        case full(String)
        case prefix(String)
        case regex(Regex, substitution: String)
    }

    public init() {}
}

/// `DirectResponseAction`.
public struct DirectResponseSpec: Sendable {
    public var status: Int
    public var body: [UInt8]
    public init(status: Int, body: [UInt8] = []) {
        self.status = status
        self.body = body
    }
}

/// `envoy.config.route.v3.RetryPolicy`.
public struct RetryPolicySpec: Sendable {
    public var conditions: RetryConditions = []
    public var numRetries = 1
    /// nil: as the route timeout.
    public var perTryTimeout: TimeAmount?
    public var perTryIdleTimeout: TimeAmount?
    public var retriableStatusCodes: [Int] = []
    public var retriableHeaders: [HeaderMatchSpec] = []
    public var retriableRequestHeaders: [HeaderMatchSpec] = []
    public var backoff = BackoffSpec(base: .milliseconds(25), max: .milliseconds(250))
    public var rateLimitedBackoff: RateLimitedBackoffSpec?
    /// `envoy.retry_host_predicates.previous_hosts`.
    public var avoidPreviousHosts = false
    public var hostSelectionAttempts = 1

    public init() {}
}

/// `retry_on` as a set.
public struct RetryConditions: OptionSet, Sendable, Hashable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let serverError = RetryConditions(rawValue: 1 << 0)
    public static let gatewayError = RetryConditions(rawValue: 1 << 1)
    public static let reset = RetryConditions(rawValue: 1 << 2)
    public static let resetBeforeRequest = RetryConditions(rawValue: 1 << 3)
    public static let connectFailure = RetryConditions(rawValue: 1 << 4)
    public static let envoyRateLimited = RetryConditions(rawValue: 1 << 5)
    public static let retriable4xx = RetryConditions(rawValue: 1 << 6)
    public static let refusedStream = RetryConditions(rawValue: 1 << 7)
    public static let retriableStatusCodes = RetryConditions(rawValue: 1 << 8)
    public static let retriableHeaders = RetryConditions(rawValue: 1 << 9)
    public static let grpcCancelled = RetryConditions(rawValue: 1 << 10)
    public static let grpcDeadlineExceeded = RetryConditions(rawValue: 1 << 11)
    public static let grpcInternal = RetryConditions(rawValue: 1 << 12)
    public static let grpcResourceExhausted = RetryConditions(rawValue: 1 << 13)
    public static let grpcUnavailable = RetryConditions(rawValue: 1 << 14)

    /// The words of `retry_on` and `x-envoy-retry-on` / `x-envoy-retry-grpc-on`.
    public static let names: [(String, RetryConditions)] = [
        ("5xx", .serverError), ("gateway-error", .gatewayError), ("reset", .reset),
        ("reset-before-request", .resetBeforeRequest), ("connect-failure", .connectFailure),
        ("envoy-ratelimited", .envoyRateLimited), ("retriable-4xx", .retriable4xx),
        ("refused-stream", .refusedStream), ("retriable-status-codes", .retriableStatusCodes),
        ("retriable-headers", .retriableHeaders), ("cancelled", .grpcCancelled),
        ("deadline-exceeded", .grpcDeadlineExceeded), ("internal", .grpcInternal),
        ("resource-exhausted", .grpcResourceExhausted), ("unavailable", .grpcUnavailable),
    ]
}

/// `RetryPolicy.RateLimitedRetryBackOff`.
public struct RateLimitedBackoffSpec: Sendable, Equatable {
    public enum Format: Sendable, Equatable { case seconds, unixTimestamp }
    public struct ResetHeader: Sendable, Equatable {
        public var name: String
        public var format: Format
        public init(name: String, format: Format) {
            self.name = name
            self.format = format
        }
    }
    public var resetHeaders: [ResetHeader]
    public var maxInterval: TimeAmount
    public init(resetHeaders: [ResetHeader], maxInterval: TimeAmount = .seconds(300)) {
        self.resetHeaders = resetHeaders
        self.maxInterval = maxInterval
    }
}

/// `request_headers_to_add/_remove` and `response_headers_to_add/_remove` of one level.
public struct HeaderMutationsSpec: Sendable {
    public var requestAdd: [HeaderAddSpec] = []
    /// Lower case.
    public var requestRemove: [String] = []
    public var responseAdd: [HeaderAddSpec] = []
    public var responseRemove: [String] = []

    public init() {}
    public var isEmpty: Bool {
        requestAdd.isEmpty && requestRemove.isEmpty && responseAdd.isEmpty && responseRemove.isEmpty
    }
}

/// `HeaderValueOption`.
public struct HeaderAddSpec: Sendable {
    public enum Action: Sendable { case appendIfExistsOrAdd, addIfAbsent, overwriteIfExistsOrAdd, overwriteIfExists }
    public var name: String
    /// A format string with `%...%` operators.
    public var value: String
    public var action: Action
    public var keepEmpty: Bool

    public init(name: String, value: String, action: Action = .appendIfExistsOrAdd, keepEmpty: Bool = false) {
        self.name = name
        self.value = value
        self.action = action
        self.keepEmpty = keepEmpty
    }
}
