// Which requests a route mirrors, where to, and what becomes of their heads on the way.
import HTTPWire
import Reactor

/// A `RequestMirrorPolicy`, compiled for one worker. Loop thread only.
/// Envoy page: HTTP routing, "Request mirroring".
final class MirrorPolicy {
    private enum Target {
        case cluster(ClusterReference)
        case header(HeaderKey)
    }

    private enum Host {
        case marked
        case unchanged
        case literal(FixedBytes)
    }

    /// nil: as the request is.
    let isSampled: Bool?
    private let target: Target
    private let host: Host
    private let fraction: Fraction?
    private let changes: HeaderChanges

    /// - Throws: for a header value or name that does not compile; a checked configuration has none.
    init(
        _ spec: MirrorPolicySpec, runtime: RuntimeSpec, clusterIndex: (String) -> Int?
    ) throws(FormatError) {
        switch spec.target {
        case .cluster(let name): target = .cluster(ClusterReference(name, clusterIndex))
        case .clusterHeader(let name):
            guard let key = HeaderKey(name) else {
                throw FormatError(position: 0, message: "'\(name)' is not a header name")
            }
            target = .header(key)
        }
        switch spec.host {
        case .marked: host = .marked
        case .unchanged: host = .unchanged
        case .literal(let name): host = .literal(FixedBytes(name))
        }
        fraction = spec.fraction?.resolved(runtime)
        changes = try HeaderChanges(spec.headerChanges)
        isSampled = spec.isSampled
    }

    /// The cluster that a request is copied to, as it stands at this moment; nil: the request is not mirrored, or there is
    /// no such cluster. As in Envoy a missing one is no failure of anybody's.
    func cluster(for request: HeaderMap, _ clusters: any RequestClusters, random: UInt64) -> (any RequestCluster)? {
        if let fraction, !fraction.includes(random) { return nil }
        switch target {
        case .cluster(let reference):
            return reference.index.flatMap { clusters.requestCluster(at: $0) }
        case .header(let key):
            return request.value(key).flatMap { clusters.requestCluster(named: $0) }
        }
    }

    /// Changes the copied head as the policy asks. `context` draws from the copy.
    func change(_ head: HeaderMap, _ context: borrowing FormatContext, _ scratch: inout ByteArena) {
        if !changes.isEmpty { changes.apply(to: head, context) }
        switch host {
        case .unchanged: break
        case .literal(let name): head.setAuthority(name.view)
        case .marked: MirrorPolicy.mark(head, &scratch)
        }
    }

    /// "shop:80" becomes "shop-shadow:80".
    private static func mark(_ head: HeaderMap, _ scratch: inout ByteArena) {
        let authority = head.authority
        guard !authority.isEmpty else { return }
        let name = AuthorityRules.withoutPort(authority)
        scratch.removeAll()
        scratch.append(name)
        scratch.append(literal: "-shadow")
        scratch.append(authority.dropFirst(name.count))
        head.setAuthority(scratch.view)
    }
}
