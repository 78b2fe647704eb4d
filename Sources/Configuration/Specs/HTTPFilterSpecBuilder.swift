// HTTP filters before the router, and `typed_per_filter_config`.
import DataPlane
import EnvoyAPI
import Reactor

struct HTTPFilterSpecBuilder {
    let context: SpecContext

    /// The filters that look at requests, in their order; the router and those that only watch are not among them.
    func filters(_ filters: [API.HTTPFilter], _ path: FieldPath) -> [HTTPFilterSpec] {
        filters.enumerated().compactMap { index, filter in
            let config = path[index].field("typed_config")
            let kind: HTTPFilterSpec.Kind
            if let rbac = filter.typedConfig.unpacked(API.HTTPRBAC.self) {
                kind = .rbac(RBACSpecBuilder(context: context, hasHeaders: true).http(rbac, config))
            } else if let limit = filter.typedConfig.unpacked(API.LocalRateLimit.self) {
                kind = .localRateLimit(
                    RateLimitSpecBuilder(context: context).http(limit, isForRoute: false, config))
            } else if let limit = filter.typedConfig.unpacked(API.GlobalRateLimit.self) {
                let spec = GlobalRateLimitSpecBuilder(context: context).http(limit, config)
                guard let spec else { return nil }
                kind = .globalRateLimit(spec)
            } else if let authz = filter.typedConfig.unpacked(API.ExtAuthz.self) {
                guard let spec = ExtAuthzSpecBuilder(context: context).authz(authz, config) else { return nil }
                kind = .extAuthz(spec)
            } else if let fault = filter.typedConfig.unpacked(API.HTTPFault.self) {
                kind = .fault(FaultSpecBuilder(context: context).fault(fault, config))
            } else if filter.typedConfig.messageName == CORSSpecBuilder.filterName {
                kind = .cors
            } else if let jwt = filter.typedConfig.unpacked(API.JWTAuthn.self) {
                kind = .jwt(JWTSpecBuilder(context: context).filter(jwt, config))
            } else if let check = filter.typedConfig.unpacked(API.HealthCheckFilter.self) {
                kind = .healthCheck(HealthCheckFilterSpecBuilder(context: context).filter(check, config))
            } else if let mutation = filter.typedConfig.unpacked(API.HeaderMutationFilter.self) {
                kind = .headerMutation(HeaderMutationFilterSpecBuilder(context: context).filter(mutation, config))
            } else {
                if filter.disabled {
                    context.unsupported(
                        path[index].field("disabled"),
                        "\(quotedForMessage(filter.name)) cannot be turned off: leave it out")
                }
                return nil
            }
            var spec = HTTPFilterSpec(name: filter.name, kind: kind)
            spec.isDisabled = filter.disabled
            return spec
        }
    }

    /// One level's `typed_per_filter_config`.
    func overrides(_ configs: [String: API.AnyMessage], _ path: FieldPath) -> HTTPFilterOverrides {
        var overrides: HTTPFilterOverrides = [:]
        for (name, config) in configs {
            overrides[name] = override(config, path.field("typed_per_filter_config").key(name))
        }
        return overrides
    }

    private func override(_ config: API.AnyMessage, _ path: FieldPath) -> HTTPFilterOverride? {
        if let wrapper = config.unpacked(API.FilterConfig.self) {
            if wrapper.disabled { return .disabled }
            guard wrapper.hasConfig, !wrapper.config.typeURL.isEmpty else { return .enabled }
            return override(wrapper.config, path.field("config"))
        }
        if let route = config.unpacked(API.RBACPerRoute.self) {
            guard route.hasRbac else { return .rbac(nil) }
            return .rbac(RBACSpecBuilder(context: context, hasHeaders: true).http(route.rbac, path.field("rbac")))
        }
        if let limit = config.unpacked(API.LocalRateLimit.self) {
            return .localRateLimit(RateLimitSpecBuilder(context: context).http(limit, isForRoute: true, path))
        }
        if let limit = config.unpacked(API.GlobalRateLimitPerRoute.self) {
            return .globalRateLimit(GlobalRateLimitSpecBuilder(context: context).override(limit, path))
        }
        if let authz = config.unpacked(API.ExtAuthzPerRoute.self) {
            return ExtAuthzSpecBuilder(context: context).override(authz, path)
        }
        if let fault = config.unpacked(API.HTTPFault.self) {
            return .fault(FaultSpecBuilder(context: context).fault(fault, path))
        }
        if let policy = config.unpacked(API.CORSPolicy.self) {
            return .cors(CORSSpecBuilder(context: context).policy(policy, path))
        }
        if let route = config.unpacked(API.JWTPerRoute.self) {
            return .jwt(JWTSpecBuilder(context: context).route(route))
        }
        if let route = config.unpacked(API.HeaderMutationPerRoute.self) {
            return .headerMutation(
                HeaderMutationFilterSpecBuilder(context: context).level(route.mutations, path.field("mutations")))
        }
        return nil
    }

    // MARK: - Filters and routes together

    /// Overrides that fit no filter do nothing: a name that no filter has, as in Envoy, is warned of, and another filter's
    /// type is refused.
    ///
    /// - Parameter managers: the filters of each connection manager that serves by the routes.
    func check(_ routes: API.RouteConfiguration, _ managers: [[HTTPFilterSpec]], _ path: FieldPath) {
        var kinds: [String: [HTTPFilterSpec.Kind]] = [:]
        for filter in managers.joined() { kinds[filter.name, default: []].append(filter.kind) }
        let limiters = RateLimiters(managers.joined())
        let hasCORS = managers.joined().contains { if case .cors = $0.kind { true } else { false } }
        check(routes.typedPerFilterConfig, kinds, path)
        for (index, host) in routes.virtualHosts.enumerated() {
            let path = path.field("virtual_hosts")[index]
            check(host.rateLimits, limiters, path.field("rate_limits"))
            if !hasCORS, host.hasCors { warnOfCORS(path.field("cors")) }
            check(host.typedPerFilterConfig, kinds, path)
            for (index, route) in host.routes.enumerated() {
                let path = path.field("routes")[index]
                check(route.route.rateLimits, limiters, path.field("route.rate_limits"))
                if !hasCORS, route.route.hasCors { warnOfCORS(path.field("route.cors")) }
                check(route.typedPerFilterConfig, kinds, path)
                let clusters = path.field("route.weighted_clusters.clusters")
                for (index, cluster) in route.route.weightedClusters.clusters.enumerated() {
                    check(cluster.typedPerFilterConfig, kinds, clusters[index])
                }
            }
        }
    }

    /// Which filters have use for the rate limits of routes.
    private struct RateLimiters {
        var hasLocal = false
        var hasGlobal = false

        init(_ filters: some Sequence<HTTPFilterSpec>) {
            for filter in filters {
                switch filter.kind {
                case .localRateLimit: hasLocal = true
                case .globalRateLimit: hasGlobal = true
                case .rbac, .fault, .extAuthz, .cors, .headerMutation, .healthCheck, .jwt: break
                }
            }
        }
    }

    private func check(_ limits: [API.RateLimitRule], _ limiters: RateLimiters, _ path: FieldPath) {
        guard !limits.isEmpty, !limiters.hasGlobal else { return }
        guard limiters.hasLocal else {
            return context.report.warn(path: path, "no filter before the router limits rates: it does nothing")
        }
        for (index, limit) in limits.enumerated() {
            if !limit.disableKey.isEmpty {
                context.report.warn(
                    path: path[index],
                    "does nothing: with a disable_key it is for rate limit services only, as in Envoy")
            } else if limit.applyOnStreamDone {
                context.report.warn(
                    path: path[index].field("apply_on_stream_done"),
                    "does nothing: local rate limits apply when a request comes, as in Envoy")
            }
        }
    }

    private func warnOfCORS(_ path: FieldPath) {
        context.report.warn(path: path, "no filter before the router is for other origins: it does nothing")
    }

    private func check(
        _ configs: [String: API.AnyMessage], _ kinds: [String: [HTTPFilterSpec.Kind]], _ path: FieldPath
    ) {
        for (name, config) in configs {
            let path = path.field("typed_per_filter_config").key(name)
            guard let kinds = kinds[name] else {
                context.report.warn(
                    path: path, "no filter before the router has the name \(quotedForMessage(name)): it does nothing")
                continue
            }
            let inner = config.unpacked(API.FilterConfig.self).map { $0.config } ?? config
            let fits = kinds.allSatisfy { kind in
                switch kind {
                case .rbac: inner.messageName == API.RBACPerRoute.protoMessageName
                case .localRateLimit: inner.messageName == API.LocalRateLimit.protoMessageName
                case .globalRateLimit: inner.messageName == API.GlobalRateLimitPerRoute.protoMessageName
                case .extAuthz: inner.messageName == API.ExtAuthzPerRoute.protoMessageName
                case .fault: inner.messageName == API.HTTPFault.protoMessageName
                case .headerMutation: inner.messageName == API.HeaderMutationPerRoute.protoMessageName
                case .healthCheck: false
                case .jwt: inner.messageName == API.JWTPerRoute.protoMessageName
                case .cors: inner.messageName == API.CORSPolicy.protoMessageName
                }
            }
            if !fits, !inner.typeURL.isEmpty {
                context.bad(path, "\(inner.messageName) is not for the filter \(quotedForMessage(name))")
            }
            if case .requirementName(let wanted)? = inner.unpacked(API.JWTPerRoute.self)?.requirementSpecifier {
                warn(ofRequirement: wanted, kinds, path)
            }
        }
    }

    /// As in Envoy, requests are told of it and the rest serves on.
    private func warn(ofRequirement name: String, _ kinds: [HTTPFilterSpec.Kind], _ path: FieldPath) {
        for case .jwt(let jwt) in kinds where jwt.requirements[name] == nil {
            context.report.warn(
                path: path,
                "requirement_map has no \(quotedForMessage(name)): nobody is let in"
                    + Suggestion.clause(for: name, among: Set(jwt.requirements.keys)))
        }
    }
}
