// A line over HTTP/2: for checks, those of gRPC among them, and for gRPC calls that stay open.
import HTTPWire
import Reactor

/// The client side of one HTTP/2 connection (RFC 9113), with one stream at a time. Main thread only.
final class HTTP2Line: HostLine {
    private unowned let owner: HostLineOwner
    private let settings: HTTP2ClientSettings
    private let loop: EventLoop
    private var socket: Connection?
    private var transport: HTTP2Transport?
    /// Waits for the connection. `isOpen`: more of the body follows, without end.
    private var request: (head: HeaderMap, body: [UInt8], isOpen: Bool)?
    private var stream: LineStream?
    private var isAsking = false
    private var isClosed = false
    /// The peer takes no further stream; the one that is under way may still end well.
    private var isGoingAway = false
    /// With which error, if with one.
    private var goAwayError: HTTP2ErrorCode?

    init(
        _ connector: HostConnector, to host: Host, at address: SocketAddress, alpn: [String]?,
        by transport: TransportIndex? = nil, owner: HostLineOwner
    ) {
        self.owner = owner
        settings = connector.http2Settings
        loop = connector.loop
        switch connector.connect(to: host, at: address, alpn: alpn, isHTTP2: true, by: transport, delegate: self) {
        case .connection(let connection): socket = connection
        case .impossible(let reason): loop.later { [self] in end(reason) }
        }
    }

    func send(_ head: HeaderMap, body: [UInt8]) { begin(head, body, isOpen: false) }

    /// Sends the head of a request whose body never ends: `sendMore` sends of it what there is.
    func open(_ head: HeaderMap) { begin(head, [], isOpen: true) }

    private func begin(_ head: HeaderMap, _ body: [UInt8], isOpen: Bool) {
        isAsking = true
        if let transport { submit(head, body, isOpen, transport) } else { request = (head, body, isOpen) }
    }

    private func submit(_ head: HeaderMap, _ body: [UInt8], _ isOpen: Bool, _ transport: HTTP2Transport) {
        transport.noteNewStream()
        let stream = LineStream(self, pool: loop.slabs)
        self.stream = stream
        if isOpen { stream.keepRequestOpen() }
        guard transport.session.submitRequest(stream, head, end: body.isEmpty && !isOpen) else {
            return loop.later { [self] in end("the connection takes no more streams") }
        }
        if !body.isEmpty { send(body, end: !isOpen) }
    }

    private func send(_ body: [UInt8], end: Bool) {
        var bytes = ByteQueue(pool: loop.slabs)
        bytes.append(body)
        stream?.send(&bytes, end: end)
    }

    // MARK: - Open requests

    /// Sends more of an open request, once `lineConnected` has come.
    func sendMore(_ body: [UInt8]) { send(body, end: false) }

    /// The peer does not take what it is sent; `lineDrained` tells when it does again.
    var isBackedUp: Bool { stream?.isBackedUp ?? false }

    /// Of the whole connection, TLS records not counted.
    var bytesRead: UInt64 { socket?.bytesRead ?? 0 }
    var bytesWritten: UInt64 { socket?.bytesWritten ?? 0 }

    /// Of the answer's body no more comes than is there already, and the peer's window is not renewed.
    func pauseReading() { stream?.pause() }
    func resumeReading() { stream?.resume() }

    func close() {
        isAsking = false
        isClosed = true
        stream?.line = nil
        stream = nil
        if let transport {
            self.transport = nil
            transport.session.close(.connectionGone)
            transport.close()
        }
        socket?.close()
        socket = nil
    }

    /// The connection is of no more use.
    private func end(_ reason: String) {
        guard !isClosed else { return }
        let wasAsking = isAsking
        close()
        if wasAsking { owner.lineFailed(reason) } else { owner.lineEnded() }
    }

    // MARK: - The stream

    fileprivate func streamGotHead(_ head: HeaderMap, end: Bool) { owner.lineGotHead(head, end: end) }

    fileprivate func streamGotBody(_ bytes: ByteView) { owner.lineGotBody(bytes) }

    fileprivate func streamDrained() { owner.lineDrained() }

    fileprivate func streamGotAll(_ stream: LineStream) {
        guard isAsking, stream === self.stream else { return }
        isAsking = false
        stream.line = nil
        self.stream = nil
        owner.lineGotAll(stream.answerTrailers, isReusable: !isGoingAway)
    }

    fileprivate func streamEnded(_ end: HTTP2StreamEnd) {
        let reason: String
        switch end {
        case .complete, .connectionGone: reason = "the connection ended before the answer"
        case .resetByPeer(let code): reason = "the stream was reset with \(code)"
        case .refused: reason = "the stream was refused"
        case .violation(_, let details): reason = details.description
        }
        // The session is in the middle of its events.
        loop.later { [self] in self.end(reason) }
    }
}

/// One request's stream.
private final class LineStream: HTTP2Stream {
    /// Until the answer is over.
    var line: HTTP2Line?
    private let answerHead = HeaderMap()
    let answerTrailers = HeaderMap()

    init(_ line: HTTP2Line, pool: SlabPool) {
        self.line = line
        super.init(pool: pool)
        headers = answerHead
        trailers = answerTrailers
    }

    override func headCame(end: Bool) {
        line?.streamGotHead(answerHead, end: end)
        if end { line?.streamGotAll(self) }
    }

    override func bodyCame(_ bytes: inout ByteQueue, end: Bool) {
        bytes.forEachPart {
            line?.streamGotBody($0)
            return line != nil
        }
        bytes.clear()
        if end { line?.streamGotAll(self) }
    }

    override func drained() { line?.streamDrained() }

    override func trailersCame() { line?.streamGotAll(self) }

    override func streamEnded(_ end: HTTP2StreamEnd) { line?.streamEnded(end) }
}

extension HTTP2Line: ConnectionDelegate {
    func connectionEstablished(_ connection: Connection) {
        let session = HTTP2Session(.client, settings.options, pool: loop.slabs)
        let transport = HTTP2Transport(connection, session, settings.stats, keepalive: settings.keepalive)
        self.transport = transport
        transport.start(self)
        if let (head, body, isOpen) = request {
            request = nil
            submit(head, body, isOpen, transport)
        }
        owner.lineConnected()
    }

    func connectionReadable(_ connection: Connection) { transport?.read() }

    func connectionDrained(_ connection: Connection) { transport?.send() }

    func connectionClosed(_ connection: Connection, _ reason: ConnectionCloseReason) {
        end(connection.failureReason ?? "the connection failed")
    }
}

extension HTTP2Line: HTTP2TransportOwner {
    func transportMoved() {
        if let failure = transport?.session.failure { return end(failure.text) }
        if let goAwayError { return end("the server said GOAWAY with \(goAwayError)") }
        // Idle, and of no more use.
        if isGoingAway, !isAsking { end("") }
    }

    func transportEnded() { end("the connection was closed") }

    func transportTimedOut() { end("http2 keepalive timeout") }
}

extension HTTP2Line: HTTP2SessionDelegate {
    /// Servers begin no streams: push is off.
    func sessionMakesStream(_ session: HTTP2Session) -> HTTP2Stream { HTTP2Stream(pool: loop.slabs) }

    func sessionWantsToSend(_ session: HTTP2Session) { transport?.scheduleSend() }

    func session(_ session: HTTP2Session, noted notice: HTTP2Notice) { settings.stats.count(notice) }

    func session(_ session: HTTP2Session, refused text: @autoclosure () -> String) {}

    func sessionGotSettings(_ session: HTTP2Session) {}

    func sessionGotGoAway(_ session: HTTP2Session, _ code: HTTP2ErrorCode) {
        isGoingAway = true
        if code != .noError { goAwayError = code }
    }

    func sessionGotPong(_ session: HTTP2Session) { transport?.gotPong() }
}
