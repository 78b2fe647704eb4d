// How a Connection comes to be: accepted or made.
import CLinux
import Glibc

extension Connection {
    /// Takes over an accepted socket. `connectionEstablished` follows in this turn. Fails only when epoll is out of
    /// memory or watches; the socket is closed then.
    public static func accept(
        _ socket: consuming AcceptedSocket, loop: EventLoop, options: SocketOptions? = nil,
        delegate: ConnectionDelegate
    ) throws(SystemError) -> Connection {
        let connection = Connection(
            loop: loop, remoteAddress: socket.remoteAddress, state: .open, delegate: delegate)
        connection.descriptor = socket.takeDescriptor()
        if let options {
            try SocketCalls.apply(options, to: connection.descriptor, connection.remoteAddress)
        }
        connection.key = try loop.register(connection.descriptor, IOEvents.edgeTriggered, connection)
        connection.schedule(.established)
        return connection
    }

    /// Begins to connect. Success and failure are both told to the delegate, in a later turn or at the end of this
    /// one, never from inside this call.
    public static func connect(
        to address: SocketAddress, loop: EventLoop, options: SocketOptions = SocketOptions(),
        delegate: ConnectionDelegate
    ) -> Connection {
        let connection = Connection(loop: loop, remoteAddress: address, state: .connecting, delegate: delegate)
        do {
            try connection.begin(options)
        } catch {
            connection.fail(.connectFailed(error), error.description)
            connection.schedule(.failure)
        }
        return connection
    }

    private func begin(_ options: SocketOptions) throws(SystemError) {
        descriptor = try SocketCalls.open(remoteAddress)
        try SocketCalls.apply(options, to: descriptor, remoteAddress)
        if let source = options.source {
            // The port is chosen by connect, which knows the peer, so that ports are not used up.
            _ = try? SocketCalls.set(descriptor, Int32(IPPROTO_IP), IP_BIND_ADDRESS_NO_PORT, 1, "")
            try SocketCalls.bind(descriptor, to: source)
        }
        key = try loop.register(descriptor, IOEvents.edgeTriggered, self)
        let result = remoteAddress.withSockaddr { Glibc.connect(descriptor, $0, $1) }
        let code = result == nil ? ENAMETOOLONG : errno
        if result == 0 {
            state = .open
            schedule(.established)
        } else if code != EINPROGRESS {
            throw SystemError("connect", code: code, subject: remoteAddress.description)
        }
    }

    /// The first event of a socket that was connecting.
    func finishConnecting(_ events: IOEvents) {
        if events.isBroken {
            let code = SocketCalls.pendingError(descriptor)
            if code != 0 {
                let error = SystemError("connect", code: code, subject: remoteAddress.description)
                fail(.connectFailed(error), error.description)
                deliverFailure()
                return
            }
        }
        guard events.canWrite || events.isBroken else { return }
        state = .open
        becomeEstablished()
    }
}
