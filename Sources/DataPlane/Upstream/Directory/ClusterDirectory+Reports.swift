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
    public var tlsContexts: [TLSContextSpec] { (ordered + warming.values).flatMap { $0.allTLS.compactMap { $0 } } }

    /// What a cluster connects with by a transport, or will when it is warm; nil: plain text, or no such cluster.
    public func tlsContext(ofCluster name: String, for transport: TransportIndex = 0) -> TLSContextSpec? {
        newest(name)?.tls(of: transport)
    }

    /// Connections that a cluster makes from now on by a transport use this context, and `/certs` and the gauges show it. One
    /// that is being replaced goes on with what it has until the new one is warm. Throws, and changes nothing, where no
    /// context can be made of it.
    public func replaceTLS(
        _ tls: TLSContextSpec, ofCluster name: String, for transport: TransportIndex = 0
    ) throws(TLSConfigurationError) {
        guard let entry = newest(name), entry.tls(of: transport) != nil else { return }
        if warming[name] === entry {
            var all = entry.allTLS
            all[Int(transport)] = tls
            entry.parcels = try makeParcels(all)
        } else {
            for (port, parcel) in zip(ports, try makeParcels([tls])) {
                port.send(parcel, for: transport, of: entry.shared)
            }
        }
        entry.replaceTLS(tls, for: transport, cells: cells)
    }

    private func newest(_ name: String) -> ClusterEntry? { warming[name] ?? active[name] }

    /// Where replacements of a cluster's context are counted; nil: no such cluster.
    public func tlsUpdateStats(ofCluster name: String) -> TLSUpdateStats? { newest(name)?.tlsUpdateStats(cells) }

    /// When the first certificate of any cluster expires, unix seconds; nil: there is none.
    public var firstCertificateExpiration: Int64? { active.values.compactMap(\.stats.firstExpiration).min() }
}
