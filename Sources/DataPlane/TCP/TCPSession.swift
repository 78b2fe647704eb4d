// One TCP connection and the one to its host: bytes both ways, half-closes, timeouts.
import Metrics
import Reactor

/// A proxied TCP connection. Delegate of both sides. Loop thread only.
final class TCPSession: ConnectionDelegate, TCPWaiter, TimerTarget {
    private enum State {
        /// The client waits while a host is being connected to; nothing is read from it.
        case connecting(PoolTicket)
        /// The last attempt failed, the next one comes after the back-off.
        case waiting
        case relaying(TCPLease)
        /// The upstream is gone; what it sent still flows to the client.
        case flushing
        case ended
    }

    private enum Timer: Int {
        case idle
        case maxDuration
        case backoff
    }

    let proxy: TCPProxy
    private let downstream: Connection
    let info = StreamInfo()
    private var state = State.waiting
    var cluster: Cluster?
    private(set) var subsetCriteria: SubsetCriteria?
    var attempts = 0
    var attemptStart = MonotonicTime.zero
    /// Connection attempts that failed.
    var failedTries: [UpstreamTry] = []
    private var idleTimer: LoopTimer?
    private var durationTimer: LoopTimer?
    private var backoffTimer: LoopTimer?
    private var clientEnded = false
    private var hostEnded = false
    private var counted = (received: UInt64(0), sent: UInt64(0), unsent: 0)
    /// Position among the proxy's sessions.
    var index = -1

    init(_ proxy: TCPProxy, _ connection: Connection, _ downstream: DownstreamInfo) {
        self.proxy = proxy
        self.downstream = connection
        info.downstream = downstream
        info.marks.start = proxy.loop.now
        info.startWall = proxy.loop.wallNow
        connection.highWatermark = proxy.bufferLimit
        connection.delegate = self
    }

    func start() {
        begin()
        if let choice = proxy.chooseCluster(info.downstream) {
            (cluster, subsetCriteria) = (choice.cluster, choice.criteria)
        }
        connect()
    }

    /// Goes on with a connection that was begun ahead.
    func start(from headStart: TCPHeadStart) {
        begin()
        (cluster, subsetCriteria) = (headStart.cluster, headStart.subsetCriteria)
        switch headStart.take(for: self) {
        case .none: connect()
        case .connecting(let ticket):
            countAttempt(of: headStart.cluster)
            state = .connecting(ticket)
        case .connected(let lease):
            countAttempt(of: headStart.cluster)
            relay(lease)
        }
    }

    /// The connection is not let in.
    func turnAway(_ refusal: ConnectionRefusal) {
        begin()
        end(flags: refusal.flags, details: refusal.details)
    }

    private func begin() {
        proxy.stats.connections.increment()
        downstream.pauseReading()
        if let limit = proxy.spec.maxDownstreamConnectionDuration, limit > .zero {
            durationTimer = LoopTimer(loop: proxy.loop, target: self, tag: Timer.maxDuration.rawValue)
            durationTimer?.arm(after: limit)
        }
    }

    func closeNow(_ details: String) { end(flags: [], details: details) }

    // MARK: Connecting

    private func connect() {
        guard let cluster else {
            proxy.stats.noRoute.increment()
            end(flags: .noClusterFound, details: "cluster_not_found")
            return
        }
        countAttempt(of: cluster)
        switch cluster.connectTCP(self) {
        case .waiting(let ticket):
            state = .connecting(ticket)
        case .noHealthyHost:
            info.upstream.end = .noHost
            end(flags: .noHealthyUpstream, details: "no_healthy_upstream")
        case .refused(let refusal):
            info.upstream.end = .refused
            end(flags: refusal.flags, details: refusal.details)
        case .overflow(let host):
            info.upstream.host = host
            info.upstream.end = .reset(.overflow)
            end(flags: .upstreamOverflow, details: "overflow")
        }
    }

    private func countAttempt(of cluster: Cluster) {
        attempts += 1
        attemptStart = proxy.loop.now
        info.upstream.end = .open
        info.upstream.attemptCount = attempts
        info.upstream.clusterName = cluster.name
        info.upstream.clusterMetadata = cluster.metadata
    }

    var tcpDelegate: any ConnectionDelegate { self }
    var origin: StreamOrigin { StreamOrigin(downstream: info.downstream) }
    func hash(_ policy: HashPolicy?) -> UInt64? { proxy.hash(policy, info.downstream) }

    func tcpFailed(_ reason: StreamResetReason, host: Host, detail: String) {
        guard case .connecting = state else { return }
        info.upstream.host = host
        info.upstream.transportFailureReason = detail
        info.upstream.end = .reset(reason)
        if reason.tellsOfHost {
            cluster?.report(reason == .connectTimeout ? .timedOut(status: 504) : .failed, of: host)
        }
        state = .waiting
        guard attempts < proxy.spec.maxConnectAttempts else {
            cluster?.stats.cxConnectAttemptsExceeded.increment()
            let retried: ResponseFlags = attempts > 1 ? .upstreamRetryLimitExceeded : []
            end(flags: retried.union(.upstreamConnectionFailure), details: "connect_failure")
            return
        }
        if let lastTry { failedTries.append(lastTry) }
        if let delay = proxy.connectDelay(afterAttempt: attempts) {
            backoffTimer = LoopTimer(loop: proxy.loop, target: self, tag: Timer.backoff.rawValue)
            backoffTimer?.arm(after: delay)
        } else {
            connect()
        }
    }

    func tcpReady(_ lease: TCPLease) {
        guard case .connecting = state else { return lease.close() }
        relay(lease)
    }

    private func relay(_ lease: TCPLease) {
        guard let upstream = lease.connection else { return lease.close() }
        state = .relaying(lease)
        info.upstream.end = .served
        cluster?.report(.connectedOnly, of: lease.host)
        info.upstream.host = lease.host
        info.upstream.remoteAddress = upstream.remoteAddress
        info.upstream.localAddress = upstream.localAddress
        info.upstream.connectionID = upstream.id
        info.upstream.tls = upstream.tls
        info.upstream.poolReady = proxy.loop.now - info.marks.start
        if proxy.spec.flushAccessLogOnConnected { writeAccessLogs(.tcpUpstreamConnected) }
        touch()
        downstream.resumeReading()
        // What the listener's filters have looked at, and taken in already.
        if !downstream.input.isEmpty { pump(from: downstream, to: upstream) }
        // What a server has said that speaks first.
        if case .relaying = state, !upstream.input.isEmpty { pump(from: upstream, to: downstream) }
    }

    // MARK: Relaying

    func connectionEstablished(_ connection: Connection) {}

    func connectionReadable(_ connection: Connection) {
        guard case .relaying(let lease) = state, let upstream = lease.connection else { return }
        if connection === downstream {
            pump(from: downstream, to: upstream)
        } else {
            pump(from: upstream, to: downstream)
        }
    }

    /// Moves what is there. The output of the other side is bounded: above its watermark reading pauses.
    private func pump(from source: Connection, to target: Connection) {
        var moved = !source.input.isEmpty
        source.input.moveAll(to: &target.output)
        while true {
            switch source.fill() {
            case .data:
                moved = true
                source.input.moveAll(to: &target.output)
                if target.isAboveHighWatermark {
                    target.flush()
                    if target.isAboveHighWatermark {
                        source.pauseReading()
                        if source === downstream { proxy.stats.paused.increment() }
                        touch()
                        return
                    }
                }
                continue
            case .wouldBlock, .failed:
                if moved {
                    target.flush()
                    touch()
                }
            case .end:
                target.flush()
                touch()
                sourceEnded(source, target)
            }
            return
        }
    }

    private func sourceEnded(_ source: Connection, _ target: Connection) {
        if source === downstream {
            guard !clientEnded else { return }
            clientEnded = true
        } else {
            guard !hostEnded else { return }
            hostEnded = true
        }
        if clientEnded && hostEnded {
            // Both sides have said all: what is still unsent to the client goes out before it is closed.
            if case .relaying(let lease) = state, target === downstream || lease.connection?.unwrittenBytes == 0 {
                finishClient(lease, byPeer: target === downstream)
                return
            }
        }
        target.shutdownWrite()
    }

    /// The upstream is done with: flushes the client's side, then ends.
    private func finishClient(_ lease: TCPLease, byPeer: Bool) {
        countBytes()
        lease.close(byPeer: byPeer)
        state = .flushing
        downstream.pauseReading()
        downstream.closeAfterFlush()
    }

    func connectionDrained(_ connection: Connection) {
        touch()
        guard case .relaying(let lease) = state, let upstream = lease.connection else { return }
        if connection === downstream {
            if upstream.isPaused && !downstream.isAboveHighWatermark { upstream.resumeReading() }
        } else if downstream.isPaused && !upstream.isAboveHighWatermark {
            proxy.stats.resumed.increment()
            downstream.resumeReading()
        }
        if clientEnded && hostEnded && upstream.unwrittenBytes == 0 { finishClient(lease, byPeer: false) }
    }

    func connectionClosed(_ connection: Connection, _ reason: ConnectionCloseReason) {
        if connection === downstream {
            info.downstream?.transportFailureReason = connection.failureReason ?? ""
            switch state {
            case .flushing: end(flags: [], details: "")
            case .connecting, .waiting:
                end(flags: .downstreamConnectionTermination, details: "downstream_connection_termination")
            default: end(flags: [], details: "")
            }
            return
        }
        guard case .relaying(let lease) = state else { return }
        info.upstream.transportFailureReason = connection.failureReason ?? ""
        if reason == .remoteReset {
            // A reset is passed on as one: the client must not take what it got for the whole.
            end(flags: .upstreamConnectionTermination, details: "", abort: true)
        } else {
            info.flags.insert(.upstreamConnectionTermination)
            finishClient(lease, byPeer: reason != .flushed)
        }
    }

    // MARK: Timers

    /// Something moved: the idle timeout begins anew.
    private func touch() {
        countBytes()
        guard let limit = proxy.spec.idleTimeout, limit > .zero else { return }
        if idleTimer == nil {
            idleTimer = LoopTimer(loop: proxy.loop, target: self, tag: Timer.idle.rawValue)
        }
        idleTimer?.arm(after: limit)
    }

    func timerFired(_ timer: LoopTimer) {
        switch Timer(rawValue: timer.tag) {
        case .idle:
            proxy.stats.idleTimeout.increment()
            end(flags: [], details: "idle_timeout")
        case .maxDuration:
            proxy.stats.maxDuration.increment()
            end(flags: .durationTimeout, details: "max_connection_duration")
        case .backoff:
            if case .waiting = state { connect() }
        case nil:
            break
        }
    }

    // MARK: The end

    private func countBytes() {
        let stats = proxy.stats
        let received = downstream.bytesRead
        let sent = downstream.bytesWritten
        let unsent = downstream.unwrittenBytes
        stats.received.add(received &- counted.received)
        stats.sent.add(sent &- counted.sent)
        if unsent != counted.unsent { stats.sentBuffered.add(Int64(unsent - counted.unsent)) }
        counted = (received, sent, unsent)
        if case .relaying(let lease) = state { lease.countBytes() }
    }

    private func end(flags: ResponseFlags, details: String, abort: Bool = false) {
        if case .ended = state { return }
        countBytes()
        switch state {
        case .connecting(let ticket): ticket.cancel()
        case .relaying(let lease):
            lease.close(abort: abort)
        case .waiting, .flushing, .ended: break
        }
        state = .ended
        proxy.stats.sentBuffered.add(-Int64(counted.unsent))
        idleTimer?.disarm()
        durationTimer?.disarm()
        backoffTimer?.disarm()
        downstream.close(abort: abort)
        info.flags.formUnion(flags)
        info.connectionTerminationDetails = details
        info.marks.end = proxy.loop.now
        writeAccessLogs(.tcpConnectionEnd)
        // Who was not let in has a record of the listener's.
        if let recorder = proxy.recorder, info.downstream?.refusal == nil,
            wentWrong || recorder.takesOther(now: proxy.loop.now)
        {
            record(on: recorder)
        }
        proxy.remove(self)
    }

    private func writeAccessLogs(_ type: AccessLogType) {
        info.bytesReceived = downstream.bytesRead
        info.bytesSent = downstream.bytesWritten
        let context = FormatContext(
            info, request: nil, logType: type, now: proxy.loop.now, wallNow: proxy.loop.wallNow)
        for log in proxy.accessLogs { log.log(context) }
    }
}
