// A request that a worker makes on its own behalf: to ask a service about a client's request, or to tell it something.
import HTTPWire
import Reactor

/// One unary request through a cluster of the configuration, on the way that clients' requests take: the cluster's
/// balancer, its breakers, its pools and their TLS, its stats. Made once and used for one call after the other. Loop
/// thread only.
///
/// The owner fills `request` and `body`, calls `start`, and hears exactly once how it ended, or not at all after
/// `cancel`. `GRPCSideCall` speaks gRPC by way of one.
final class SideCall: OwnRequest {
    enum Phase {
        /// Nothing is under way, or what was is over and the owner is about to hear of it.
        case idle
        /// A pool will have a connection.
        case waiting(PoolTicket)
        /// The request was sent.
        case sending(any UpstreamStream)
    }

    /// The head of the request, with method, path and authority; the scheme is set by `start`. Left as it was sent.
    let request = HeaderMap()
    /// Sent with the request; empty: it has no body. Held until the call is over, so that it can be sent once more.
    var body: [UInt8] = []
    /// The answer; valid until the next `start`.
    let response = HeaderMap()
    let responseTrailers = HeaderMap()
    private(set) var responseBody: [UInt8] = []

    let loop: EventLoop
    private(set) var rules = SideCallRules()
    private(set) var phase = Phase.idle
    private(set) var cluster: (any RequestCluster)?
    /// The host of the try that is under way or has just failed.
    private(set) var host: Host?
    /// When the call began.
    private(set) var began = MonotonicTime.zero
    private var owner: (any SideCallOwner)?
    /// Tells one call from the next.
    private var serial: UInt64 = 0
    private var isAsking = false
    private var wasSentAgain = false
    private lazy var timer = LoopTimer(loop: loop, target: self, tag: 0)
    private lazy var durationTimer = LoopTimer(loop: loop, target: self, tag: 1)

    /// Memory of an answer's body that is kept for the next one, bytes.
    private static let keptCapacity = 64 * 1024

    init(loop: EventLoop) { self.loop = loop }

    /// True from `start` until the owner hears of the end, or `cancel`.
    var isActive: Bool { owner != nil }

    /// Begins the call; one that is under way is cancelled. The owner hears nothing before this returns, and is held
    /// until the end.
    ///
    /// - Parameter cluster: as it stands at this moment; nil ends the call with `.noCluster`.
    func start(on cluster: (any RequestCluster)?, _ rules: SideCallRules, owner: any SideCallOwner) {
        cancel()
        self.owner = owner
        self.cluster = cluster
        self.rules = rules
        began = loop.now
        wasSentAgain = false
        host = nil
        forgetAnswer()
        guard let cluster else { return end(.failed(.noCluster), at: .later) }
        _ = request.setScheme(
            cluster.spec.tls == nil ? ByteView("http" as StaticString) : ByteView("https" as StaticString))
        if !body.isEmpty, rules.announcesLength { request.set(.contentLength, decimal: UInt64(body.count)) }
        if let sender = rules.sender { request.set(.xForwardedFor, sender.view) }
        if rules.sender != nil || rules.isMarkedInternal { request.set(.xEnvoyInternal, "true") }
        if let limit = rules.timeout {
            if rules.announcesTimeout {
                request.set(.xEnvoyExpectedRQTimeoutMs, decimal: UInt64(clamping: limit.milliseconds))
            }
            timer.arm(after: limit)
        }
        ask(cluster)
    }

    /// Gives the call up: the owner hears nothing more. Does nothing when none is under way.
    func cancel() {
        guard owner != nil else { return }
        drop()
        forget()
    }

    // MARK: - One try

    private func ask(_ cluster: any RequestCluster, fresh: Bool = false) {
        // `poolReady`, and an end, may come before the call returns.
        isAsking = true
        defer { isAsking = false }
        phase = .idle
        let outcome = cluster.newStream(
            self, priority: .default, version: rules.version, authority: request.authority, avoiding: [],
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

    /// A host has the request, or is about to.
    private var hasSent: Bool {
        if case .sending = phase { return true }
        return false
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

    /// A try ended without a whole answer; it is made again where that is safe, by the rules for clients' requests.
    private func failed(_ reason: StreamResetReason, _ detail: String, _ stream: (any UpstreamStream)?) {
        phase = .idle
        if let stream, let cluster, !wasSentAgain,
            maySendAgain(reason, stream, cluster, isRepeatable: rules.isRepeatable)
        {
            wasSentAgain = true
            forgetAnswer()
            durationTimer.disarm()
            return ask(cluster, fresh: reason == .connectionTermination)
        }
        if reason.tellsOfHost { report(.failed) }
        fail(.reset(reason, detail: detail))
    }

    // MARK: - The end

    private enum Moment { case now, later }

    private func fail(_ failure: SideCallFailure) {
        charge(failure)
        end(.failed(failure), at: isAsking ? .later : .now)
    }

    private func end(_ end: SideCallEnd, at moment: Moment) {
        phase = .idle
        timer.disarm()
        durationTimer.disarm()
        guard moment == .later else { return tell(end) }
        loop.later { [self, serial] in
            if serial == self.serial { tell(end) }
        }
    }

    private func tell(_ end: SideCallEnd) {
        let last = owner
        forget()
        last?.sideCallEnded(self, end)
    }

    private func forget() {
        serial &+= 1
        owner = nil
        cluster = nil
        timer.disarm()
        durationTimer.disarm()
    }

    private func forgetAnswer() {
        response.removeAll()
        responseTrailers.removeAll()
        responseBody.removeAll(keepingCapacity: responseBody.capacity <= SideCall.keptCapacity)
    }

    private func complete() {
        chargeAnswer()
        end(.answered, at: isAsking ? .later : .now)
    }
}

extension SideCall: PoolWaiter {
    var upstreamDelegate: any UpstreamStreamDelegate { self }

    func poolReady(_ stream: any UpstreamStream, host: Host) {
        phase = .sending(stream)
        self.host = host
        report(.connected)
        if let limit = cluster?.spec.http.maxStreamDuration, limit > .zero { durationTimer.arm(after: limit) }
        stream.sendHead(request, end: body.isEmpty)
        guard !body.isEmpty, isSending(stream) else { return }
        var bytes = ByteQueue(pool: loop.slabs)
        bytes.append(body)
        stream.sendBody(&bytes, end: true)
    }

    func poolFailed(_ reason: StreamResetReason, host: Host, detail: String) {
        guard case .waiting = phase else { return }
        self.host = host
        failed(reason, detail, nil)
    }
}

extension SideCall: UpstreamStreamDelegate {
    var upstreamResponseHeaders: HeaderMap { response }
    var upstreamResponseTrailers: HeaderMap { responseTrailers }

    func upstreamInformational(_ stream: any UpstreamStream) {}

    func upstreamHead(_ stream: any UpstreamStream, end: Bool) {
        guard isSending(stream) else { return }
        chargeHead()
        if end { complete() }
    }

    func upstreamBody(_ stream: any UpstreamStream, _ bytes: inout ByteQueue, end: Bool) {
        guard isSending(stream) else { return bytes.clear() }
        guard bytes.count <= rules.maxResponseBytes - responseBody.count else {
            bytes.clear()
            drop()
            return fail(.tooLarge(limit: rules.maxResponseBytes))
        }
        bytes.forEachPart { part in
            responseBody.append(contentsOf: part.unsafeBytes)
            return true
        }
        bytes.clear()
        if end { complete() }
    }

    func upstreamTrailers(_ stream: any UpstreamStream) {
        if isSending(stream) { complete() }
    }

    func upstreamReset(_ stream: any UpstreamStream, _ reason: StreamResetReason, detail: String) {
        if isSending(stream) { failed(reason, detail, stream) }
    }

    /// The whole body is the stream's already: there is nothing to hold back.
    func upstreamBackedUp(_ stream: any UpstreamStream) {}
    func upstreamDrained(_ stream: any UpstreamStream) {}
}

extension SideCall: TimerTarget {
    func timerFired(_ timer: LoopTimer) {
        guard isActive else { return }
        if timer.tag == 0 {
            chargeTimeout(isSending: hasSent)
            drop()
            fail(.timedOut(rules.timeout ?? .zero))
        } else {
            drop()
            fail(.tookTooLong(cluster?.spec.http.maxStreamDuration ?? .zero))
        }
    }
}
