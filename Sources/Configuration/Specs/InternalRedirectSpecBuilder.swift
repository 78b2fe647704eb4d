// Redirects that the proxy follows itself.
import DataPlane
import EnvoyAPI

struct InternalRedirectSpecBuilder {
    let context: SpecContext
    private static let package = "envoy.extensions.internal_redirect."
    private static let statuses: Set<UInt32> = [301, 302, 303, 307, 308]

    func policy(_ policy: API.InternalRedirectPolicy, _ path: FieldPath) -> InternalRedirectSpec {
        var spec = InternalRedirectSpec()
        if policy.hasMaxInternalRedirects { spec.limit = Int(policy.maxInternalRedirects.value) }
        if !policy.redirectResponseCodes.isEmpty {
            for (index, status) in policy.redirectResponseCodes.enumerated()
            where !InternalRedirectSpecBuilder.statuses.contains(status) {
                context.report.warn(
                    path: path.field("redirect_response_codes")[index],
                    "\(status) is no redirect: only 301, 302, 303, 307 and 308 are followed")
            }
            spec.statuses = policy.redirectResponseCodes.filter(InternalRedirectSpecBuilder.statuses.contains).map {
                Int($0)
            }
        }
        spec.predicates = policy.predicates.enumerated().compactMap { predicate($1, path.field("predicates")[$0]) }
        spec.allowsOtherScheme = policy.allowCrossSchemeRedirect
        spec.headersToCopy = HeaderMutationSpecBuilder(context: context).names(
            policy.responseHeadersToCopy, path.field("response_headers_to_copy"))
        return spec
    }

    private func predicate(_ predicate: API.TypedExtension, _ path: FieldPath) -> InternalRedirectSpec.Predicate? {
        switch predicate.typedConfig.messageName {
        case InternalRedirectSpecBuilder.package + "previous_routes.v3.PreviousRoutesConfig": return .previousRoutes
        case InternalRedirectSpecBuilder.package + "safe_cross_scheme.v3.SafeCrossSchemeConfig":
            return .safeCrossScheme
        default:
            let config = context.unpack(
                predicate.typedConfig, isSet: predicate.hasTypedConfig, as: API.AllowListedRoutes.self, path)
            return config.map { .allowListed($0.allowedRouteNames) }
        }
    }
}
