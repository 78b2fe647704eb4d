// gRPC services that filters ask.
import DataPlane
import EnvoyAPI
import Reactor

struct GRPCServiceSpecBuilder {
    let context: SpecContext

    /// - Parameter timeout: where the service has none of its own.
    /// - Returns: nil after a problem.
    func service(_ service: API.GRPCService, _ path: FieldPath, timeout standard: TimeAmount?) -> GRPCServiceSpec? {
        guard case .envoyGrpc(let target)? = service.targetSpecifier else { return nil }
        let place = path.field("envoy_grpc")
        context.checkCluster(target.clusterName, place.field("cluster_name"))
        if target.hasRetryPolicy {
            context.unsupported(place.field("retry_policy"), "a call to a service is made once")
        }
        var spec = GRPCServiceSpec(
            cluster: target.clusterName, authority: target.authority.isEmpty ? target.clusterName : target.authority,
            timeout: context.timeout(service.timeout, isSet: service.hasTimeout, default: standard))
        spec.metadata = ConfigSourceSpecBuilder(context: context)
            .metadata(service.initialMetadata, path.field("initial_metadata")).map { ($0.name, $0.value) }
        return spec
    }
}
