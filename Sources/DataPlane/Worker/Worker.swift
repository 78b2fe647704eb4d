// One worker: a loop with its clusters and listeners.
import Metrics
import Reactor

/// Listeners, clusters and streams of one thread. Made and used on its loop's thread only.
public final class Worker {
    public let index: Int
    public let loop: EventLoop
    public let clusters: ClusterSet
    public private(set) var listeners: [Listener] = []
    private let accessLogs: AccessLogBuffers

    /// Compiles everything; nothing is accepted before `start`.
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
        let builder = FilterChainBuilder(
            loop: loop, cells: cells, clusters: clusters, accessLogs: accessLogs, runtime: seed.runtime,
            identity: seed.identity)
        for bound in seed.listeners { listeners.append(try builder.listener(bound, worker: seed.index)) }
        if listeners.contains(where: \.spec.keepsSources) { clusters.followSources() }
        let table = ListenerTable(listeners)
        for listener in listeners where listener.spec.handsOnRedirected { listener.table = table }
    }

    /// Accepts from now on.
    public func start() throws(WorkerError) {
        do throws(SystemError) {
            for listener in listeners { try listener.start() }
        } catch {
            throw .socket(error)
        }
    }

    /// What the chosen listeners carry at this moment.
    public func load(where chosen: (ListenerSpec) -> Bool) -> ListenerLoad {
        listeners.reduce(into: ListenerLoad()) { sum, listener in
            if chosen(listener.spec) { sum += listener.load }
        }
    }

    /// Responses close their connections from now on: all at once with `.zero`, else ever more over that time.
    public func beginDrain(over time: TimeAmount, where chosen: (ListenerSpec) -> Bool) {
        for listener in listeners where chosen(listener.spec) { listener.drain.begin(now: loop.now, over: time) }
    }

    /// Serves on as before `beginDrain`.
    public func cancelDrain() {
        for listener in listeners { listener.drain.cancel() }
    }

    /// How long connections that serve nothing stay open when their listener has closed: a client that is just sending
    /// its next request must be told to go elsewhere, not cut off.
    public static let idleGrace = TimeAmount.seconds(1)

    /// Closes the listening sockets once nobody waits there; and after `idleGrace` the connections that serve nothing.
    public func stopListening(where chosen: (ListenerSpec) -> Bool) {
        stopAccepting(where: chosen)
        for listener in listeners where chosen(listener.spec) { listener.drainConnections(grace: Worker.idleGrace) }
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
        clusters.shutDown()
        accessLogs.flush()
        loop.stop()
    }
}
