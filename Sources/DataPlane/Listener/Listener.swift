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
    /// The bound addresses in the order of the configuration; those of a virtual listener as they are configured.
    public let localAddresses: [SocketAddress]
    public let drain = DrainSignal()
    let loop: EventLoop
    let stats: ListenerStats
    let matcher: FilterChainMatcher
    let filters: [ListenerFilter]
    /// nil where nothing is done about servers that speak first.
    var serverFirst: ServerFirst?
    /// True once it lets no new connection in.
    private(set) var hasStopped = false
    /// All listeners of the worker, where this one hands connections on (`use_original_dst`).
    var table: ListenerTable?
    private let limit: ConnectionLimit?
    private let accessLogs: [AccessLogger]
    private var sockets: [ListeningSocket] = []
    /// In the order of the spec; set before `start`.
    var chains: [FilterChain] = []
    var defaultChain: FilterChain?
    private var pending: [PendingConnection] = []
    private var entryLog: EntryLog
    private lazy var acceptLog = AcceptFailureLog(listener: spec.name)

    init(_ bound: ListenerSockets, _ environment: ListenerEnvironment) throws(SystemError) {
        var kept = bound.spec
        kept.forgetRoutes()
        spec = kept
        loop = environment.loop
        limit = bound.limit
        accessLogs = environment.accessLogs
        entryLog = EntryLog(listener: bound.spec.name)
        localAddresses = bound.localAddresses
        filters = bound.spec.filters.map { ListenerFilter($0, cells: environment.cells) }
        matcher = FilterChainMatcher(bound.spec.filterChains.map(\.match))
        stats = ListenerStats(prefix: bound.statPrefix, worker: environment.worker, cells: environment.cells)
        if bound.spec.serverFirst.isOn, filters.contains(where: \.detectsProtocol) {
            serverFirst = ServerFirst(bound.spec.serverFirst, prefix: stats.prefix, cells: environment.cells)
        }
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

    /// Takes over a TLS context in place of the one that a chain (nil: the default one) has, and goes on with its
    /// counters.
    func apply(_ tls: TLSContext, chain index: Int?) {
        let found = index.map { chains.indices.contains($0) ? chains[$0] : nil } ?? defaultChain
        guard let chain = found, let old = chain.tls else { return }
        tls.succeed(old)
        chain.tls = tls
    }

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
        hasStopped = true
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
        guard enter() else {
            socket.resetOnDrop()
            return
        }
        do {
            hold(try PendingConnection(self, socket))
        } catch {
            // No memory for epoll: the socket is closed already.
            leave()
        }
    }

    /// Takes over a connection that another listener hands on; false when there is no room for it.
    func adopt(_ connection: PendingConnection) -> Bool {
        guard enter() else { return false }
        hold(connection)
        return true
    }

    /// Gives a connection away to another listener.
    func release(_ connection: PendingConnection) {
        forget(connection)
        leave()
    }

    /// True when there is room for one more connection; it must `leave` then.
    private func enter() -> Bool {
        if let limit, !limit.enter() {
            stats.overflow.increment()
            return false
        }
        stats.serverActive.increment()
        return true
    }

    private func leave() {
        limit?.leave()
        stats.serverActive.decrement()
    }

    private func hold(_ connection: PendingConnection) {
        connection.index = pending.count
        pending.append(connection)
        stats.preActive.increment()
    }

    func chain(for facts: ConnectionFacts) -> FilterChain? {
        matcher.choose(facts).map { chains[$0] } ?? defaultChain
    }

    /// Counts a connection that has a filter chain; `connectionGone` counts its end. Envoy counts none before.
    func connectionBegins() {
        stats.total.increment()
        stats.active.increment()
        stats.workerTotal.increment()
        stats.workerActive.increment()
    }

    /// Hands a connection over to its chain's filter.
    func serve(
        _ connection: Connection, _ downstream: DownstreamInfo, _ chain: FilterChain, _ headStart: TCPHeadStart?
    ) {
        if accessLogs.isEmpty {
            // Holds nothing but the listener, and so takes no memory.
            connection.onClose = { [self] in connectionGone($0.createdAt) }
        } else {
            connection.onClose = { [self] in
                connectionGone($0.createdAt)
                log($0, downstream, flags: [])
            }
        }
        chain.serve(connection, downstream, headStart)
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

    /// A connection that was given a chain ended before the chain's filter served it.
    func handshakeFailed(_ connection: Connection, _ downstream: DownstreamInfo) {
        downstream.transportFailureReason = connection.failureReason ?? ""
        entryLog.failed(connection, now: loop.now)
        connectionGone(connection.createdAt)
        log(connection, downstream, flags: [])
    }

    /// A client took too long for its TLS handshake.
    func handshakeTimedOut(_ connection: Connection, _ downstream: DownstreamInfo) {
        stats.handshakeTimeout.increment()
        let reason =
            "its TLS handshake was not done after \((loop.now - connection.createdAt)): transport_socket_connect_timeout,"
            + " or outrider.listener.max_tls_handshake_ms where that is not set"
        downstream.transportFailureReason = reason
        entryLog.refused(connection, reason, now: loop.now)
        connectionGone(connection.createdAt)
        log(connection, downstream, flags: [])
    }

    /// A connection ended before it had a chain. `reason` is for the log, empty where nobody is to blame.
    func notLetIn(_ connection: Connection, _ downstream: DownstreamInfo, flags: ResponseFlags, reason: String) {
        if !reason.isEmpty { entryLog.refused(connection, reason, now: loop.now) }
        leave()
        log(connection, downstream, flags: flags)
    }

    /// Counts the end of a connection.
    func connectionGone(_ began: MonotonicTime) {
        leave()
        stats.destroyed.increment()
        stats.active.decrement()
        stats.workerActive.decrement()
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
