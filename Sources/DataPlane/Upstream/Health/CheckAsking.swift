// What all probes of a cluster have in common: how they connect, and what their requests hold.
import HTTPWire
import Metrics
import Reactor

/// Connects to hosts for their checks. Main thread only.
///
/// `connect_timeout` does not count here, as in Envoy: the check's own timeout does.
final class CheckAsking {
    let cluster: ClusterShared
    let loop: EventLoop
    let connector: HostConnector
    let stats: HealthCheckStats
    let isReusing: Bool
    private let spec: HealthCheckSpec
    let requestStyle: HTTP1Style
    let responseLimits: HTTP1Limits
    let responseOptions: HTTP1Options
    /// `request_headers_to_add` and the like.
    private let mutations: HeaderMutations?
    private let matches: TransportMatchStats?

    init(_ spec: HealthCheckSpec, cluster: ClusterShared, loop: EventLoop, cells: StatCells, stats: HealthCheckStats) {
        matches = TransportMatchStats(cluster, cells)
        self.spec = spec
        self.cluster = cluster
        self.loop = loop
        connector = HostConnector(cluster, loop: loop, cells: cells)
        self.stats = stats
        isReusing = spec.reusesConnection
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

    /// Connections that are opened from now on by a transport are made with this: certificates have changed.
    func replaceTLS(_ tls: TLSContextSpec, for transport: TransportIndex) {
        connector.replaceTLS(tls, for: transport)
    }

    /// Begins to connect to a host.
    func connect(to host: Host, delegate: any ConnectionDelegate) -> HostConnector.Outcome {
        countMatch()
        return connector.connect(
            to: host, at: host.checkAddress(altPort: spec.altPort), alpn: spec.alpn, by: spec.transport,
            delegate: delegate)
    }

    func http2Line(to host: Host, owner: HostLineOwner) -> HTTP2Line {
        countMatch()
        return HTTP2Line(
            connector, to: host, at: host.checkAddress(altPort: spec.altPort), alpn: spec.alpn, by: spec.transport,
            owner: owner)
    }

    private func countMatch() {
        if let transport = spec.transport { matches?.count(transport) }
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
            cluster.spec.tls(of: spec.transport ?? host.transport) == nil
                ? ByteView("http" as StaticString) : ByteView("https" as StaticString))
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
