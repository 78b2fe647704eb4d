// What a policy of role-based access control asks of a request or connection.
import HTTPWire
import Matching
import Reactor

/// What is judged.
struct RBACQuestion {
    /// Without a field where a connection is judged.
    let request: HeaderMap
    let downstream: DownstreamInfo
    /// The client, as trusted headers tell it.
    let client: SocketAddress
}

/// A compiled permission or principal. Loop thread only.
/// Envoy page: RBAC, `envoy.config.rbac.v3.Permission` and `Principal`.
indirect enum RBACCondition {
    case always
    case all([RBACCondition])
    case either([RBACCondition])
    case not(RBACCondition)
    case header(HeaderMatcher)
    case urlPath(StringMatcher)
    case destinationIP(CIDRRange)
    case destinationPorts(start: Int, end: Int)
    case serverName(StringMatcher)
    case authenticated(StringMatcher?)
    case client(RBACConditionSpec.ClientAddress, CIDRRange)

    init(_ spec: RBACConditionSpec) {
        switch spec {
        case .always: self = .always
        case .all(let parts): self = .all(parts.map(RBACCondition.init))
        case .either(let parts): self = .either(parts.map(RBACCondition.init))
        case .not(let part): self = .not(RBACCondition(part))
        case .header(let header): self = .header(HeaderMatcher(header))
        case .urlPath(let matcher): self = .urlPath(matcher)
        case .destinationIP(let range): self = .destinationIP(range)
        case .destinationPorts(let start, let end): self = .destinationPorts(start: start, end: end)
        case .serverName(let matcher): self = .serverName(matcher)
        case .authenticated(let matcher): self = .authenticated(matcher)
        case .client(let address, let range): self = .client(address, range)
        }
    }

    func holds(_ question: borrowing RBACQuestion) -> Bool {
        switch self {
        case .always: return true
        case .all(let parts):
            for part in parts where !part.holds(question) { return false }
            return true
        case .either(let parts):
            for part in parts where part.holds(question) { return true }
            return false
        case .not(let part): return !part.holds(question)
        case .header(let matcher): return matcher.matches(question.request)
        case .urlPath(let matcher):
            guard question.request.value(.path) != nil else { return false }
            let path = question.request.path
            return matcher.matches(path.prefix(path.pathLength).unsafeBytes)
        case .destinationIP(let range): return range.contains(question.downstream.localAddress)
        case .destinationPorts(let start, let end):
            let address = question.downstream.localAddress
            return !address.isUnix && (start..<end).contains(Int(address.port))
        case .serverName(let matcher): return matcher.matches(question.downstream.requestedServerName)
        case .authenticated(let matcher):
            guard let tls = question.downstream.tls else { return false }
            return matcher.map { RBACCondition.names(tls.peer, match: $0) } ?? true
        case .client(.direct, let range): return range.contains(question.downstream.directRemoteAddress)
        case .client(.connection, let range): return range.contains(question.downstream.remoteAddress)
        case .client(.trusted, let range): return range.contains(question.client)
        }
    }

    /// As in Envoy: a client without a certificate has the empty name.
    private static func names(_ peer: TLSCertificate?, match matcher: StringMatcher) -> Bool {
        guard let peer else { return matcher.matches("") }
        for name in peer.names where name.type == .uri || name.type == .dns {
            if matcher.matches(name.text) { return true }
        }
        return matcher.matches(peer.subject)
    }
}

extension CIDRRange {
    fileprivate func contains(_ address: SocketAddress) -> Bool {
        address.ip.map { contains($0) } ?? false
    }
}
