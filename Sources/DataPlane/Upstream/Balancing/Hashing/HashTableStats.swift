// How a cluster's hash tables came out: `ring_hash_lb.*`, `maglev_lb.*`.
import Metrics

/// Main thread's handles. Where there are several priorities the last one is shown, as in Envoy.
final class HashTableStats {
    private let size: Gauge?
    private let least, most: Gauge

    init(_ cells: StatCells, prefix: String, _ spec: HashingSpec) {
        switch spec.table {
        case .ring:
            size = cells.gauge(prefix + "ring_hash_lb.size")
            least = cells.gauge(prefix + "ring_hash_lb.min_hashes_per_host")
            most = cells.gauge(prefix + "ring_hash_lb.max_hashes_per_host")
        case .maglev:
            size = nil
            least = cells.gauge(prefix + "maglev_lb.min_entries_per_host")
            most = cells.gauge(prefix + "maglev_lb.max_entries_per_host")
        }
        size?.set(0)
        least.set(0)
        most.set(0)
    }

    func follow(_ hosts: HostSet) {
        guard let shape = hosts.lastHashing?.shape else { return }
        size?.set(Int64(clamping: shape.size))
        least.set(Int64(clamping: shape.least))
        most.set(Int64(clamping: shape.most))
    }
}
