// Choosing a virtual host by the request's host.
import HTTPWire
import Reactor

/// Envoy's precedence: the exact name, the longest `*suffix`, the longest `prefix*`, then `*`. Case does not matter.
/// Envoy page: `VirtualHost.domains`.
final class VirtualHostIndex {
    private let exact: ByteIndex
    /// One table per length, the longest first.
    private let suffixes: [(length: Int, table: ByteIndex)]
    private let prefixes: [(length: Int, table: ByteIndex)]
    private let fallback: Int?
    /// Without any other domain, requests without a host match too.
    private let onlyFallback: Bool

    init(_ domains: [[String]]) {
        var exact: [(key: String, value: Int)] = []
        var suffixes: [Int: [(key: String, value: Int)]] = [:]
        var prefixes: [Int: [(key: String, value: Int)]] = [:]
        var fallback: Int?
        for (index, domains) in domains.enumerated() {
            for domain in domains {
                if domain == "*" {
                    if fallback == nil { fallback = index }
                } else if domain.hasPrefix("*") {
                    suffixes[domain.utf8.count - 1, default: []].append((String(domain.dropFirst()), index))
                } else if domain.hasSuffix("*") {
                    prefixes[domain.utf8.count - 1, default: []].append((String(domain.dropLast()), index))
                } else {
                    exact.append((domain, index))
                }
            }
        }
        func tables(_ groups: [Int: [(key: String, value: Int)]]) -> [(length: Int, table: ByteIndex)] {
            groups.sorted { $0.key > $1.key }.map { ($0.key, ByteIndex($0.value, ignoreCase: true)) }
        }
        self.exact = ByteIndex(exact, ignoreCase: true)
        self.suffixes = tables(suffixes)
        self.prefixes = tables(prefixes)
        self.fallback = fallback
        onlyFallback = exact.isEmpty && suffixes.isEmpty && prefixes.isEmpty
    }

    /// The position of the virtual host; nil when none serves this host.
    func find(_ host: ByteView, hasHost: Bool) -> Int? {
        if onlyFallback { return fallback }
        guard hasHost else { return nil }
        let found = exact.find(host)
        if found >= 0 { return found }
        // A wildcard stands for one character at least.
        for (length, table) in suffixes where length < host.count {
            let found = table.find(host.suffix(length))
            if found >= 0 { return found }
        }
        for (length, table) in prefixes where length < host.count {
            let found = table.find(host.prefix(length))
            if found >= 0 { return found }
        }
        return fallback
    }
}
