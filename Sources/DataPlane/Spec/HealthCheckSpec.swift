// Active health checks: what hosts are asked, how often, and what their answers mean.
import Matching
import Reactor

/// `envoy.config.core.v3.HealthCheck`.
public struct HealthCheckSpec: Sendable {
    /// From the begin of a check, connecting included, to the end of its answer.
    public var timeout: TimeAmount
    /// From the end of a check to the next one's begin.
    public var interval: TimeAmount
    /// At most this much before a host's first check.
    public var initialJitter = TimeAmount.zero
    public var intervalJitter = TimeAmount.zero
    /// Of the interval, on top of `intervalJitter`.
    public var intervalJitterPercent: UInt32 = 0
    /// Failures in a row that take a host out, where one is not enough.
    public var unhealthyThreshold: UInt32
    /// Successes in a row that bring a host back.
    public var healthyThreshold: UInt32
    public var reusesConnection = true
    /// The interval while nobody has ever connected to the cluster.
    public var noTrafficInterval = TimeAmount.seconds(60)
    /// The same for healthy hosts.
    public var noTrafficHealthyInterval = TimeAmount.seconds(60)
    /// After a failure of a host that is out.
    public var unhealthyInterval: TimeAmount
    /// After a failure that did not take the host out yet.
    public var unhealthyEdgeInterval: TimeAmount
    /// After a success that did not bring the host back yet.
    public var healthyEdgeInterval: TimeAmount
    /// Bounds of every interval: the runtime keys `health_check.min_interval` and `health_check.max_interval`.
    public var shortestInterval = TimeAmount.milliseconds(1)
    public var longestInterval = TimeAmount.max
    /// In place of the hosts' own ports.
    public var altPort: UInt16?
    /// `tls_options.alpn_protocols`; nil: the cluster's own.
    public var alpn: [String]?
    /// By which of the cluster's transports hosts are asked (`transport_socket_match_criteria`); nil: by their own.
    public var transport: TransportIndex?
    public var kind: Kind
    public var events = HealthEventSpec()

    public enum Kind: Sendable {
        case http(HTTPHealthCheckSpec)
        case tcp(TCPHealthCheckSpec)
        case grpc(GRPCHealthCheckSpec)
    }

    public init(timeout: TimeAmount, interval: TimeAmount, unhealthy: UInt32, healthy: UInt32, _ kind: Kind) {
        self.timeout = timeout
        self.interval = interval
        unhealthyThreshold = unhealthy
        healthyThreshold = healthy
        unhealthyInterval = interval
        unhealthyEdgeInterval = interval
        healthyEdgeInterval = interval
        self.kind = kind
    }
}

/// `HealthCheck.HttpHealthCheck`.
public struct HTTPHealthCheckSpec: Sendable {
    /// Empty: the endpoint's `health_check_config.hostname`, or the cluster's name.
    public var host = ""
    public var path: String
    public var method = "GET"
    public var body: [UInt8] = []
    /// Bytes that the answer's body has to have, in this order and with anything between them.
    public var receive: [[UInt8]] = []
    /// Bytes of a body that are looked at; nil: all.
    public var bodyLimit: UInt64? = 1024
    public var headersToAdd: [HeaderAddSpec] = []
    public var headersToRemove: [String] = []
    public var expectedStatuses: [Range<Int64>] = [200..<201]
    /// Statuses that count up to `unhealthy_threshold` instead of taking the host out at once.
    public var retriableStatuses: [Range<Int64>] = []
    public var usesHTTP2 = false
    /// What `x-envoy-upstream-healthchecked-cluster` of the answer has to be.
    public var serviceName: StringMatcher?

    public init(path: String) { self.path = path }
}

/// `HealthCheck.TcpHealthCheck`.
public struct TCPHealthCheckSpec: Sendable, Equatable {
    public var send: [UInt8] = []
    /// Bytes that have to come, in this order and with anything between them; none: a connection is enough.
    public var receive: [[UInt8]] = []
    /// The header that each check begins with.
    public var proxyProtocol: UpstreamProxyProtocolSpec.Version?

    public init() {}
}

/// `HealthCheck.GrpcHealthCheck`.
public struct GRPCHealthCheckSpec: Sendable {
    /// Empty: the server as a whole.
    public var service = ""
    /// Empty: as for `HTTPHealthCheckSpec.host`.
    public var authority = ""
    public var metadata: [HeaderAddSpec] = []

    public init() {}
}

/// Where what the checks find is written, and how much of it.
public struct HealthEventSpec: Sendable, Equatable {
    public struct File: Sendable, Equatable {
        public var path: String
        /// Which field of the cluster names it, for messages.
        public var field: String

        public init(path: String, field: String) {
            self.path = path
            self.field = field
        }
    }

    /// `event_log_path` and the files of `event_logger`.
    public var files: [File] = []
    public var alwaysLogsFailures = false
    public var alwaysLogsSuccesses = false

    public init() {}
}

/// `Endpoint.HealthCheckConfig`.
public struct EndpointHealthCheckSpec: Sendable, Equatable {
    /// In place of the endpoint's own address.
    public var address: SocketAddress?
    public var port: UInt16?
    public var hostname = ""
    public var isDisabled = false

    public init() {}
}
