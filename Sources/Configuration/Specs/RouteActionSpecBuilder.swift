// What routes do: forward, redirect, answer.
import DataPlane
import EnvoyAPI
import Matching
import Reactor

struct RouteActionSpecBuilder {
    let context: SpecContext
    /// `validate_clusters`: a route to a cluster that does not exist is a problem.
    let checksClusters: Bool
    /// Bytes of a direct response's body.
    let maxBody: Int

    // MARK: - Forward

    func forward(_ action: API.RouteAction, _ path: FieldPath) -> ForwardSpec? {
        guard let target = target(action, path) else { return nil }
        var spec = ForwardSpec(target: target)
        switch action.clusterNotFoundResponseCode {
        case .notFound: spec.clusterNotFoundStatus = 404
        case .internalServerError: spec.clusterNotFoundStatus = 500
        default: spec.clusterNotFoundStatus = 503
        }
        spec.pathRewrite = pathRewrite(action, path)
        spec.hostRewrite = hostRewrite(action, path)
        spec.appendXForwardedHost = action.appendXForwardedHost
        spec.timeout = context.timeout(action.timeout, isSet: action.hasTimeout, default: .seconds(15))
        if action.hasIdleTimeout { spec.idleTimeout = context.amount(action.idleTimeout) }
        if action.hasFlushTimeout { spec.flushTimeout = context.amount(action.flushTimeout) }
        spec.maxStreamDuration = maxStreamDuration(action, path)
        if action.hasRetryPolicy {
            spec.retryPolicy = RetrySpecBuilder(context: context).policy(
                action.retryPolicy, path.field("retry_policy"))
        }
        spec.priority = action.priority == .high ? .high : .default
        spec.hashPolicies = HashingSpecBuilder(context: context).policies(
            action.hashPolicy, path.field("hash_policy"))
        if action.hasMetadataMatch { spec.metadataMatch = SubsetSpecBuilder.match(action.metadataMatch) }
        spec.upgrades = upgrades(action.upgradeConfigs, path.field("upgrade_configs"))
        if !action.rateLimits.isEmpty {
            spec.rateLimits = RateLimitRuleSpecBuilder(context: context).rules(
                action.rateLimits, of: .route, path.field("rate_limits"))
        }
        if action.hasCors { spec.cors = CORSSpecBuilder(context: context).policy(action.cors, path.field("cors")) }
        spec.includesHostRateLimits = action.includeVhRateLimits.value
        spec.mirrors = mirrors(action.requestMirrorPolicies, path)
        if action.hasInternalRedirectPolicy {
            spec.redirects = InternalRedirectSpecBuilder(context: context).policy(
                action.internalRedirectPolicy, path.field("internal_redirect_policy"))
        }
        return spec
    }

    /// Those of one level, whose field stands below `path`; nil: it has none.
    func mirrors(_ policies: [API.MirrorPolicy], _ path: FieldPath) -> [MirrorPolicySpec]? {
        guard !policies.isEmpty else { return nil }
        let path = path.field("request_mirror_policies")
        let builder = MirrorSpecBuilder(context: context, checksClusters: checksClusters)
        return policies.enumerated().compactMap { builder.policy($1, path[$0]) }
    }

    private func target(_ action: API.RouteAction, _ path: FieldPath) -> ForwardSpec.Target? {
        switch action.clusterSpecifier {
        case .cluster(let name)?:
            check(name, path.field("cluster"))
            return .cluster(name)
        case .clusterHeader(let name)?: return .clusterHeader(name.lowercased())
        case .weightedClusters(let clusters)?:
            return .weighted(weighted(clusters, action.metadataMatch, path.field("weighted_clusters")))
        case .clusterSpecifierPlugin?, .inlineClusterSpecifierPlugin?, nil: return nil
        }
    }

    private func check(_ name: String, _ path: FieldPath) {
        if checksClusters { context.checkCluster(name, path) }
    }

    /// - Parameter match: the route's `metadata_match`.
    private func weighted(
        _ clusters: API.WeightedCluster, _ match: API.Metadata, _ path: FieldPath
    ) -> [ForwardSpec.WeightedRouteCluster] {
        let headers = HeaderMutationSpecBuilder(context: context)
        let specs = clusters.clusters.enumerated().map { index, cluster in
            let path = path.field("clusters")[index]
            if !cluster.hasWeight { context.missing(path.field("weight")) }
            if cluster.name.isEmpty == cluster.clusterHeader.isEmpty {
                context.bad(path, "one of name and cluster_header is required, and only one may be set")
            }
            check(cluster.name, path.field("name"))
            var spec = ForwardSpec.WeightedRouteCluster(
                name: cluster.name.isEmpty ? .header(cluster.clusterHeader.lowercased()) : .cluster(cluster.name),
                weight: cluster.weight.value)
            spec.headers = headers.mutations(
                requestAdd: cluster.requestHeadersToAdd, requestRemove: cluster.requestHeadersToRemove,
                responseAdd: cluster.responseHeadersToAdd, responseRemove: cluster.responseHeadersToRemove, path)
            if !cluster.typedPerFilterConfig.isEmpty {
                spec.filterOverrides = HTTPFilterSpecBuilder(context: context).overrides(
                    cluster.typedPerFilterConfig, path)
            }
            spec.metadataMatch = SubsetSpecBuilder.match(
                cluster.metadataMatch, isSet: cluster.hasMetadataMatch, over: match)
            if case .hostRewriteLiteral(let host)? = cluster.hostRewriteSpecifier { spec.hostRewrite = host }
            return spec
        }
        let sum = specs.reduce(UInt64(0)) { $0 + UInt64($1.weight) }
        if sum == 0 { context.bad(path.field("clusters"), "the sum of the weights must be greater than 0") }
        if sum > UInt64(UInt32.max) {
            context.bad(path.field("clusters"), "the sum of the weights must be at most \(UInt32.max), found \(sum)")
        }
        return specs
    }

    private func pathRewrite(_ action: API.RouteAction, _ path: FieldPath) -> PathRewriteSpec? {
        let set = [
            ("prefix_rewrite", !action.prefixRewrite.isEmpty), ("regex_rewrite", action.hasRegexRewrite),
            ("path_rewrite", !action.pathRewrite.isEmpty),
        ].filter(\.1).map(\.0)
        if set.count > 1 { context.bad(path.field(set[1]), "only one of \(set[0]) and \(set[1]) may be set") }
        if action.hasRegexRewrite {
            return context.rewrite(action.regexRewrite, path.field("regex_rewrite")).map {
                .regex($0.regex, substitution: $0.substitution)
            }
        }
        if !action.pathRewrite.isEmpty {
            context.check(format: action.pathRewrite, path.field("path_rewrite"))
            return .literal(action.pathRewrite)
        }
        return action.prefixRewrite.isEmpty ? nil : .prefix(action.prefixRewrite)
    }

    private func hostRewrite(_ action: API.RouteAction, _ path: FieldPath) -> HostRewriteSpec? {
        switch action.hostRewriteSpecifier {
        case .hostRewriteLiteral(let host)?: return host.isEmpty ? nil : .literal(host)
        case .autoHostRewrite(let value)?: return value.value ? .auto : nil
        case .hostRewriteHeader(let name)?: return name.isEmpty ? nil : .header(name.lowercased())
        case .hostRewritePathRegex(let rewrite)?:
            return context.rewrite(rewrite, path.field("host_rewrite_path_regex")).map {
                .pathRegex($0.regex, substitution: $0.substitution)
            }
        case .hostRewrite(let format)?:
            context.check(format: format, path.field("host_rewrite"))
            return format.isEmpty ? nil : .format(format)
        case nil: return nil
        }
    }

    /// The deprecated gRPC fields mean the same as those of `max_stream_duration`.
    private func maxStreamDuration(_ action: API.RouteAction, _ path: FieldPath) -> MaxStreamDurationSpec? {
        var spec = MaxStreamDurationSpec()
        if action.hasMaxStreamDuration {
            let limits = action.maxStreamDuration
            if limits.hasMaxStreamDuration { spec.maxStreamDuration = context.amount(limits.maxStreamDuration) }
            if limits.hasGrpcTimeoutHeaderMax {
                spec.grpcTimeoutHeaderMax = context.amount(limits.grpcTimeoutHeaderMax)
            }
            if limits.hasGrpcTimeoutHeaderOffset {
                spec.grpcTimeoutHeaderOffset = context.amount(limits.grpcTimeoutHeaderOffset)
            }
        } else {
            if action.hasMaxGrpcTimeout { spec.grpcTimeoutHeaderMax = context.amount(action.maxGrpcTimeout) }
            if action.hasGrpcTimeoutOffset { spec.grpcTimeoutHeaderOffset = context.amount(action.grpcTimeoutOffset) }
        }
        return spec == MaxStreamDurationSpec() ? nil : spec
    }

    private func upgrades(_ configs: [API.RouteAction.UpgradeConfig], _ path: FieldPath) -> [UpgradeSpec] {
        var seen: Set<String> = []
        return configs.enumerated().map { index, config in
            if !seen.insert(config.upgradeType.lowercased()).inserted {
                context.duplicate(path[index], "\(quotedForMessage(config.upgradeType)) is in the list twice")
            }
            return UpgradeSpec(
                name: config.upgradeType, enabled: !config.hasEnabled || config.enabled.value,
                endsConnect: config.hasConnectConfig)
        }
    }

    // MARK: - Redirect

    func redirect(_ action: API.Redirect, _ path: FieldPath) -> RedirectSpec {
        var spec = RedirectSpec()
        switch action.responseCode {
        case .found: spec.status = 302
        case .seeOther: spec.status = 303
        case .temporaryRedirect: spec.status = 307
        case .permanentRedirect: spec.status = 308
        default: spec.status = 301
        }
        switch action.schemeRewriteSpecifier {
        case .httpsRedirect(let value)?: spec.scheme = value ? "https" : nil
        case .schemeRedirect(let scheme)?: spec.scheme = scheme.isEmpty ? nil : scheme
        case nil: break
        }
        spec.host = action.hostRedirect.isEmpty ? nil : action.hostRedirect
        if action.portRedirect != 0 { spec.port = context.port(action.portRedirect, path.field("port_redirect")) }
        switch action.pathRewriteSpecifier {
        case .pathRedirect(let text)?: spec.path = .full(text)
        case .prefixRewrite(let text)?: spec.path = .prefix(text)
        case .regexRewrite(let rewrite)?:
            spec.path = context.rewrite(rewrite, path.field("regex_rewrite")).map {
                .regex($0.regex, substitution: $0.substitution)
            }
        case nil: break
        }
        spec.stripQuery = action.stripQuery
        return spec
    }

    // MARK: - Direct response

    func directResponse(_ action: API.DirectResponse, _ path: FieldPath) -> DirectResponseSpec {
        var spec = DirectResponseSpec(status: Int(action.status))
        if action.hasBody, let (bytes, _) = context.data(action.body, path.field("body")) {
            if bytes.count > maxBody {
                context.bad(
                    path.field("body"),
                    "has \(bytes.count) bytes; max_direct_response_body_size_bytes allows \(maxBody)")
            }
            spec.body = bytes
        }
        return spec
    }
}
