// A listener on one worker: accepts, counts, chooses filter chains, drains.
import Metrics
import Reactor

/// What a listener needs of its worker.
struct ListenerEnvironment {
    var loop: EventLoop
    var worker: Int
    var cells: StatCells
    var accessLogs: [AccessLogger]
    var recorder: FlightRecorder?
    /// nil: no overload manager has a say here.
    var overload: OverloadGate?
    /// nil: there is no limit over all listeners.
    var globalLimit: GlobalConnectionLimit?
}

/// One worker's share of a listener. Loop thread only.
public final class Listener {
    public let id: ListenerID
    /// Without virtual hosts. Another one after `replaceChains`.
    public private(set) var spec: ListenerSpec
    /// The bound addresses in the order of the configuration; those of a virtual listener as they are configured.
    public let localAddresses: [SocketAddress]
    let loop: EventLoop
    let stats: ListenerStats
    /// Keeps the stats.
    private let cells: StatCells
    let filters: [ListenerFilter]
    /// nil where nothing is done about servers that speak first.
    var serverFirst: ServerFirst?
    /// True once it lets no new connection in.
    private(set) var hasStopped = false
    /// It was removed, or another one has taken its place: what it has is served to its end.
    private(set) var isRetired = false
    /// All listeners of the worker, where this one hands connections on (`use_original_dst`).
    var table: ListenerTable?
    let overload: OverloadGate?
    private let limit: ConnectionLimit?
    let globalLimit: GlobalConnectionLimit?
    private let accessLogs: [AccessLogger]
    private let recorder: FlightRecorder?
    let sockets: [ListeningSocket]
    private(set) var chains: FilterChainSet
    /// Chains that an update took away, by that update, while they have connections.
    private var retired: [ListenerID: [FilterChain]] = [:]
    private(set) var pending: [PendingConnection] = []
    private var entryLog: EntryLog
    var refusalLog: OffenceLog
    /// The overload manager has new connections wait.
    var isPaused = false
    private lazy var acceptLog = AcceptFailureLog(listener: spec.name)

    init(
        _ bound: ListenerSockets, id: ListenerID, _ sockets: [ListeningSocket], _ chains: FilterChainSet,
        _ environment: ListenerEnvironment
    ) {
        self.id = id
        self.sockets = sockets
        self.chains = chains
        var kept = bound.spec
        kept.forgetRoutes()
        spec = kept
        loop = environment.loop
        limit = bound.limit
        accessLogs = environment.accessLogs
        recorder = environment.recorder
        overload = environment.overload
        globalLimit = environment.globalLimit
        refusalLog = OffenceLog(label: "connection", place: "listener '\(bound.spec.name)'")
        entryLog = EntryLog(listener: bound.spec.name)
        localAddresses = bound.localAddresses
        let cells = environment.cells.held(by: environment.cells.store.makeHold())
        self.cells = cells
        filters = bound.spec.filters.map { ListenerFilter($0, cells: cells) }
        stats = ListenerStats(
            prefix: bound.statPrefix, worker: environment.worker, cells: cells, process: environment.cells,
            globalLimit: globalLimit?.spec)
        if bound.spec.serverFirst.isOn, filters.contains(where: \.detectsProtocol) {
            serverFirst = ServerFirst(bound.spec.serverFirst, prefix: stats.prefix, cells: cells)
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
        if let overload { pauseIfClosed(overload) }
    }

    /// Those that new connections get, and those that only serve what they have.
    var allChains: [FilterChain] { chains.all + retired.values.joined() }

    /// Takes over a TLS context in place of the one that a chain has.
    func apply(_ tls: TLSContext, chain identity: ContentDigest) {
        for chain in allChains where chain.identity == identity { chain.apply(tls) }
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

    // MARK: Draining

    /// Responses close their connections from now on: all at once with `.zero`, else ever more over that time.
    func beginDrain(over time: TimeAmount) {
        for chain in chains.all { chain.drain.begin(now: loop.now, over: time) }
    }

    /// Serves what it has, and asks that to go over a time. Its sockets are closed.
    ///
    /// - Parameter isTakenOver: who waits to be accepted is another listener's.
    func retire(drainOver time: TimeAmount, isTakenOver: Bool) {
        isRetired = true
        if !isTakenOver, !hasStopped { acceptBacklog() }
        stopAccepting()
        beginDrain(over: time)
    }

    /// Serves on as before `beginDrain`, unless it was retired.
    func cancelDrain() {
        guard !isRetired else { return }
        for chain in chains.all { chain.drain.cancel() }
    }

    /// New connections get these chains. Connections of chains that are among the new ones, too, notice nothing; those of
    /// the others are asked to go over a time, until `closeRetired`.
    ///
    /// - Parameter spec: differs from the present one in its chains only.
    func replaceChains(_ newer: FilterChainSet, _ spec: ListenerSpec, by update: ListenerID, drainOver time: TimeAmount)
    {
        let gone = chains.all.filter { old in !newer.all.contains { $0 === old } }
        for chain in gone { chain.drain.begin(now: loop.now, over: time) }
        if !gone.isEmpty { retired[update] = gone }
        chains = newer
        self.spec = spec
        self.spec.forgetRoutes()
    }

    /// Whether it has no connection at all.
    var isIdle: Bool { pending.isEmpty && allChains.allSatisfy { $0.connectionCount == 0 } }

    /// Whether chains that an update took away still have connections.
    func hasRetired(by update: ListenerID) -> Bool {
        guard let gone = retired[update] else { return false }
        return gone.contains { chain in
            chain.connectionCount > 0 || pending.contains { $0.chain === chain }
        }
    }

    /// HTTP connections of those chains close with their next response, or when `grace` is over.
    func drainRetired(by update: ListenerID, grace: TimeAmount) {
        for chain in retired[update] ?? [] { chain.drainConnections(grace: grace) }
    }

    /// Closes what those chains still have.
    func closeRetired(by update: ListenerID) {
        guard let gone = retired.removeValue(forKey: update) else { return }
        for connection in pending where gone.contains(where: { $0 === connection.chain }) { connection.giveUp() }
        for chain in gone { chain.closeConnections() }
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
        guard enterProcess(socket.remoteAddress) else {
            socket.resetOnDrop()
            return
        }
        guard enter() else {
            leaveProcess()
            socket.resetOnDrop()
            return
        }
        do {
            hold(try PendingConnection(self, socket))
        } catch {
            // No memory for epoll: the socket is closed already.
            leave()
            leaveProcess()
        }
    }

    /// Takes over a connection that another listener hands on; false when there is no room for it.
    func adopt(_ connection: PendingConnection) -> Bool {
        guard enter() else { return false }
        globalLimit?.join(isExempt: spec.ignoresGlobalLimit)
        hold(connection)
        return true
    }

    /// Gives a connection away to another listener.
    func release(_ connection: PendingConnection) {
        forget(connection)
        leave()
        leaveProcess()
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

    func chain(for facts: ConnectionFacts) -> FilterChain? { chains.choose(facts) }

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
        watchEnd(of: connection, downstream)
        chain.serve(connection, downstream, headStart)
    }

    /// Ends a connection that its chain's gate did not let in, after a delay where there is one.
    func turnAway(
        _ connection: Connection, _ downstream: DownstreamInfo, _ chain: FilterChain, _ refusal: ConnectionRefusal,
        after delay: TimeAmount?
    ) {
        if !refusal.reason.isEmpty { entryLog.refused(connection, refusal.reason, now: loop.now) }
        downstream.localCloseReason = refusal.closeReason
        record(connection, downstream, flags: refusal.flags, reason: refusal.reason, details: refusal.details)
        watchEnd(of: connection, downstream)
        guard let gate = chain.gate, let delay else { return chain.turnAway(connection, downstream, refusal) }
        gate.hold(connection, for: delay) { chain.turnAway($0, downstream, refusal) }
    }

    private func watchEnd(of connection: Connection, _ downstream: DownstreamInfo) {
        if accessLogs.isEmpty {
            // Holds nothing but the listener, and so takes no memory.
            connection.onClose = { [self] in connectionGone($0.createdAt) }
        } else {
            connection.onClose = { [self] in
                connectionGone($0.createdAt)
                log($0, downstream, flags: downstream.refusal?.flags ?? [])
            }
        }
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
        if !downstream.transportFailureReason.isEmpty { record(connection, downstream) }
    }

    /// A client took too long for its TLS handshake.
    func handshakeTimedOut(_ connection: Connection, _ downstream: DownstreamInfo) {
        stats.handshakeTimeout.increment()
        var reason =
            "its TLS handshake was not done after \((loop.now - connection.createdAt)): transport_socket_connect_timeout,"
            + " or outrider.listener.max_tls_handshake_ms where that is not set"
        if let overload, overload.reduces(.handshake) { reason += ", " + overload.reductionReason }
        downstream.transportFailureReason = reason
        entryLog.refused(connection, reason, now: loop.now)
        connectionGone(connection.createdAt)
        log(connection, downstream, flags: [])
        record(connection, downstream)
    }

    /// A connection ended before it had a chain. `reason` is for the log, empty where nobody is to blame.
    func notLetIn(_ connection: Connection, _ downstream: DownstreamInfo, flags: ResponseFlags, reason: String) {
        if !reason.isEmpty { entryLog.refused(connection, reason, now: loop.now) }
        leave()
        leaveProcess()
        log(connection, downstream, flags: flags)
        if !reason.isEmpty { record(connection, downstream, flags: flags, reason: reason) }
    }

    /// Counts the end of a connection.
    func connectionGone(_ began: MonotonicTime) {
        leave()
        leaveProcess()
        stats.destroyed.increment()
        stats.active.decrement()
        stats.workerActive.decrement()
        stats.length.record(UInt64(max(0, (loop.now - began).milliseconds)))
    }

    /// Writes down why a connection was not let in.
    private func record(
        _ connection: Connection, _ downstream: DownstreamInfo, flags: ResponseFlags = [], reason: String = "",
        details: String = ""
    ) {
        guard let recorder else { return }
        let info = info(connection, downstream, flags: flags)
        info.connectionTerminationDetails = details
        recorder.begin(isRequest: false, isFailure: true)
        recorder.add(info)
        recorder.add(downstream, client: nil, listener: spec.name)
        recorder.add(.decidedBy, reason)
        recorder.end()
    }

    /// The listener's own access log: one line a connection.
    private func log(_ connection: Connection, _ downstream: DownstreamInfo, flags: ResponseFlags) {
        guard !accessLogs.isEmpty else { return }
        let info = info(connection, downstream, flags: flags)
        let context = FormatContext(info, request: nil, now: loop.now, wallNow: loop.wallNow)
        for logger in accessLogs { logger.log(context) }
    }

    private func info(_ connection: Connection, _ downstream: DownstreamInfo, flags: ResponseFlags) -> StreamInfo {
        let info = StreamInfo()
        info.downstream = downstream
        info.flags = flags
        info.connectionTerminationDetails = downstream.refusal?.details ?? ""
        info.marks.start = connection.createdAt
        info.marks.end = loop.now
        info.startWall = loop.wallNow + (connection.createdAt - loop.now)
        info.bytesReceived = connection.bytesRead
        info.bytesSent = connection.bytesWritten
        return info
    }
}
