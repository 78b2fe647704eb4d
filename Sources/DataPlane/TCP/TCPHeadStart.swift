// A connection to a TCP proxy's host that is made before it is known whether the proxy gets the client: for servers that
// speak first.
import Reactor

/// Connects and waits for the server's first byte, until a session takes it over or it is given up. Loop thread only.
final class TCPHeadStart: ConnectionDelegate, TCPWaiter {
    private enum State {
        case connecting(PoolTicket)
        case connected(TCPLease)
        /// A session has taken it over; it is told how the connecting goes on, if it does.
        case taken
        case over
    }

    /// What a session takes over.
    enum Progress {
        case connecting(PoolTicket)
        case connected(TCPLease)
        /// There is nothing to take over: the server was not there, or went without a word.
        case none
    }

    let proxy: TCPProxy
    let cluster: Cluster
    private let downstream: DownstreamInfo
    private var state = State.over
    private weak var session: TCPSession?
    /// Called once, when the first bytes of the server are there.
    private let serverSpoke: () -> Void

    /// nil: the proxy has no cluster or no host for it at the moment. The session will say so, if there is to be one.
    init?(_ proxy: TCPProxy, _ downstream: DownstreamInfo, serverSpoke: @escaping () -> Void) {
        guard let cluster = proxy.chooseCluster() else { return nil }
        self.proxy = proxy
        self.cluster = cluster
        self.downstream = downstream
        self.serverSpoke = serverSpoke
        guard case .waiting(let ticket) = cluster.connectTCP(self) else { return nil }
        state = .connecting(ticket)
    }

    /// Hands everything over to a session of the same proxy.
    func take(for session: TCPSession) -> Progress {
        let reached = state
        state = .taken
        switch reached {
        case .connecting(let ticket):
            self.session = session
            return .connecting(ticket)
        case .connected(let lease):
            lease.handOn(to: session)
            return .connected(lease)
        case .taken, .over: return .none
        }
    }

    /// There is something to take over.
    var isAlive: Bool {
        switch state {
        case .connecting, .connected: true
        case .taken, .over: false
        }
    }

    /// Nobody wants it: closes the connection.
    func abandon() {
        switch state {
        case .connecting(let ticket): ticket.cancel()
        case .connected(let lease): lease.close()
        case .taken, .over: return
        }
        state = .over
    }

    // MARK: Connecting

    var tcpDelegate: any ConnectionDelegate { session ?? self }
    var origin: StreamOrigin { StreamOrigin(downstream: downstream) }

    func tcpReady(_ lease: TCPLease) {
        if let session { return session.tcpReady(lease) }
        guard case .connecting = state else { return lease.close() }
        state = .connected(lease)
    }

    func tcpFailed(_ reason: StreamResetReason, host: Host, detail: String) {
        if let session { return session.tcpFailed(reason, host: host, detail: detail) }
        state = .over
    }

    // MARK: The server

    func connectionEstablished(_ connection: Connection) {}

    func connectionReadable(_ connection: Connection) {
        guard case .connected = state else { return }
        switch connection.fill() {
        case .data: serverSpoke()
        case .end: abandon()
        case .wouldBlock, .failed: break
        }
    }

    func connectionDrained(_ connection: Connection) {}

    func connectionClosed(_ connection: Connection, _ reason: ConnectionCloseReason) { state = .over }
}
