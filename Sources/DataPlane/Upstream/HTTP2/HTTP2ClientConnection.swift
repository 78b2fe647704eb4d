// The HTTP/2 client codec: many requests and their responses at once on one pooled connection.
import HTTPWire
import Reactor

/// The client side of an HTTP/2 connection (RFC 9113). Loop thread only.
final class HTTP2ClientConnection: ClientCodec {
    let socket: Connection
    let connectionInfo: UpstreamConnectionInfo
    private let link: UpstreamConnection
    private let pool: ConnectionPool
    private let cluster: Cluster
    private let settings: HTTP2ClientSettings
    private let http2: HTTP2Session
    private let transport: HTTP2Transport
    private var activeStreams = 0
    /// Streams that the peer and our own setting allow at once.
    private(set) var capacity = 0
    private var hasSettings = false
    private var settingsChanged = false
    private var isGoingAway = false
    private var isClosed = false
    /// What streams hear when the connection ends.
    private(set) var endReason = StreamResetReason.connectionTermination
    private(set) var endDetail = ""

    init(_ link: UpstreamConnection, socket: Connection, pool: ConnectionPool, cluster: Cluster) {
        self.link = link
        self.socket = socket
        self.pool = pool
        self.cluster = cluster
        connectionInfo = UpstreamConnectionInfo(
            connectionID: socket.id, local: socket.localAddress, remote: socket.remoteAddress, httpVersion: .http2,
            tls: socket.tls, connectStart: socket.createdAt, established: socket.establishedAt)
        settings = cluster.http2Settings
        http2 = HTTP2Session(.client, settings.options, pool: socket.loop.slabs)
        transport = HTTP2Transport(socket, http2, settings.stats, keepalive: settings.keepalive)
        transport.start(self)
        noteCapacity()
    }

    // MARK: ClientCodec

    private func noteCapacity() { capacity = min(settings.maxStreams, max(http2.peerMaxConcurrentStreams, 0)) }

    var room: Int { isGoingAway || isClosed ? 0 : max(0, capacity - activeStreams) }

    func startStream(_ delegate: any UpstreamStreamDelegate) -> any UpstreamStream {
        activeStreams += 1
        transport.noteNewStream()
        let stream = settings.streams.take() ?? HTTP2ClientStream(self)
        stream.begin(self, delegate, earlierRequests: link.served - 1)
        return stream
    }

    func abort() {
        endReason = .localReset
        endDetail = "shutting down"
        endStreams(.connectionGone)
    }

    /// Its last streams may still have been flushing when the pool closed it.
    func connectionGone() {
        isClosed = true
        http2.close(.connectionGone)
        transport.close()
    }

    // MARK: Calls of streams

    /// CONNECT with `:protocol` is allowed, or may be: the peer's SETTINGS have not come yet.
    var takesUpgrades: Bool { !hasSettings || http2.peerAllowsConnect }

    func submit(_ stream: HTTP2ClientStream, _ request: HeaderMap, end: Bool) -> Bool {
        !isClosed && http2.submitRequest(stream, request, end: end)
    }

    /// The session has forgotten the stream.
    func takeBack(_ stream: HTTP2ClientStream) { settings.streams.giveBack(stream) }

    /// The stream is over for the pool.
    func settle(_ stream: HTTP2ClientStream) {
        guard !stream.isSettled else { return }
        stream.isSettled = true
        activeStreams -= 1
        link.countBytes()
        pool.streamEnded(link, isClosed ? .cutShort : .reusable)
    }

    func noteReset(_ code: HTTP2ErrorCode) {
        if code == .noError { cluster.stats.rqRxResetNoError.increment() }
    }

    // MARK: The end

    private func endStreams(_ end: HTTP2StreamEnd) {
        isClosed = true
        pool.withdraw(link)
        http2.close(end)
    }

    private func fail(_ failure: HTTP2Failure) {
        cluster.stats.cxProtocolError.increment()
        cluster.offences.note("\(socket.remoteAddress) was cut off: \(failure.text)", now: socket.loop.now)
        endStreams(.violation(failure.code, details: failure.details))
        http2.send(to: &socket.output, limit: socket.output.count + 4096)
        socket.flush()
        link.close()
    }
}

extension HTTP2ClientConnection: HTTP2TransportOwner {
    func transportMoved() {
        guard !isClosed else { return }
        link.countBytes()
        if let failure = http2.failure { return fail(failure) }
        if isGoingAway {
            pool.connectionDrains(link)
        } else if settingsChanged {
            settingsChanged = false
            pool.roomChanged(link)
        }
    }

    func transportEnded() {
        endStreams(.connectionGone)
        link.close(byPeer: true)
    }

    func transportTimedOut() {
        endDetail = "http2 keepalive timeout"
        endStreams(.connectionGone)
        link.close()
    }
}

extension HTTP2ClientConnection: HTTP2SessionDelegate {
    /// Servers begin no streams: push is off.
    func sessionMakesStream(_ session: HTTP2Session) -> HTTP2Stream { HTTP2Stream(pool: socket.loop.slabs) }

    func sessionWantsToSend(_ session: HTTP2Session) { transport.scheduleSend() }

    func session(_ session: HTTP2Session, noted notice: HTTP2Notice) { settings.stats.count(notice) }

    func session(_ session: HTTP2Session, refused text: @autoclosure () -> String) {
        cluster.offences.note("\(socket.remoteAddress): \(text())", now: socket.loop.now)
    }

    func sessionGotSettings(_ session: HTTP2Session) {
        hasSettings = true
        noteCapacity()
        settingsChanged = true
    }

    func sessionGotGoAway(_ session: HTTP2Session, _ code: HTTP2ErrorCode) {
        if !isGoingAway { cluster.stats.cxCloseNotify.increment() }
        isGoingAway = true
    }

    func sessionGotPong(_ session: HTTP2Session) { transport.gotPong() }
}

extension HTTP2ClientConnection: ConnectionDelegate {
    func connectionEstablished(_ connection: Connection) {}

    func connectionReadable(_ connection: Connection) { transport.read() }

    func connectionDrained(_ connection: Connection) { transport.send() }

    func connectionClosed(_ connection: Connection, _ reason: ConnectionCloseReason) {
        endDetail = connection.failureReason ?? ""
        endStreams(.connectionGone)
    }
}
