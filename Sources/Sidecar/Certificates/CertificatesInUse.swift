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
        let id: ListenerID
        let name: String
        let statPrefix: String
        /// In the order of the chains. A chain that nothing can be told of its file has none.
        var chains: [(chain: ContentDigest?, context: TLSContextSpec)]
        /// The stats go with the listener.
        let cells: StatCells

        init(_ sockets: ListenerSockets, id: ListenerID, _ cells: StatCells) {
            self.id = id
            self.cells = cells.held(by: cells.store.makeHold())
            name = sockets.spec.name
            statPrefix = sockets.statPrefix
            chains = sockets.spec.allChains.compactMap { chain in chain.tls.map { (chain.identity, $0) } }
        }

        var owners: Set<TLSContextOwner> {
            Set(chains.compactMap { $0.chain.map { .filterChain(listener: name, chain: $0) } })
        }
    }

    /// Those that serve and those that are warming; while a listener is updated, both of its name.
    private var listeners: [ListenerContexts] = []
    private let clusters: ClusterDirectory
    private let cells: StatCells
    private let daysUntilFirst: Gauge
    /// By the stats' prefix of listeners: unix seconds; none for a listener without certificates.
    private var expirations: [String: Int64] = [:]

    init(clusters: ClusterDirectory, cells: StatCells) {
        self.clusters = clusters
        self.cells = cells
        daysUntilFirst = cells.gauge("server.days_until_first_cert_expiring")
    }

    /// A listener has come.
    ///
    /// - Parameter isInPlace: chains of an earlier one of its name go on with the contexts that they have.
    func add(_ sockets: ListenerSockets, id: ListenerID, isInPlace: Bool = false) {
        var listener = ListenerContexts(sockets, id: id, cells)
        for index in listener.chains.indices where isInPlace {
            guard let chain = listener.chains[index].chain,
                let current = context(of: .filterChain(listener: listener.name, chain: chain))
            else { continue }
            listener.chains[index].context = current
        }
        listeners.append(listener)
        guard !listener.chains.isEmpty else { return }
        TLSStats.showSecretUpdates(cells: listener.cells, prefix: listener.statPrefix + "server_")
        publishExpirations(listener.statPrefix)
    }

    /// A listener has gone. Returns the owners of contexts that went with it.
    func remove(_ id: ListenerID) -> [TLSContextOwner] {
        guard let position = listeners.firstIndex(where: { $0.id == id }) else { return [] }
        let gone = listeners.remove(at: position)
        guard !gone.chains.isEmpty else { return [] }
        publishExpirations(gone.statPrefix)
        let left = listeners.reduce(into: Set<TLSContextOwner>()) { sum, listener in
            if listener.name == gone.name { sum.formUnion(listener.owners) }
        }
        return Array(gone.owners.subtracting(left))
    }

    /// All of them: those of listeners, then those of clusters, in the order of the configuration.
    var all: [TLSContextSpec] { listeners.flatMap { $0.chains.map(\.context) } + clusters.tlsContexts }

    /// nil: plain text, or nobody of this configuration.
    func context(of owner: TLSContextOwner) -> TLSContextSpec? {
        switch owner {
        case .cluster(let name, let transport): return clusters.tlsContext(ofCluster: name, for: transport)
        case .filterChain(let name, let chain):
            for listener in listeners.reversed() where listener.name == name {
                if let found = listener.chains.first(where: { $0.chain == chain }) { return found.context }
            }
            return nil
        }
    }

    /// What is shown from now on; what a cluster's connections are made with, too. Throws, and changes nothing, where no
    /// context can be made of it.
    func replace(_ context: TLSContextSpec, of owner: TLSContextOwner) throws(TLSConfigurationError) {
        switch owner {
        case .cluster(let name, let transport): try clusters.replaceTLS(context, ofCluster: name, for: transport)
        case .filterChain(let name, let chain):
            for index in listeners.indices where listeners[index].name == name {
                for place in listeners[index].chains.indices where listeners[index].chains[place].chain == chain {
                    listeners[index].chains[place].context = context
                }
                publishExpirations(listeners[index].statPrefix)
            }
        }
    }

    /// As a person calls it: `listener 'main'`, `cluster 'app'`.
    func name(of owner: TLSContextOwner) -> String {
        switch owner {
        case .cluster(let name, 0): "cluster '\(name)'"
        case .cluster(let name, let transport): "cluster '\(name)', transport_socket_matches[\(transport - 1)]"
        case .filterChain(let listener, _): "listener '\(listener)'"
        }
    }

    /// Where replacements are counted; nil: nobody of this configuration.
    func updateStats(of owner: TLSContextOwner) -> TLSUpdateStats? {
        switch owner {
        case .cluster(let name, _): clusters.tlsUpdateStats(ofCluster: name)
        case .filterChain(let listener, _):
            listeners.first { $0.name == listener }.map {
                TLSUpdateStats(cells: $0.cells, prefix: $0.statPrefix + "server_")
            }
        }
    }

    /// - Parameter now: unix seconds.
    func publish(now: Int64) {
        let first = (Array(expirations.values) + [clusters.firstCertificateExpiration].compactMap { $0 }).min()
        daysUntilFirst.set(first.map { max(0, $0 - now) / 86_400 } ?? Self.none)
    }

    private func publishExpirations(_ prefix: String) {
        let same = listeners.filter { $0.statPrefix == prefix }
        let all = same.flatMap { $0.chains.map(\.context) }
        expirations[prefix] =
            same.compactMap {
                TLSStats.publishExpirations(
                    of: $0.chains.map(\.context), beside: all, cells: $0.cells, prefix: prefix + "ssl.")
            }.min()
    }
}
