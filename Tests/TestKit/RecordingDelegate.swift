// A connection's owner that writes down what happens, and does what the test asks for.
import Reactor

/// Records every call and, unless told otherwise, reads all there is.
public final class RecordingDelegate: ConnectionDelegate {
    public private(set) var established = 0
    public private(set) var readable = 0
    public private(set) var drained = 0
    public private(set) var peerFinished = 0
    public private(set) var closed: ConnectionCloseReason?
    /// Everything that was read.
    public private(set) var received: [UInt8] = []
    /// `fill` has said `.end`.
    public private(set) var sawEnd = false
    /// Whether to read when told that there is something.
    public var reads = true
    /// Hooks, called after the recording.
    public var onEstablished: ((Connection) -> Void)?
    public var onReadable: ((Connection) -> Void)?
    public var onDrained: ((Connection) -> Void)?
    public var onClosed: ((Connection, ConnectionCloseReason) -> Void)?

    public init() {}

    /// Everything that was read, as text.
    public var text: String { String(decoding: received, as: UTF8.self) }

    public func connectionEstablished(_ connection: Connection) {
        established += 1
        onEstablished?(connection)
    }

    public func connectionReadable(_ connection: Connection) {
        readable += 1
        if reads { readAll(connection) }
        onReadable?(connection)
    }

    /// Reads until there is nothing more for now.
    public func readAll(_ connection: Connection) {
        while true {
            switch connection.fill() {
            case .data:
                received += connection.input.array
                connection.input.clear()
            case .end:
                sawEnd = true
                return
            case .wouldBlock, .failed:
                return
            }
        }
    }

    public func connectionDrained(_ connection: Connection) {
        drained += 1
        onDrained?(connection)
    }

    public func connectionPeerFinished(_ connection: Connection) {
        peerFinished += 1
    }

    public func connectionClosed(_ connection: Connection, _ reason: ConnectionCloseReason) {
        closed = reason
        onClosed?(connection, reason)
    }
}

/// Two connected ends on one loop.
public final class ConnectionPair {
    public let loop: EventLoop
    public let client: Connection
    public let server: Connection
    public let clientSide: RecordingDelegate
    public let serverSide: RecordingDelegate
    private let listener: ListeningSocket

    /// Connects over loopback, or another address of this machine, and waits until both ends are up.
    public init(
        loop: EventLoop, address: SocketAddress = .v4(.loopback, port: 0), options: SocketOptions = SocketOptions(),
        serverTLS: TLSContext? = nil, clientTLS: TLSContext? = nil, serverName: String? = nil
    ) throws {
        self.loop = loop
        var listenOptions = ListenOptions()
        listenOptions.socket = options
        listener = try ListeningSocket.bind(address, loop: loop, options: listenOptions)
        let serverSide = RecordingDelegate()
        let accepted = Box<Connection>()
        try listener.start { socket in
            accepted.value = try? Connection.accept(socket, loop: loop, tls: serverTLS, delegate: serverSide)
        }
        clientSide = RecordingDelegate()
        self.serverSide = serverSide
        client = Connection.connect(
            to: listener.localAddress, loop: loop, options: options, tls: clientTLS, serverName: serverName,
            delegate: clientSide)
        let clientSide = clientSide
        // A side that fails does not keep the test waiting.
        loop.turn(until: {
            (clientSide.established == 1 || clientSide.closed != nil)
                && (serverSide.established == 1 || serverSide.closed != nil)
        })
        guard let connection = accepted.value else { throw SystemError("accept", code: 0) }
        server = connection
    }

    /// Closes whatever is open.
    public func close() {
        client.close()
        server.close()
        listener.close()
        loop.turnWhileBusy()
    }
}

/// A place for a value that a closure finds later.
public final class Box<Value> {
    public var value: Value?
    public init(_ value: Value? = nil) { self.value = value }
}
