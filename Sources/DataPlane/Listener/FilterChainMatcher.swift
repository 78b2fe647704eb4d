// Which filter chain a new connection gets.
import Reactor

/// Envoy's filter chain choice: criteria in a fixed order, at each one only the most specific of the chains that are
/// still in the race stay, and there is no way back. See "FilterChainMatch" in Envoy's listener API.
struct FilterChainMatcher {
    /// In the order of the configuration; the default chain is not among them.
    private let chains: [FilterChainMatchSpec]
    /// There is one chain, and it is for everybody.
    private let isForAll: Bool

    init(_ chains: [FilterChainMatchSpec]) {
        self.chains = chains
        isForAll = chains == [FilterChainMatchSpec()]
    }

    /// The index of the chain, or nil when none matches (the default chain's turn).
    func choose(_ facts: ConnectionFacts) -> Int? {
        if isForAll { return 0 }
        var left = Array(chains.indices)
        for specificity in Self.criteria {
            var best = -1
            var kept: [Int] = []
            for index in left {
                let value = specificity(chains[index], facts)
                if value < 0 || value < best { continue }
                if value > best {
                    best = value
                    kept.removeAll(keepingCapacity: true)
                }
                kept.append(index)
            }
            if kept.isEmpty { return nil }
            left = kept
        }
        return left.first
    }

    /// -1: does not match; 0: the chain does not care; higher: more specific.
    private typealias Criterion = @Sendable (FilterChainMatchSpec, ConnectionFacts) -> Int

    private static let criteria: [Criterion] = [
        { chain, facts in
            guard let port = chain.destinationPort else { return 0 }
            return facts.local.port == port ? 1 : -1
        },
        { chain, facts in longestPrefix(chain.prefixRanges, facts.local) },
        { chain, facts in serverName(chain.serverNames, facts.serverName) },
        { chain, facts in
            guard !chain.transportProtocol.isEmpty else { return 0 }
            return chain.transportProtocol == (facts.isTLS == true ? "tls" : "raw_buffer") ? 1 : -1
        },
        { chain, facts in
            guard !chain.applicationProtocols.isEmpty else { return 0 }
            return chain.applicationProtocols.contains(where: facts.applicationProtocols.contains) ? 1 : -1
        },
        { chain, facts in longestPrefix(chain.directSourcePrefixRanges, facts.directRemote) },
        { chain, facts in
            let near = facts.remote.isLoopback || facts.remote.ip == facts.local.ip
            switch chain.sourceType {
            case .any: return 0
            case .sameIPOrLoopback: return near ? 1 : -1
            case .external: return near ? -1 : 1
            }
        },
        { chain, facts in longestPrefix(chain.sourcePrefixRanges, facts.remote) },
        { chain, facts in
            guard !chain.sourcePorts.isEmpty else { return 0 }
            return chain.sourcePorts.contains(facts.remote.port) ? 1 : -1
        },
    ]

    private static func longestPrefix(_ ranges: [CIDRRange], _ address: SocketAddress) -> Int {
        guard !ranges.isEmpty else { return 0 }
        guard let ip = address.ip else { return -1 }
        var best = -1
        for range in ranges where range.contains(ip) { best = max(best, 1 + range.length) }
        return best
    }

    /// An exact name beats every wildcard, a longer wildcard a shorter one.
    private static func serverName(_ patterns: [String], _ name: String) -> Int {
        guard !patterns.isEmpty else { return 0 }
        var best = -1
        for pattern in patterns {
            if pattern == name, !name.isEmpty {
                best = Int.max
            } else if pattern.hasPrefix("*."), name.utf8.count > pattern.utf8.count - 1,
                name.hasSuffix(pattern.dropFirst())
            {
                best = max(best, pattern.utf8.count)
            }
        }
        return best
    }
}
