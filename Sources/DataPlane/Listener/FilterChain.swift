// A filter chain on one worker: its TLS context and the terminal filter that serves its connections.
import Metrics
import Reactor

/// One compiled chain. Loop thread only.
final class FilterChain {
    /// What serves the connections.
    enum Filter {
        case http(HTTPConnectionManager, ServerCodecs)
        case tcp(TCPProxy)
    }

    let name: String
    /// What handshakes that begin now are made with; replaced when certificates change.
    var tls: TLSContext?
    /// From accept to the end of the TLS handshake; nil: no limit.
    let handshakeTimeout: TimeAmount?
    let filter: Filter

    init(name: String, tls: TLSContext?, handshakeTimeout: TimeAmount?, filter: Filter) {
        self.name = name
        self.tls = tls
        self.handshakeTimeout = handshakeTimeout
        self.filter = filter
    }

    /// Hands over a connection that is up, TLS included. The filter becomes its delegate. `headStart` is given up where
    /// it is not this filter's.
    func serve(_ connection: Connection, _ downstream: DownstreamInfo, _ headStart: TCPHeadStart? = nil) {
        switch filter {
        case .http(let manager, let codecs):
            headStart?.abandon()
            manager.serve(connection, downstream) { codecs.make($0, $1) }
        case .tcp(let proxy):
            proxy.serve(connection, downstream, headStart)
        }
    }

    /// The TCP proxy that gets a client's bytes as they come, TLS left alone; nil: the chain has none.
    var plainProxy: TCPProxy? {
        if case .tcp(let proxy) = filter, tls == nil { return proxy }
        return nil
    }

    var connectionCount: Int {
        switch filter {
        case .http(let manager, _): manager.connectionCount
        case .tcp(let proxy): proxy.connectionCount
        }
    }

    /// Requests and TCP sessions under way.
    var activeCount: Int {
        switch filter {
        case .http(let manager, _): manager.activeStreamCount
        case .tcp(let proxy): proxy.connectionCount
        }
    }

    /// Requests that were ever begun; TCP sessions are counted as connections.
    var begunCount: UInt64 {
        switch filter {
        case .http(let manager, _): manager.requestsBegun
        case .tcp: 0
        }
    }

    /// Idle HTTP connections close now, the others with their response. TCP sessions go on.
    func drainConnections(grace: TimeAmount) {
        if case .http(let manager, _) = filter { manager.drainConnections(grace: grace) }
    }

    func closeConnections() {
        switch filter {
        case .http(let manager, _): manager.closeConnections()
        case .tcp(let proxy): proxy.closeConnections()
        }
    }
}
