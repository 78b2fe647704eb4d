// Route configurations: virtual hosts and their routes.
import DataPlane
import EnvoyAPI
import Reactor

struct RouteSpecBuilder {
    let context: SpecContext
    private var filters: HTTPFilterSpecBuilder { HTTPFilterSpecBuilder(context: context) }

    init(context: SpecContext) { self.context = context }

    func configuration(_ routes: API.RouteConfiguration, _ path: FieldPath) -> RouteConfigurationSpec {
        var spec = RouteConfigurationSpec()
        spec.name = routes.name
        spec.mostSpecificHeaderMutationsWins = routes.mostSpecificHeaderMutationsWins
        spec.internalOnlyHeaders = routes.internalOnlyHeaders.map { $0.lowercased() }
        spec.ignorePortInHostMatching = routes.ignorePortInHostMatching
        spec.ignorePathParametersInPathMatching = routes.ignorePathParametersInPathMatching
        if routes.hasMaxDirectResponseBodySizeBytes {
            spec.maxDirectResponseBodySize = Int(routes.maxDirectResponseBodySizeBytes.value)
        }
        spec.headers = HeaderMutationSpecBuilder(context: context).mutations(
            requestAdd: routes.requestHeadersToAdd, requestRemove: routes.requestHeadersToRemove,
            responseAdd: routes.responseHeadersToAdd, responseRemove: routes.responseHeadersToRemove, path)
        spec.filterOverrides = filters.overrides(routes.typedPerFilterConfig, path)
        let checksClusters = routes.hasValidateClusters ? routes.validateClusters.value : context.validatesRoutes
        let actions = RouteActionSpecBuilder(
            context: context, checksClusters: checksClusters, maxBody: spec.maxDirectResponseBodySize)
        spec.mirrors = actions.mirrors(routes.requestMirrorPolicies, path)
        let hosts = path.field("virtual_hosts")
        spec.virtualHosts = routes.virtualHosts.enumerated().map { host($1, hosts[$0], actions) }
        checkNames(routes.virtualHosts, hosts)
        return spec
    }

    /// Names and domains that are there twice.
    private func checkNames(_ hosts: [API.VirtualHost], _ path: FieldPath) {
        var names: [String: FieldPath] = [:]
        var domains: [String: FieldPath] = [:]
        for (index, host) in hosts.enumerated() where !host.name.isEmpty {
            let place = path[index].field("name")
            if let first = names[host.name] {
                context.duplicate(
                    place,
                    "\(quotedForMessage(host.name)) is the name of another virtual host (\(context.place(of: first)))")
            }
            names[host.name] = names[host.name] ?? place
            for (number, domain) in host.domains.enumerated() {
                let place = path[index].field("domains")[number]
                if let first = domains[domain.lowercased()] {
                    context.duplicate(
                        place,
                        "\(quotedForMessage(domain)) is a domain of another virtual host (\(context.place(of: first)))")
                }
                domains[domain.lowercased()] = domains[domain.lowercased()] ?? place
            }
        }
    }

    private func host(_ host: API.VirtualHost, _ path: FieldPath, _ actions: RouteActionSpecBuilder) -> VirtualHostSpec
    {
        let routes = path.field("routes")
        var spec = VirtualHostSpec(
            name: host.name, domains: host.domains.map { $0.lowercased() },
            routes: host.routes.enumerated().compactMap { route($1, routes[$0], actions) })
        for (index, domain) in host.domains.enumerated() { checkDomain(domain, path.field("domains")[index]) }
        switch host.requireTls {
        case .externalOnly: spec.requireTLS = .externalOnly
        case .all: spec.requireTLS = .all
        default: spec.requireTLS = .none
        }
        spec.headers = HeaderMutationSpecBuilder(context: context).mutations(
            requestAdd: host.requestHeadersToAdd, requestRemove: host.requestHeadersToRemove,
            responseAdd: host.responseHeadersToAdd, responseRemove: host.responseHeadersToRemove, path)
        if host.hasRetryPolicy {
            spec.retryPolicy = RetrySpecBuilder(context: context).policy(host.retryPolicy, path.field("retry_policy"))
        }
        if !host.typedPerFilterConfig.isEmpty {
            spec.filterOverrides = filters.overrides(host.typedPerFilterConfig, path)
        }
        if !host.rateLimits.isEmpty {
            spec.rateLimits = RateLimitRuleSpecBuilder(context: context).rules(
                host.rateLimits, of: .route, path.field("rate_limits"))
        }
        if host.hasMetadata { spec.metadata = context.metadata(host.metadata, of: .virtualHost) }
        spec.mirrors = actions.mirrors(host.requestMirrorPolicies, path)
        if host.hasCors { spec.cors = CORSSpecBuilder(context: context).policy(host.cors, path.field("cors")) }
        spec.includeRequestAttemptCount = host.includeRequestAttemptCount
        spec.includeAttemptCountInResponse = host.includeAttemptCountInResponse
        spec.includeIsTimeoutRetryHeader = host.includeIsTimeoutRetryHeader
        spec.perRequestBufferLimit = bufferLimit(
            host.hasPerRequestBufferLimitBytes ? host.perRequestBufferLimitBytes.value : nil,
            host.hasRequestBodyBufferLimit ? host.requestBodyBufferLimit.value : nil)
        let matches = RouteMatchSpecBuilder(context: context)
        spec.virtualClusters = host.virtualClusters.enumerated().map { index, cluster in
            let path = path.field("virtual_clusters")[index]
            return VirtualClusterSpec(
                name: cluster.name, headers: matches.headers(cluster.headers, path.field("headers")))
        }
        return spec
    }

    /// A wildcard stands at one end, or alone; elsewhere it would be a letter that no host name has.
    private func checkDomain(_ domain: String, _ path: FieldPath) {
        let inner = domain.hasPrefix("*") ? domain.dropFirst() : domain.hasSuffix("*") ? domain.dropLast() : domain[...]
        if inner.contains("*") {
            context.report.warn(
                path: path, "\(quotedForMessage(domain)) matches no host: a wildcard stands at the begin or at the end")
        }
    }

    private func route(_ route: API.Route, _ path: FieldPath, _ actions: RouteActionSpecBuilder) -> RouteSpec? {
        let match = RouteMatchSpecBuilder(context: context).match(route.match, path.field("match"))
        let action: RouteActionSpec?
        switch route.action {
        case .route(let forward)?: action = actions.forward(forward, path.field("route")).map { .forward($0) }
        case .redirect(let redirect)?: action = .redirect(actions.redirect(redirect, path.field("redirect")))
        case .directResponse(let response)?:
            action = .direct(actions.directResponse(response, path.field("direct_response")))
        case .filterAction?, .nonForwardingAction?, nil: action = nil
        }
        let headers = HeaderMutationSpecBuilder(context: context).mutations(
            requestAdd: route.requestHeadersToAdd, requestRemove: route.requestHeadersToRemove,
            responseAdd: route.responseHeadersToAdd, responseRemove: route.responseHeadersToRemove, path)
        StreamTimeoutWarnings(context: context).check(route, path)
        guard let match, let action else { return nil }
        var spec = RouteSpec(match: match, action: action)
        spec.name = route.name
        spec.headers = headers
        spec.statPrefix = route.statPrefix
        if route.hasMetadata { spec.metadata = context.metadata(route.metadata, of: .route) }
        spec.tracing = TracingSpecBuilder(context: context).route(route, path)
        if !route.typedPerFilterConfig.isEmpty {
            spec.filterOverrides = filters.overrides(route.typedPerFilterConfig, path)
        }
        spec.perRequestBufferLimit = bufferLimit(
            route.hasPerRequestBufferLimitBytes ? route.perRequestBufferLimitBytes.value : nil,
            route.hasRequestBodyBufferLimit ? route.requestBodyBufferLimit.value : nil)
        return spec
    }

    /// The newer field wins over the older.
    private func bufferLimit(_ older: UInt32?, _ newer: UInt64?) -> Int? {
        newer.map { Int(clamping: $0) } ?? older.map { Int($0) }
    }
}
