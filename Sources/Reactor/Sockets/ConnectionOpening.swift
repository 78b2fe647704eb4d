// How a Connection comes to be: accepted or made, and the TLS handshake.
import CLinux
import Glibc

extension Connection {
    /// Takes over an accepted socket. `connectionEstablished` follows in this turn, or after the TLS handshake. Fails
    /// only when an option is refused or epoll is out of memory or watches; the socket is closed then. The delegate may
    /// be set after the call, in the same turn.
    public static func accept(
        _ socket: consuming AcceptedSocket, loop: EventLoop, options: SocketOptions? = nil, tls: TLSContext? = nil,
        delegate: ConnectionDelegate? = nil
    ) throws(SystemError) -> Connection {
        let connection = Connection(
            loop: loop, remoteAddress: socket.remoteAddress, state: .handshaking, delegate: delegate)
        connection.cachedLocalAddress = socket.localAddress
        connection.descriptor = socket.takeDescriptor()
        if let options {
            try SocketCalls.apply(options, to: connection.descriptor, connection.remoteAddress)
        }
        if let tls { connection.secure = SecureLayer(session: tls.makeSession(), pool: loop.slabs) }
        connection.key = try loop.register(connection.descriptor, IOEvents.edgeTriggered, connection)
        connection.schedule(.transportUp)
        return connection
    }

    /// Begins to connect. Success and failure are both told to the delegate, in a later turn or at the end of this
    /// one, never from inside this call.
    ///
    /// - Parameters:
    ///   - tls: a client context; plain TCP without.
    ///   - serverName, alpn, verifyNames: see `TLSContext.makeSession`.
    ///   - preface: bytes that go first, before the TLS handshake.
    public static func connect(
        to address: SocketAddress, loop: EventLoop, options: SocketOptions = SocketOptions(), tls: TLSContext? = nil,
        serverName: String? = nil, alpn: [String]? = nil, verifyNames: [String] = [], preface: [UInt8] = [],
        delegate: ConnectionDelegate
    ) -> Connection {
        let connection = Connection(loop: loop, remoteAddress: address, state: .connecting, delegate: delegate)
        if let tls {
            let session = tls.makeSession(serverName: serverName, alpn: alpn, verifyNames: verifyNames)
            connection.secure = SecureLayer(session: session, pool: loop.slabs)
        }
        if !preface.isEmpty {
            if let secure = connection.secure {
                secure.rawOutput.append(preface)
            } else {
                connection.output.append(preface)
            }
        }
        do throws(SystemError) {
            try connection.begin(options)
        } catch {
            connection.fail(.connectFailed(error), error.description)
            connection.schedule(.failure)
        }
        return connection
    }

    private func begin(_ options: SocketOptions) throws(SystemError) {
        descriptor = try SocketCalls.open(remoteAddress)
        guard DescriptorReserve.admits(descriptor) else {
            throw SystemError("socket", code: EMFILE, subject: remoteAddress.description)
        }
        try SocketCalls.apply(options, to: descriptor, remoteAddress)
        if let source = options.source, !remoteAddress.isUnix {
            // The port is chosen by connect, which knows the peer, so that ports are not used up.
            _ = try? SocketCalls.set(descriptor, Int32(IPPROTO_IP), IP_BIND_ADDRESS_NO_PORT, 1, "")
            try SocketCalls.bind(descriptor, to: source)
        }
        try SocketCalls.apply(options.raw, .afterBind, to: descriptor)
        key = try loop.register(descriptor, IOEvents.edgeTriggered, self)
        let result = remoteAddress.withSockaddr { Glibc.connect(descriptor, $0, $1) }
        let code = result == nil ? ENAMETOOLONG : errno
        if result == 0 {
            state = .handshaking
            schedule(.transportUp)
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
        state = .handshaking
        transportUp()
    }

    /// The bytes can flow: established, or on to the handshake.
    func transportUp() {
        guard state == .handshaking else { return }
        if let secure {
            // Only a preface can be there before the handshake; it leaves together with the first record.
            bytesWritten &+= UInt64(secure.rawOutput.count)
            advanceHandshake()
        } else {
            if !output.isEmpty { writeOut() }
            becomeEstablished()
        }
    }

    /// Goes on with the handshake until it is done, has failed, or waits for the peer.
    func advanceHandshake() {
        guard let secure else { return }
        readsLeft = Connection.readBudget
        while state == .handshaking {
            let result = secure.handshake()
            if !secure.rawOutput.isEmpty { writeOut() }
            switch result {
            case .done:
                becomeEstablished()
                if state == .open { deliverReadable() }
                return
            case .failed(let failure):
                fail(.tlsFailed, failure.reason)
                deliverFailure()
                return
            case .needsInput:
                break
            }
            switch receive(into: &secure.rawInput) {
            case .data:
                break
            case .wouldBlock, .failed:
                return
            case .end:
                fail(.tlsFailed, secure.session.connectionEnded().reason)
                deliverFailure()
            }
        }
    }

    func becomeEstablished() {
        state = .open
        establishedAt = loop.now
        delegate?.connectionEstablished(self)
        guard state == .open else { return }
        if hasPeerFinished { delegate?.connectionPeerFinished(self) }
        guard state == .open else { return }
        if unwrittenBytes > 0 || wantsShutdown || wantsCloseAfterFlush { flushFromLoop() }
    }

    /// Begins a TLS handshake on an established plain connection: as the server on an accepted one, after the first
    /// bytes were looked at, or as the client. What is in `input` is taken for the peer's first records; `output` must
    /// be empty. `connectionEstablished` comes again when the handshake is done.
    public func upgradeToTLS(_ context: TLSContext, serverName: String? = nil, alpn: [String]? = nil) {
        guard state == .open, secure == nil, output.isEmpty else { return }
        let layer = SecureLayer(session: context.makeSession(serverName: serverName, alpn: alpn), pool: loop.slabs)
        input.moveAll(to: &layer.rawInput)
        secure = layer
        state = .handshaking
        establishedAt = nil
        schedule(.transportUp)
    }
}
