// The HTTP connection manager's settings.
import Matching
import Reactor

/// `envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`.
public struct HTTPConnectionManagerSpec: Sendable {
    public var statPrefix: String
    public var codec = Codec.auto
    public var routes: RouteConfigurationSpec
    /// `rds`, in place of `routes`.
    public var routeSource: RouteSubscriptionSpec?
    public var router = RouterSpec()
    /// What looks at requests before the router, in order.
    public var filters: [HTTPFilterSpec] = []
    /// Counts gRPC calls; nil: nobody asked for it.
    public var grpcStats: GRPCStatsSpec?
    /// nil: nothing is traced.
    public var tracing: TracingSpec?
    public var accessLogs: [AccessLogSpec] = []
    public var accessLogFlushInterval: TimeAmount?
    public var flushAccessLogOnNewRequest = false

    // Names and headers
    public var serverName = "envoy"
    public var serverHeader = ServerHeader.overwrite
    public var via = ""
    public var generateRequestID = true
    public var preserveExternalRequestID = false
    public var alwaysSetRequestIDInResponse = false
    public var addUserAgent = false
    public var useRemoteAddress = false
    public var skipXFFAppend = false
    public var xffTrustedHops = 0
    /// Addresses whose requests count as internal; empty: none (Envoy since 1.33).
    public var internalAddresses: [CIDRRange] = []
    public var internalUnixSockets = false
    public var appendXForwardedPort = false
    /// `scheme_header_transformation.scheme_to_overwrite`: "http", "https" or none.
    public var schemeOverwrite: String?
    public var clientCert = ClientCertForwarding()
    public var proxyStatus: ProxyStatusSpec?
    public var stripMatchingHostPort = false
    public var stripAnyHostPort = false
    public var stripTrailingHostDot = false

    // Paths and header rules
    public var normalizePath = false
    public var mergeSlashes = false
    public var escapedSlashes = EscapedSlashes.keep
    public var underscores = UnderscoreAction.allow
    public var http1 = HTTP1OptionsSpec()
    public var http2 = HTTP2OptionsSpec()

    // Limits; bytes and counts
    public var maxRequestHeadersKiB = 60
    public var maxHeaderCount = 100
    public var maxRequestsPerConnection = 0
    public var prematureResets = PrematureResetSpec()

    // Timeouts; nil means off
    public var idleTimeout: TimeAmount? = .seconds(3600)
    public var streamIdleTimeout: TimeAmount? = .seconds(300)
    /// nil: as `streamIdleTimeout`.
    public var streamFlushTimeout: TimeAmount?
    public var requestTimeout: TimeAmount?
    public var requestHeadersTimeout: TimeAmount?
    public var maxConnectionDuration: TimeAmount?
    public var maxStreamDuration: TimeAmount?
    public var drainTimeout = TimeAmount.seconds(5)
    public var delayedCloseTimeout: TimeAmount? = .seconds(1)

    public var upgrades: [UpgradeSpec] = []
    /// nil: the answers that the proxy makes itself go out as they are.
    public var localReplies: LocalReplySpec?
    /// `append_local_overload`: requests that are refused for overload are answered with `x-envoy-local-overloaded`.
    public var appendsLocalOverload = false

    public enum Codec: Sendable { case auto, http1, http2 }
    public enum ServerHeader: Sendable { case overwrite, appendIfAbsent, passThrough }
    public enum EscapedSlashes: Sendable { case keep, reject, redirect, unescape }
    public enum UnderscoreAction: Sendable { case allow, rejectRequest, dropHeader }

    public init(statPrefix: String, routes: RouteConfigurationSpec) {
        self.statPrefix = statPrefix
        self.routes = routes
    }
}

/// The runtime keys `overload.premature_reset_*`: what counts as a client that begins requests only to reset them.
public struct PrematureResetSpec: Sendable, Equatable {
    /// `overload.premature_reset_total_stream_count`: more than half of so many streams may not be reset early.
    public var streamCount = 500
    /// `overload.premature_reset_min_stream_lifetime_seconds`: streams that lived longer were not.
    public var lifetime = TimeAmount.seconds(1)

    public init() {}
}

/// `Http1ProtocolOptions`.
public struct HTTP1OptionsSpec: Sendable, Equatable {
    public var acceptHTTP10 = false
    public var defaultHostForHTTP10 = ""
    public var allowAbsoluteURL = true
    public var enableTrailers = false
    public var allowChunkedLength = false
    public var sendFullyQualifiedURL = false
    /// Overrides the stream-error rule of `HttpConnectionManager`: keep the connection after a 400 of our own.
    public var streamErrorOnInvalidMessage = false
    public var headerCase = HeaderCase.preserve

    /// How field names leave on HTTP/1. `preserve` is Outrider's default (Envoy: lower case).
    public enum HeaderCase: Sendable, Equatable { case preserve, lower, proper }

    public init() {}
}

/// One of `upgrade_configs`; route settings override by name.
public struct UpgradeSpec: Sendable, Equatable {
    /// "websocket", "CONNECT", ... compared without case.
    public var name: String
    public var enabled: Bool
    /// `connect_config` of a CONNECT: the proxy ends it and carries its bytes over TCP. Routes only.
    public var endsConnect: Bool
    public init(name: String, enabled: Bool = true, endsConnect: Bool = false) {
        self.name = name
        self.enabled = enabled
        self.endsConnect = endsConnect
    }
}

/// `forward_client_cert_details` and `set_current_client_cert_details`.
public struct ClientCertForwarding: Sendable, Equatable {
    public var mode = Mode.sanitize
    public var subject = false
    public var cert = false
    public var chain = false
    public var dns = false
    public var uri = false

    public enum Mode: Sendable, Equatable { case sanitize, forwardOnly, appendForward, sanitizeSet, alwaysForwardOnly }

    public init() {}
}

/// `proxy_status_config` (RFC 9209).
public struct ProxyStatusSpec: Sendable, Equatable {
    public var removeDetails = false
    public var removeConnectionTerminationDetails = false
    public var removeResponseFlags = false
    public var setRecommendedResponseCode = false
    /// "envoy" style literal, or empty to use the node id.
    public var proxyName = "envoy"

    public init() {}
}

/// `envoy.extensions.filters.http.router.v3.Router`.
public struct RouterSpec: Sendable {
    public var dynamicStats = true
    public var suppressEnvoyHeaders = false
    public var respectExpectedRequestTimeout = false
    /// No retry is begun whose back-off ends behind the request's deadline (Outrider's own).
    public var keepsRetriesWithinDeadline = true
    public var upstreamLogs: [AccessLogSpec] = []
    /// Headers whose values must be valid when present, else 400 IH: "x-envoy-max-retries", ...
    public var strictCheckHeaders: [String] = []

    public init() {}
}
