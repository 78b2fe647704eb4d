// What the filter for health checks counts: `http.<stat_prefix>.health_check.`
import Metrics

/// Handles on its stats. Loop thread only.
struct HealthCheckFilterStats {
    let requests, ok, failed, degraded, cached: Counter
    let clusterNotFound, clusterEmpty, clusterUnhealthy: Counter
    /// `http.<stat_prefix>.tracing.health_check`: all checks, those that pass through, too.
    let untraced: Counter

    init(_ cells: StatCells, statPrefix: String) {
        func counter(_ name: String) -> Counter { cells.counter("http.\(statPrefix).health_check.\(name)") }
        requests = counter("request_total")
        ok = counter("ok")
        failed = counter("failed")
        degraded = counter("degraded")
        cached = counter("cached_response")
        clusterNotFound = counter("failed_cluster_not_found")
        clusterEmpty = counter("failed_cluster_empty")
        clusterUnhealthy = counter("failed_cluster_unhealthy")
        untraced = cells.counter("http.\(statPrefix).tracing.health_check")
    }
}
