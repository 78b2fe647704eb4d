// How often a host was ejected, and how long it has to stay out this time.
import Reactor

/// One host's ejections. Main thread only. Envoy page: "Outlier detection", "Ejection algorithm".
///
/// Each ejection lasts `base_ejection_time` longer than the one before, up to `max_ejection_time`; each interval in which
/// the host serves takes one step back.
struct EjectionHistory {
    /// Since the host is in the cluster.
    private(set) var count = 0
    /// Of the base time.
    private(set) var multiplier: Int64 = 0
    private(set) var ejectedAt: MonotonicTime?
    private(set) var returnedAt: MonotonicTime?
    private var jitter = TimeAmount.zero

    /// `jitter` is drawn by the caller, up to `max_ejection_time_jitter`.
    mutating func eject(_ now: MonotonicTime, jitter: TimeAmount, _ spec: OutlierSpec) {
        count += 1
        ejectedAt = now
        self.jitter = jitter
        if spec.baseEjectionTime * multiplier < spec.maxEjectionTime + spec.baseEjectionTime { multiplier += 1 }
    }

    /// How long the ejection lasts at least; the host comes back with the interval that ends after it.
    func duration(_ spec: OutlierSpec) -> TimeAmount {
        min(spec.baseEjectionTime * multiplier, spec.maxEjectionTime) + jitter
    }

    /// The settings behind `duration`, with their values, for the log.
    func durationReason(_ spec: OutlierSpec) -> String {
        let isCut = spec.baseEjectionTime * multiplier > spec.maxEjectionTime
        let factor = isCut || multiplier == 1 ? "" : "\(multiplier) times "
        let setting =
            isCut ? "max_ejection_time \(spec.maxEjectionTime)" : "base_ejection_time \(spec.baseEjectionTime)"
        return factor + setting + (jitter > .zero ? " and jitter" : "")
    }

    func isOver(_ now: MonotonicTime, _ spec: OutlierSpec) -> Bool {
        guard let ejectedAt else { return true }
        return now - ejectedAt >= duration(spec)
    }

    mutating func end(_ now: MonotonicTime) { returnedAt = now }

    /// For a host that is in, once an interval.
    mutating func decay(_ now: MonotonicTime, _ spec: OutlierSpec) {
        guard multiplier > 0, let returnedAt, now - returnedAt >= spec.interval else { return }
        multiplier -= 1
    }
}
