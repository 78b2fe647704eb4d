// One connection to a host, from the first SYN to its end: its timeouts, its place in the breakers, its stats.
import Metrics
import Reactor

/// Who asked for a connection: a pool, or a TCP proxy's request.
protocol UpstreamConnectionOwner: AnyObject {
    /// TCP and TLS are up. The owner sets `user` before it returns.
    func connectionReady(_ connection: UpstreamConnection)
    /// It could not be made; accounting is done.
    func connectFailed(_ connection: UpstreamConnection, _ reason: StreamResetReason, detail: String)
    /// `lifetime` of an open connection is over (`max_connection_duration`).
    func lifetimeOver(_ connection: UpstreamConnection)
    /// `idleDeadline` of an open connection has come.
    func idleTimeoutOver(_ connection: UpstreamConnection)
    /// It is gone, closed by us or the peer; accounting is done. The last call.
    func connectionGone(_ connection: UpstreamConnection)
}

/// A connection with its accounts. Loop thread only; lives until its socket is closed.
///
/// It is the socket's delegate and passes everything but the end of the connecting phase on to `user`.
final class UpstreamConnection {
    enum Phase { case connecting, open, closed }

    private enum Timer {
        static let connectOrIdle = 0
        static let lifetime = 1
    }

    let place: WorkerHost
    /// The host as it was when this connection was made (a LOGICAL_DNS host may have moved on).
    let host: Host
    private let breakers: BreakerSet
    private let stats: ClusterStats
    private let owner: any UpstreamConnectionOwner
    /// The codec or TCP proxy that uses the bytes; set once, when the connection is up.
    private var user: (any ConnectionDelegate)?
    private var socket: Connection?
    private(set) var phase = Phase.connecting
    private let started: MonotonicTime
    private var timer: LoopTimer?
    private var lifetimeTimer: LoopTimer?
    private var isFlushing = false
    /// How long a peer has to take the last bytes of a tunnel.
    private static let flushLimit = TimeAmount.seconds(5)
    private var countedRead: UInt64 = 0
    private var countedWritten: UInt64 = 0
    private var countedUnread = 0
    private var countedBuffered = 0
    /// Our end, as `LoopGuard` knows it.
    private var guardedEnd: SocketAddress?

    // The pool's notes on it.
    /// Position in the pool's list of all its connections.
    var position = 0
    /// Streams begun so far.
    var served = 0
    var idleSince: MonotonicTime
    /// No further stream may begin on it; it closes when the last one ends.
    var isDraining = false
    /// Streams that are on it.
    var activeStreams = 0
    /// A stream was cut short by its end.
    var wasCutShort = false
    /// It is among the pool's ready connections.
    var isReady = false
    /// While it is being made: streams that it is expected to carry.
    var expectedStreams = 1
    /// How long the peer keeps it open while idle, as its `Keep-Alive: timeout=` says.
    var peerIdleLimit: TimeAmount?
    /// TCP and TLS have been up.
    private(set) var wasUp = false
    private(set) var codec: (any ClientCodec)?

    /// Begins to connect. The place in the breakers is already taken; it is given back at the end.
    ///
    /// `alpn`: in place of the TLS context's own protocols.
    init(
        to place: WorkerHost, serverName: String?, alpn: [String]? = nil, binding: ClientBinding?,
        breakers: BreakerSet, owner: any UpstreamConnectionOwner
    ) {
        let cluster = place.cluster
        self.place = place
        host = place.host
        self.breakers = breakers
        self.owner = owner
        stats = cluster.stats
        started = cluster.loop.now
        idleSince = started
        place.cells.connectionOpened()
        stats.cxTotal.increment()
        cluster.shared.noteTraffic()
        stats.cxActive.increment()
        let timer = LoopTimer(loop: cluster.loop, target: self, tag: Timer.connectOrIdle)
        timer.arm(after: cluster.spec.connectTimeout)
        self.timer = timer
        var options = cluster.socketOptions
        binding?.apply(to: &options)
        let socket = Connection.connect(
            to: host.address, loop: cluster.loop, options: options, tls: cluster.tls(of: host.transport),
            serverName: serverName, alpn: alpn, preface: binding?.header ?? [], delegate: self)
        socket.highWatermark = cluster.spec.perConnectionBufferLimit
        self.socket = socket
        // An address of the client's may be the client's own end as well as ours.
        if let loops = cluster.shared.loops, binding?.source == nil, let end = socket.localAddress {
            loops.enter(end, passes: place.passes)
            guardedEnd = end
        }
    }

    var loop: EventLoop { place.cluster.loop }

    /// The socket; nil once it is closed.
    var connection: Connection? { socket }

    /// Hands the bytes to a TCP proxy.
    func attach(user: any ConnectionDelegate) { self.user = user }

    /// Hands the bytes to a codec.
    func attach(codec: any ClientCodec) {
        self.codec = codec
        user = codec
    }

    // MARK: - Timers

    /// Closes it when it stays idle until then; nil: never.
    func armIdle(_ deadline: MonotonicTime?) {
        if let deadline { timer?.arm(at: deadline) } else { timer?.disarm() }
    }

    func disarmIdle() { timer?.disarm() }

    func armLifetime(_ amount: TimeAmount) {
        let timer = LoopTimer(loop: loop, target: self, tag: Timer.lifetime)
        timer.arm(after: amount)
        lifetimeTimer = timer
    }

    // MARK: - Accounts

    /// Counts what came and went since the last call, and what waits to be written.
    func countBytes() {
        guard let socket else { return }
        let (read, written) = (socket.bytesRead, socket.bytesWritten)
        let (unread, buffered) = (socket.input.count, socket.output.count)
        if read != countedRead {
            stats.cxRxBytesTotal.add(read &- countedRead)
            countedRead = read
        }
        if written != countedWritten {
            stats.cxTxBytesTotal.add(written &- countedWritten)
            countedWritten = written
        }
        if unread != countedUnread {
            stats.cxRxBytesBuffered.add(Int64(unread - countedUnread))
            countedUnread = unread
        }
        if buffered != countedBuffered {
            stats.cxTxBytesBuffered.add(Int64(buffered - countedBuffered))
            countedBuffered = buffered
        }
    }

    // MARK: - The end

    /// Closes it. `byPeer` tells the counters who began; `abort` sends a reset.
    func close(byPeer: Bool = false, abort: Bool = false) {
        guard phase != .closed else { return }
        let socket = socket
        finish(byPeer: byPeer)
        socket?.close(abort: abort)
        owner.connectionGone(self)
    }

    /// Closes it when the last bytes are written, or when the peer does not take them in time.
    func closeAfterFlush() {
        guard phase == .open, let socket else { return }
        isFlushing = true
        timer?.arm(after: Self.flushLimit)
        socket.closeAfterFlush()
    }

    /// Closes it and lets its user know, as if the connection had ended by itself: its host was taken out.
    func evict() {
        guard phase == .open, let socket else { return }
        user?.connectionClosed(socket, .flushed)
        close()
    }

    /// Settles the accounts; the socket is closed by the caller, or was.
    private func finish(byPeer: Bool) {
        countBytes()
        if countedUnread != 0 {
            stats.cxRxBytesBuffered.add(Int64(-countedUnread))
            countedUnread = 0
        }
        if countedBuffered != 0 {
            stats.cxTxBytesBuffered.add(Int64(-countedBuffered))
            countedBuffered = 0
        }
        phase = .closed
        if let guardedEnd { place.cluster.shared.loops?.leave(guardedEnd) }
        timer = nil
        lifetimeTimer = nil
        socket = nil
        // The codec holds this object, too.
        let gone = codec
        user = nil
        codec = nil
        stats.cxDestroy.increment()
        (byPeer ? stats.cxDestroyRemote : stats.cxDestroyLocal).increment()
        if activeStreams > 0 || wasCutShort {
            stats.cxDestroyWithActiveRq.increment()
            (byPeer ? stats.cxDestroyRemoteWithActiveRq : stats.cxDestroyLocalWithActiveRq).increment()
        }
        stats.cxActive.decrement()
        stats.cxLengthMs.record(UInt64(max(0, (loop.now - started).milliseconds)))
        place.cells.connectionClosed()
        place.releaseConnection()
        breakers.connections.release()
        gone?.connectionGone()
    }

    /// The socket could not even be made ready to connect: the machine or the file has to be changed.
    private func noteLocalFailure(_ error: SystemError) {
        if error.call == "bind" { stats.bindErrors.increment() }
        place.cluster.offences.note("no connection to \(host.address): \(error)", now: loop.now)
    }

    private func failConnecting(_ reason: StreamResetReason, byPeer: Bool, detail: String) {
        let socket = socket
        stats.cxConnectFail.increment()
        place.cells.connectFailed()
        finish(byPeer: byPeer)
        socket?.close()
        owner.connectFailed(self, reason, detail: detail)
        owner.connectionGone(self)
    }
}

extension UpstreamConnection: TimerTarget {
    func timerFired(_ timer: LoopTimer) {
        switch phase {
        case .connecting:
            stats.cxConnectTimeout.increment()
            let limit = place.cluster.spec.connectTimeout
            failConnecting(
                .connectTimeout, byPeer: false, detail: "cluster '\(place.cluster.name)' connect_timeout \(limit)")
        case .open:
            if isFlushing {
                close()
                return
            }
            if timer.tag == Timer.lifetime { owner.lifetimeOver(self) } else { owner.idleTimeoutOver(self) }
        case .closed:
            break
        }
    }
}

extension UpstreamConnection: ConnectionDelegate {
    func connectionEstablished(_ connection: Connection) {
        guard phase == .connecting else { return }
        phase = .open
        wasUp = true
        timer?.disarm()
        stats.cxConnectMs.record(UInt64(max(0, (loop.now - started).milliseconds)))
        owner.connectionReady(self)
    }

    func connectionReadable(_ connection: Connection) { user?.connectionReadable(connection) }

    func connectionDrained(_ connection: Connection) {
        countBytes()
        user?.connectionDrained(connection)
    }

    func connectionPeerFinished(_ connection: Connection) { user?.connectionPeerFinished(connection) }

    func connectionClosed(_ connection: Connection, _ reason: ConnectionCloseReason) {
        switch phase {
        case .connecting:
            var isLocal = false
            if case .connectFailed(let error) = reason, error.call != "connect" {
                noteLocalFailure(error)
                isLocal = true
            }
            failConnecting(
                isLocal ? .localConnectFailure : .connectFailure, byPeer: !isLocal,
                detail: connection.failureReason ?? "connection failure")
        case .open:
            // The user hears of it first: it ends its stream, which the accounts have to show.
            let user = user
            let isOurs = reason == .flushed
            user?.connectionClosed(connection, reason)
            close(byPeer: !isOurs)
        case .closed:
            break
        }
    }
}
