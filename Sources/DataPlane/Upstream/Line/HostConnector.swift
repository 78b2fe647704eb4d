// How the main thread connects to a cluster's hosts: for health checks, and for streams that are no client's.
import Metrics
import Reactor

/// Makes connections with the cluster's socket options, TLS and PROXY protocol header. Main thread only.
///
/// `connect_timeout` is the caller's to keep.
final class HostConnector {
    /// A connection, or why there can be none.
    enum Outcome {
        case connection(Connection)
        case impossible(String)
    }

    let cluster: ClusterShared
    let loop: EventLoop
    private let cells: StatCells
    let socketOptions: SocketOptions
    /// What connections that are opened now are made with; nil: plain text.
    private var contexts: [TransportIndex: Result<TLSContext, TLSConfigurationError>] = [:]
    /// Shared by all HTTP/2 connections to the cluster's hosts.
    private(set) lazy var http2Settings = HTTP2ClientSettings(
        cluster.spec, cells: cells, statPrefix: "cluster.\(cluster.statName).")

    init(_ cluster: ClusterShared, loop: EventLoop, cells: StatCells, socketOptions: SocketOptions? = nil) {
        self.cluster = cluster
        self.loop = loop
        self.cells = cells
        self.socketOptions = socketOptions ?? UpstreamDefaults.socketOptions(cluster.spec)
    }

    private func makeContext(_ spec: TLSContextSpec) -> Result<TLSContext, TLSConfigurationError> {
        Result { () throws(TLSConfigurationError) in
            try TLSContext.client(spec, stats: TLSStats(cells: cells, prefix: "cluster.\(cluster.statName).ssl."))
        }
    }

    /// Connections that are opened from now on by a transport are made with this: certificates have changed.
    func replaceTLS(_ spec: TLSContextSpec, for transport: TransportIndex) { contexts[transport] = makeContext(spec) }

    private func context(of transport: TransportIndex) -> Result<TLSContext, TLSConfigurationError>? {
        if let made = contexts[transport] { return made }
        guard let spec = cluster.spec.tls(of: transport) else { return nil }
        let made = makeContext(spec)
        contexts[transport] = made
        return made
    }

    /// Begins to connect to a host. `alpn`: what TLS offers; nil: what the file says. `isHTTP2`: that is what will be
    /// spoken, so TLS offers it where nobody says what to offer. `transport`: in place of the host's own.
    func connect(
        to host: Host, at address: SocketAddress, alpn: [String]? = nil, isHTTP2: Bool = false,
        by transport: TransportIndex? = nil, delegate: any ConnectionDelegate
    ) -> Outcome {
        let transport = transport ?? host.transport
        var context: TLSContext?
        switch self.context(of: transport) {
        case .success(let made)?: context = made
        case .failure(let error)?: return .impossible("no TLS: \(error)")
        case nil: break
        }
        let offered = alpn ?? (isHTTP2 && cluster.spec.tls(of: transport)?.alpn.isEmpty == true ? ["h2"] : nil)
        let connection = Connection.connect(
            to: address, loop: loop, options: socketOptions, tls: context,
            serverName: cluster.fixedServerName(for: host, by: transport), alpn: offered,
            preface: cluster.spec.proxyProtocol(of: transport).map { ProxyHeader.bytes($0, nil) } ?? [],
            delegate: delegate)
        return .connection(connection)
    }
}
