// One downstream HTTP connection outside its codec: its streams, timers and counters.
import HTTPWire
import Metrics
import Reactor

/// What a connection manager keeps of one connection. Held by the codec, and by the manager until the connection is
/// closed. Loop thread only.
final class HTTPServerSession: ServerSession, TimerTarget {
    private enum Deadline: Int {
        case idle
        case maxDuration
        case drain
        case delayedClose
        case flush

        static let count = 5
    }

    private enum Life {
        case serving
        /// New requests are answered with `connection: close` until the drain timeout has passed.
        case draining
        case closed
    }

    let downstream: DownstreamInfo
    private let manager: HTTPConnectionManager
    private let core: HTTPManagerCore
    /// Cleared when the connection closes: the codec holds the session, too.
    private var codec: ServerCodec?
    private var deadlines = DeadlineSet<5>()
    private var timer: LoopTimer?
    private var counted = ConnectionTraffic()
    private var sentAtFlushStart: UInt64 = 0
    private var resets = PrematureResets()
    private var cachedCertificateElement: FixedBytes?
    /// Of the last stream that ended.
    private var flushLimit: TimeAmount?

    // An object is laid out in this order, and there are thousands of it: what is small stands together.

    private var certificateElementMade = false
    private let isTLS: Bool
    private var isHTTP2 = false
    /// The protocol is known, and the connection is among its connections.
    private var isVersionCounted = false
    private var life = Life.serving
    private var hadActiveRequest = false
    private var isCutOff = false
    private var requestCount: UInt32 = 0
    private(set) var activeStreams: Int32 = 0
    /// Position among the manager's sessions.
    var index: Int32 = -1

    init(_ manager: HTTPConnectionManager, _ downstream: DownstreamInfo) {
        self.manager = manager
        self.downstream = downstream
        core = manager.core
        isTLS = downstream.tls != nil
        let stats = core.stats
        stats.cxTotal.increment()
        stats.cxActive.increment()
        if isTLS {
            stats.cxSSLTotal.increment()
            stats.cxSSLActive.increment()
        }
        manager.add(self)
        timer = LoopTimer(loop: core.loop, target: self)
        if let limit = core.spec.maxConnectionDuration {
            set(.maxDuration, after: core.overload?.reduced(.connectionDuration, limit) ?? limit)
        }
        armIdle()
    }

    // MARK: Calls of the codec

    func attach(_ codec: ServerCodec) {
        guard life != .closed else { return }
        self.codec = codec
        guard let version = codec.protocolVersion else { return }
        isHTTP2 = version == .http2
        (isHTTP2 ? core.stats.cxHTTP2Total : core.stats.cxHTTP1Total).increment()
        (isHTTP2 ? core.stats.cxHTTP2Active : core.stats.cxHTTP1Active).increment()
        isVersionCounted = true
    }

    func openStream(_ writer: ResponseWriter) -> RequestReceiver {
        deadlines.clear(Deadline.idle.rawValue)
        deadlines.clear(Deadline.flush.rawValue)
        activeStreams += 1
        if requestCount < .max { requestCount += 1 }
        let stream = manager.takeStream()
        stream.begin(self, writer)
        let limit = core.spec.maxRequestsPerConnection
        if limit > 0 && Int(requestCount) >= limit {
            core.stats.cxMaxRequestsReached.increment()
            endSoon()
        }
        return stream
    }

    func delayClose() {
        guard life != .closed else { return }
        guard let wait = core.spec.delayedCloseTimeout, wait > .zero else {
            codec?.closeNow()
            return
        }
        deadlines.clear(Deadline.idle.rawValue)
        deadlines.clear(Deadline.drain.rawValue)
        set(.delayedClose, after: wait)
    }

    func noteOffence(_ text: @autoclosure () -> String) {
        core.offences.note("\(downstream.directRemoteAddress): \(text())", now: core.loop.now)
    }

    func protocolFailed(_ text: String) {
        core.stats.cxProtocolError.increment()
        core.offences.note("\(downstream.directRemoteAddress) was cut off: \(text)", now: core.loop.now)
        record(text, flags: .downstreamProtocolError)
    }

    func connectionClosed(byPeer: Bool) {
        guard life != .closed else { return }
        life = .closed
        countTraffic()
        let stats = core.stats
        stats.cxRxBytesBuffered.add(-Int64(counted.unread))
        stats.cxTxBytesBuffered.add(-Int64(counted.unsent))
        stats.cxDestroy.increment()
        (byPeer ? stats.cxDestroyRemote : stats.cxDestroyLocal).increment()
        if hadActiveRequest {
            stats.cxDestroyActiveRq.increment()
            (byPeer ? stats.cxDestroyRemoteActiveRq : stats.cxDestroyLocalActiveRq).increment()
        }
        stats.cxActive.decrement()
        if isVersionCounted { (isHTTP2 ? stats.cxHTTP2Active : stats.cxHTTP1Active).decrement() }
        if isTLS { stats.cxSSLActive.decrement() }
        stats.cxLength.record(UInt64(max(0, (core.loop.now - downstream.accepted).milliseconds)))
        deadlines.clearAll()
        timer?.disarm()
        timer = nil
        codec = nil
        manager.remove(self)
    }

    // MARK: Calls of streams and of the manager

    /// Whether the response that is about to go out shall be the last of this connection.
    func closesAfterResponse() -> Bool {
        if life != .serving { return true }
        guard core.drain.closesNow(core.loop.now, &core.random) || isKeepaliveDisabled else { return false }
        core.stats.cxDrainClose.increment()
        endSoon()
        return true
    }

    /// The overload manager wants connections to go with their next response, all or some of them.
    private var isKeepaliveDisabled: Bool {
        guard let overload = core.overload, overload.refuses(.disableKeepalive) else { return false }
        core.stats.cxOverloadDisableKeepalive.increment()
        return true
    }

    func shedConnection() -> Bool {
        guard let overload = core.overload, life != .closed else { return false }
        if overload.refuses(.goAwayAndClose) {
            overload.note(.goAwayAndClose, "\(downstream.directRemoteAddress) was cut off", now: core.loop.now)
            record(overload.state.reason(.goAwayAndClose))
            closeNow(CodeDetails.overload)
            return true
        }
        if life == .serving, overload.refuses(.goAway) { beginDrain() }
        return false
    }

    /// Closes the connection before it has said anything.
    func shed(_ overload: OverloadGate) {
        core.stats.rqOverloadClose.increment()
        overload.note(.createCodec, "\(downstream.directRemoteAddress) was cut off", now: core.loop.now)
        record(overload.state.reason(.createCodec))
        closeNow(CodeDetails.overload)
    }

    /// HTTP/1 ends with the response; HTTP/2 tells the client twice, `drain_timeout` apart.
    private func endSoon() {
        if isHTTP2 { beginDrain() } else { life = .draining }
    }

    /// A stream was ended by the connection's end.
    func streamCutOff(_ reason: DownstreamResetReason, _ info: StreamInfo) {
        switch reason {
        case .connectionTermination, .localClose:
            hadActiveRequest = true
        case .remoteReset, .protocolError:
            resets.noteReset(info, now: core.loop.now, core.spec.prematureResets)
            if resets.isFlood(core.spec.prematureResets) && life != .closed { cutOff() }
        }
    }

    func streamEnded(_ stream: HTTPStream) {
        activeStreams -= 1
        resets.noteEnd()
        manager.recycle(stream)
        countTraffic()
        guard activeStreams == 0 && life != .closed else { return }
        armIdle()
        // A client that does not read its response would hold it for the whole idle timeout.
        flushLimit = stream.flushLimit
        if counted.unsent > 0, let limit = flushLimit, limit > .zero {
            sentAtFlushStart = counted.sent
            set(.flush, after: limit)
        }
    }

    /// The client begins requests and resets them, or makes us reset them, faster than they can be served.
    private func cutOff() {
        guard !isCutOff else { return }
        isCutOff = true
        core.stats.rqTooManyPrematureResets.increment()
        let reason = resets.description(core.spec.prematureResets)
        core.offences.note("\(downstream.directRemoteAddress) was cut off: \(reason)", now: core.loop.now)
        record(reason)
        closeNow("too_many_premature_resets")
    }

    /// Writes down why the connection as a whole was cut off.
    private func record(_ reason: String, flags: ResponseFlags = []) {
        guard let recorder = core.recorder else { return }
        let info = StreamInfo()
        info.marks.start = downstream.accepted
        info.marks.end = core.loop.now
        info.startWall = core.loop.wallNow + (downstream.accepted - core.loop.now)
        info.flags = flags
        info.bytesReceived = codec?.traffic.received ?? 0
        info.bytesSent = codec?.traffic.sent ?? 0
        recorder.begin(isRequest: false, isFailure: true)
        recorder.add(info)
        recorder.add(downstream, client: nil, listener: core.listenerName)
        recorder.add(.decidedBy, reason)
        recorder.end()
    }

    /// Adds what was read and written since the last call to the counters.
    func countTraffic() {
        guard let traffic = codec?.traffic else { return }
        let stats = core.stats
        stats.cxRxBytesTotal.add(traffic.received &- counted.received)
        stats.cxTxBytesTotal.add(traffic.sent &- counted.sent)
        if traffic.unread != counted.unread { stats.cxRxBytesBuffered.add(Int64(traffic.unread - counted.unread)) }
        if traffic.unsent != counted.unsent { stats.cxTxBytesBuffered.add(Int64(traffic.unsent - counted.unsent)) }
        counted = traffic
    }

    /// The XFCC element of this connection's client; made on first use.
    var certificateElement: FixedBytes? {
        if !certificateElementMade {
            certificateElementMade = true
            if let tls = downstream.tls {
                cachedCertificateElement = ClientCertHeader.element(core.spec.clientCert, tls)
            }
        }
        return cachedCertificateElement
    }

    /// Ends the connection with its next response, or when `grace` is over: a request that crosses our closing on the
    /// wire is still answered.
    func drain(grace: TimeAmount) {
        guard life != .closed else { return }
        if life == .serving { codec?.announceDrain() }
        life = .draining
        set(.drain, after: grace)
    }

    /// Ends the connection when its streams are done, now if none runs.
    private func drain() {
        guard life != .closed else { return }
        life = .draining
        codec?.drain()
    }

    func closeNow(_ reason: String) {
        guard life != .closed else { return }
        if downstream.localCloseReason.isEmpty { downstream.localCloseReason = reason }
        codec?.closeNow()
    }

    // MARK: Timers

    func timerFired(_ timer: LoopTimer) {
        deadlines.timerFired()
        while life != .closed, let slot = deadlines.takeExpired(now: core.loop.now),
            let deadline = Deadline(rawValue: slot)
        {
            passed(deadline)
        }
        guard life != .closed else { return }
        if let next = deadlines.nextWake() { self.timer?.arm(at: next) }
    }

    private func passed(_ deadline: Deadline) {
        switch deadline {
        case .idle:
            guard activeStreams == 0 else { return }
            core.stats.cxIdleTimeout.increment()
            downstream.localCloseReason = "idle_timeout"
            beginDrain()
        case .maxDuration:
            core.stats.cxMaxDurationReached.increment()
            downstream.localCloseReason = "max_connection_duration"
            beginDrain()
        case .drain:
            drain()
        case .delayedClose:
            core.stats.cxDelayedCloseTimeout.increment()
            codec?.closeNow()
        case .flush:
            flushPassed()
        }
    }

    /// As Envoy: for the drain timeout a request that crosses our closing is still answered.
    private func beginDrain() {
        if life == .serving { drain(grace: core.spec.drainTimeout) }
    }

    private func flushPassed() {
        guard let traffic = codec?.traffic, activeStreams == 0, traffic.unsent > 0 else { return }
        if traffic.sent != sentAtFlushStart, let limit = flushLimit {
            sentAtFlushStart = traffic.sent
            set(.flush, after: limit)
        } else {
            closeNow("stream_flush_timeout")
        }
    }

    private func armIdle() {
        guard let limit = core.spec.idleTimeout, limit > .zero else { return }
        set(.idle, after: core.overload?.reduced(.connectionIdle, limit) ?? limit)
    }

    /// The overload manager has other timeouts now: what is armed moves with them.
    func followTimeouts(_ overload: OverloadGate, from before: Double) {
        follow(.idle, core.spec.idleTimeout, overload, .connectionIdle, before)
        follow(.maxDuration, core.spec.maxConnectionDuration, overload, .connectionDuration, before)
    }

    private func follow(
        _ deadline: Deadline, _ limit: TimeAmount?, _ overload: OverloadGate, _ timer: ReducibleTimeout,
        _ before: Double
    ) {
        guard let limit, let due = deadlines.time(deadline.rawValue) else { return }
        let time = due + (overload.reduced(timer, limit) - overload.reduced(timer, limit, by: before))
        if deadlines.set(deadline.rawValue, time) { self.timer?.arm(at: time) }
    }

    private func set(_ deadline: Deadline, after amount: TimeAmount) {
        let time = core.loop.now + amount
        if deadlines.set(deadline.rawValue, time) { timer?.arm(at: time) }
    }
}

extension HTTPConnectionManager {
    /// Serves a connection: after its TLS handshake, if any, with `downstream.tls` set. The codec becomes its delegate.
    public func serve(_ connection: Connection, _ downstream: DownstreamInfo, makeCodec: CodecFactory) {
        let session = HTTPServerSession(self, downstream)
        session.attach(makeCodec(connection, session))
        if let overload = core.overload, overload.refuses(.createCodec) { session.shed(overload) }
    }

    /// Counts and closes a connection that the chain's gate did not let in. Nothing is said on it.
    func turnAway(_ connection: Connection, _ downstream: DownstreamInfo, _ codecs: ServerCodecs) {
        let session = HTTPServerSession(self, downstream)
        session.attach(ProtocolProbe(connection: connection, session: session, codecs: codecs))
        session.closeNow(downstream.localCloseReason)
    }
}
