// Checks over HTTP/2, those of gRPC among them.
import HTTPWire
import Reactor

/// The client side of one HTTP/2 connection for checks (RFC 9113), with one stream at a time. Main thread only.
final class HTTP2CheckLine: CheckLine {
    private unowned let owner: CheckLineOwner
    private let settings: HTTP2ClientSettings
    private let loop: EventLoop
    private var socket: Connection?
    private var transport: HTTP2Transport?
    /// Waits for the connection.
    private var request: (head: HeaderMap, body: [UInt8])?
    private var stream: CheckStream?
    private var isAsking = false
    private var isClosed = false
    /// The peer takes no further stream; the one that is under way may still end well.
    private var isGoingAway = false
    /// With which error, if with one.
    private var goAwayError: HTTP2ErrorCode?

    init(to host: Host, _ asking: CheckAsking, owner: CheckLineOwner) {
        self.owner = owner
        settings = asking.http2Settings
        loop = asking.loop
        switch asking.connect(to: host, isHTTP2: true, delegate: self) {
        case .connection(let connection): socket = connection
        case .impossible(let reason): loop.later { [self] in end(reason) }
        }
    }

    func send(_ head: HeaderMap, body: [UInt8]) {
        isAsking = true
        if let transport { submit(head, body, transport) } else { request = (head, body) }
    }

    private func submit(_ head: HeaderMap, _ body: [UInt8], _ transport: HTTP2Transport) {
        transport.noteNewStream()
        let stream = CheckStream(self, pool: loop.slabs)
        self.stream = stream
        guard transport.session.submitRequest(stream, head, end: body.isEmpty) else {
            return loop.later { [self] in end("the connection takes no more streams") }
        }
        guard !body.isEmpty else { return }
        var bytes = ByteQueue(pool: loop.slabs)
        bytes.append(body)
        stream.send(&bytes, end: true)
    }

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

    fileprivate func streamGotAll(_ stream: CheckStream) {
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

/// One check's stream.
private final class CheckStream: HTTP2Stream {
    /// Until the answer is over.
    var line: HTTP2CheckLine?
    private let answerHead = HeaderMap()
    let answerTrailers = HeaderMap()

    init(_ line: HTTP2CheckLine, pool: SlabPool) {
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

    override func trailersCame() { line?.streamGotAll(self) }

    override func streamEnded(_ end: HTTP2StreamEnd) { line?.streamEnded(end) }
}

extension HTTP2CheckLine: ConnectionDelegate {
    func connectionEstablished(_ connection: Connection) {
        let session = HTTP2Session(.client, settings.options, pool: loop.slabs)
        let transport = HTTP2Transport(connection, session, settings.stats, keepalive: settings.keepalive)
        self.transport = transport
        transport.start(self)
        guard let (head, body) = request else { return }
        request = nil
        submit(head, body, transport)
    }

    func connectionReadable(_ connection: Connection) { transport?.read() }

    func connectionDrained(_ connection: Connection) { transport?.send() }

    func connectionClosed(_ connection: Connection, _ reason: ConnectionCloseReason) {
        end(connection.failureReason ?? "the connection failed")
    }
}

extension HTTP2CheckLine: HTTP2TransportOwner {
    func transportMoved() {
        if let failure = transport?.session.failure { return end(failure.text) }
        if let goAwayError { return end("the server said GOAWAY with \(goAwayError)") }
        // Idle, and of no more use.
        if isGoingAway, !isAsking { end("") }
    }

    func transportEnded() { end("the connection was closed") }

    func transportTimedOut() { end("http2 keepalive timeout") }
}

extension HTTP2CheckLine: HTTP2SessionDelegate {
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
