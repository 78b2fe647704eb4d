// A connection manager with a scripted client and scripted upstreams, on a clock that the test moves.
import HTTPWire
import Metrics
import Reactor
import TestKit

@testable import DataPlane

/// One worker's worth of HTTP in memory.
final class HTTPRig {
    let clock = TestClock()
    let loop: EventLoop
    let store = StatStore()
    let cells: StatCells
    let drain = DrainSignal()
    let clusters = ScriptedClusters()
    let health = ProxyHealth()
    let app: ScriptedCluster
    /// What filters ask.
    let authz: ScriptedCluster
    /// Where copies of requests go.
    let mirror: ScriptedCluster
    let manager: HTTPConnectionManager
    let downstream: DownstreamInfo
    let codec = ScriptedCodec()
    let routeBook: RouteBook
    let gate: OverloadGate?
    private let made = Made()
    /// The streams that were made, in order.
    var streams: [HTTPStream] { made.streams }

    private final class Made {
        var streams: [HTTPStream] = []
    }

    /// `settings` changes the manager's spec; the only route sends everything to `app`, and `route` changes it.
    init(
        peer: String = "10.0.0.9", routes: [RouteSpec]? = nil, router: RouterSpec = RouterSpec(),
        localReplies: LocalReplyRules? = nil, filters: [HTTPFilterSpec] = [], flightLog: FlightLog? = nil,
        overload: OverloadState? = nil,
        settings: (inout HTTPConnectionManagerSpec) -> Void = { _ in },
        route: (inout ForwardSpec) -> Void = { _ in }, virtualHost: (inout VirtualHostSpec) -> Void = { _ in }
    ) throws {
        loop = try EventLoop(clock: clock)
        cells = store.makeCells()
        app = ScriptedCluster("app", loop, cells)
        authz = ScriptedCluster("authz", loop, cells)
        mirror = ScriptedCluster("mirror", loop, cells)
        mirror.keepsDelegates = true
        clusters.clusters = [app, authz, mirror]
        var forward = ForwardSpec(target: .cluster("app"))
        route(&forward)
        var only = RouteSpec(match: RouteMatchSpec(path: .prefix("/")), action: .forward(forward))
        only.name = "api"
        var host = VirtualHostSpec(name: "all", domains: ["*"], routes: routes ?? [only])
        virtualHost(&host)
        var configuration = RouteConfigurationSpec()
        configuration.virtualHosts = [host]
        var spec = HTTPConnectionManagerSpec(statPrefix: "in", routes: configuration)
        spec.router = router
        settings(&spec)
        var environment = HTTPEnvironment(
            loop: loop, cells: cells, listenerStatPrefix: "listener.here.", drain: drain, localReplies: localReplies)
        if !filters.isEmpty {
            environment.filters = try HTTPFilters(
                filters, statPrefix: spec.statPrefix, cells: cells, runtime: RuntimeSpec(),
                services: FilterServices(
                    loop: loop, clusters: clusters, sender: FixedBytes("192.0.2.1"), health: health))
        }
        let table = try RouteTable(
            spec.routes, runtime: RuntimeSpec(), filters: environment.filters,
            clusterIndex: { ["app": 0, "mirror": 2][$0] })
        environment.recorder = flightLog.flatMap { [cells] in FlightRecorder($0, cells) }
        environment.listenerName = "here"
        let gate = overload.map { [cells] in OverloadGate($0, OverloadPoint.allCases, cells: cells) }
        self.gate = gate
        environment.overload = gate
        environment.identity.localAddress = .v4(IPv4Address("192.0.2.1") ?? .loopback)
        environment.identity.serviceCluster = "svc"
        let routeBook = RouteBook(table, bufferLimit: environment.bufferLimit, cells: cells)
        self.routeBook = routeBook
        environment.routes = routeBook
        let config = RouterConfig(
            spec.router, statPrefix: spec.statPrefix, routes: routeBook, clusters: clusters, cells: cells,
            identity: environment.identity)
        let made = made
        manager = HTTPConnectionManager(spec, environment) { stream in
            made.streams.append(stream)
            return Router(stream, config)
        }
        let remote = SocketAddress(parsing: peer, port: 5555) ?? .v4(.loopback, port: 5555)
        downstream = DownstreamInfo(
            connectionID: 1, local: .v4(.loopback, port: 8080), remote: remote, accepted: loop.now)
        let session = HTTPServerSession(manager, downstream)
        codec.session = session
        session.attach(codec)
    }

    /// Opens a stream; nothing is parsed yet.
    func open(_ version: HTTPVersion = .http11) -> Exchange {
        let exchange = Exchange(loop)
        exchange.httpVersion = version
        codec.exchanges.append(exchange)
        if let session = codec.session { exchange.open(session) }
        return exchange
    }

    /// A whole request without a body, or the head of one with a body.
    @discardableResult
    func request(
        _ method: String = "GET", _ path: String = "/", host: String? = "a", _ fields: [String] = [], end: Bool = true
    ) -> Exchange {
        let exchange = open()
        exchange.head(method, path, host: host, fields, end: end)
        return exchange
    }

    /// Lets time pass, timers included.
    func pass(_ amount: TimeAmount) {
        clock.advance(by: amount)
        loop.turn(maxWait: .zero)
        loop.turn(maxWait: .zero)
    }

    /// One turn of the loop: ended streams are collected.
    func turn() { loop.turn(maxWait: .zero) }

    func stat(_ name: String) -> Int { Int(store.snapshot().value(name)) }
}
