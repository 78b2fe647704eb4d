// `lb_subsets_*`: what subsets there are, and how they are chosen.
import Metrics
import Reactor

/// One worker's handles of one cluster; only those with subsets have them.
final class SubsetStats {
    let selected, fallback, panic: Counter

    init(_ cells: StatCells, cluster: String) {
        let prefix = "cluster.\(cluster).lb_subsets_"
        selected = cells.counter(prefix + "selected")
        fallback = cells.counter(prefix + "fallback")
        panic = cells.counter(prefix + "fallback_panic")
    }
}

/// The main thread's. Each subset counts once, and not once for each worker as in Envoy.
final class SubsetTableStats {
    private let active, duplicates: Gauge
    private let created, removed, overflow: Counter
    private var known: Set<SubsetKey> = []
    private var log: OffenceLog

    init(_ cells: StatCells, prefix: String, cluster: String) {
        active = cells.gauge(prefix + "lb_subsets_active")
        duplicates = cells.gauge(prefix + "lb_subsets_single_host_per_subset_duplicate")
        created = cells.counter(prefix + "lb_subsets_created")
        removed = cells.counter(prefix + "lb_subsets_removed")
        overflow = cells.counter(prefix + "lb_subsets_overflow")
        log = OffenceLog(label: "upstream", place: "cluster '\(cluster)'")
        active.set(0)
        duplicates.set(0)
    }

    func follow(_ table: SubsetTable, now: MonotonicTime) {
        let newer = Set(table.keys)
        created.add(UInt64(newer.subtracting(known).count))
        removed.add(UInt64(known.subtracting(newer).count))
        known = newer
        active.set(Int64(newer.count))
        duplicates.set(Int64(table.duplicates))
        guard table.overflow > 0 else { return }
        overflow.add(UInt64(table.overflow))
        log.note(
            "its hosts' metadata make more subsets than outrider.upstream.max_subsets \(table.spec.maxSubsets); requests for the others"
                + " get the fallback", now: now)
    }
}
