// A listener, its filter chains, and what each chain runs.
import Matching
import Reactor

/// `envoy.config.listener.v3.Listener`.
public struct ListenerSpec: Sendable {
    public var name: String
    /// Of all that is asked for but the filter chains; nil: never the same as another's.
    public var identity: ContentDigest?
    /// The first is `address`, the rest `additional_addresses`.
    public var addresses: [ListenAddress]
    /// Replaces the address in the `listener.<...>.` stats when not empty.
    public var statPrefix = ""
    public var filterChains: [FilterChainSpec] = []
    public var defaultFilterChain: FilterChainSpec?
    /// Soft watermark of each side of a connection, bytes (1 MiB).
    public var perConnectionBufferLimit = 1 << 20
    public var tcpBacklogSize = 0
    public var enableReusePort = true
    /// False: a virtual listener, which only gets connections that were redirected (`handsOnRedirected`).
    public var bindToPort = true
    /// `listener_filters` in their order, with the `tls_inspector` that filter chains need and nobody listed.
    public var filters: [ListenerFilterSpec] = []
    /// What is done about servers that speak first, where filters wait for first bytes.
    public var serverFirst = ServerFirstSpec()
    /// `use_original_dst`: a connection whose destination was restored goes on to the listener of that destination.
    public var handsOnRedirected = false
    /// `connection_limit` of the runtime key `envoy.resource_limits.listener.<name>.connection_limit`, or none.
    public var connectionLimit: Int?
    public var accessLogs: [AccessLogSpec] = []
    public var metadata: Metadata?
    /// `listener_filters_timeout`: how long the first bytes may take where they are looked at; nil: for ever.
    public var listenerFiltersTimeout: TimeAmount? = .seconds(15)
    /// Past that time a connection goes on without what its first bytes would have told, and is not closed.
    public var continueOnListenerFiltersTimeout = false
    public var drainType = DrainType.default
    /// Inbound listeners (`traffic_direction: INBOUND`) can be drained alone.
    public var direction = TrafficDirection.unspecified
    /// A bound on `accept` per readiness event; 0 means the loop's own.
    public var maxConnectionsPerSocketEvent = 0
    /// `bypass_overload_manager`: no action and no load shed point concerns it.
    public var bypassesOverload = false
    /// `ignore_global_conn_limit`: its connections get in whatever number there is over all listeners.
    public var ignoresGlobalLimit = false

    /// Upstream connections come from the client's address (`original_src`).
    var keepsSources: Bool {
        filters.contains { if case .originalSource = $0.kind { true } else { false } }
    }

    /// All chains, the default one last.
    public var allChains: [FilterChainSpec] { filterChains + (defaultFilterChain.map { [$0] } ?? []) }

    /// Whose routes its connection managers wait for.
    public var routeSubscriptions: Set<RouteSubscriptionSpec> {
        Set(
            allChains.compactMap { chain in
                if case .http(let spec) = chain.filter { spec.routeSource } else { nil }
            })
    }

    /// Lets go of the virtual hosts, for who serves by them: they are compiled then, and the largest part of many files.
    public mutating func forgetRoutes() {
        for index in filterChains.indices { filterChains[index].filter.forgetRoutes() }
        defaultFilterChain?.filter.forgetRoutes()
    }

    public enum DrainType: Sendable { case `default`, modifyOnly }
    public enum TrafficDirection: Sendable { case unspecified, inbound, outbound }

    public init(name: String, addresses: [ListenAddress]) {
        self.name = name
        self.addresses = addresses
    }
}

/// `envoy.config.listener.v3.FilterChain`.
public struct FilterChainSpec: Sendable {
    public var name = ""
    /// Of all that is asked for, the match included; nil: never the same as another's.
    public var identity: ContentDigest?
    public var match = FilterChainMatchSpec()
    public var metadata: Metadata?
    public var tls: TLSContextSpec?
    /// From accept to the end of the TLS handshake; none by default.
    public var transportSocketConnectTimeout: TimeAmount?
    /// What lets connections in before `filter` gets them, in order.
    public var gates: [NetworkGateSpec] = []
    public var filter: NetworkFilterSpec

    public init(filter: NetworkFilterSpec) { self.filter = filter }
}

/// The terminal network filter of a chain.
public enum NetworkFilterSpec: Sendable {
    case http(HTTPConnectionManagerSpec)
    case tcp(TCPProxySpec)

    mutating func forgetRoutes() {
        guard case .http(var spec) = self else { return }
        spec.routes.virtualHosts = []
        self = .http(spec)
    }
}

/// `envoy.config.listener.v3.FilterChainMatch`: empty fields match everything.
public struct FilterChainMatchSpec: Sendable, Equatable {
    public var destinationPort: UInt16?
    public var prefixRanges: [CIDRRange] = []
    public var directSourcePrefixRanges: [CIDRRange] = []
    public var sourceType = SourceType.any
    public var sourcePrefixRanges: [CIDRRange] = []
    public var sourcePorts: [UInt16] = []
    /// Lower case; a leading `*.` is a suffix wildcard.
    public var serverNames: [String] = []
    /// "tls", "raw_buffer" or empty.
    public var transportProtocol = ""
    public var applicationProtocols: [String] = []

    public enum SourceType: Sendable, Equatable { case any, sameIPOrLoopback, external }

    public init() {}
}

/// `envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`.
public struct TCPProxySpec: Sendable {
    public var statPrefix: String
    /// One entry for `cluster`, several for `weighted_clusters`.
    public var clusters: [WeightedCluster]
    public var idleTimeout: TimeAmount? = .seconds(3600)
    public var maxConnectAttempts = 1
    public var connectBackoff: BackoffSpec?
    public var maxDownstreamConnectionDuration: TimeAmount?
    public var accessLogs: [AccessLogSpec] = []
    public var accessLogFlushInterval: TimeAmount?
    public var flushAccessLogOnConnected = false
    /// `hash_policy` with `source_ip`: clusters that choose hosts by hashes take that of the client's address.
    public var hashesSourceIP = false

    public struct WeightedCluster: Sendable, Equatable {
        public var name: String
        public var weight: UInt32
        /// `metadata_match`, the proxy's with it: what subset of the cluster's hosts is wanted.
        public var metadataMatch: Metadata?
        public init(name: String, weight: UInt32 = 1) {
            self.name = name
            self.weight = weight
        }
    }

    public init(statPrefix: String, clusters: [WeightedCluster]) {
        self.statPrefix = statPrefix
        self.clusters = clusters
    }
}

/// `BackoffStrategy` and `RetryBackOff`: exponential with full jitter between `base` and `max`.
public struct BackoffSpec: Sendable, Hashable {
    public var base: TimeAmount
    public var max: TimeAmount
    public init(base: TimeAmount, max: TimeAmount) {
        self.base = base
        self.max = max
    }
}
