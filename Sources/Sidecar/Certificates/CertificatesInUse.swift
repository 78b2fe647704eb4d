// The TLS contexts that listeners and clusters have at this moment, and when their certificates expire.
import DataPlane
import Metrics
import Reactor

/// `server.days_until_first_cert_expiring`, and for each TLS context of a listener
/// `ssl.certificate.<name>.expiration_unix_time_seconds` (those of clusters are the cluster directory's). Main thread only.
final class CertificatesInUse {
    /// What Envoy shows while there is no certificate.
    private static let none = Int64(UInt32.max)

    /// What is needed of a listener: its spec is as large as its routes.
    private struct ListenerContexts {
        let name: String
        let statPrefix: String
        /// By position; nil: plain text.
        var chains: [TLSContextSpec?]
        var defaultChain: TLSContextSpec?

        init(_ sockets: ListenerSockets) {
            name = sockets.spec.name
            statPrefix = sockets.statPrefix
            chains = sockets.spec.filterChains.map(\.tls)
            defaultChain = sockets.spec.defaultFilterChain?.tls
        }

        var all: [TLSContextSpec] { (chains + [defaultChain]).compactMap { $0 } }
    }

    private var listeners: [ListenerContexts]
    private let clusters: ClusterDirectory
    private let cells: StatCells
    private let daysUntilFirst: Gauge
    /// By listener: unix seconds; none for a listener without certificates.
    private var expirations: [Int: Int64] = [:]

    init(listeners: [ListenerSockets], clusters: ClusterDirectory, cells: StatCells) {
        self.listeners = listeners.map(ListenerContexts.init)
        self.clusters = clusters
        self.cells = cells
        daysUntilFirst = cells.gauge("server.days_until_first_cert_expiring")
        for (index, listener) in self.listeners.enumerated() where !listener.all.isEmpty {
            TLSStats.showSecretUpdates(cells: cells, prefix: listener.statPrefix + "server_")
            publishExpirations(ofListener: index)
        }
    }

    /// All of them: those of listeners, then those of clusters, in the order of the configuration.
    var all: [TLSContextSpec] { listeners.flatMap(\.all) + clusters.tlsContexts }

    /// nil: plain text, or nobody of this configuration.
    func context(of owner: TLSContextOwner) -> TLSContextSpec? {
        switch owner {
        case .cluster(let name): return clusters.tlsContext(ofCluster: name)
        case .filterChain(let listener, let chain):
            guard listeners.indices.contains(listener) else { return nil }
            guard let chain else { return listeners[listener].defaultChain }
            let chains = listeners[listener].chains
            return chains.indices.contains(chain) ? chains[chain] : nil
        }
    }

    /// What is shown from now on; what a cluster's connections are made with, too. Throws, and changes nothing, where no
    /// context can be made of it.
    func replace(_ context: TLSContextSpec, of owner: TLSContextOwner) throws(TLSConfigurationError) {
        switch owner {
        case .cluster(let name): try clusters.replaceTLS(context, ofCluster: name)
        case .filterChain(let listener, let chain):
            guard self.context(of: owner) != nil else { return }
            if let chain {
                listeners[listener].chains[chain] = context
            } else {
                listeners[listener].defaultChain = context
            }
            publishExpirations(ofListener: listener)
        }
    }

    /// As a person calls it: `listener 'main'`, `cluster 'app'`.
    func name(of owner: TLSContextOwner) -> String {
        switch owner {
        case .cluster(let name): "cluster '\(name)'"
        case .filterChain(let listener, _): "listener '\(listeners[listener].name)'"
        }
    }

    /// Where replacements are counted; nil: nobody of this configuration.
    func updateStats(of owner: TLSContextOwner) -> TLSUpdateStats? {
        switch owner {
        case .cluster(let name): clusters.tlsUpdateStats(ofCluster: name)
        case .filterChain(let listener, _):
            TLSUpdateStats(cells: cells, prefix: listeners[listener].statPrefix + "server_")
        }
    }

    /// - Parameter now: unix seconds.
    func publish(now: Int64) {
        let first = (Array(expirations.values) + [clusters.firstCertificateExpiration].compactMap { $0 }).min()
        daysUntilFirst.set(first.map { max(0, $0 - now) / 86_400 } ?? Self.none)
    }

    private func publishExpirations(ofListener index: Int) {
        let listener = listeners[index]
        expirations[index] = TLSStats.publishExpirations(
            of: listener.all, cells: cells, prefix: listener.statPrefix + "ssl.")
    }
}
