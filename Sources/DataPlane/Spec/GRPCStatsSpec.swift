// Settings of the gRPC statistics filter.

/// `envoy.extensions.filters.http.grpc_stats.v3.FilterConfig`.
public struct GRPCStatsSpec: Sendable, Equatable {
    /// Which methods have stats of their own; calls of others are counted together.
    public enum Methods: Sendable, Equatable {
        case none
        case listed([Method])
        case all
    }

    public struct Method: Sendable, Equatable {
        /// With its package: "helloworld.Greeter".
        public var service: String
        public var name: String
        public init(service: String, name: String) {
            self.service = service
            self.name = name
        }
    }

    public var methods = Methods.none
    /// `enable_upstream_stats`: how long the upstream took.
    public var upstreamTimes = false
    /// `replace_dots_in_grpc_service_name`: where names come from requests, `_` stands for each dot of the service.
    public var replacesDots = false

    public init() {}
}
