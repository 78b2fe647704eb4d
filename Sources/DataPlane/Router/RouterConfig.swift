// What all requests of a router share: routes, clusters, counters, settings; compiled once per worker.
import HTTPWire
import Metrics
import Reactor

/// Compiled settings of one router filter. Loop thread only.
final class RouterConfig {
    let spec: RouterSpec
    let routes: RouteTable
    let clusters: any RequestClusters
    let cells: StatCells
    let stats: RouterStats
    let strictCheck: StrictHeaderCheck
    let upstreamLogs: [AccessLogger]
    /// `x-envoy-upstream-alt-stat-name`: names come from clients, so only so many are taken.
    private var alternativeStats: [String: ResponseStats] = [:]
    private static let maxAlternativeNames = 64

    init(
        _ spec: RouterSpec, statPrefix: String, routes: RouteTable, clusters: any RequestClusters, cells: StatCells,
        bufferLimit: Int, upstreamLogs: [AccessLogger] = []
    ) {
        self.spec = spec
        self.routes = routes
        self.clusters = clusters
        self.cells = cells
        stats = RouterStats(cells, statPrefix: statPrefix)
        strictCheck = StrictHeaderCheck(spec.strictCheckHeaders)
        self.upstreamLogs = upstreamLogs
        var virtualClusters: [ObjectIdentifier: VirtualClusterFacts] = [:]
        for route in routes.routes {
            guard case .forward(let action) = route.action else { continue }
            let host = ObjectIdentifier(route.virtualHost)
            if virtualClusters[host] == nil { virtualClusters[host] = VirtualClusterFacts(route.virtualHost, cells) }
            route.forwardFacts = ForwardFacts(
                route, action, bufferLimit: bufferLimit, cells, virtualClusters: virtualClusters[host])
        }
    }

    /// The response stats under an alternative name of a cluster's; nil when too many names were asked for.
    func alternativeStats(_ cluster: any RequestCluster, _ name: ByteView) -> ResponseStats? {
        let prefix = "cluster.\(cluster.name).\(name.prefix(128).string)."
        if let found = alternativeStats[prefix] { return found }
        guard alternativeStats.count < RouterConfig.maxAlternativeNames else { return nil }
        let made = ResponseStats(cells: cells, prefix: prefix)
        alternativeStats[prefix] = made
        return made
    }
}

extension HTTPConnectionManager {
    /// A connection manager that forwards: its streams end in a router over the routes of `spec`.
    ///
    /// - Parameter upstreamLogs: `spec.router.upstreamLogs`, compiled.
    /// - Throws: for a format in the routes that does not compile; a checked configuration has none.
    public convenience init(
        forwarding spec: HTTPConnectionManagerSpec, _ environment: HTTPEnvironment, clusters: ClusterSet,
        runtime: RuntimeSpec = RuntimeSpec(), upstreamLogs: [AccessLogger] = []
    ) throws(FormatError) {
        let table = try RouteTable(spec.routes, runtime: runtime, clusters: clusters)
        let config = RouterConfig(
            spec.router, statPrefix: spec.statPrefix, routes: table, clusters: clusters, cells: environment.cells,
            bufferLimit: environment.bufferLimit, upstreamLogs: upstreamLogs)
        // The table stands for them now.
        var kept = spec
        kept.routes.virtualHosts = []
        self.init(kept, environment) { Router($0, config) }
    }
}
