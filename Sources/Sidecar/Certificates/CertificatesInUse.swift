// The TLS contexts that listeners and clusters have at this moment, and when their certificates expire.
import DataPlane
import Metrics
import Reactor

/// `server.days_until_first_cert_expiring`, and for each TLS context of a listener
/// `ssl.certificate.<name>.expiration_unix_time_seconds` (those of clusters are the cluster directory's). Main thread only.
final class CertificatesInUse {
    /// What Envoy shows while there is no certificate.
    private static let none = Int64(UInt32.max)

    private let sockets: [ListenerSockets]
    private let clusters: ClusterDirectory
    private let cells: StatCells
    private let daysUntilFirst: Gauge
    /// Of filter chains, in place of what their specs say.
    private var replaced: [TLSContextOwner: TLSContextSpec] = [:]
    /// By listener: unix seconds; none for a listener without certificates.
    private var expirations: [Int: Int64] = [:]

    init(listeners: [ListenerSockets], clusters: ClusterDirectory, cells: StatCells) {
        sockets = listeners
        self.clusters = clusters
        self.cells = cells
        daysUntilFirst = cells.gauge("server.days_until_first_cert_expiring")
        for (index, listener) in listeners.enumerated() where !contexts(ofListener: index).isEmpty {
            TLSStats.showSecretUpdates(cells: cells, prefix: listener.statPrefix + "server_")
            publishExpirations(ofListener: index)
        }
    }

    /// All of them: those of listeners, then those of clusters, in the order of the configuration.
    var all: [TLSContextSpec] { sockets.indices.flatMap(contexts) + clusters.tlsContexts }

    /// nil: plain text, or nobody of this configuration.
    func context(of owner: TLSContextOwner) -> TLSContextSpec? {
        switch owner {
        case .cluster(let index): return clusters.tlsContext(ofCluster: index)
        case .filterChain(let listener, let chain):
            if let newer = replaced[owner] { return newer }
            guard sockets.indices.contains(listener) else { return nil }
            let spec = sockets[listener].spec
            guard let chain else { return spec.defaultFilterChain?.tls }
            return spec.filterChains.indices.contains(chain) ? spec.filterChains[chain].tls : nil
        }
    }

    /// What is shown from now on.
    func replace(_ context: TLSContextSpec, of owner: TLSContextOwner) {
        switch owner {
        case .cluster(let index): clusters.replaceTLS(context, ofCluster: index, cells: cells)
        case .filterChain(let listener, _):
            replaced[owner] = context
            publishExpirations(ofListener: listener)
        }
    }

    /// As a person calls it: `listener 'main'`, `cluster 'app'`.
    func name(of owner: TLSContextOwner) -> String {
        switch owner {
        case .cluster(let index): "cluster '\(clusters.names(ofCluster: index)?.name ?? "")'"
        case .filterChain(let listener, _): "listener '\(sockets[listener].spec.name)'"
        }
    }

    /// Where replacements are counted.
    func updateStats(of owner: TLSContextOwner) -> TLSUpdateStats {
        switch owner {
        case .cluster(let index):
            TLSUpdateStats(cells: cells, prefix: "cluster.\(clusters.names(ofCluster: index)?.statName ?? "").client_")
        case .filterChain(let listener, _):
            TLSUpdateStats(cells: cells, prefix: sockets[listener].statPrefix + "server_")
        }
    }

    /// - Parameter now: unix seconds.
    func publish(now: Int64) {
        let first = (Array(expirations.values) + [clusters.firstCertificateExpiration].compactMap { $0 }).min()
        daysUntilFirst.set(first.map { max(0, $0 - now) / 86_400 } ?? Self.none)
    }

    private func contexts(ofListener index: Int) -> [TLSContextSpec] {
        let spec = sockets[index].spec
        let owners =
            spec.filterChains.indices.map { TLSContextOwner.filterChain(listener: index, chain: $0) }
            + (spec.defaultFilterChain == nil ? [] : [.filterChain(listener: index, chain: nil)])
        return owners.compactMap(context)
    }

    private func publishExpirations(ofListener index: Int) {
        expirations[index] = TLSStats.publishExpirations(
            of: contexts(ofListener: index), cells: cells, prefix: sockets[index].statPrefix + "ssl.")
    }
}
