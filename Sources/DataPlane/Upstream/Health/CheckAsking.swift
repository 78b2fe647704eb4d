// What all probes of a cluster have in common: how they connect, and what their requests hold.
import HTTPWire
import Metrics
import Reactor

/// Connects to hosts for their checks. Main thread only.
///
/// `connect_timeout` does not count here, as in Envoy: the check's own timeout does.
final class CheckAsking {
    /// A connection, or why there can be none.
    enum Outcome {
        case connection(Connection)
        case impossible(String)
    }

    let cluster: ClusterShared
    let loop: EventLoop
    let stats: HealthCheckStats
    let isReusing: Bool
    private let spec: HealthCheckSpec
    private let cells: StatCells
    private let socketOptions: SocketOptions
    /// What connections that are opened now are made with; nil: plain text.
    private lazy var tls = cluster.spec.tls.map(makeContext)
    /// Shared by all HTTP/2 connections to the cluster's hosts.
    private(set) lazy var http2Settings = HTTP2ClientSettings(
        cluster.spec, cells: cells, statPrefix: "cluster.\(cluster.statName).")
    let requestStyle: HTTP1Style
    let responseLimits: HTTP1Limits
    let responseOptions: HTTP1Options
    /// `request_headers_to_add` and the like.
    private let mutations: HeaderMutations?

    init(_ spec: HealthCheckSpec, cluster: ClusterShared, loop: EventLoop, cells: StatCells, stats: HealthCheckStats) {
        self.spec = spec
        self.cluster = cluster
        self.loop = loop
        self.cells = cells
        self.stats = stats
        isReusing = spec.reusesConnection
        socketOptions = UpstreamDefaults.socketOptions(cluster.spec)
        requestStyle = UpstreamDefaults.requestStyle(cluster.spec.http)
        responseLimits = UpstreamDefaults.responseLimits(cluster.spec.http)
        responseOptions = UpstreamDefaults.responseOptions(cluster.spec.http)
        // The configuration check has compiled them once already.
        mutations =
            switch spec.kind {
            case .http(let http): try? HeaderMutations(add: http.headersToAdd, remove: http.headersToRemove)
            case .grpc(let grpc): try? HeaderMutations(add: grpc.metadata, remove: [])
            case .tcp: nil
            }
    }

    private func makeContext(_ spec: TLSContextSpec) -> Result<TLSContext, TLSConfigurationError> {
        Result { () throws(TLSConfigurationError) in
            try TLSContext.client(spec, stats: TLSStats(cells: cells, prefix: "cluster.\(cluster.statName).ssl."))
        }
    }

    /// Connections that are opened from now on are made with this: certificates have changed.
    func replaceTLS(_ spec: TLSContextSpec) { tls = makeContext(spec) }

    // MARK: - Connecting

    /// Begins to connect to a host. `isHTTP2`: that is what will be spoken, so TLS offers it where the file does not say
    /// what to offer.
    func connect(to host: Host, isHTTP2: Bool = false, delegate: any ConnectionDelegate) -> Outcome {
        var context: TLSContext?
        switch tls {
        case .success(let made)?: context = made
        case .failure(let error)?: return .impossible("no TLS: \(error)")
        case nil: break
        }
        let offered = spec.alpn ?? (isHTTP2 && cluster.spec.tls?.alpn.isEmpty == true ? ["h2"] : nil)
        let connection = Connection.connect(
            to: host.checkAddress(altPort: spec.altPort), loop: loop, options: socketOptions, tls: context,
            serverName: cluster.fixedServerName(for: host), alpn: offered,
            preface: cluster.spec.proxyProtocol.map { ProxyHeader.bytes($0, nil) } ?? [], delegate: delegate)
        return .connection(connection)
    }

    // MARK: - Requests

    /// Whom a request is for: the endpoint's own name for checks, the check's, or the cluster's.
    func authority(of host: Host, _ configured: String) -> String {
        if let own = host.checkSettings?.hostname, !own.isEmpty { return own }
        return configured.isEmpty ? cluster.name : configured
    }

    /// A request head with what every check has.
    func head(_ method: String, _ path: String, for host: Host, authority: String) -> HeaderMap {
        let head = HeaderMap()
        _ = FixedBytes(method).withView { head.setMethod($0) }
        FixedBytes(path).withView { head.setPath($0) }
        FixedBytes(self.authority(of: host, authority)).withView { head.setAuthority($0) }
        _ = head.setScheme(
            cluster.spec.tls == nil ? ByteView("http" as StaticString) : ByteView("https" as StaticString))
        return head
    }

    /// The changes that the file asks for. Formats see the host, and loopback in place of a client, as in Envoy.
    func change(_ head: HeaderMap, for host: Host, _ version: HTTPVersion) {
        guard let mutations, !mutations.isEmpty else { return }
        let info = StreamInfo()
        let loopback = SocketAddress.v4(.loopback, port: 0)
        info.httpVersion = version
        info.marks.start = loop.now
        info.startWall = loop.wallNow
        info.downstream = DownstreamInfo(connectionID: 0, local: loopback, remote: loopback, accepted: loop.now)
        info.upstream.host = host
        mutations.apply(to: head, FormatContext(info, request: head, now: loop.now, wallNow: loop.wallNow))
    }
}
