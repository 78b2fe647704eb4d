// The `rate_limits` of routes, virtual hosts and rate limit filters: what makes descriptors of requests.
import DataPlane
import EnvoyAPI

struct RateLimitRuleSpecBuilder {
    let context: SpecContext

    /// Whose rules they are. All of a filter's own hold: it has no use for stages.
    enum Owner {
        /// A route or a virtual host, for all filters that limit rates.
        case route
        case localFilter
        /// The filter that asks a service, or what a route changes about it.
        case globalFilter
    }

    func rules(_ limits: [API.RateLimitRule], of owner: Owner, _ path: FieldPath) -> [RateLimitRuleSpec] {
        limits.enumerated().map { index, limit in
            let path = path[index]
            var rule = RateLimitRuleSpec(
                stage: Int(limit.stage.value),
                actions: limit.actions.enumerated().compactMap { action($1, path.field("actions")[$0]) })
            if limit.hasStage, owner != .route {
                context.bad(path.field("stage"), "is for the rate limits of routes: all of a filter's own hold")
            }
            if !limit.disableKey.isEmpty {
                if owner != .route { context.bad(path.field("disable_key"), "is for the rate limits of routes") }
                let key = "ratelimit.\(limit.disableKey).http_filter_enabled"
                context.use(runtimeKey: key)
                rule.enabled = RuntimeFraction(.always, key: key)
            }
            if limit.hasHitsAddend { rule.hits = hits(limit.hitsAddend, of: owner, path.field("hits_addend")) }
            rule.appliesAtEnd = limit.applyOnStreamDone
            if limit.applyOnStreamDone, owner == .localFilter {
                context.unsupported(path.field("apply_on_stream_done"), "is for rate limits that a service decides")
            }
            return rule
        }
    }

    private func hits(_ hits: API.RateLimitHits, of owner: Owner, _ path: FieldPath) -> RateLimitHitsSpec? {
        switch owner {
        case .globalFilter: break
        case .localFilter:
            context.unsupported(path, "a request takes one token")
            return nil
        case .route:
            context.unsupported(
                path, "counts in the rate_limits of filters and in typed_per_filter_config only, as in Envoy")
            return nil
        }
        guard hits.hasNumber != !hits.format.isEmpty else {
            context.bad(path, "must have one of number and format")
            return nil
        }
        if hits.hasNumber { return .number(hits.number.value) }
        do throws(FormatError) {
            guard try Formatter.isOneOperator(hits.format) else {
                context.bad(path.field("format"), "must be one operator, and nothing else")
                return nil
            }
        } catch {
            context.bad(path.field("format"), error.description)
            return nil
        }
        context.check(format: hits.format, path.field("format"))
        return .format(hits.format)
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
