// `cluster.<name>.outlier_detection.*`
import Metrics

/// Main thread's handles.
final class OutlierStats {
    let active: Gauge
    let enforcedTotal, overflow: Counter
    private let detected: [Counter]
    private let enforced: [Counter]
    // Deprecated in Envoy, and still on its dashboards.
    private let total, serverErrors, successRate: Counter

    init(_ cells: StatCells, cluster: String) {
        let prefix = "cluster.\(cluster).outlier_detection.ejections_"
        active = cells.gauge(prefix + "active")
        active.set(0)
        enforcedTotal = cells.counter(prefix + "enforced_total")
        overflow = cells.counter(prefix + "overflow")
        detected = OutlierCause.allCases.map { cells.counter(prefix + "detected_" + $0.statName) }
        enforced = OutlierCause.allCases.map { cells.counter(prefix + "enforced_" + $0.statName) }
        total = cells.counter(prefix + "total")
        serverErrors = cells.counter(prefix + "consecutive_5xx")
        successRate = cells.counter(prefix + "success_rate")
        // Stays 0: hosts are not marked as degraded by their answers (`detect_degraded_hosts`).
        _ = cells.counter(prefix + "detected_degradation")
    }

    func countDetected(_ cause: OutlierCause) {
        detected[cause.rawValue].increment()
        switch cause {
        case .serverErrors: serverErrors.increment()
        case .successRate, .localOriginSuccessRate: successRate.increment()
        default: break
        }
    }

    /// There is room for the ejection, whether or not it is enforced.
    func countAllowed(_ cause: OutlierCause) {
        if cause == .serverErrors || cause == .successRate { total.increment() }
    }

    func countEnforced(_ cause: OutlierCause) {
        enforcedTotal.increment()
        enforced[cause.rawValue].increment()
    }
}
