// The `rate_limits` of routes, virtual hosts and rate limit filters: what makes descriptors of requests.
import DataPlane
import EnvoyAPI

struct RateLimitRuleSpecBuilder {
    let context: SpecContext

    /// - Parameter isOfRoute: a route's or a virtual host's; filters have no use for the stage of their own.
    func rules(_ limits: [API.RateLimitRule], isOfRoute: Bool, _ path: FieldPath) -> [RateLimitRuleSpec] {
        limits.enumerated().map { index, limit in
            let path = path[index]
            if limit.hasStage, !isOfRoute {
                context.bad(path.field("stage"), "is for the rate limits of routes: all of a filter's own hold")
            }
            return RateLimitRuleSpec(
                stage: Int(limit.stage.value),
                actions: limit.actions.enumerated().compactMap { action($1, path.field("actions")[$0]) })
        }
    }

    /// nil: it is refused by name already.
    private func action(_ action: API.RateLimitRule.Action, _ path: FieldPath) -> RateLimitActionSpec? {
        let matches = RouteMatchSpecBuilder(context: context)
        switch action.actionSpecifier {
        case .sourceCluster?: return .sourceCluster
        case .destinationCluster?: return .destinationCluster
        case .requestHeaders(let header)?:
            return .requestHeader(
                name: header.headerName.lowercased(), key: header.descriptorKey, skipsAbsent: header.skipIfAbsent)
        case .queryParameters(let query)?:
            return .queryParameter(
                name: query.queryParameterName, key: query.descriptorKey, skipsAbsent: query.skipIfAbsent)
        case .remoteAddress?: return .remoteAddress
        case .maskedRemoteAddress(let mask)?:
            return .maskedRemoteAddress(
                v4: mask.hasV4PrefixMaskLen ? Int(mask.v4PrefixMaskLen.value) : 32,
                v6: mask.hasV6PrefixMaskLen ? Int(mask.v6PrefixMaskLen.value) : 128)
        case .genericKey(let generic)?:
            return .genericKey(key: named(generic.descriptorKey, "generic_key"), value: generic.descriptorValue)
        case .headerValueMatch(let match)?:
            return .headerMatch(
                matches.headers(match.headers, path.field("header_value_match.headers")),
                expects: !match.hasExpectMatch || match.expectMatch.value,
                key: named(match.descriptorKey, "header_match"), value: match.descriptorValue)
        case .queryParameterValueMatch(let match)?:
            return .queryMatch(
                matches.queries(match.queryParameters, path.field("query_parameter_value_match.query_parameters")),
                expects: !match.hasExpectMatch || match.expectMatch.value,
                key: named(match.descriptorKey, "query_match"), value: match.descriptorValue)
        case .dynamicMetadata?, .metadata?, .extension?, nil: return nil
        }
    }

    private func named(_ key: String, _ standard: String) -> String { key.isEmpty ? standard : key }
}
