// One worker: a loop with its clusters and listeners.
import Metrics
import Reactor

/// Listeners, clusters and streams of one thread. Made and used on its loop's thread only.
public final class Worker {
    public let index: Int
    public let loop: EventLoop
    public let clusters: ClusterSet
    /// Those that accept and those that drain.
    public internal(set) var listeners: [Listener] = []
    /// Built, and waiting for their start.
    var prepared: [ListenerID: PreparedUpdate] = [:]
    let routes: RouteLibrary
    let tracers: TracerLibrary
    let builder: FilterChainBuilder
    private let accessLogs: AccessLogBuffers

    /// Compiles the clusters; listeners come by `prepare`.
    public init(_ seed: WorkerSeed, loop: EventLoop) throws(WorkerError) {
        index = seed.index
        self.loop = loop
        let cells = seed.stats.makeCells()
        accessLogs = AccessLogBuffers(loop: loop, sinks: seed.accessLogs, cells: cells)
        do throws(TLSConfigurationError) {
            clusters = try ClusterSet(seed.clusters, loop: loop, cells: cells)
        } catch {
            throw .tls(error)
        }
        routes = RouteLibrary(clusters: clusters, runtime: seed.runtime, cells: cells)
        tracers = TracerLibrary(loop: loop, cells: cells, clusters: clusters, identity: seed.identity)
        builder = FilterChainBuilder(
            loop: loop, cells: cells, clusters: clusters, routes: routes, tracers: tracers, accessLogs: accessLogs,
            runtime: seed.runtime, identity: seed.identity, recorder: FlightRecorder(seed.flightLog, cells),
            overload: seed.overload.map { OverloadGate($0, seed.overloadPoints, cells: cells) },
            globalLimit: seed.globalLimit)
    }

    /// The main thread has decided on something of the overload manager that connections at rest have to follow
    /// (`OverloadPoint.concernsWaiting`).
    public func followOverload() {
        guard let overload = builder.overload else { return }
        let before = overload.reduction
        overload.follow()
        for listener in listeners { listener.followOverload(from: before) }
    }

    /// What the chosen listeners carry at this moment. The last spans of a worker that drains count as a connection of
    /// each: nobody is to go before they are sent.
    public func load(where chosen: (ListenerSpec) -> Bool) -> ListenerLoad {
        let spans = tracers.isSendingTheLast ? 1 : 0
        return listeners.reduce(into: ListenerLoad(connections: spans, active: spans)) { sum, listener in
            if chosen(listener.spec) { sum += listener.load }
        }
    }

    /// Responses close their connections from now on: all at once with `.zero`, else ever more over that time.
    public func beginDrain(over time: TimeAmount, where chosen: (ListenerSpec) -> Bool) {
        for listener in listeners where chosen(listener.spec) { listener.beginDrain(over: time) }
    }

    /// The same of one listener.
    public func beginDrain(of id: ListenerID, over time: TimeAmount) {
        for listener in listeners where listener.id == id { listener.beginDrain(over: time) }
    }

    /// Serves on as before `beginDrain`.
    public func cancelDrain() {
        for listener in listeners { listener.cancelDrain() }
    }

    /// How long connections that serve nothing stay open when their listener has closed: a client that is just sending
    /// its next request must be told to go elsewhere, not cut off.
    public static let idleGrace = TimeAmount.seconds(1)

    /// Closes the listening sockets once nobody waits there; and after `idleGrace` the connections that serve nothing.
    public func stopListening(where chosen: (ListenerSpec) -> Bool) {
        for listener in listeners where chosen(listener.spec) { stopListening(listener) }
    }

    /// The same of one listener.
    public func stopListening(_ id: ListenerID) {
        for listener in listeners where listener.id == id { stopListening(listener) }
    }

    private func stopListening(_ listener: Listener) {
        tracers.hurry()
        listener.acceptBacklog()
        listener.stopAccepting()
        listener.drainConnections(grace: Worker.idleGrace)
    }

    /// Closes the listening sockets once nobody waits there. Connections stay.
    public func stopAccepting(where chosen: (ListenerSpec) -> Bool) {
        for listener in listeners where chosen(listener.spec) {
            listener.acceptBacklog()
            listener.stopAccepting()
        }
    }

    /// Closes everything at once, and stops the loop.
    public func shutDown() {
        for listener in listeners {
            listener.stopAccepting()
            listener.closeConnections()
        }
        listeners = []
        for update in Array(prepared.keys) { discard(update) }
        clusters.shutDown()
        accessLogs.flush()
        loop.stop()
    }
}
