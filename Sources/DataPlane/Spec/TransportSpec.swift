// How a cluster's connections begin: its `transport_socket`, or another for endpoints whose metadata ask for it.
import Reactor

/// One of a cluster's ways to begin a connection. Plain text unless `tls` is set.
public struct UpstreamTransportSpec: Sendable {
    public var tls: TLSContextSpec?
    /// `envoy.transport_sockets.upstream_proxy_protocol` around the transport socket.
    public var proxyProtocol: UpstreamProxyProtocolSpec?

    public init() {}
}

/// One of `transport_socket_matches`.
public struct TransportMatchSpec: Sendable {
    /// Stands in stats.
    public var name: String
    /// What an endpoint's metadata have to hold under `TransportMatchSpec.namespace`; nil: nothing, it fits every endpoint.
    public var labels: Metadata?
    public var transport = UpstreamTransportSpec()

    public static let namespace = "envoy.transport_socket_match"

    public init(name: String, labels: Metadata?) {
        self.name = name
        self.labels = labels
    }

    func fits(_ metadata: Metadata?) -> Bool {
        guard let labels else { return true }
        return metadata?.holds(labels, in: TransportMatchSpec.namespace) ?? false
    }
}

/// Which of its transports a host of a cluster has: 0 is the cluster's own `transport_socket`, the others are its
/// `transport_socket_matches` in their order, from 1.
public typealias TransportIndex = UInt8

extension ClusterSpec {
    /// Matches that a cluster can have.
    public static let maxTransportMatches = Int(TransportIndex.max)

    /// The first match that fits the endpoint, or else the first that fits its locality; 0: none does. Envoy page:
    /// `Cluster.transport_socket_matches`.
    public func transport(of endpoint: Metadata?, locality: Metadata?) -> TransportIndex {
        guard let transportMatches else { return 0 }
        let found =
            transportMatches.firstIndex { $0.fits(endpoint) } ?? transportMatches.firstIndex { $0.fits(locality) }
        return found.map { TransportIndex(truncatingIfNeeded: $0 + 1) } ?? 0
    }

    /// How many transports it has.
    var transportCount: Int { 1 + (transportMatches?.count ?? 0) }

    func tls(of transport: TransportIndex) -> TLSContextSpec? {
        transport == 0 ? tls : matched(transport)?.tls
    }

    func proxyProtocol(of transport: TransportIndex) -> UpstreamProxyProtocolSpec? {
        transport == 0 ? proxyProtocol : matched(transport)?.proxyProtocol
    }

    private func matched(_ transport: TransportIndex) -> UpstreamTransportSpec? {
        guard let matches = transportMatches, transport > 0, Int(transport) <= matches.count else { return nil }
        return matches[Int(transport) - 1].transport
    }

    /// By transport; nil: plain text.
    var allTLS: [TLSContextSpec?] { [tls] + (transportMatches ?? []).map(\.transport.tls) }

    /// Some of its hosts have another header before their bytes than others, or one at all.
    var usesProxyProtocol: Bool {
        proxyProtocol != nil || transportMatches?.contains { $0.transport.proxyProtocol != nil } == true
    }

    /// Names of requests are for handshakes, and not all hosts have those.
    var namesSomeServers: Bool {
        guard http.autoSNI, transportMatches != nil else { return false }
        return allTLS.contains { $0 == nil }
    }
}
