// Checks over HTTP/1.
import HTTPWire
import Reactor

/// The client side of one HTTP/1 connection for checks (RFC 9112). Main thread only. Of an answer it holds the head, which
/// is bounded, and nothing else.
final class HTTP1CheckLine: HostLine {
    private unowned let owner: HostLineOwner
    private let style: HTTP1Style
    private let loop: EventLoop
    private var socket: Connection?
    private var parser: HTTP1ResponseParser
    private let headers = HeaderMap()
    private let trailers = HeaderMap()
    /// Waits for the connection.
    private var request: (head: HeaderMap, body: [UInt8])?
    private var isAsking = false
    private var isClosed = false

    init(to host: Host, _ asking: CheckAsking, owner: HostLineOwner) {
        self.owner = owner
        style = asking.requestStyle
        loop = asking.loop
        parser = HTTP1ResponseParser(limits: asking.responseLimits, options: asking.responseOptions)
        switch asking.connect(to: host, delegate: self) {
        case .connection(let connection): socket = connection
        case .impossible(let reason): loop.later { [self] in end(reason) }
        }
    }

    func send(_ head: HeaderMap, body: [UInt8]) {
        isAsking = true
        if let socket, socket.isEstablished { write(head, body, to: socket) } else { request = (head, body) }
    }

    private func write(_ head: HeaderMap, _ body: [UInt8], to socket: Connection) {
        parser.begin(method: head.methodKind)
        headers.removeAll()
        trailers.removeAll()
        HTTP1Serializer.requestHead(
            head, framing: .request(head, end: body.isEmpty), style: style, to: &socket.output)
        socket.output.append(body)
        socket.flush()
    }

    func close() {
        isAsking = false
        isClosed = true
        socket?.close()
        socket = nil
    }

    // MARK: - Reading

    /// Handles what is in the input.
    private func parse(_ socket: Connection) {
        while isAsking {
            switch parser.next(&socket.input, headers: headers, trailers: trailers) {
            case .needMore: return
            case .head:
                if parser.isInterim { continue }
                owner.lineGotHead(headers, end: parser.framing == .none)
            case .body(let count):
                var piece = ByteQueue(pool: loop.slabs)
                socket.input.move(count, to: &piece)
                piece.forEachPart {
                    owner.lineGotBody($0)
                    return true
                }
                piece.clear()
            case .trailers: continue
            case .end: finish(isReusable: parser.keepAlive && socket.input.isEmpty)
            case .failure(let failure): end(failure.text)
            }
        }
    }

    private func finish(isReusable: Bool) {
        isAsking = false
        owner.lineGotAll(trailers, isReusable: isReusable)
    }

    /// The connection is of no more use.
    private func end(_ reason: String) {
        guard !isClosed else { return }
        let wasAsking = isAsking
        close()
        if wasAsking { owner.lineFailed(reason) } else { owner.lineEnded() }
    }

    private func peerEnded() {
        if isAsking, parser.isInMessage, case .end = parser.finish() {
            finish(isReusable: false)
        } else {
            end(
                isAsking && parser.isInMessage
                    ? "the connection ended inside of the answer" : "the connection was closed")
        }
    }
}

extension HTTP1CheckLine: ConnectionDelegate {
    func connectionEstablished(_ connection: Connection) {
        guard let (head, body) = request else { return }
        request = nil
        write(head, body, to: connection)
    }

    func connectionReadable(_ connection: Connection) {
        while connection.isOpen {
            // Also after the answer's end: the peer's own end may be there already.
            if isAsking, request == nil, !connection.input.isEmpty { parse(connection) }
            switch connection.fill() {
            case .data:
                // Bytes that nobody asked for.
                if !isAsking { return end("") }
            case .wouldBlock, .failed: return
            case .end: return peerEnded()
            }
        }
    }

    func connectionDrained(_ connection: Connection) {}

    func connectionClosed(_ connection: Connection, _ reason: ConnectionCloseReason) {
        end(connection.failureReason ?? "the connection failed")
    }
}
