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

    let facts: FilterChainFacts
    /// `FilterChainSpec.identity`
    let identity: ContentDigest?
    /// Whether its connections are to go elsewhere.
    let drain: DrainSignal
    /// What handshakes that begin now are made with; replaced when certificates change.
    var tls: TLSContext?
    /// From accept to the end of the TLS handshake; nil: no limit.
    let handshakeTimeout: TimeAmount?
    /// nil: every connection is let in.
    let gate: ConnectionGate?
    let filter: Filter

    init(
        _ spec: FilterChainSpec, listenerMetadata: Metadata? = nil, tls: TLSContext?, gate: ConnectionGate? = nil,
        filter: Filter, drain: DrainSignal
    ) {
        facts = FilterChainFacts(name: spec.name, metadata: spec.metadata, listenerMetadata: listenerMetadata)
        identity = spec.identity
        self.gate = gate
        self.drain = drain
        self.tls = tls
        handshakeTimeout = spec.transportSocketConnectTimeout
        self.filter = filter
    }

    /// Handshakes that begin from now on use this context, and count where the one before did.
    func apply(_ newer: TLSContext) {
        guard let tls, tls !== newer else { return }
        newer.succeed(tls)
        self.tls = newer
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

    /// Ends a connection that the gate turned away: the filter counts and logs it, as in Envoy. A TLS handshake may not
    /// have begun.
    func turnAway(_ connection: Connection, _ downstream: DownstreamInfo, _ refusal: ConnectionRefusal) {
        downstream.refusal = refusal
        switch filter {
        case .http(let manager, let codecs):
            manager.turnAway(connection, downstream, codecs)
        case .tcp(let proxy):
            proxy.turnAway(connection, downstream, refusal)
        }
    }

    /// The TCP proxy that gets a client's bytes as they come, TLS left alone; nil: the chain has none.
    var plainProxy: TCPProxy? {
        if case .tcp(let proxy) = filter, tls == nil { return proxy }
        return nil
    }

    var connectionCount: Int {
        let held = gate?.heldCount ?? 0
        return switch filter {
        case .http(let manager, _): manager.connectionCount + held
        case .tcp(let proxy): proxy.connectionCount + held
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

    /// The overload manager has other timeouts now than it had.
    func followTimeouts(_ overload: OverloadGate, from before: Double) {
        if case .http(let manager, _) = filter { manager.followTimeouts(overload, from: before) }
    }

    /// Idle HTTP connections close now, the others with their response. TCP sessions go on.
    func drainConnections(grace: TimeAmount) {
        if case .http(let manager, _) = filter { manager.drainConnections(grace: grace) }
    }

    func closeConnections() {
        gate?.releaseAll()
        switch filter {
        case .http(let manager, _): manager.closeConnections()
        case .tcp(let proxy): proxy.closeConnections()
        }
    }
}
