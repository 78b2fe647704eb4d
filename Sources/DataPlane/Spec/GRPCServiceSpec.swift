// A gRPC service that workers ask.
import Reactor

/// `envoy.config.core.v3.GrpcService` with `envoy_grpc`.
public struct GRPCServiceSpec: Sendable {
    public var cluster: String
    public var authority: String
    /// Fields of each call's head (`initial_metadata`).
    public var metadata: [(name: String, value: String)] = []
    /// nil: no limit.
    public var timeout: TimeAmount?

    public init(cluster: String, authority: String, timeout: TimeAmount?) {
        self.cluster = cluster
        self.authority = authority
        self.timeout = timeout
    }
}
