// What admin shows of the clusters, and their certificates.
import Reactor

extension ClusterDirectory {
    // MARK: - What admin shows

    /// In the order in which they came.
    var ordered: [ClusterEntry] { active.values.sorted { $0.order < $1.order } }

    /// What `/clusters` shows, in the order in which they came.
    public var reports: [ClusterReport] {
        ordered.map { entry in
            entry.followOriginalDestinations()
            return ClusterReport(entry)
        }
    }

    /// Brings the `circuit_breakers.*` gauges, the membership of ORIGINAL_DST clusters and the stats of endpoints up to
    /// date. To be called before stats are shown or flushed: what is behind them are atomics and locks, which no request
    /// turns into gauges.
    public func publishGauges() {
        for entry in active.values {
            entry.followOriginalDestinations()
            entry.stats.publish()
        }
    }

    /// The hosts of a cluster now, or nil.
    public func hosts(of cluster: String) -> HostSet? { active[cluster]?.hosts }

    // MARK: - Certificates

    /// The TLS contexts of all clusters that have one, as they are now, in the order in which these came.
    public var tlsContexts: [TLSContextSpec] { (ordered + warming.values).compactMap(\.tls) }

    /// What a cluster connects with, or will when it is warm; nil: plain text, or no such cluster.
    public func tlsContext(ofCluster name: String) -> TLSContextSpec? { newest(name)?.tls }

    /// Connections that a cluster makes from now on use this context, and `/certs` and the gauges show it. One that is being
    /// replaced goes on with what it has until the new one is warm. Throws, and changes nothing, where no context can be
    /// made of it.
    public func replaceTLS(_ tls: TLSContextSpec, ofCluster name: String) throws(TLSConfigurationError) {
        guard let entry = newest(name), entry.tls != nil else { return }
        let parcels = try makeParcels(tls)
        entry.replaceTLS(tls, cells: cells)
        if warming[name] === entry {
            entry.parcels = parcels
        } else {
            for (port, parcel) in zip(ports, parcels) { port.send(parcel, of: entry.shared) }
        }
    }

    private func newest(_ name: String) -> ClusterEntry? { warming[name] ?? active[name] }

    /// Where replacements of a cluster's context are counted; nil: no such cluster.
    public func tlsUpdateStats(ofCluster name: String) -> TLSUpdateStats? { newest(name)?.tlsUpdateStats(cells) }

    /// When the first certificate of any cluster expires, unix seconds; nil: there is none.
    public var firstCertificateExpiration: Int64? { active.values.compactMap(\.stats.firstExpiration).min() }
}
