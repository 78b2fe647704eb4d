// What all requests of a router share: routes, clusters, counters, settings; compiled once per worker.
import HTTPWire
import Metrics
import Reactor

/// Compiled settings of one router filter. Loop thread only.
final class RouterConfig {
    let spec: RouterSpec
    let routes: RouteBook
    let clusters: any RequestClusters
    let cells: StatCells
    let stats: RouterStats
    let strictCheck: StrictHeaderCheck
    let upstreamLogs: [AccessLogger]
    /// Where the head of a request that follows a redirect is put together.
    private(set) lazy var redirectedHead = HeaderMap()
    /// `x-envoy-upstream-alt-stat-name`: names come from clients, so only so many are taken.
    private var alternativeStats: [String: ResponseStats] = [:]
    private static let maxAlternativeNames = 64
    private let localAddress: IPAddress
    private var shelf: MirrorShelf?

    init(
        _ spec: RouterSpec, statPrefix: String, routes: RouteBook, clusters: any RequestClusters, cells: StatCells,
        identity: ProxyIdentity, upstreamLogs: [AccessLogger] = []
    ) {
        self.spec = spec
        self.routes = routes
        self.clusters = clusters
        self.cells = cells
        stats = RouterStats(cells, statPrefix: statPrefix)
        strictCheck = StrictHeaderCheck(spec.strictCheckHeaders)
        self.upstreamLogs = upstreamLogs
        localAddress = identity.localAddress
    }

    /// Mirrors for requests, made with the first one that is mirrored.
    func mirrors(_ loop: EventLoop) -> MirrorShelf {
        if let shelf { return shelf }
        let made = MirrorShelf(loop: loop, sender: localAddress)
        shelf = made
        return made
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
    /// A connection manager that forwards: its streams end in a router over `routes`, which stand for those of `spec`.
    ///
    /// - Parameter upstreamLogs: `spec.router.upstreamLogs`, compiled.
    convenience init(
        forwarding spec: HTTPConnectionManagerSpec, _ environment: HTTPEnvironment, routes: RouteBook,
        clusters: ClusterSet, upstreamLogs: [AccessLogger] = []
    ) {
        let config = RouterConfig(
            spec.router, statPrefix: spec.statPrefix, routes: routes, clusters: clusters, cells: environment.cells,
            identity: environment.identity, upstreamLogs: upstreamLogs)
        var (kept, environment) = (spec, environment)
        kept.routes.virtualHosts = []
        environment.routes = routes
        environment.filters = routes.filters
        self.init(kept, environment) { Router($0, config) }
    }
}
