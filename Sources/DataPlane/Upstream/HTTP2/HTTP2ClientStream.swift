// One request and its response on a shared HTTP/2 connection.
import HTTPWire
import Reactor

/// The client side of one HTTP/2 stream (RFC 9113). Loop thread only. Held by its session, and then by a pool.
final class HTTP2ClientStream: HTTP2Stream, UpstreamStream {
    private let loop: EventLoop
    /// Until the session has released the stream.
    private var connection: HTTP2ClientConnection?
    /// Still right after the end.
    private(set) var connectionInfo: UpstreamConnectionInfo
    private var delegate: (any UpstreamStreamDelegate)?
    private(set) var earlierRequests = 0
    private var requestEnded = false
    private var responseEnded = false
    /// The protocol that the request asks to upgrade to.
    private var upgrade: FixedBytes?
    /// The request asks for a tunnel: its side stays open until the answer is no.
    private var asksForTunnel = false
    /// The pool knows that it is over.
    var isSettled = false

    init(_ connection: HTTP2ClientConnection) {
        loop = connection.socket.loop
        connectionInfo = connection.connectionInfo
        super.init(pool: loop.slabs)
    }

    func begin(
        _ connection: HTTP2ClientConnection, _ delegate: any UpstreamStreamDelegate, earlierRequests: Int
    ) {
        self.connection = connection
        connectionInfo = connection.connectionInfo
        self.delegate = delegate
        self.earlierRequests = earlierRequests
        requestEnded = false
        responseEnded = false
        upgrade = nil
        asksForTunnel = false
        isSettled = false
        headers = delegate.upstreamResponseHeaders
        trailers = delegate.upstreamResponseTrailers
    }

    // MARK: UpstreamStream

    var sentAnything: Bool { wireBytesSent > 0 }

    func sendHead(_ request: HeaderMap, end: Bool) {
        guard let connection else { return }
        upgrade = request.value(.upgrade).map { FixedBytes($0) }
        asksForTunnel = upgrade != nil || request.methodKind == .connect
        if asksForTunnel { keepRequestOpen() }
        if upgrade != nil && !connection.takesUpgrades {
            return failSoon(.localReset, "upstream does not allow CONNECT with :protocol (SETTINGS)")
        }
        requestEnded = end && !asksForTunnel
        guard connection.submit(self, request, end: requestEnded) else {
            return failSoon(.remoteRefused, "the connection takes no more streams")
        }
    }

    func sendBody(_ bytes: inout ByteQueue, end: Bool) {
        let hadRoom = !isBackedUp
        if end { requestEnded = true }
        send(&bytes, end: end)
        if end {
            settleIfDone()
        } else if hadRoom && isBackedUp {
            delegate?.upstreamBackedUp(self)
        }
    }

    func sendTrailers(_ trailers: HeaderMap) {
        requestEnded = true
        sendFinalFields(trailers)
    }

    func pauseReading() { pause() }
    func resumeReading() { resume() }

    func cancel() {
        delegate = nil
        reset(.cancel)
        connection?.settle(self)
    }

    /// The two directions end by themselves.
    func becomeTunnel() {}

    /// Tells the delegate from the loop: it may not be in a state to hear of it.
    private func failSoon(_ reason: StreamResetReason, _ detail: String) {
        loop.later { [self] in fail(reason, detail) }
    }

    private func fail(_ reason: StreamResetReason, _ detail: String) {
        let last = delegate
        delegate = nil
        connection?.settle(self)
        last?.upstreamReset(self, reason, detail: detail)
    }

    // MARK: Events of the session

    override func interimCame() { delegate?.upstreamInformational(self) }

    override func headCame(end: Bool) {
        guard let delegate, let headers else { return }
        if let upgrade, headers.status == 200 {
            // The rest of the proxy knows upgrades in the form that they have on HTTP/1.
            headers.status = 101
            headers.append(.connection, "upgrade")
            upgrade.withView { headers.append(.upgrade, $0) }
        }
        if asksForTunnel && !(upgrade != nil ? headers.status == 101 : headers.status / 100 == 2) { endRequest() }
        if end { endResponse() }
        delegate.upstreamHead(self, end: end)
    }

    override func bodyCame(_ bytes: inout ByteQueue, end: Bool) {
        guard let delegate else { return bytes.clear() }
        if end { endResponse() }
        delegate.upstreamBody(self, &bytes, end: end)
    }

    override func trailersCame() {
        guard let delegate else { return }
        endResponse()
        delegate.upstreamTrailers(self)
    }

    override func drained() { delegate?.upstreamDrained(self) }

    override func streamEnded(_ end: HTTP2StreamEnd) {
        if responseEnded {
            delegate = nil
            connection?.settle(self)
            return
        }
        switch end {
        case .complete: fail(.connectionTermination, "")
        case .resetByPeer(let code):
            connection?.noteReset(code)
            fail(.remoteReset, code == .noError ? "" : "\(code)")
        case .refused: fail(.remoteRefused, "")
        case .violation(_, let details): fail(.protocolError, details.description)
        case .connectionGone: fail(connection?.endReason ?? .connectionTermination, connection?.endDetail ?? "")
        }
    }

    override func released() {
        delegate = nil
        let last = connection
        connection = nil
        last?.takeBack(self)
    }

    // MARK: The end

    private func endRequest() {
        guard !requestEnded else { return }
        requestEnded = true
        var nothing = ByteQueue(pool: loop.slabs)
        send(&nothing, end: true)
    }

    private func endResponse() {
        responseEnded = true
        settleIfDone()
    }

    /// With both directions complete, the pool may count the stream as over; what is left to be sent still is.
    private func settleIfDone() {
        guard responseEnded, requestEnded else { return }
        if !isFlushing { detach() }
        connection?.settle(self)
    }
}
