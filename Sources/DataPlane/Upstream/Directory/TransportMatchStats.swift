// `<name>.total_match_count`: by which transport a cluster's hosts are spoken to.
import Metrics

/// Main thread's handles; only clusters with `transport_socket_matches` have them.
final class TransportMatchStats {
    /// By transport.
    private let counters: [Counter]

    /// nil: there is nothing to choose.
    init?(_ cluster: ClusterShared, _ cells: StatCells) {
        guard let matches = cluster.spec.transportMatches else { return nil }
        counters = (["default"] + matches.map(\.name)).map {
            cells.counter("cluster.\(cluster.statName).\($0).total_match_count")
        }
    }

    /// A host is spoken to by this one.
    func count(_ transport: TransportIndex) {
        if Int(transport) < counters.count { counters[Int(transport)].increment() }
    }
}
