// A gRPC server over HTTP/2 on the test's loop, which does what the script says.
import HTTPWire
import Reactor
import TestKit

/// Listens on loopback. Each call is told of, and answered as the test likes.
final class ScriptedGRPCServer {
    private let server: ScriptedServer
    private let loop: EventLoop
    private(set) var lines: [ServerLine] = []
    /// Called for each call's head.
    var onCall: (ServerCall) -> Void = { _ in }
    /// Called for each connection in place of speaking HTTP/2 on it.
    var onPeer: ((ScriptedPeer) -> Void)?
    var address: SocketAddress { server.address }
    var calls: [ServerCall] { lines.flatMap(\.calls) }
    var peers: [ScriptedPeer] { server.peers }

    init(loop: EventLoop, tls: TLSContext? = nil) throws {
        self.loop = loop
        server = try ScriptedServer(loop: loop, tls: tls)
        server.onAccept = { [unowned self] peer in
            if let onPeer { return onPeer(peer) }
            lines.append(ServerLine(peer, loop: loop, server: self))
        }
        server.onBytes = { [unowned self] peer in lines.first { $0.peer === peer }?.read() }
    }

    /// Refuses connections from now on.
    func stopListening() { server.stopListening() }

    func close() {
        for line in lines { line.session.letGo() }
        server.close()
    }
}

/// One connection to it.
final class ServerLine: HTTP2SessionDelegate {
    let peer: ScriptedPeer
    let session: HTTP2Session
    private let loop: EventLoop
    private unowned let server: ScriptedGRPCServer
    private(set) var calls: [ServerCall] = []
    private var isSendScheduled = false

    init(_ peer: ScriptedPeer, loop: EventLoop, server: ScriptedGRPCServer) {
        self.peer = peer
        self.loop = loop
        self.server = server
        var options = HTTP2Options()
        options.streamWindow = 65_535
        session = HTTP2Session(.server, options, pool: loop.slabs)
        session.start(self)
        sessionWantsToSend(session)
    }

    func read() {
        var bytes = ByteQueue(pool: loop.slabs)
        bytes.append(peer.received)
        peer.drop(peer.received.count)
        session.receive(&bytes)
        session.deliver()
        sessionWantsToSend(session)
    }

    func sessionMakesStream(_ session: HTTP2Session) -> HTTP2Stream {
        let call = ServerCall(self, pool: loop.slabs)
        calls.append(call)
        return call
    }

    func sessionWantsToSend(_ session: HTTP2Session) {
        guard !isSendScheduled else { return }
        isSendScheduled = true
        loop.later { [weak self] in
            guard let self, let connection = peer.connection, connection.isOpen else { return }
            isSendScheduled = false
            session.send(to: &connection.output, limit: 1 << 20)
            session.deliver()
            connection.flush()
        }
    }

    fileprivate func began(_ call: ServerCall) { server.onCall(call) }

    func session(_ session: HTTP2Session, noted notice: HTTP2Notice) {}
    func session(_ session: HTTP2Session, refused text: @autoclosure () -> String) {}
    func sessionGotSettings(_ session: HTTP2Session) {}
    func sessionGotGoAway(_ session: HTTP2Session, _ code: HTTP2ErrorCode) {}
    func sessionGotPong(_ session: HTTP2Session) {}
}

/// One call.
final class ServerCall: HTTP2Stream {
    private unowned let line: ServerLine
    private let slabs: SlabPool
    let request = HeaderMap()
    private let tail = HeaderMap()
    /// All bytes of the request's body.
    private(set) var body: [UInt8] = []

    init(_ line: ServerLine, pool: SlabPool) {
        self.line = line
        slabs = pool
        super.init(pool: pool)
        headers = request
        trailers = tail
        keepRequestOpen()
    }

    override func headCame(end: Bool) { line.began(self) }

    override func bodyCame(_ bytes: inout ByteQueue, end: Bool) {
        body += bytes.array
        bytes.clear()
    }

    // MARK: - Answers

    func answerHead(
        status: Int = 200, type: String = "application/grpc", _ extra: [(String, String)] = [], end: Bool = false
    ) {
        let head = HeaderMap()
        head.status = status
        FixedBytes(type).withView { head.append(.contentType, $0) }
        Self.append(extra, to: head)
        sendResponse(head, end: end)
    }

    private static func append(_ fields: [(String, String)], to map: HeaderMap) {
        for (name, value) in fields {
            FixedBytes(name).withView { name in
                FixedBytes(value).withView { value in _ = map.append(name: name, value: value) }
            }
        }
    }

    func answer(raw bytes: [UInt8]) {
        var queue = ByteQueue(pool: slabs)
        queue.append(bytes)
        send(&queue, end: false)
    }

    static func frame(_ message: [UInt8], flag: UInt8 = 0) -> [UInt8] {
        let count = UInt32(message.count)
        return [flag] + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: count >> $0) } + message
    }

    func answerTrailers(_ fields: [(String, String)]) {
        let map = HeaderMap()
        Self.append(fields, to: map)
        sendFinalFields(map)
    }
}
