// The HTTP/1 client codec: one request and its response at a time on one pooled connection.
import HTTPWire
import Reactor

/// The client side of an HTTP/1 connection (RFC 9112). Loop thread only.
///
/// One object serves all requests of the connection: while a stream is under way it is that stream, between streams
/// it watches the connection. A stream is over for the pool before its delegate hears the last of it, so that the next
/// request may already use the connection from inside that call.
final class HTTP1ClientConnection: UpstreamStream, ClientCodec {
    enum RequestSide {
        case waitingForHead
        /// Body bytes may come, in this framing.
        case body(HTTP1SendFraming)
        /// Raw bytes, after a 101 or a 2xx to CONNECT.
        case tunnel
        case done
    }

    let link: UpstreamConnection
    let pool: ConnectionPool
    let socket: Connection
    let stats: ClusterStats
    let codecStats: HTTP1CodecStats
    let requestStyle: HTTP1Style
    let connectionInfo: UpstreamConnectionInfo

    var parser: HTTP1ResponseParser
    /// The receiver of the stream under way; nil between streams.
    var delegate: (any UpstreamStreamDelegate)?
    /// Tells one stream from the next: changes when a stream begins and when it ends.
    var generation: UInt64 = 0
    var request = RequestSide.waitingForHead
    /// Bytes of a body of known length still to be sent.
    var bodyBytesLeft: UInt64 = 0
    var wasBackedUp = false
    var isPaused = false
    var isTunnel = false
    /// The peer's direction of the tunnel is over.
    var tunnelEnded = false
    /// Trailers wait for the end of the message.
    var hasTrailers = false
    var isReading = false
    /// Bytes of the connection that were used up when the last interim response was whole.
    var usedByInterim: UInt64?

    private var firstByteSent: UInt64 = 0
    private var firstByteReceived: UInt64 = 0
    private var lastByteSent: UInt64?
    private var lastByteReceived: UInt64 = 0
    private(set) var earlierRequests = 0

    init(_ link: UpstreamConnection, socket: Connection, pool: ConnectionPool, cluster: Cluster) {
        self.link = link
        self.pool = pool
        self.socket = socket
        stats = cluster.stats
        codecStats = cluster.http1Stats
        requestStyle = cluster.requestStyle
        parser = HTTP1ResponseParser(limits: cluster.responseLimits, options: cluster.responseOptions)
        connectionInfo = UpstreamConnectionInfo(
            connectionID: socket.id, local: socket.localAddress, remote: socket.remoteAddress, httpVersion: .http11,
            tls: socket.tls)
    }

    // MARK: - The life of a stream

    var capacity: Int { 1 }
    var room: Int { delegate == nil ? 1 : 0 }

    func startStream(_ delegate: any UpstreamStreamDelegate) -> any UpstreamStream {
        generation &+= 1
        self.delegate = delegate
        request = .waitingForHead
        wasBackedUp = false
        isPaused = false
        isTunnel = false
        tunnelEnded = false
        hasTrailers = false
        usedByInterim = nil
        firstByteSent = socket.bytesWritten
        firstByteReceived = socket.bytesRead
        lastByteSent = nil
        earlierRequests = link.served - 1
        return self
    }

    /// The stream is over: settles with the pool and returns the delegate, which then hears the last of it.
    func endStream(_ end: StreamEnd) -> (any UpstreamStreamDelegate)? {
        guard let last = delegate else { return nil }
        lastByteSent = socket.bytesWritten
        lastByteReceived = socket.bytesRead
        delegate = nil
        generation &+= 1
        link.countBytes()
        pool.streamEnded(link, end)
        return last
    }

    func reset(_ reason: StreamResetReason, byPeer: Bool, detail: String) {
        if reason == .protocolError { stats.cxProtocolError.increment() }
        endStream(.close(byPeer: byPeer, complete: false))?.upstreamReset(self, reason, detail: detail)
    }

    /// A short response, as that of an error that is tried again, is mostly in when it is given up: then the connection
    /// serves on.
    func cancel() {
        let isWhole = delegate != nil && !isTunnel && parser.skipBody(&socket.input)
        _ = endStream(isWhole ? howItEnds(atEnd: false) : .close(byPeer: false, complete: false))
    }

    func abort() { reset(.localReset, byPeer: false, detail: "shutting down") }

    func connectionGone() {}

    var wireBytesSent: UInt64 { (lastByteSent ?? socket.bytesWritten) &- firstByteSent }
    var wireBytesReceived: UInt64 { (lastByteSent == nil ? socket.bytesRead : lastByteReceived) &- firstByteReceived }
    var sentAnything: Bool { wireBytesSent > 0 }

    // MARK: - Flow control

    func pauseReading() {
        guard delegate != nil, !isPaused else { return }
        isPaused = true
        socket.pauseReading()
    }

    func resumeReading() {
        guard delegate != nil, isPaused else { return }
        isPaused = false
        socket.resumeReading()
        // Bytes that were read before the pause are announced by nobody else.
        if !isReading, !socket.input.isEmpty || hasTrailers {
            socket.loop.later { [self, generation] in readOn(generation) }
        }
    }

    var isBackedUp: Bool { wasBackedUp }

    // MARK: - The socket

    func connectionEstablished(_ connection: Connection) {}

    func connectionReadable(_ connection: Connection) {
        if delegate == nil { readIdle() } else { read() }
    }

    func connectionDrained(_ connection: Connection) {
        guard wasBackedUp, !socket.isAboveHighWatermark else { return }
        wasBackedUp = false
        delegate?.upstreamDrained(self)
    }

    func connectionClosed(_ connection: Connection, _ reason: ConnectionCloseReason) {
        if delegate != nil {
            cutShort(connection.failureReason ?? "")
        } else if reason != .flushed {
            pool.noteIdleClose(link)
        }
    }
}
