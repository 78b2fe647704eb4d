// A server on the test's own loop that does what the script says, right or wrong.
import Reactor

/// Listens on loopback, port 0. The script is told of connections and bytes, and answers as it likes.
public final class ScriptedServer {
    private let listener: ListeningSocket
    private let loop: EventLoop
    public let address: SocketAddress
    /// Every connection so far, in order.
    public private(set) var peers: [ScriptedPeer] = []
    /// Called for each connection, when it is up.
    public var onAccept: (ScriptedPeer) -> Void = { _ in }
    /// Called when bytes came; `peer.received` has all of them.
    public var onBytes: (ScriptedPeer) -> Void = { _ in }
    /// Called when a peer has sent its FIN.
    public var onEnd: (ScriptedPeer) -> Void = { _ in }

    /// `tls` makes it speak TLS.
    public init(
        loop: EventLoop, tls: TLSContext? = nil, address: SocketAddress = .v4(.loopback, port: 0)
    ) throws {
        self.loop = loop
        listener = try ListeningSocket.bind(address, loop: loop)
        self.address = listener.localAddress
        try listener.start { [weak self] socket in
            guard let self else { return }
            let peer = ScriptedPeer(self)
            guard let connection = try? Connection.accept(socket, loop: loop, tls: tls, delegate: peer) else { return }
            peer.connection = connection
            peers.append(peer)
        }
    }

    /// Answers each request (recognised by the end of its head) with `response`.
    public func answer(_ response: String) {
        onBytes = { peer in
            while let end = peer.endOfHead {
                peer.drop(end)
                peer.send(response)
            }
        }
    }

    /// A response with a length.
    public static func ok(_ body: String = "hello", extra: String = "") -> String {
        "HTTP/1.1 200 OK\r\n\(extra)content-length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    /// Stops accepting; connections stay.
    public func stopListening() { listener.close() }

    public func close() {
        listener.close()
        for peer in peers { peer.close() }
    }
}

/// One connection of a `ScriptedServer`.
public final class ScriptedPeer: ConnectionDelegate {
    private weak var server: ScriptedServer?
    public fileprivate(set) var connection: Connection?
    /// Bytes that the script has not dropped yet.
    public private(set) var received: [UInt8] = []
    public private(set) var isEstablished = false
    /// The other side has sent its FIN.
    public private(set) var sawEnd = false
    /// The connection is gone, and not by us.
    public private(set) var closed: ConnectionCloseReason?
    /// While false, nothing is read.
    public var reads = true {
        didSet {
            if reads { connection?.resumeReading() } else { connection?.pauseReading() }
        }
    }

    fileprivate init(_ server: ScriptedServer) { self.server = server }

    public var text: String { String(decoding: received, as: UTF8.self) }

    /// Length of the first request's head with its empty line, if it is whole.
    public var endOfHead: Int? {
        guard received.count >= 4 else { return nil }
        for index in 0...(received.count - 4) where received[index..<index + 4].elementsEqual("\r\n\r\n".utf8) {
            return index + 4
        }
        return nil
    }

    /// Forgets the first `count` bytes.
    public func drop(_ count: Int) { received.removeFirst(min(count, received.count)) }

    public func send(_ text: String) {
        connection?.output.append(text)
        connection?.flush()
    }

    /// Sends FIN after what was sent.
    public func finish() { connection?.shutdownWrite() }

    /// Closes with a reset.
    public func reset() { connection?.close(abort: true) }

    public func close() { connection?.close() }

    public func connectionEstablished(_ connection: Connection) {
        isEstablished = true
        server?.onAccept(self)
    }

    public func connectionReadable(_ connection: Connection) {
        while true {
            switch connection.fill() {
            case .data:
                received += connection.input.array
                connection.input.clear()
                server?.onBytes(self)
                if !reads { return }
            case .end:
                sawEnd = true
                server?.onEnd(self)
                return
            case .wouldBlock, .failed:
                return
            }
        }
    }

    public func connectionDrained(_ connection: Connection) {}

    public func connectionClosed(_ connection: Connection, _ reason: ConnectionCloseReason) { closed = reason }
}
