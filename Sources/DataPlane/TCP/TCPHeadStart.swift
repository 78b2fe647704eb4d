// A connection to a TCP proxy's host that is made before it is known whether the proxy gets the client: for servers that
// speak first.
import Reactor

/// Connects and waits for the server's first byte, until a session takes it over or it is given up. Loop thread only.
final class TCPHeadStart: ConnectionDelegate, TCPWaiter {
    private enum State {
        case connecting(PoolTicket)
        case connected(TCPLease)
        /// A session has taken it over while it was connecting, and is told how that ends.
        case promised(TCPSession)
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
    let subsetCriteria: SubsetCriteria?
    private let downstream: DownstreamInfo
    private var state = State.over
    /// Called once, when the first bytes of the server are there.
    private let serverSpoke: () -> Void

    /// nil: the proxy has no cluster or no host for it at the moment. The session will say so, if there is to be one.
    init?(_ proxy: TCPProxy, _ downstream: DownstreamInfo, serverSpoke: @escaping () -> Void) {
        guard let choice = proxy.chooseCluster(downstream) else { return nil }
        self.proxy = proxy
        (cluster, subsetCriteria) = (choice.cluster, choice.criteria)
        self.downstream = downstream
        self.serverSpoke = serverSpoke
        guard case .waiting(let ticket) = cluster.connectTCP(self) else { return nil }
        state = .connecting(ticket)
    }

    /// Hands everything over to a session of the same proxy.
    func take(for session: TCPSession) -> Progress {
        switch state {
        case .connecting(let ticket):
            state = .promised(session)
            return .connecting(ticket)
        case .connected(let lease):
            state = .over
            lease.handOn(to: session)
            return .connected(lease)
        case .promised, .over: return .none
        }
    }

    /// There is something to take over.
    var isAlive: Bool {
        switch state {
        case .connecting, .connected: true
        case .promised, .over: false
        }
    }

    /// Nobody wants it: closes the connection.
    func abandon() {
        switch state {
        case .connecting(let ticket): ticket.cancel()
        case .connected(let lease): lease.close()
        case .promised, .over: return
        }
        state = .over
    }

    // MARK: Connecting

    var tcpDelegate: any ConnectionDelegate {
        if case .promised(let session) = state { session } else { self }
    }
    var origin: StreamOrigin { StreamOrigin(downstream: downstream) }
    func hash(_ policy: HashPolicy?) -> UInt64? { proxy.hash(policy, downstream) }

    func tcpReady(_ lease: TCPLease) {
        switch state {
        case .connecting: state = .connected(lease)
        case .promised(let session):
            state = .over
            session.tcpReady(lease)
        case .connected, .over: lease.close()
        }
    }

    func tcpFailed(_ reason: StreamResetReason, host: Host, detail: String) {
        let reached = state
        state = .over
        if case .promised(let session) = reached { session.tcpFailed(reason, host: host, detail: detail) }
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
