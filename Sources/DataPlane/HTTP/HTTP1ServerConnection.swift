// The HTTP/1 server codec: bytes of a client connection to streams, responses back to bytes.
import HTTPWire
import Reactor

/// Serves one client connection, one request at a time; pipelined requests wait in the socket. Loop thread only.
/// RFC 9112; half-closed clients count as gone, as in Envoy.
public final class HTTP1ServerConnection: ServerCodec, ResponseWriter {
    /// What the connection as a whole is doing.
    enum Life {
        case open
        /// The last response is being flushed; then our side is shut down.
        case finishing
        /// Our side is shut down; what the client still sends is thrown away.
        case lingering
        case closed
    }

    /// How far the request that is being served is.
    enum RequestPhase {
        /// Between two requests.
        case idle
        case head
        case body
        case complete
    }

    enum ResponsePhase {
        case none
        case body
        case complete
    }

    let connection: Connection
    let settings: HTTP1ServerSettings
    private(set) var session: ServerSession?
    var receiver: RequestReceiver?
    var parser: HTTP1RequestParser
    private var startReceived: UInt64 = 0
    private var startSent: UInt64 = 0
    private var framing = HTTP1SendFraming.none

    // An object is laid out in this order, and there are thousands of it: what is small stands together.

    var life = Life.open
    var request = RequestPhase.idle
    private var response = ResponsePhase.none
    private var method = HTTPMethod.get
    /// The connection ends with the response that is being served.
    private var isLast = false
    private(set) var isTunnel = false
    /// The receiver wants no body for now.
    private(set) var isPaused = false
    private var wasBackedUp = false
    /// Further up the stack, `read` is at work.
    var isReading = false

    /// Becomes the connection's delegate. What is in its input already is read at the end of this turn.
    public init(connection: Connection, session: ServerSession, settings: HTTP1ServerSettings) {
        self.connection = connection
        self.session = session
        self.settings = settings
        parser = HTTP1RequestParser(limits: settings.limits, options: settings.parserOptions)
        connection.highWatermark = settings.bufferLimit
        connection.delegate = self
        if !connection.input.isEmpty { readLater() }
    }

    // MARK: ServerCodec

    public var protocolVersion: HTTPVersion? { .http11 }

    public var traffic: ConnectionTraffic {
        ConnectionTraffic(
            received: connection.bytesRead, sent: connection.bytesWritten, unread: connection.input.count,
            unsent: connection.unwrittenBytes)
    }

    public func announceDrain() {}

    public func drain() {
        guard life == .open else { return }
        isLast = true
        if receiver == nil { finishConnection() }
    }

    public func closeNow() { terminate(.localClose) }

    // MARK: ResponseWriter

    public var httpVersion: HTTPVersion { parser.version }
    public var isBackedUp: Bool { wasBackedUp }

    public var wireBytesReceived: UInt64 {
        connection.bytesRead &- UInt64(connection.input.count) &- startReceived
    }

    public var wireBytesSent: UInt64 {
        connection.bytesWritten &+ UInt64(connection.output.count) &- startSent
    }

    public func sendInformational(_ head: HeaderMap) {
        // An HTTP/1 server is held back; what one of HTTP/2 sends meanwhile is dropped, for it may be without end.
        guard life == .open, response == .none, !wasBackedUp else { return }
        HTTP1Serializer.responseHead(
            head, framing: .none, version: .http11, style: settings.style, to: &connection.output)
        connection.flush()
        noteBackedUp()
    }

    public func sendHead(_ head: HeaderMap, end: Bool) {
        guard life == .open, response == .none else { return }
        framing = .response(head, to: method, version: parser.version, end: end)
        var field = HTTP1ConnectionField.none
        if isTunnel {
            field = head.status == 101 ? .upgrade : .none
        } else {
            // An answer before the request's end: what is left of the request is not waited for.
            if !parser.keepAlive || framing == .untilClose || (end && request != .complete) { isLast = true }
            if isLast {
                field = .close
            } else if parser.version == .http10 {
                field = .keepAlive
            }
        }
        HTTP1Serializer.responseHead(
            head, framing: framing, connection: field, version: parser.version, style: settings.style,
            to: &connection.output)
        response = .body
        if isTunnel {
            // From here on the client's bytes are a stream of their own, with an end of their own.
            request = .body
            connection.flush()
            resumeSocket()
            if !connection.input.isEmpty { readLater() }
        } else if end {
            return endResponse()
        } else {
            // The body is often right behind: both leave in one write.
            connection.flushLater()
        }
        noteBackedUp()
    }

    public func sendBody(_ bytes: inout ByteQueue, end: Bool) {
        guard life == .open, response == .body else { return bytes.clear() }
        if isTunnel {
            bytes.moveAll(to: &connection.output)
            if end {
                response = .complete
                connection.flush()
                connection.shutdownWrite()
                return endTunnelIfDone()
            }
        } else {
            switch framing {
            case .length, .untilClose: bytes.moveAll(to: &connection.output)
            case .chunked: HTTP1Serializer.chunk(&bytes, to: &connection.output)
            case .none, .asGiven: bytes.clear()
            }
            if end {
                if framing == .chunked { HTTP1Serializer.lastChunk(to: &connection.output) }
                return endResponse()
            }
        }
        connection.flushLater()
        noteBackedUp()
    }

    public func sendTrailers(_ trailers: HeaderMap) {
        guard life == .open, response == .body else { return }
        if framing == .chunked {
            if settings.options.enableTrailers {
                HTTP1Serializer.lastChunk(trailers: trailers, style: settings.style, to: &connection.output)
            } else {
                HTTP1Serializer.lastChunk(to: &connection.output)
            }
        }
        endResponse()
    }

    public func pauseReading() {
        isPaused = true
        connection.pauseReading()
    }

    public func resumeReading() {
        guard isPaused else { return }
        isPaused = false
        resumeSocket()
        if !connection.input.isEmpty { readLater() }
    }

    public func reset() {
        guard life != .closed else { return }
        receiver = nil
        // What was answered so far still goes out; only the end of an unframed body must not look like its end.
        connection.flush()
        closeConnection(byPeer: false, abort: framing == .untilClose && response == .body)
    }

    public func becomeTunnel() { isTunnel = true }

    public func closeAfterResponse() { isLast = true }

    // MARK: The course of a request

    /// The first byte of a request is there.
    func beginRequest() {
        guard let session else { return }
        parser.beginNext()
        request = .head
        response = .none
        framing = .none
        isTunnel = false
        isPaused = false
        startReceived = connection.bytesRead &- UInt64(connection.input.count)
        startSent = connection.bytesWritten &+ UInt64(connection.output.count)
        receiver = session.openStream(self)
    }

    /// The head is there; its method decides how the response is framed.
    func noteHead(_ headers: HeaderMap) {
        method = headers.methodKind
        if parser.droppedFields > 0 {
            settings.stats.droppedHeadersWithUnderscores.add(UInt64(parser.droppedFields))
        }
    }

    /// The response is handed over: on to the next request, or to the connection's end.
    private func endResponse() {
        response = .complete
        receiver = nil
        wasBackedUp = false
        if isLast || request != .complete { return finishConnection() }
        connection.flush()
        request = .idle
        guard life == .open else { return }
        isPaused = false
        connection.resumeReading()
        if !connection.input.isEmpty && !isReading { readLater() }
    }

    func endTunnelIfDone() {
        guard isTunnel, response == .complete, request == .complete else { return }
        receiver = nil
        if connection.unwrittenBytes == 0 {
            closeConnection(byPeer: false)
        } else {
            life = .finishing
        }
    }

    /// Only what the socket does not take counts: what waits for the end of the turn would drain, and nobody be told.
    private func noteBackedUp() {
        guard !wasBackedUp, connection.isAboveHighWatermark else { return }
        connection.flush()
        guard life == .open, connection.isAboveHighWatermark else { return }
        wasBackedUp = true
        receiver?.downstreamBackedUp()
    }

    // MARK: The end of the connection

    /// Flushes, shuts our side down, and leaves the client time to read the last response.
    private func finishConnection() {
        guard life == .open else { return }
        life = .finishing
        connection.flush()
        if isClientDone && connection.unwrittenBytes == 0 { return closeConnection(byPeer: false) }
        connection.shutdownWrite()
        if connection.unwrittenBytes == 0 { linger() }
    }

    /// The client has said that the request was its last (RFC 9112 §9.6), and nothing has come after it.
    private var isClientDone: Bool { request == .complete && !parser.keepAlive && connection.input.isEmpty }

    /// A close with unread input would reset the connection, and the client could lose the response.
    private func linger() {
        guard life == .finishing else { return }
        life = .lingering
        if connection.peerHasFinished || isClientDone {
            closeConnection(byPeer: false)
            return
        }
        connection.input.clear()
        session?.delayClose()
        if life == .lingering {
            isPaused = false
            connection.pauseReading()
            connection.resumeReading()
        }
    }

    /// Ends everything; the stream that runs hears why.
    func terminate(_ reason: DownstreamResetReason) {
        guard life != .closed else { return }
        let cutOff = receiver
        receiver = nil
        life = .closed
        connection.close()
        cutOff?.downstreamReset(reason)
        endSession(byPeer: reason.isByPeer)
    }

    private func closeConnection(byPeer: Bool, abort: Bool = false) {
        guard life != .closed else { return }
        life = .closed
        connection.close(abort: abort)
        endSession(byPeer: byPeer)
    }

    private func endSession(byPeer: Bool) {
        let ended = session
        session = nil
        ended?.connectionClosed(byPeer: byPeer)
    }

    /// No more reading until the response is done, or the receiver wants more.
    func pauseSocket() { connection.pauseReading() }

    private func resumeSocket() {
        if life == .open && request != .complete { connection.resumeReading() }
    }

    /// Parses what is in the input at the end of this turn, out of the caller's way.
    private func readLater() {
        connection.loop.later { [self] in read() }
    }
}

extension HTTP1ServerConnection: ConnectionDelegate {
    public func connectionEstablished(_ connection: Connection) {}

    public func connectionReadable(_ connection: Connection) { read() }

    public func connectionDrained(_ connection: Connection) {
        switch life {
        case .finishing where connection.unwrittenBytes == 0:
            if isTunnel { closeConnection(byPeer: false) } else { linger() }
        case .open where wasBackedUp && !connection.isAboveHighWatermark:
            wasBackedUp = false
            receiver?.downstreamDrained()
        default: break
        }
    }

    public func connectionPeerFinished(_ connection: Connection) {
        switch life {
        case .lingering: closeConnection(byPeer: true)
        case .open where request == .complete && !isTunnel && receiver != nil:
            // It asked and went away.
            terminate(.connectionTermination)
        default: break
        }
    }

    public func connectionClosed(_ connection: Connection, _ reason: ConnectionCloseReason) {
        if let text = connection.failureReason { session?.downstream.transportFailureReason = text }
        terminate(.connectionTermination)
    }
}
