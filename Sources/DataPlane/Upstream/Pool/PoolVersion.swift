// Which protocol the connections of a pool speak.
import HTTPWire

/// The protocol of a pool's connections. Pools of different ones share nothing.
enum PoolVersion {
    case http1
    case http2
    /// What ALPN chooses for each connection.
    case negotiated

    /// For a request that came in a version.
    init(_ cluster: UpstreamProtocol, request: HTTPVersion) {
        switch cluster {
        case .http1: self = .http1
        case .http2: self = .http2
        case .negotiated: self = .negotiated
        case .sameAsDownstream: self = request == .http2 ? .http2 : .http1
        }
    }
}

extension Cluster {
    /// What is offered to a host by ALPN; nil: what the TLS context says.
    func alpn(for version: PoolVersion, to host: Host) -> [String]? {
        guard let tls = spec.tls(of: host.transport) else { return nil }
        switch version {
        case .negotiated: return ["h2", "http/1.1"]
        case .http2 where tls.alpn.isEmpty: return ["h2"]
        case .http1, .http2: return nil
        }
    }
}
