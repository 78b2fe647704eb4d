// Network filters before the one that ends a chain.
import DataPlane
import EnvoyAPI
import Reactor

struct NetworkGateSpecBuilder {
    let context: SpecContext

    /// nil: the filter is none of these.
    func gate(_ filter: API.NetworkFilter, _ path: FieldPath) -> NetworkGateSpec? {
        let config = path.field("typed_config")
        if let rbac = filter.typedConfig.unpacked(API.NetworkRBAC.self) {
            return .rbac(RBACSpecBuilder(context: context, hasHeaders: false).network(rbac, config))
        }
        if let limit = filter.typedConfig.unpacked(API.ConnectionRateLimit.self) {
            return .rateLimit(RateLimitSpecBuilder(context: context).network(limit, config))
        }
        if let limit = filter.typedConfig.unpacked(API.ConnectionServiceLimit.self) {
            return GlobalRateLimitSpecBuilder(context: context).network(limit, config).map { .serviceLimit($0) }
        }
        return nil
    }
}
