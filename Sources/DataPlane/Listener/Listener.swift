// A listener on one worker: accepts, counts, chooses filter chains, drains.
import Metrics
import Reactor

/// What a listener needs of its worker.
struct ListenerEnvironment {
    var loop: EventLoop
    var worker: Int
    var cells: StatCells
    var accessLogs: [AccessLogger]
}

/// One worker's share of a listener. Loop thread only.
public final class Listener {
    public let spec: ListenerSpec
    public let localAddress: SocketAddress
    public let drain = DrainSignal()
    let loop: EventLoop
    let stats: ListenerStats
    let matcher: FilterChainMatcher
    private let limit: ConnectionLimit?
    private let accessLogs: [AccessLogger]
    private var sockets: [ListeningSocket] = []
    /// In the order of the spec; set before `start`.
    var chains: [FilterChain] = []
    var defaultChain: FilterChain?
    private var pending: [PendingConnection] = []
    private var handshakeLog: HandshakeLog

    private lazy var acceptLog = AcceptFailureLog(listener: spec.name)

    init(_ bound: ListenerSockets, _ environment: ListenerEnvironment) throws(SystemError) {
        spec = bound.spec
        loop = environment.loop
        limit = bound.limit
        accessLogs = environment.accessLogs
        handshakeLog = HandshakeLog(listener: bound.spec.name)
        localAddress = bound.localAddresses[0]
        matcher = FilterChainMatcher(bound.spec.filterChains.map(\.match))
        stats = ListenerStats(prefix: bound.statPrefix, worker: environment.worker, cells: environment.cells)
        for descriptor in bound.descriptors(ofWorker: environment.worker) {
            sockets.append(try ListeningSocket.adopt(descriptor: descriptor, loop: loop))
        }
    }

    /// Accepts from now on.
    func start() throws(SystemError) {
        for socket in sockets {
            if spec.maxConnectionsPerSocketEvent > 0 { socket.batch = spec.maxConnectionsPerSocketEvent }
            socket.acceptFailed = { [unowned self] in acceptLog.failed($0, now: loop.now) }
            socket.acceptedBatch = { [stats] in stats.acceptedPerEvent.record(UInt64($0)) }
            try socket.start { [unowned self] accepted in take(accepted) }
        }
    }

    private var allChains: [FilterChain] { defaultChain.map { chains + [$0] } ?? chains }

    /// What it carries at this moment.
    public var load: ListenerLoad {
        var load = ListenerLoad(connections: pending.count, active: pending.count, begun: stats.total.value)
        for chain in allChains {
            load += ListenerLoad(
                connections: chain.connectionCount, active: chain.activeCount, begun: chain.begunCount)
        }
        return load
    }

    /// Lets in who is connected as far as the system is concerned.
    func acceptBacklog() {
        for socket in sockets { socket.acceptBacklog() }
    }

    /// Lets no new connection in; those in the backlog are reset.
    public func stopAccepting() {
        for socket in sockets { socket.close() }
    }

    /// HTTP connections close with their next response; those that have none within `grace` close then.
    public func drainConnections(grace: TimeAmount) {
        for chain in allChains { chain.drainConnections(grace: grace) }
    }

    /// Closes everything now.
    public func closeConnections() {
        for connection in pending { connection.giveUp() }
        for chain in allChains { chain.closeConnections() }
    }

    // MARK: Accepting

    private func take(_ socket: consuming AcceptedSocket) {
        if let limit, !limit.enter() {
            stats.overflow.increment()
            socket.resetOnDrop()
            return
        }
        stats.total.increment()
        stats.active.increment()
        stats.workerTotal.increment()
        stats.workerActive.increment()
        stats.serverActive.increment()
        do {
            let connection = try PendingConnection(self, socket)
            connection.index = pending.count
            pending.append(connection)
            stats.preActive.increment()
        } catch {
            // No memory for epoll: the socket is closed already.
            connectionGone(loop.now)
        }
    }

    func chain(for facts: ConnectionFacts) -> FilterChain? {
        matcher.choose(facts).map { chains[$0] } ?? defaultChain
    }

    /// Hands a connection over to its chain's filter.
    func serve(_ connection: Connection, _ downstream: DownstreamInfo, _ chain: FilterChain) {
        connection.onClose = { [self] connection in
            connectionGone(connection.createdAt)
            log(connection, downstream, flags: [])
        }
        chain.serve(connection, downstream)
    }

    func forget(_ connection: PendingConnection) {
        let index = connection.index
        guard index >= 0, index < pending.count, pending[index] === connection else { return }
        stats.preActive.decrement()
        let last = pending.removeLast()
        if last !== connection {
            pending[index] = last
            last.index = index
        }
        connection.index = -1
    }

    /// The peer went, or its handshake failed, before a filter served it.
    func handshakeFailed(_ connection: Connection, _ downstream: DownstreamInfo) {
        downstream.transportFailureReason = connection.failureReason ?? ""
        handshakeLog.failed(connection, now: loop.now)
        connectionGone(connection.createdAt)
        log(connection, downstream, flags: [])
    }

    func unmatched(_ connection: Connection, _ downstream: DownstreamInfo) {
        stats.noFilterChain.increment()
        log(connection, downstream, flags: .noRouteFound)
    }

    /// Counts the end of a connection.
    func connectionGone(_ began: MonotonicTime) {
        limit?.leave()
        stats.destroyed.increment()
        stats.active.decrement()
        stats.workerActive.decrement()
        stats.serverActive.decrement()
        stats.length.record(UInt64(max(0, (loop.now - began).milliseconds)))
    }

    /// The listener's own access log: one line a connection.
    private func log(_ connection: Connection, _ downstream: DownstreamInfo, flags: ResponseFlags) {
        guard !accessLogs.isEmpty else { return }
        let info = StreamInfo()
        info.downstream = downstream
        info.flags = flags
        info.marks.start = connection.createdAt
        info.marks.end = loop.now
        info.startWall = loop.wallNow + (connection.createdAt - loop.now)
        info.bytesReceived = connection.bytesRead
        info.bytesSent = connection.bytesWritten
        let context = FormatContext(info, request: nil, now: loop.now, wallNow: loop.wallNow)
        for logger in accessLogs { logger.log(context) }
    }
}
