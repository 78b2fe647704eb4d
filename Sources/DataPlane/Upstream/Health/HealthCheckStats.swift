// The stats of a cluster's health checks: `cluster.<name>.health_check.*`.
import Metrics

/// Main thread's handles.
final class HealthCheckStats {
    let attempt, success, failure, passiveFailure, networkFailure, verifyCluster: Counter
    let healthy, degraded: Gauge

    /// `prefix` is "cluster.<name>.".
    init(_ cells: StatCells, prefix: String) {
        func counter(_ name: String) -> Counter { cells.counter("\(prefix)health_check.\(name)") }
        func gauge(_ name: String) -> Gauge { cells.gauge("\(prefix)health_check.\(name)") }
        attempt = counter("attempt")
        success = counter("success")
        failure = counter("failure")
        passiveFailure = counter("passive_failure")
        networkFailure = counter("network_failure")
        verifyCluster = counter("verify_cluster")
        healthy = gauge("healthy")
        degraded = gauge("degraded")
    }
}
