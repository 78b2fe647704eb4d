// Which codec serves a connection: by configuration, by ALPN, or by its first bytes.
import HTTPWire
import Reactor

/// The codecs of a connection manager, compiled once per worker.
public final class ServerCodecs {
    let kind: HTTPConnectionManagerSpec.Codec
    let http1: HTTP1ServerSettings
    let http2: HTTP2ServerSettings

    public init(_ kind: HTTPConnectionManagerSpec.Codec, http1: HTTP1ServerSettings, http2: HTTP2ServerSettings) {
        self.kind = kind
        self.http1 = http1
        self.http2 = http2
    }

    /// The codec of a connection that is up, TLS included. It becomes the connection's delegate.
    func make(_ connection: Connection, _ session: ServerSession) -> ServerCodec {
        switch kind {
        case .http1: return makeHTTP1(connection, session)
        case .http2: return makeHTTP2(connection, session)
        case .auto:
            switch connection.tls?.alpn {
            case "h2": return makeHTTP2(connection, session)
            case nil, "": return ProtocolProbe(connection: connection, session: session, codecs: self)
            default: return makeHTTP1(connection, session)
            }
        }
    }

    func makeHTTP1(_ connection: Connection, _ session: ServerSession) -> ServerCodec {
        HTTP1ServerConnection(connection: connection, session: session, settings: http1)
    }

    func makeHTTP2(_ connection: Connection, _ session: ServerSession) -> ServerCodec {
        HTTP2ServerConnection(connection: connection, session: session, settings: http2)
    }
}

/// Stands in for the codec until the first bytes tell which it is: HTTP/2 with prior knowledge begins with a preface
/// that is no HTTP/1 (RFC 9113, section 3.4). Loop thread only.
final class ProtocolProbe: ServerCodec, ConnectionDelegate {
    private let connection: Connection
    private let codecs: ServerCodecs
    private var session: ServerSession?

    init(connection: Connection, session: ServerSession, codecs: ServerCodecs) {
        self.connection = connection
        self.session = session
        self.codecs = codecs
        connection.delegate = self
        if !connection.input.isEmpty { connection.loop.later { [self] in look() } }
    }

    var protocolVersion: HTTPVersion? { nil }

    var traffic: ConnectionTraffic {
        ConnectionTraffic(received: connection.bytesRead, unread: connection.input.count)
    }

    func announceDrain() {}
    func drain() { end(byPeer: false) }
    func closeNow() { end(byPeer: false) }

    func connectionEstablished(_ connection: Connection) {}
    func connectionReadable(_ connection: Connection) { look() }
    func connectionDrained(_ connection: Connection) {}
    func connectionClosed(_ connection: Connection, _ reason: ConnectionCloseReason) { end(byPeer: true) }

    private func look() {
        while session != nil {
            let wanted = ByteView(HTTP2Session.preface)
            let start = connection.input.contiguous(min(connection.input.count, wanted.count))
            if !start.isEmpty {
                if start.count == wanted.count && start == wanted { return handOver(codecs.makeHTTP2) }
                if !wanted.hasPrefix(start) { return handOver(codecs.makeHTTP1) }
            }
            switch connection.fill() {
            case .data: continue
            case .wouldBlock, .failed: return
            case .end: return end(byPeer: true)
            }
        }
    }

    private func handOver(_ make: (Connection, ServerSession) -> ServerCodec) {
        guard let session else { return }
        self.session = nil
        session.attach(make(connection, session))
    }

    private func end(byPeer: Bool) {
        guard let session else { return }
        self.session = nil
        connection.close()
        session.connectionClosed(byPeer: byPeer)
    }
}
