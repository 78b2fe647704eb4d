// What routes say of requests from other origins.
import DataPlane
import EnvoyAPI
import SwiftProtobuf

struct CORSSpecBuilder {
    let context: SpecContext

    /// The filter's own message, which has no fields.
    static let filterName = "envoy.extensions.filters.http.cors.v3.Cors"

    /// An entry of `typed_per_filter_config`.
    func policy(_ policy: API.CORSPolicy, _ path: FieldPath) -> CORSPolicySpec {
        var spec = CORSPolicySpec()
        spec.allowedOrigins = context.matchers(
            policy.allowOriginStringMatch, path.field("allow_origin_string_match"))
        spec.allowedMethods = policy.allowMethods
        spec.allowedHeaders = policy.allowHeaders
        spec.exposedHeaders = policy.exposeHeaders
        spec.maxAge = policy.maxAge
        if policy.hasAllowCredentials { spec.allowsCredentials = policy.allowCredentials.value }
        if policy.hasAllowPrivateNetworkAccess {
            spec.allowsPrivateNetworks = policy.allowPrivateNetworkAccess.value
        }
        if policy.hasForwardNotMatchingPreflights {
            spec.forwardsOtherPreflights = policy.forwardNotMatchingPreflights.value
        }
        if policy.hasFilterEnabled { spec.enabled = context.fraction(policy.filterEnabled) }
        if policy.hasShadowEnabled { spec.shadowEnabled = context.fraction(policy.shadowEnabled) }
        return spec
    }

    /// The older `cors` field of routes and virtual hosts, which means the same.
    func policy(_ policy: API.RouteCORSPolicy, _ path: FieldPath) -> CORSPolicySpec {
        var same = API.CORSPolicy()
        same.allowOriginStringMatch = policy.allowOriginStringMatch
        same.allowMethods = policy.allowMethods
        same.allowHeaders = policy.allowHeaders
        same.exposeHeaders = policy.exposeHeaders
        same.maxAge = policy.maxAge
        if policy.hasAllowCredentials { same.allowCredentials = policy.allowCredentials }
        if policy.hasAllowPrivateNetworkAccess { same.allowPrivateNetworkAccess = policy.allowPrivateNetworkAccess }
        if policy.hasForwardNotMatchingPreflights {
            same.forwardNotMatchingPreflights = policy.forwardNotMatchingPreflights
        }
        if case .filterEnabled(let fraction)? = policy.enabledSpecifier { same.filterEnabled = fraction }
        if policy.hasShadowEnabled { same.shadowEnabled = policy.shadowEnabled }
        return self.policy(same, path)
    }
}
