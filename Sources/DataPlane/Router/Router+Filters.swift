// The request before it is forwarded: shown to the filters, one of which may hold it.
import HTTPWire
import Reactor

extension Router: FilteredRequest {
    /// Shows the request to the filters before the router, as its route has them. False: one of them answered, or holds it.
    func pass(_ filters: StreamFilters, _ decision: RouteDecision) -> Bool {
        switch filters.pass(stream, self, chain(filters, decision)) {
        case .passed: return true
        case .answered: return false
        case .held:
            attempt = .held(decision)
            return false
        }
    }

    /// The filters of the route; nil: those of the connection manager.
    private func chain(_ filters: StreamFilters, _ decision: RouteDecision) -> HTTPFilterChain? {
        guard case .route(let route) = decision else { return nil }
        info.routeName = route.name
        if info.routeMetadata !== route.metadata { info.routeMetadata = route.metadata }
        guard let facts = route.forwardFacts else { return route.filters }
        // As in Envoy: answers of filters are changed by the route that forwards, and logged with its cluster.
        self.route = route
        _ = findCluster(facts)
        filters.rateLimits = facts.action.rateLimits
        return choice?.weighted?.filters ?? route.filters
    }

    /// Other routes are not set before the filters are through.
    var isForwarded: Bool { route != nil }

    func filtersPassed() {
        guard case .held(let decision) = attempt else { return }
        attempt = .none
        serve(decision)
    }

    func chooseRouteAgain() -> HTTPFilterChain? {
        guard let filters = stream.filters else { return nil }
        route = nil
        choice = nil
        info.routeName = ""
        info.routeMetadata = nil
        info.upstream.clusterName = ""
        info.upstream.clusterAlias = ""
        info.upstream.clusterMetadata = nil
        filters.rateLimits = nil
        let decision = config.routes.table.route(request, tls: info.downstream?.tls, random: roll)
        attempt = .held(decision)
        return chain(filters, decision)
    }

    var heldBytes: Int { body.count }

    func heldBody(upTo limit: Int) -> [UInt8] { body.first(limit) }

    /// Holds more of the body, and tells the filter that holds the request.
    func holdForFilter(_ bytes: inout ByteQueue, end: Bool) {
        _ = body.hold(&bytes)
        guard let hold = stream.filters?.hold else { return }
        if body.count >= hold.wantedBytes ?? stream.core.bufferLimit { stream.pauseRequest() }
        hold.bodyCame(isComplete: end)
    }
}
