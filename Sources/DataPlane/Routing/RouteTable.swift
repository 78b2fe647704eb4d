// A route configuration, compiled for one worker.
import HTTPWire
import Reactor

/// Which route a request takes. Made from a checked configuration; loop thread only.
///
/// A look-up hashes the host and the path and walks one tree: thousands of routes cost no more than a few.
public final class RouteTable {
    /// `route_config.name`.
    public let name: String
    private let hosts: VirtualHostIndex
    private let tables: [Table]
    private let ignorePort: Bool
    private let ignorePathParameters: Bool
    private let internalOnlyHeaders: [HeaderKey]
    private let scratch = RouteScratch()
    /// Keeps the places of the clusters that the routes name.
    private var clusterNames: ClusterNames?

    private final class Table {
        let virtualHost: VirtualHost
        let index: RouteIndex
        let routes: [Route]

        init(virtualHost: VirtualHost, index: RouteIndex, routes: [Route]) {
            self.virtualHost = virtualHost
            self.index = index
            self.routes = routes
        }

        func requiresTLS(_ request: HeaderMap) -> Bool {
            switch virtualHost.requireTLS {
            case .none: return false
            case .externalOnly:
                if request.value(.xEnvoyInternal)?.equals("true") == true { return false }
            case .all: break
            }
            return !(request.value(.xForwardedProto) ?? request.scheme).equals("https")
        }

        func route(_ question: borrowing RouteQuestion) -> Route? {
            index.firstMatch(question).map { routes[$0] }
        }
    }

    /// A table whose routes go to a worker's clusters, whether these are there already or not.
    ///
    /// - Parameter filters: of the connection manager; nil: no filter looks at requests before the router.
    convenience init(
        _ spec: RouteConfigurationSpec, runtime: RuntimeSpec, filters: HTTPFilters?, clusters: ClusterSet
    ) throws(FormatError) {
        let names = clusters.makeNames()
        try self.init(spec, runtime: runtime, filters: filters, clusterIndex: { names.place(of: $0) })
        clusterNames = names
    }

    /// - Parameters:
    ///   - runtime: fractions under a runtime key are settled by it.
    ///   - clusterIndex: the place of a cluster among the worker's own, by name.
    /// - Throws: for a format in header values or rewrites that does not compile; a checked configuration has none.
    public convenience init(
        _ spec: RouteConfigurationSpec, runtime: RuntimeSpec = RuntimeSpec(),
        clusterIndex: (String) -> Int? = { _ in nil }
    ) throws(FormatError) {
        try self.init(spec, runtime: runtime, filters: nil, clusterIndex: clusterIndex)
    }

    /// - Parameter filters: of the connection manager; nil: no filter looks at requests before the router.
    init(
        _ spec: RouteConfigurationSpec, runtime: RuntimeSpec, filters: HTTPFilters?, clusterIndex: (String) -> Int?
    ) throws(FormatError) {
        name = spec.name
        hosts = VirtualHostIndex(spec.virtualHosts.map(\.domains))
        ignorePort = spec.ignorePortInHostMatching
        ignorePathParameters = spec.ignorePathParametersInPathMatching
        internalOnlyHeaders = spec.internalOnlyHeaders.compactMap { HeaderKey($0) }
        let request = try spec.headers.compiledRequest()
        let response = try spec.headers.compiledResponse()
        let filterLevels = try HTTPFilterLevels(filters).adding(spec.filterOverrides)
        func mirrors(_ specs: [MirrorPolicySpec]?, _ others: [MirrorPolicy]) throws(FormatError) -> [MirrorPolicy] {
            guard let specs else { return others }
            var policies: [MirrorPolicy] = []
            for spec in specs {
                policies.append(try MirrorPolicy(spec, runtime: runtime, clusterIndex: clusterIndex))
            }
            return policies
        }
        let commonMirrors = try mirrors(spec.mirrors, [])
        var tables: [Table] = []
        for host in spec.virtualHosts {
            let virtualHost = VirtualHost(host)
            let hostRequest = try host.headers.compiledRequest()
            let hostResponse = try host.headers.compiledResponse()
            let retryPolicy = host.retryPolicy.map(RetryPolicy.init)
            let hostFilters = try filterLevels.adding(host.filterOverrides, cors: host.cors)
            let hostMirrors = try mirrors(host.mirrors, commonMirrors)
            let hostRateLimits =
                filters == nil ? [] : try RateLimitRule.compiled(host.rateLimits ?? [], runtime)
            var routes: [Route] = []
            for route in host.routes {
                let forward: ForwardSpec? = if case .forward(let forward) = route.action { forward } else { nil }
                let routeFilters = try hostFilters.adding(route.filterOverrides, cors: forward?.cors)
                let action: RouteAction
                switch route.action {
                case .forward(let forward):
                    action = .forward(
                        try ForwardAction(
                            forward, fallbackRetryPolicy: retryPolicy, filters: routeFilters,
                            hostRateLimits: hostRateLimits, mirrors: try mirrors(forward.mirrors, hostMirrors),
                            clusterIndex: clusterIndex))
                case .redirect(let redirect): action = .redirect(RedirectAction(redirect))
                case .direct(let direct): action = .direct(direct)
                }
                let wins = spec.mostSpecificHeaderMutationsWins
                routes.append(
                    Route(
                        route, virtualHost: virtualHost, action: action,
                        requestMutations: MutationLevels(
                            [try route.headers.compiledRequest(), hostRequest, request], mostSpecificWins: wins),
                        responseMutations: MutationLevels(
                            [try route.headers.compiledResponse(), hostResponse, response], mostSpecificWins: wins),
                        filters: routeFilters.chain, tracing: try RouteTracing(route.tracing, runtime), scratch: scratch
                    ))
            }
            let index = RouteIndex(host.routes.map(\.match), runtime: runtime)
            tables.append(Table(virtualHost: virtualHost, index: index, routes: routes))
        }
        self.tables = tables
    }

    /// Chooses the route of a request.
    ///
    /// - Parameters:
    ///   - request: with `x-forwarded-proto` and `x-envoy-internal` as the connection manager set them.
    ///   - tls: the client's connection, for `tls_context` conditions.
    ///   - random: one value a stream, for `runtime_fraction` and weighted clusters.
    public func route(_ request: HeaderMap, tls: TLSConnectionInfo? = nil, random: UInt64) -> RouteDecision {
        var host = request.authority
        if ignorePort { host = AuthorityRules.withoutPort(host) }
        guard let position = hosts.find(host, hasHost: request.hasAuthority) else { return .none }
        let table = tables[position]
        if table.requiresTLS(request) { return .tlsRedirect(table.virtualHost) }
        // Joining a header's lines moves the request's bytes, so that the path is copied.
        scratch.path.removeAll()
        scratch.path.append(matchablePath(request.path))
        let question = RouteQuestion(request: request, path: scratch.path.view, tls: tls, random: random)
        return table.route(question).map { .route($0) } ?? .none
    }

    /// False: `removeInternalOnlyHeaders` does nothing.
    var hasInternalOnlyHeaders: Bool { !internalOnlyHeaders.isEmpty }

    /// Removes the headers that only internal clients may send (`internal_only_headers`).
    public func removeInternalOnlyHeaders(_ request: HeaderMap) {
        for key in internalOnlyHeaders { request.remove(key) }
    }

    /// All routes, for stats to be made ahead.
    public var routes: [Route] { tables.flatMap(\.routes) }

    /// Sets `location` to the same URL over https, the answer to a request that `require_tls` refuses (301).
    public func setTLSLocation(of response: HeaderMap, _ request: HeaderMap) {
        scratch.text.removeAll()
        scratch.text.append(literal: "https://")
        scratch.text.append(request.authority)
        scratch.text.append(request.path)
        response.set(.location, scratch.text.view)
    }

    private func matchablePath(_ path: ByteView) -> ByteView {
        var path = path
        if ignorePathParameters { path = path.prefix(path.firstIndex(of: UInt8(ascii: ";")) ?? path.count) }
        return path.prefix(path.pathLength)
    }
}

/// What a route table says to a request.
public enum RouteDecision {
    case route(Route)
    /// The virtual host takes only https: redirect (see `RouteTable.setTLSLocation`).
    case tlsRedirect(VirtualHost)
    /// No virtual host or no route: 404 `route_not_found`.
    case none
}
