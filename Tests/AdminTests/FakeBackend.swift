// A server that only the admin port is told of.
import Configuration
import DataPlane
import Metrics
import Reactor

@testable import Admin

/// Writes down what it is asked to do.
final class FakeBackend: AdminBackend {
    let loop: EventLoop
    let cells: StatCells
    let configuration: LoadedConfiguration
    let dynamicConfiguration = DynamicConfiguration()
    let clusters: ClusterDirectory
    let stats = StatStore()
    var state = ServerState.live
    var unreadyReason: String?
    var listeners: [ListenerStatus] = []
    var flightLogs: [FlightLog] = []
    var moreUnready: [UnreadyTargets] = []
    var unreadyTargets: [UnreadyTargets] {
        [UnreadyTargets("Server", clusters.uninitialised.map { "cluster \($0.cluster)" })] + moreUnready
    }
    var logLevels: [(name: String, level: String)] = [("http", "info"), ("main", "warning")]
    /// One word a call, in order.
    private(set) var calls: [String] = []
    private(set) var refreshes = 0

    init(loop: EventLoop, yaml: String = "{}") throws {
        self.loop = loop
        cells = stats.makeCells()
        configuration = try ConfigurationLoader.load(text: Array(yaml.utf8), name: "test.yaml")
        // With a store of their own: the tests count on knowing every stat.
        clusters = try ClusterDirectory(
            configuration.spec.clusters, loop: loop, cells: StatStore().makeCells(), workers: 1
        ) { _ in SilentResolver() }
    }

    var tlsContexts: [TLSContextSpec] {
        configuration.spec.listeners.flatMap { $0.filterChains.compactMap(\.tls) } + clusters.tlsContexts
    }

    let version = "outrider 1.2.3"
    let uptime = TimeAmount.milliseconds(61_900)
    var uptimeOfAllEpochs = TimeAmount.milliseconds(61_900)
    var hotRestartVersion: String?
    let loadedAt = WallTime(unixNanoseconds: 1_704_067_200_123_456_789)
    let memory = MemoryFigures(allocated: 10, heap: 30, physical: 50)
    let commandLineOptions: [(name: String, value: JSONValue)] = [
        ("concurrency", .number("2")), ("mode", .string("Serve")),
    ]

    func refreshStats() { refreshes += 1 }

    func setLogLevel(_ level: String, of component: String?) -> Bool {
        calls.append("\(component ?? "*")=\(level)")
        for index in logLevels.indices where component == nil || logLevels[index].name == component {
            logLevels[index].level = level
        }
        return true
    }

    func failHealthCheck() { calls.append("fail") }
    func passHealthCheck() { calls.append("ok") }
    func drainListeners(inboundOnly: Bool, graceful: Bool, skipExit: Bool) {
        calls.append("drain inbound=\(inboundOnly) graceful=\(graceful) skip=\(skipExit)")
    }
    func reopenLogs() { calls.append("reopen") }
    func quit() { calls.append("quit") }
}

/// Never answers.
private final class SilentResolver: NameResolver {
    func lookUp(_ name: String, family: DNSSpec.Family, _ completion: @escaping (NameLookup) -> Void) {}
}

/// A desk with its backend, to be asked without a connection.
final class Desk {
    let backend: FakeBackend
    let desk: AdminDesk
    let loop: EventLoop

    init(
        yaml: String = "{}", access: AdminAccess = .full, clock: LoopClock = SystemClock(),
        changes: AdminChangesSpec = AdminChangesSpec()
    ) throws {
        loop = try EventLoop(clock: clock)
        backend = try FakeBackend(loop: loop, yaml: yaml)
        desk = AdminDesk(
            backend: backend, loop: loop, access: access,
            allowedPaths: backend.configuration.spec.admin?.allowPaths ?? [],
            changes: AdminGuard(changes, backend.cells, prefix: "http.admin."))
    }

    func get(_ target: String) -> AdminAnswer { ask("GET", target) }
    func post(_ target: String, form: String = "") -> AdminAnswer { ask("POST", target, form: form) }

    func ask(_ method: String, _ target: String, form: String = "") -> AdminAnswer {
        desk.answer(AdminRequest(method: method, target: target, form: Array(form.utf8)))
    }
}

extension AdminAnswer {
    /// The body, from all of its pieces.
    var text: String {
        var bytes = body
        while let piece = pieces?.next() { bytes += piece }
        return String(decoding: bytes, as: UTF8.self)
    }
}
