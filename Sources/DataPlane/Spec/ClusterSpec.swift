// Clusters: where endpoints come from, how they are balanced, and how connections to them are made.
import Reactor

/// `envoy.config.cluster.v3.Cluster`.
public struct ClusterSpec: Sendable {
    public var name: String
    /// Replaces the name in stats when not empty.
    public var altStatName = ""
    public var discovery = Discovery.static
    public var endpoints: [LocalityEndpointsSpec] = []
    /// For clusters of type EDS, and only for those.
    @Rare public var endpointSource: EndpointSubscriptionSpec?
    public var metadata: Metadata?
    public var balancer = BalancerSpec.roundRobin
    @RarelySet public var balancing: BalancingSpec
    /// `consistent_hashing_lb_config.hash_policy`: in place of the routes'.
    @Rare public var hashPolicies: [HashPolicySpec]?
    /// TCP and TLS together, 5 s.
    public var connectTimeout = TimeAmount.seconds(5)
    /// Soft watermark per connection, bytes (1 MiB).
    public var perConnectionBufferLimit = 1 << 20
    @Rare public var tls: TLSContextSpec?
    /// `envoy.transport_sockets.upstream_proxy_protocol` around the transport socket.
    public var proxyProtocol: UpstreamProxyProtocolSpec?
    /// In place of these two for endpoints that they fit; nil: there are none.
    @Rare public var transportMatches: [TransportMatchSpec]?
    @RarelySet public var breakers: CircuitBreakersSpec
    /// nil: no host is ever ejected.
    @Rare public var outliers: OutlierSpec?
    public var http = UpstreamHTTPSpec()
    public var reuse = ConnectionReuseSpec()
    @RarelySet public var dns: DNSSpec
    @RarelySet public var originalDestination: OriginalDestinationSpec
    @RarelySet public var socketOptions: SocketOptions
    /// Keepalive probes and a limit on unacknowledged bytes, where the file sets none (Outrider's own).
    public var detectsDeadPeers = true
    /// `upstream_bind_config.source_address`.
    public var sourceAddress: SocketAddress?
    /// Percent of healthy hosts under which health is ignored, 50.
    public var panicThreshold = 50.0
    public var overprovisioningFactor = 140
    @Rare public var healthCheck: HealthCheckSpec?
    /// `common_lb_config.ignore_new_hosts_until_first_hc`: a new host counts for nothing before its first check.
    public var ignoresUncheckedHosts = false
    /// `ignore_health_on_host_removal`: a host that its name no longer has leaves although it passes its checks.
    public var removesHealthyHosts = false
    /// `close_connections_on_host_health_failure`: TCP sessions of a host end when it is taken out.
    public var closesOnHealthFailure = false
    /// `wait_for_warm_on_init`: nobody is served before names have been looked up.
    public var waitsForNames = true
    public var trackTimeoutBudgets = false
    public var trackRequestResponseSizes = false
    public var perEndpointStats = false

    public enum Discovery: Sendable, Equatable { case `static`, strictDNS, logicalDNS, originalDestination, eds }

    public init(name: String) { self.name = name }
}

/// For clusters of type ORIGINAL_DST: `original_dst_lb_config`, `cleanup_interval`, and what is Outrider's own.
public struct OriginalDestinationSpec: DefaultedSpec {
    /// The request header that names the destination ("192.0.2.1:80"); nil: none does.
    public var header: String?
    /// In place of the destination's own port.
    public var portOverride: UInt16?
    /// A destination that was not used for this long, and has no connection, is forgotten.
    public var cleanupInterval = TimeAmount.seconds(5)
    /// Destinations at the same time, over all workers; 0: no limit.
    public var maxHosts = 8192
    /// Connections of this process to itself are refused.
    public var refusesLoops = true

    public init() {}
}

/// `ProxyProtocolUpstreamTransport`: each connection begins with a header that names the client.
public struct UpstreamProxyProtocolSpec: Sendable, Equatable {
    public enum Version: Sendable { case v1, v2 }
    public var version: Version
    /// `added_tlvs` as they stand in a header of version 2, at most `maxTLVs` bytes.
    public var tlvs: [UInt8] = []

    /// What the header's length field leaves beside two IPv6 addresses and their ports.
    public static let maxTLVs = 65_535 - 36

    public init(version: Version) { self.version = version }
}

/// `lb_policy` with its settings, or a `load_balancing_policy` of the same kinds; `BalancingSpec.hashing` comes before it.
public enum BalancerSpec: Sendable, Equatable {
    case roundRobin
    case leastRequest(choiceCount: Int, activeRequestBias: Double)
    case random
}

/// One `LocalityLbEndpoints` of `load_assignment`.
public struct LocalityEndpointsSpec: Sendable {
    @RarelySet public var locality: Locality
    public var priority = 0
    /// `load_balancing_weight`; 0 where there is none.
    public var weight: UInt32 = 0
    /// What of it transports are chosen by.
    public var metadata: Metadata?
    public var endpoints: [EndpointSpec]
    public init(endpoints: [EndpointSpec]) { self.endpoints = endpoints }
}

/// One `LbEndpoint`.
public struct EndpointSpec: Sendable {
    public enum Address: Sendable, Hashable {
        case socket(SocketAddress)
        /// A name for STRICT_DNS and LOGICAL_DNS.
        case name(String, port: UInt16)
    }
    public var address: Address
    /// `endpoint.hostname`, or the address's own name: for auto_host_rewrite and auto SNI.
    public var hostname = ""
    public var weight: UInt32 = 1
    public var health = Health.unknown
    @Rare public var healthCheck: EndpointHealthCheckSpec?
    /// `hash_key` of its metadata under `envoy.lb`.
    @Rare public var hashKey: String?
    public var metadata: Metadata?

    public enum Health: Sendable, Equatable { case unknown, healthy, unhealthy, draining, timeout, degraded }

    public init(address: Address) { self.address = address }
}

/// `CircuitBreakers`: one set a priority.
public struct CircuitBreakersSpec: DefaultedSpec {
    public var `default` = ThresholdsSpec()
    public var high = ThresholdsSpec()
    /// `per_host_thresholds[].max_connections`.
    public var maxConnectionsPerHost: UInt32?

    public init() {}
}

public struct ThresholdsSpec: Sendable, Equatable {
    public var maxConnections: UInt32 = 1024
    public var maxPendingRequests: UInt32 = 1024
    public var maxRequests: UInt32 = 1024
    public var maxRetries: UInt32 = 3
    public var maxConnectionPools: UInt32 = .max
    public var trackRemaining = false
    /// Outrider's default where the file sets neither this nor `max_retries`: 20 % and at least 3.
    public var retryBudget: RetryBudgetSpec? = RetryBudgetSpec()

    public init() {}
}

/// `CircuitBreakers.Thresholds.RetryBudget`.
public struct RetryBudgetSpec: Sendable, Equatable {
    public var percent = 20.0
    public var minConcurrency: UInt32 = 3
    public init() {}
}

/// `HttpProtocolOptions` of the cluster.
public struct UpstreamHTTPSpec: Sendable, Equatable {
    public var idleTimeout: TimeAmount? = .seconds(3600)
    public var maxConnectionDuration: TimeAmount?
    public var maxStreamDuration: TimeAmount?
    /// 0: no limit.
    public var maxRequestsPerConnection = 0
    /// nil: as much as Envoy takes, 80 KiB by HTTP/1 and 60 KiB by HTTP/2.
    public var maxResponseHeadersKiB: Int?
    public var maxHeaderCount = 100
    public var autoSNI = false
    public var autoSANValidation = false
    public var `protocol` = UpstreamProtocol.http1
    public var http1 = HTTP1OptionsSpec()
    public var http2 = HTTP2OptionsSpec()

    public init() {}
}

/// What is spoken to a cluster: `explicit_http_config`, `auto_config` or `use_downstream_protocol_config`.
public enum UpstreamProtocol: Sendable, Equatable {
    case http1
    case http2
    /// What ALPN chooses. Clusters with TLS only.
    case negotiated
    case sameAsDownstream
}

/// How connections are used again, beyond what Envoy does.
public struct ConnectionReuseSpec: Sendable, Equatable {
    /// A request goes out once more on a fresh connection when a reused one dies before a response byte.
    public var replacesStaleConnections = true
    /// A request that its server refused without looking at it (GOAWAY, REFUSED_STREAM) goes out once more.
    public var replaysRefused = true
    /// A connection that was idle is looked at for its peer's FIN before it is used.
    public var peeksFirst = true
    /// How long a host keeps idle connections open is learnt from those it closes.
    public var learnsIdleTimeout = true

    public init() {}
}

/// How names are resolved, again and again.
public struct DNSSpec: DefaultedSpec {
    public enum Family: Sendable, Equatable { case auto, v4Only, v6Only, v4Preferred, all }
    public var family = Family.auto
    public var refreshRate = TimeAmount.milliseconds(5000)
    public var minRefreshRate = TimeAmount.milliseconds(5000)
    public var failureRefresh: BackoffSpec?
    public var jitter = TimeAmount.milliseconds(0)
    public var respectTTL = false
    /// Resolver addresses; empty: the system's.
    public var resolvers: [SocketAddress] = []
    public var useTCP = false
    public var noDefaultSearchDomain = false

    public init() {}
}

extension SocketOptions: DefaultedSpec {}
