// When the certificates of the configuration expire, as gauges.
import DataPlane
import Metrics
import Reactor

/// `server.days_until_first_cert_expiring`, and for each TLS context of a listener
/// `ssl.certificate.<name>.expiration_unix_time_seconds` (those of clusters are the cluster directory's). Main thread only.
struct CertificateExpirations {
    /// What Envoy shows while there is no certificate.
    private static let none = Int64(UInt32.max)

    private let daysUntilFirst: Gauge
    /// Unix seconds; nil: there is no certificate.
    private let first: Int64?

    init(listeners: [ListenerSockets], clusters: ClusterDirectory, cells: StatCells) {
        daysUntilFirst = cells.gauge("server.days_until_first_cert_expiring")
        var all = [clusters.firstCertificateExpiration]
        for listener in listeners {
            let chains = listener.spec.filterChains + (listener.spec.defaultFilterChain.map { [$0] } ?? [])
            let contexts = chains.compactMap(\.tls)
            guard !contexts.isEmpty else { continue }
            TLSStats.showSecretUpdates(cells: cells, prefix: listener.statPrefix + "server_")
            all.append(
                TLSStats.publishExpirations(of: contexts, cells: cells, prefix: listener.statPrefix + "ssl."))
        }
        first = all.compactMap { $0 }.min()
    }

    /// - Parameter now: unix seconds.
    func publish(now: Int64) {
        daysUntilFirst.set(first.map { max(0, $0 - now) / 86_400 } ?? Self.none)
    }
}
