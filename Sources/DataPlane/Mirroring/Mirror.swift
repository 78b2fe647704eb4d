// The copy of one client's request that goes to a mirror.
import HTTPWire
import Reactor

/// Sends a copy of a request as the request comes, and drops the answer. Loop thread only.
///
/// It goes through its cluster's balancer, breakers, pools, TLS and stats, and nobody waits for it: bytes that the mirror
/// has no room for are held, and the copy is given up when they are more than its limit. The router holds it until the
/// request is over; a copy that is whole by then goes on alone, another is taken back.
final class Mirror: OwnRequest {
    private enum Phase {
        /// Not begun, or over.
        case idle
        /// A pool will have a connection.
        case waiting(PoolTicket)
        /// The head was sent.
        case sending(any UpstreamStream)
    }

    /// What is the same for all copies of one request.
    struct Terms {
        var version: HTTPVersion
        /// From the request's end to the answer's; nil: no limit.
        var timeout: TimeAmount?
        /// Bytes that may be held for want of room.
        var limit: Int
    }

    /// Filled by the router between `take` and `start`.
    let request = HeaderMap()
    let response = HeaderMap()
    let responseTrailers = HeaderMap()
    let loop: EventLoop
    private(set) var cluster: (any RequestCluster)?
    private(set) var host: Host?
    private(set) var began = MonotonicTime.zero
    /// nil: the request is not traced.
    var span: MirrorSpan?

    private var phase = Phase.idle
    private var terms = Terms(version: .http11, timeout: nil, limit: 0)
    /// Body bytes that were not handed to the connection yet.
    private var held: ByteQueue
    private let trailers = HeaderMap()
    private var hasBody = false
    private var hasTrailers = false
    /// The request has come to its end.
    private var isWhole = false
    private var endSent = false
    private var sentBody = false
    private var wasSentAgain = false
    /// Set while it is in use, to go back to.
    private var shelf: MirrorShelf?
    private var isLetGo = false
    private lazy var timer = LoopTimer(loop: loop, target: self, tag: 0)
    private lazy var durationTimer = LoopTimer(loop: loop, target: self, tag: 1)

    init(loop: EventLoop) {
        self.loop = loop
        held = ByteQueue(pool: loop.slabs)
    }

    /// Makes it ready for a request, whose head is to be put into `request`.
    func prepare(_ cluster: any RequestCluster, _ terms: Terms, shelf: MirrorShelf) {
        self.cluster = cluster
        self.terms = terms
        self.shelf = shelf
        host = nil
        span = nil
        response.removeAll()
        responseTrailers.removeAll()
        (hasBody, hasTrailers, isWhole, endSent, sentBody) = (false, false, false, false, false)
        (wasSentAgain, isLetGo) = (false, false)
    }

    /// Asks for a connection. Does nothing when the copy was taken back before.
    func start() {
        if let cluster { ask(cluster) }
    }

    // MARK: - The request

    /// Copies more of the body. `push` sends it.
    func hold(_ bytes: borrowing ByteQueue) {
        guard cluster != nil, !bytes.isEmpty else { return }
        hasBody = true
        bytes.forEachPart { part in
            held.append(part)
            return true
        }
    }

    /// The request is whole.
    ///
    /// - Parameter fields: its trailers; nil: it has none.
    func end(trailers fields: HeaderMap?) {
        guard cluster != nil, !isWhole else { return }
        if let fields {
            trailers.copy(from: fields)
            hasTrailers = true
        }
        isWhole = true
        began = loop.now
        if let limit = terms.timeout { timer.arm(after: limit) }
    }

    /// Sends what is held, as far as the mirror has room. False: it had not, and the copy was given up.
    func push() -> Bool {
        guard cluster != nil else { return true }
        if case .sending(let stream) = phase, !stream.isBackedUp { send(stream) }
        guard held.count > terms.limit else { return true }
        giveUp()
        return false
    }

    /// The router has no more to say: the request is over, in one way or another.
    func letGo() {
        isLetGo = true
        if cluster == nil { return goBack() }
        if !isWhole { giveUp() }
    }

    /// Takes the copy back: the mirror sees it end in the middle, or not at all.
    func giveUp() {
        guard cluster != nil else { return }
        let version = self.version
        drop()
        finish(status: response.status, flags: [], version, wasCanceled: true)
    }

    private func send(_ stream: any UpstreamStream) {
        guard !endSent else { return }
        let endsNow = isWhole && !hasTrailers
        if !held.isEmpty || endsNow {
            sentBody = true
            if endsNow { endSent = true }
            var bytes = ByteQueue(pool: loop.slabs)
            held.moveAll(to: &bytes)
            stream.sendBody(&bytes, end: endsNow)
        }
        guard isWhole, hasTrailers, isSending(stream) else { return }
        endSent = true
        stream.sendTrailers(trailers)
    }

    // MARK: - One try

    private func ask(_ cluster: any RequestCluster, fresh: Bool = false) {
        // `poolReady`, and an end, may come before the call returns.
        let outcome = cluster.newStream(
            self, priority: .default, version: terms.version, authority: request.authority, avoiding: [],
            selectionAttempts: 1, fresh: fresh)
        switch outcome {
        case .started: break
        case .waiting(let ticket): phase = .waiting(ticket)
        case .noHealthyHost: fail(.noHealthyHost)
        case .refused(let refusal): fail(.refused(refusal))
        case .overflow(let host):
            self.host = host
            fail(.reset(.overflow, detail: ""))
        }
    }

    private func isSending(_ stream: any UpstreamStream) -> Bool {
        if case .sending(let current) = phase { return current === stream }
        return false
    }

    /// Of the connection in use; nil: there is none.
    private var version: HTTPVersion? {
        if case .sending(let stream) = phase { return stream.connectionInfo.httpVersion }
        return nil
    }

    /// Stops what runs upstream.
    private func drop() {
        let dropped = phase
        phase = .idle
        switch dropped {
        case .idle: break
        case .waiting(let ticket): ticket.cancel()
        case .sending(let stream): stream.cancel()
        }
    }

    /// A try ended without a whole answer. It is made again, once, by the rules for clients' requests, as long as nothing
    /// of the body is gone.
    private func failed(_ reason: StreamResetReason, _ detail: String, _ stream: (any UpstreamStream)?) {
        let version = self.version
        phase = .idle
        if let stream, let cluster, !wasSentAgain, !sentBody,
            maySendAgain(reason, stream, cluster, isRepeatable: request.methodKind.isIdempotent)
        {
            wasSentAgain = true
            endSent = false
            response.removeAll()
            responseTrailers.removeAll()
            durationTimer.disarm()
            return ask(cluster, fresh: reason == .connectionTermination)
        }
        if reason.tellsOfHost { report(.failed) }
        fail(.reset(reason, detail: detail), version)
    }

    // MARK: - The end

    private func fail(_ failure: SideCallFailure, _ version: HTTPVersion? = nil) {
        charge(failure)
        finish(
            status: response.status == 0 ? failure.status : response.status, flags: failure.flags, version,
            wasCanceled: false)
    }

    private func complete(_ stream: any UpstreamStream) {
        chargeAnswer()
        // An answer before the request was complete: the rest of it has no reader.
        if !endSent { stream.cancel() }
        finish(
            status: response.status, flags: [], stream.connectionInfo.httpVersion, wasCanceled: false)
    }

    private func finish(status: Int, flags: ResponseFlags, _ version: HTTPVersion?, wasCanceled: Bool) {
        if let span, let cluster {
            span.finish(
                cluster.spec, host: host, version: version, status: status, flags: flags, wasCanceled: wasCanceled,
                head: response, trailers: responseTrailers, now: loop.now)
        }
        phase = .idle
        span = nil
        cluster = nil
        host = nil
        held.clear()
        timer.disarm()
        durationTimer.disarm()
        if isLetGo { goBack() }
    }

    /// Nobody holds it any more, but for who is further up the stack.
    private func goBack() {
        guard let last = shelf else { return }
        shelf = nil
        loop.later { [self] in last.takeBack(self) }
    }
}

extension Mirror: PoolWaiter {
    var upstreamDelegate: any UpstreamStreamDelegate { self }

    func poolReady(_ stream: any UpstreamStream, host: Host) {
        phase = .sending(stream)
        self.host = host
        report(.connected)
        if let limit = cluster?.spec.http.maxStreamDuration, limit > .zero { durationTimer.arm(after: limit) }
        endSent = isWhole && !hasBody && !hasTrailers
        stream.sendHead(request, end: endSent)
        if isSending(stream) && (!held.isEmpty || isWhole) { send(stream) }
    }

    func poolFailed(_ reason: StreamResetReason, host: Host, detail: String) {
        guard case .waiting = phase else { return }
        self.host = host
        failed(reason, detail, nil)
    }
}

extension Mirror: UpstreamStreamDelegate {
    var upstreamResponseHeaders: HeaderMap { response }
    var upstreamResponseTrailers: HeaderMap { responseTrailers }

    func upstreamInformational(_ stream: any UpstreamStream) {}

    func upstreamHead(_ stream: any UpstreamStream, end: Bool) {
        guard isSending(stream) else { return }
        chargeHead()
        if end { complete(stream) }
    }

    func upstreamBody(_ stream: any UpstreamStream, _ bytes: inout ByteQueue, end: Bool) {
        bytes.clear()
        if end && isSending(stream) { complete(stream) }
    }

    func upstreamTrailers(_ stream: any UpstreamStream) {
        if isSending(stream) { complete(stream) }
    }

    func upstreamReset(_ stream: any UpstreamStream, _ reason: StreamResetReason, detail: String) {
        if isSending(stream) { failed(reason, detail, stream) }
    }

    func upstreamBackedUp(_ stream: any UpstreamStream) {
        if isSending(stream) { cluster?.stats.flowBackedUp.increment() }
    }

    func upstreamDrained(_ stream: any UpstreamStream) {
        guard isSending(stream) else { return }
        cluster?.stats.flowDrained.increment()
        if !held.isEmpty || isWhole { send(stream) }
    }
}

extension Mirror: TimerTarget {
    func timerFired(_ timer: LoopTimer) {
        guard cluster != nil else { return }
        let version = self.version
        if timer.tag == 0 {
            chargeTimeout(isSending: version != nil)
            drop()
            fail(.timedOut(terms.timeout ?? .zero), version)
        } else {
            drop()
            fail(.tookTooLong(cluster?.spec.http.maxStreamDuration ?? .zero), version)
        }
    }
}
