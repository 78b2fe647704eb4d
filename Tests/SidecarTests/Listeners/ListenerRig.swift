// A listener manager with two workers on one loop, real sockets, and a clock that the test moves.
import DataPlane
import Logging
import Metrics
import Reactor
import TestKit
import Testing

@testable import Sidecar

/// A worker that lives on the loop of the test: what it is told runs in later turns, as on a thread of its own.
final class LoopWorker: ListenerWorker, @unchecked Sendable {
    let worker: Worker
    private let loop: EventLoop

    init(_ worker: Worker, loop: EventLoop) {
        self.worker = worker
        self.loop = loop
    }

    func perform(_ body: @escaping @Sendable (Worker) -> Void) {
        loop.mailbox.post { [self] in body(worker) }
    }

    func ask<Answer: Sendable>(
        _ question: @escaping @Sendable (Worker) -> Answer, main: Mailbox,
        answer: @escaping @Sendable (Answer) -> Void
    ) {
        perform { worker in
            let value = question(worker)
            main.post { answer(value) }
        }
    }
}

final class ListenerRig {
    /// Of one test's listeners.
    static let drainTime = TimeAmount.seconds(10)

    private final class NoResolver: NameResolver {
        func lookUp(_ name: String, family: DNSSpec.Family, _ completion: @escaping (NameLookup) -> Void) {}
    }

    let clock = TestClock()
    let loop: EventLoop
    let store = StatStore()
    let cells: StatCells
    let certificates: CertificatesInUse
    let manager: ListenerManager
    let workers: [LoopWorker]
    /// Behind the cluster "app"; nil: there is none.
    let app: ScriptedServer?
    private let clusters: ClusterDirectory
    private var callers: [Caller] = []
    /// What `routesWanted` has said.
    private(set) var wanted: [(added: [String], removed: [String])] = []
    /// What `rejected` has said.
    private(set) var rejected: [String] = []
    /// What `ownersGone` has said.
    private(set) var ownersGone: [TLSContextOwner] = []

    /// - Parameters:
    ///   - isGradual: responses do not close their connections at once when their listener drains.
    ///   - hasApp: there is a cluster "app" with a server.
    ///   - starts: listeners may accept when they are warm.
    ///   - inherited: sockets of another process.
    init(
        isGradual: Bool = false, hasApp: Bool = false, starts: Bool = true,
        inherited: @escaping (SocketIdentity) -> [Int32] = { _ in [] }
    ) throws {
        loop = try EventLoop(clock: clock)
        cells = store.makeCells()
        var specs: [ClusterSpec] = []
        app = hasApp ? try ScriptedServer(loop: loop) : nil
        if let app {
            var cluster = ClusterSpec(name: "app")
            cluster.endpoints = [LocalityEndpointsSpec(endpoints: [EndpointSpec(address: .socket(app.address))])]
            specs = [cluster]
        }
        clusters = try ClusterDirectory(specs, loop: loop, cells: cells, workers: 2) { _ in NoResolver() }
        certificates = CertificatesInUse(clusters: clusters, cells: cells)
        manager = ListenerManager(
            ListenerManager.Settings(workers: 2, drainTime: ListenerRig.drainTime, isGradual: isGradual), loop: loop,
            log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, stats: ListenerManagerStats(cells),
            loops: clusters.loops, certificates: certificates, inherited: inherited)
        let sinks = AccessLogSinks(options: AccessLogOptions(), writer: loop.mailbox, cells: cells)
        var made: [LoopWorker] = []
        for index in 0..<2 {
            let seed = WorkerSeed(
                index: index, clusters: clusters.addWorker(loop.mailbox), stats: store, accessLogs: sinks,
                runtime: RuntimeSpec(), identity: ProxyIdentity(), flightLog: FlightLog(ExplainSpec(), worker: index))
            made.append(LoopWorker(try Worker(seed, loop: loop), loop: loop))
        }
        workers = made
        manager.routesWanted = { [unowned self] added, removed in
            wanted.append((added.map(\.name), removed.map(\.name)))
        }
        manager.rejected = { [unowned self] name, _ in rejected.append(name) }
        manager.ownersGone = { [unowned self] in ownersGone += $0 }
        manager.attach(made) {}
        if starts { manager.start() }
    }

    deinit {
        for caller in callers { caller.connection.close() }
        app?.close()
        for worker in workers { worker.worker.shutDown() }
        loop.turnWhileBusy()
    }

    // MARK: Specs

    /// A chain that answers everything with `answer`.
    static func chain(_ answer: String, port: UInt16? = nil, name: String = "") -> FilterChainSpec {
        var routes = RouteConfigurationSpec()
        routes.virtualHosts = [host(answer)]
        var chain = FilterChainSpec(filter: .http(HTTPConnectionManagerSpec(statPrefix: "in", routes: routes)))
        chain.name = name
        chain.match.destinationPort = port
        chain.identity = ContentDigest(Array("\(name)/\(answer)/\(port ?? 0)".utf8))
        return chain
    }

    /// A chain whose routes are those of a subscription.
    static func chain(subscribed subscription: RouteSubscriptionSpec) -> FilterChainSpec {
        var spec = HTTPConnectionManagerSpec(statPrefix: "in", routes: RouteConfigurationSpec())
        spec.routeSource = subscription
        var chain = FilterChainSpec(filter: .http(spec))
        chain.identity = ContentDigest(Array("rds/\(subscription.name)".utf8))
        return chain
    }

    static func host(_ answer: String) -> VirtualHostSpec {
        let route = RouteSpec(
            match: RouteMatchSpec(path: .prefix("/")),
            action: .direct(DirectResponseSpec(status: 200, body: Array(answer.utf8))))
        return VirtualHostSpec(name: "all", domains: ["*"], routes: [route])
    }

    static func routes(_ name: String, _ answer: String) -> RouteConfigurationSpec {
        var routes = RouteConfigurationSpec()
        routes.name = name
        routes.virtualHosts = [host(answer)]
        return routes
    }

    static func subscription(_ name: String) -> RouteSubscriptionSpec {
        RouteSubscriptionSpec(name: name, source: ConfigSourceSpec(.aggregated))
    }

    /// - Parameter version: listeners of another one differ in more than their chains.
    static func listener(
        _ name: String, _ chains: [FilterChainSpec], version: Int = 1,
        address: SocketAddress = .v4(.loopback, port: 0), _ change: (inout ListenerSpec) -> Void = { _ in }
    ) -> ListenerSpec {
        var spec = ListenerSpec(name: name, addresses: [ListenAddress(address)])
        spec.statPrefix = name
        spec.filterChains = chains
        spec.identity = ContentDigest(Array("\(name)/\(version)".utf8))
        change(&spec)
        return spec
    }

    // MARK: Doing

    func put(_ spec: ListenerSpec) throws {
        try manager.put(spec)
        loop.turnWhileBusy()
    }

    func address(of name: String) throws -> SocketAddress {
        try #require(manager.sockets.first { $0.spec.name == name }).localAddresses[0]
    }

    func call(_ address: SocketAddress) -> Caller {
        let caller = Caller(address, loop)
        callers.append(caller)
        return caller
    }

    /// What a new connection gets for an answer.
    func answer(at address: SocketAddress) -> String {
        let caller = call(address)
        let answer = caller.ask()
        caller.connection.close()
        loop.turnWhileBusy()
        return answer
    }

    func pass(_ time: TimeAmount) {
        clock.advance(by: time)
        loop.turnWhileBusy()
    }

    /// Lets all of a drain pass, in steps that its timers can follow.
    func passDrain() {
        pass(ListenerRig.drainTime)
        for _ in 0..<8 { pass(.milliseconds(250)) }
    }

    func gauge(_ name: String) -> Int { Int(store.snapshot().value("listener_manager.\(name)")) }
    func stat(_ name: String) -> Int { Int(store.snapshot().value(name)) }
}

/// A client with one connection.
final class Caller {
    let connection: Connection
    private let side = RecordingDelegate()
    private let loop: EventLoop

    /// `waits`: until the connection is up; else nothing has happened when this returns.
    init(_ address: SocketAddress, _ loop: EventLoop, waits: Bool = true) {
        self.loop = loop
        connection = Connection.connect(to: address, loop: loop, delegate: side)
        if waits { loop.turnWhileBusy() }
    }

    var isClosed: Bool { side.sawEnd || side.closed != nil }
    var text: String { side.text }

    func send(_ text: String) {
        connection.output.append(text)
        connection.flush()
        loop.turnWhileBusy()
    }

    /// Sends bytes and returns what comes next.
    func exchange(_ text: String) -> String {
        let start = side.received.count
        send(text)
        loop.turn(until: { side.received.count > start || isClosed }, limit: .seconds(5))
        loop.turnWhileBusy()
        return String(decoding: side.received[start...], as: UTF8.self)
    }

    /// Sends a request and returns the body of the answer, or the status where it is not 200.
    func ask() -> String {
        let answer = exchange("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        guard answer.hasPrefix("HTTP/1.1 200") else { return String(answer.dropFirst(9).prefix(3)) }
        return answer.split(separator: "\r\n\r\n", maxSplits: 1).dropFirst().joined()
    }
}
