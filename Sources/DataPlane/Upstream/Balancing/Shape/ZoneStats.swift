// `lb_zone_routing_*`: how requests were led through zones.
import Metrics

/// One worker's handles of one cluster; only those with zones have them.
final class ZoneStats {
    let allDirectly, sampled, crossZone, noCapacityLeft, localClusterNotOK: Counter

    init(_ cells: StatCells, cluster: String) {
        let prefix = "cluster.\(cluster)."
        allDirectly = cells.counter(prefix + "lb_zone_routing_all_directly")
        sampled = cells.counter(prefix + "lb_zone_routing_sampled")
        crossZone = cells.counter(prefix + "lb_zone_routing_cross_zone")
        noCapacityLeft = cells.counter(prefix + "lb_zone_no_capacity_left")
        localClusterNotOK = cells.counter(prefix + "lb_local_cluster_not_ok")
    }
}

/// The main thread's: what became of zone plans.
final class ZonePlanStats {
    private let recalculated, tooSmall, localClusterNotOK: Counter

    init(_ cells: StatCells, prefix: String) {
        recalculated = cells.counter(prefix + "lb_recalculate_zone_structures")
        tooSmall = cells.counter(prefix + "lb_zone_cluster_too_small")
        localClusterNotOK = cells.counter(prefix + "lb_local_cluster_not_ok")
    }

    func count(_ plan: ZonePlan) {
        recalculated.increment()
        if plan.isClusterTooSmall { tooSmall.increment() }
        if plan.isLocalClusterNotOK { localClusterNotOK.increment() }
    }
}
