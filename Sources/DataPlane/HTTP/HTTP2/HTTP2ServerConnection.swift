// The HTTP/2 server codec: bytes of a client connection to streams, responses back to bytes.
import HTTPWire
import Reactor

/// Serves one client connection with many streams at once (RFC 9113). Loop thread only.
final class HTTP2ServerConnection: ServerCodec {
    private enum Life {
        case open
        /// What is left is being flushed; then our side is shut down.
        case finishing
        /// Our side is shut down; what the client still sends is thrown away.
        case lingering
        case closed
    }

    /// Bytes of frames that are laid out for a client that broke the protocol.
    private static let lastFrames = 64 * 1024

    private let connection: Connection
    private let settings: HTTP2ServerSettings
    private var session: ServerSession?
    private var life = Life.open
    private let http2: HTTP2Session
    private let transport: HTTP2Transport
    /// What streams hear when the connection ends.
    private(set) var endReason = DownstreamResetReason.connectionTermination

    /// Becomes the connection's delegate. What is in its input already is read at the end of this turn.
    init(connection: Connection, session: ServerSession, settings: HTTP2ServerSettings) {
        self.connection = connection
        self.session = session
        self.settings = settings
        http2 = HTTP2Session(.server, settings.options, pool: connection.loop.slabs)
        transport = HTTP2Transport(connection, http2, settings.stats, keepalive: settings.keepalive)
        connection.delegate = self
        transport.start(self)
        if !connection.input.isEmpty { connection.loop.later { [self] in read() } }
    }

    // MARK: ServerCodec

    var protocolVersion: HTTPVersion? { .http2 }

    var traffic: ConnectionTraffic {
        ConnectionTraffic(
            received: connection.bytesRead, sent: connection.bytesWritten, unread: connection.input.count,
            unsent: connection.unwrittenBytes)
    }

    func announceDrain() { http2.announceGoAway() }

    func drain() {
        guard life == .open else { return }
        http2.goAway()
    }

    func closeNow() {
        guard life != .closed else { return }
        endReason = .localClose
        http2.goAway()
        transport.send()
        terminate(byPeer: false)
    }

    /// The session has forgotten the stream.
    func takeBack(_ stream: HTTP2ServerStream) { settings.streams.giveBack(stream) }

    /// A client did not take the end of a response in time.
    func noteFlushTimeout() { settings.stats.txFlushTimeout.increment() }

    /// Tells people what the client did.
    func note(_ text: @autoclosure () -> String) { session?.noteOffence(text()) }

    // MARK: Bytes

    private func read() {
        switch life {
        case .open:
            if settings.isUnderOverloadManager, session?.shedConnection() == true { return }
            transport.read()
        case .finishing, .lingering: discard()
        case .closed: break
        }
    }

    private func discard() {
        while true {
            connection.input.clear()
            switch connection.fill() {
            case .data: continue
            case .wouldBlock, .failed: return
            case .end: return terminate(byPeer: true)
            }
        }
    }

    // MARK: The end of the connection

    /// Sends GOAWAY, and what was answered so far; streams that run are cut off.
    private func fail(_ failure: HTTP2Failure) {
        endReason = .protocolError(failure.details)
        session?.protocolFailed(failure.text)
        http2.close(.violation(failure.code, details: failure.details))
        guard life == .open else { return }
        http2.send(to: &connection.output, limit: connection.output.count + HTTP2ServerConnection.lastFrames)
        finish()
        // Such a client need not be waited for.
        if life == .finishing { session?.delayClose() }
    }

    private func finish() {
        life = .finishing
        connection.flush()
        connection.shutdownWrite()
        if connection.unwrittenBytes == 0 { linger() }
    }

    /// A close with unread input would reset the connection, and the client could lose the last frames.
    private func linger() {
        guard life == .finishing else { return }
        life = .lingering
        if connection.peerHasFinished { return terminate(byPeer: false) }
        session?.delayClose()
        if life == .lingering { discard() }
    }

    private func terminate(byPeer: Bool) {
        guard life != .closed else { return }
        life = .closed
        http2.close(.connectionGone)
        transport.close()
        connection.close()
        let ended = session
        session = nil
        ended?.connectionClosed(byPeer: byPeer)
    }
}

extension HTTP2ServerConnection: HTTP2TransportOwner {
    func transportMoved() {
        guard life == .open else { return }
        if let failure = http2.failure {
            fail(failure)
        } else if http2.isOver {
            finish()
        }
    }

    /// Half-closed clients count as gone, as in Envoy.
    func transportEnded() { terminate(byPeer: true) }

    func transportTimedOut() {
        session?.downstream.localCloseReason = "http2 keepalive timeout"
        closeNow()
    }
}

extension HTTP2ServerConnection: HTTP2SessionDelegate {
    func sessionMakesStream(_ http2: HTTP2Session) -> HTTP2Stream {
        let stream = settings.streams.take() ?? HTTP2ServerStream(loop: connection.loop)
        stream.begin(self, session?.openStream(stream))
        return stream
    }

    func sessionWantsToSend(_ http2: HTTP2Session) { transport.scheduleSend() }
    func session(_ http2: HTTP2Session, noted notice: HTTP2Notice) { settings.stats.count(notice) }
    func session(_ http2: HTTP2Session, refused text: @autoclosure () -> String) { note(text()) }
    func sessionGotSettings(_ http2: HTTP2Session) {}
    func sessionGotGoAway(_ http2: HTTP2Session, _ code: HTTP2ErrorCode) {}
    func sessionGotPong(_ http2: HTTP2Session) { transport.gotPong() }
}

extension HTTP2ServerConnection: ConnectionDelegate {
    func connectionEstablished(_ connection: Connection) {}

    func connectionReadable(_ connection: Connection) { read() }

    func connectionDrained(_ connection: Connection) {
        switch life {
        case .open: transport.send()
        case .finishing where connection.unwrittenBytes == 0: linger()
        case .finishing, .lingering, .closed: break
        }
    }

    func connectionPeerFinished(_ connection: Connection) {
        if life == .lingering { terminate(byPeer: true) }
    }

    func connectionClosed(_ connection: Connection, _ reason: ConnectionCloseReason) {
        if let text = connection.failureReason { session?.downstream.transportFailureReason = text }
        terminate(byPeer: true)
    }
}
