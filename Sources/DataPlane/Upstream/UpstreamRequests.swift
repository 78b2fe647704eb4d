// What callers say to a cluster, and what it answers: the outcomes of asking for a stream or a connection.
import HTTPWire
import Reactor

/// What `Cluster.newStream` came to.
public enum NewStreamOutcome {
    /// `poolReady` was called before this returned.
    case started
    /// `poolReady` or `poolFailed` will be called; the ticket takes the request back.
    case waiting(PoolTicket)
    /// No host may be chosen ("no healthy upstream", UH).
    case noHealthyHost
    /// The host that was asked for is not connected to.
    case refused(HostRefusal)
    /// A circuit breaker refused (UO); nothing will be called.
    case overflow(Host)
}

/// What `Cluster.connectTCP` came to.
public enum ConnectTCPOutcome {
    /// `tcpReady` or `tcpFailed` will be called; the ticket takes the request back.
    case waiting(PoolTicket)
    case noHealthyHost
    /// The host that was asked for is not connected to.
    case refused(HostRefusal)
    /// A circuit breaker refused (UO); nothing will be called.
    case overflow(Host)
}

/// Someone who waits for a raw connection: the TCP proxy.
public protocol TCPWaiter: StreamOriginating {
    /// TCP and TLS are up; the connection's delegate is already `tcpDelegate`.
    func tcpReady(_ lease: TCPLease)
    /// `detail` is the transport's own text.
    func tcpFailed(_ reason: StreamResetReason, host: Host, detail: String)
    /// Who hears of the connection's bytes and its end once it is established.
    var tcpDelegate: any ConnectionDelegate { get }
}
