// A connection between accept and its filter chain: the look at its first bytes, and the TLS handshake.
import Reactor

/// Lives from accept until the chain's filter takes over, or the connection is given up. Loop thread only.
final class PendingConnection: ConnectionDelegate, TimerTarget {
    private enum State {
        /// The loop has not come round to it yet.
        case accepted
        /// The first bytes are awaited, to choose a chain by.
        case looking
        case handshaking(FilterChain)
        case done
    }

    private unowned let listener: Listener
    private let connection: Connection
    private var state = State.accepted
    private var facts: ConnectionFacts
    private var timer: LoopTimer?
    /// Position among the listener's pending connections.
    var index = -1

    init(_ listener: Listener, _ socket: consuming AcceptedSocket) throws(SystemError) {
        self.listener = listener
        connection = try Connection.accept(socket, loop: listener.loop)
        // As Envoy: who came over IPv4 to a socket that takes both has an IPv4 address.
        facts = ConnectionFacts(
            local: (connection.localAddress ?? listener.localAddress).unmapped,
            remote: connection.remoteAddress.unmapped)
        connection.delegate = self
    }

    /// Up as plain TCP, or up with its TLS handshake done.
    func connectionEstablished(_ connection: Connection) {
        switch state {
        case .accepted where listener.matcher.looksAtFirstBytes:
            state = .looking
            arm(listener.spec.listenerFiltersTimeout)
        case .accepted: choose()
        case .handshaking(let chain): serve(chain)
        case .looking, .done: break
        }
    }

    func connectionReadable(_ connection: Connection) {
        guard case .looking = state else { return }
        look()
    }

    func connectionDrained(_ connection: Connection) {}

    func connectionClosed(_ connection: Connection, _ reason: ConnectionCloseReason) {
        if case .done = state { return }
        finish()
        listener.handshakeFailed(connection, downstream())
    }

    func timerFired(_ timer: LoopTimer) {
        switch state {
        case .accepted, .looking:
            listener.stats.preConnectionTimeout.increment()
            if listener.spec.continueOnListenerFiltersTimeout {
                // As Envoy: what has not shown itself as TLS is plain.
                facts.isTLS = false
                return choose()
            }
        case .handshaking: listener.stats.handshakeTimeout.increment()
        case .done: return
        }
        giveUp()
    }

    // MARK: Choosing

    private func look() {
        while true {
            let result = connection.fill()
            let count = min(connection.input.count, ClientHello.maxLength)
            switch ClientHello.look(at: connection.input.contiguous(count)) {
            case .hello(let hello):
                facts.isTLS = true
                facts.serverName = hello.serverName
                facts.applicationProtocols = hello.applicationProtocols
                choose()
                return
            case .notTLS:
                facts.isTLS = false
                choose()
                return
            case .needMore:
                break
            }
            switch result {
            case .data: continue
            case .wouldBlock: return
            case .end, .failed:
                giveUp()
                return
            }
        }
    }

    private func choose() {
        guard let chain = listener.chain(for: facts) else {
            listener.unmatched(connection, downstream())
            giveUp()
            return
        }
        guard let context = chain.tls else {
            serve(chain)
            return
        }
        state = .handshaking(chain)
        arm(chain.handshakeTimeout)
        connection.upgradeToTLS(context)
    }

    private func serve(_ chain: FilterChain) {
        finish()
        let downstream = downstream()
        downstream.filterChainName = chain.name
        listener.serve(connection, downstream, chain)
    }

    private func downstream() -> DownstreamInfo {
        let downstream = DownstreamInfo(
            connectionID: connection.id, local: facts.local, remote: facts.remote, accepted: connection.createdAt)
        if let tls = connection.tls {
            downstream.tls = tls
            downstream.requestedServerName = tls.serverName
            downstream.handshakeDone = connection.establishedAt
        } else {
            downstream.requestedServerName = facts.serverName
        }
        return downstream
    }

    /// Closes the connection without having served it.
    func giveUp() {
        finish()
        connection.close()
        listener.connectionGone(connection.createdAt)
    }

    private func finish() {
        state = .done
        timer?.disarm()
        listener.forget(self)
    }

    /// nil: no limit, and an earlier one is off.
    private func arm(_ limit: TimeAmount?) {
        guard let limit else {
            timer?.disarm()
            return
        }
        if timer == nil { timer = LoopTimer(loop: listener.loop, target: self) }
        timer?.arm(after: limit)
    }
}
