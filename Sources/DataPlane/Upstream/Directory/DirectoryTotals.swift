// `cluster_manager.*`: how many clusters there are, and how they come and go.
import Metrics

/// Main thread's handles.
final class DirectoryTotals {
    let added, modified, removed, updated: Counter
    let active, warming: Gauge

    init(_ cells: StatCells) {
        func counter(_ name: String) -> Counter { cells.counter("cluster_manager." + name) }
        added = counter("cluster_added")
        modified = counter("cluster_modified")
        removed = counter("cluster_removed")
        // Hosts of a cluster that serves have changed.
        updated = counter("cluster_updated")
        active = cells.gauge("cluster_manager.active_clusters")
        warming = cells.gauge("cluster_manager.warming_clusters")
        // Stay 0: no change waits for others.
        for name in ["cluster_updated_via_merge", "update_merge_cancelled", "update_out_of_merge_window"] {
            _ = counter(name)
        }
    }
}
