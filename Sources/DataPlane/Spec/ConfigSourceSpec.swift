// Resources that the bootstrap does not hold itself: where they come from, and who asks for which.
import Reactor

/// `envoy.config.core.v3.ConfigSource`. Equal sources share a stream or a watch.
public struct ConfigSourceSpec: Sendable, Hashable {
    public enum Place: Sendable, Hashable {
        /// `path_config_source` (or `path`): a file with a DiscoveryResponse, and what shows that there is a newer one.
        case file(path: String, watched: WatchedPlace)
        /// `ads`: the stream of `dynamic_resources.ads_config`.
        case aggregated
        /// `api_config_source`: a stream of its own.
        case grpc(GRPCSourceSpec)
    }

    public var place: Place
    /// `initial_fetch_timeout`: how long the first answer is waited for; nil: for ever.
    public var initialFetchTimeout: TimeAmount? = .seconds(15)

    public init(_ place: Place) { self.place = place }
}

/// `ApiConfigSource` of the types GRPC and DELTA_GRPC, with an `envoy_grpc` service.
public struct GRPCSourceSpec: Sendable, Hashable {
    /// The static cluster of the control plane.
    public var cluster: String
    /// DELTA_GRPC, AGGREGATED_DELTA_GRPC.
    public var isDelta = false
    /// `envoy_grpc.authority`, or the cluster's name.
    public var authority: String
    /// `initial_metadata`.
    public var metadata: [Metadata] = []
    /// `set_node_on_first_message_only`.
    public var sendsNodeOnce = false
    /// `rate_limit_settings`: requests on the stream; nil: no limit.
    public var rateLimit: RateLimit?
    /// `envoy_grpc.retry_policy.retry_back_off`: between a stream's end and the next one.
    public var backoff = BackoffSpec(base: .milliseconds(500), max: .seconds(30))

    public struct Metadata: Sendable, Hashable {
        public var name: String
        public var value: String
        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    public struct RateLimit: Sendable, Hashable {
        /// Tokens; Envoy's default is 100.
        public var maxTokens: UInt32 = 100
        /// Tokens a second.
        public var fillRate = 10.0
        public init() {}
    }

    public init(cluster: String) {
        self.cluster = cluster
        authority = cluster
    }
}

/// What a control plane may send at most; 0 is no limit. Outrider's own.
public struct ControlPlaneLimitsSpec: Sendable, Equatable {
    /// Bytes of one response.
    public var maxResponseBytes = 64 << 20
    /// Resources of one response.
    public var maxResources = 100_000

    public init() {}
}

/// `Bootstrap.dynamic_resources`.
public struct DynamicResourcesSpec: Sendable, Equatable {
    public var clusters: ConfigSourceSpec?
    public var listeners: ConfigSourceSpec?
    /// `ads_config`
    public var aggregated: GRPCSourceSpec?
    /// The serialized `envoy.config.core.v3.Node` that says in requests who asks.
    public var node: [UInt8] = []
    public var limits = ControlPlaneLimitsSpec()

    public init() {}
}

/// `Cluster.EdsClusterConfig`: whose endpoints a cluster of type EDS has.
public struct EndpointSubscriptionSpec: Sendable, Hashable {
    /// `service_name`, or the cluster's name.
    public var service: String
    public var source: ConfigSourceSpec

    public init(service: String, source: ConfigSourceSpec) {
        self.service = service
        self.source = source
    }
}

/// `Rds`: whose routes a connection manager has.
public struct RouteSubscriptionSpec: Sendable, Hashable {
    /// `route_config_name`
    public var name: String
    public var source: ConfigSourceSpec

    public init(name: String, source: ConfigSourceSpec) {
        self.name = name
        self.source = source
    }
}

/// What EDS says of a service (`ClusterLoadAssignment`).
public struct EndpointAssignment: Sendable {
    /// `cluster_name`: the service.
    public var service: String
    public var groups: [LocalityEndpointsSpec] = []
    /// `policy.overprovisioning_factor`, percent.
    public var overprovisioningFactor = 140
    /// `policy.endpoint_stale_after`: without news for this long they count for nothing; nil: never.
    public var staleAfter: TimeAmount?

    public init(service: String) { self.service = service }
}
