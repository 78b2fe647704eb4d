// When a host is checked again.
import Reactor

/// What a check did to a host's standing.
enum HealthChange: Equatable {
    case unchanged
    /// A threshold has been begun and not been reached.
    case pending
    case changed
}

extension HealthCheckSpec {
    /// From a check that passed or failed to the next one. Envoy page: `config.core.v3.HealthCheck`.
    ///
    /// - Parameter hasTraffic: somebody has connected to the cluster.
    func pause(
        afterSuccess isSuccess: Bool, _ change: HealthChange, hasTraffic: Bool, _ random: inout FastRandom
    ) -> TimeAmount {
        let base: TimeAmount
        switch (hasTraffic, isSuccess) {
        case (true, true): base = change == .pending ? healthyEdgeInterval : interval
        case (true, false): base = change == .pending ? unhealthyEdgeInterval : unhealthyInterval
        case (false, true): base = change == .pending ? noTrafficInterval : noTrafficHealthyInterval
        case (false, false): base = noTrafficInterval
        }
        return spread(base, intervalJitter, &random)
    }

    /// Before a host's first check; zero: it begins at once.
    func firstPause(_ random: inout FastRandom) -> TimeAmount {
        initialJitter > .zero ? spread(.zero, initialJitter, &random) : .zero
    }

    /// In milliseconds, as Envoy draws it, and never zero.
    private func spread(_ base: TimeAmount, _ jitter: TimeAmount, _ random: inout FastRandom) -> TimeAmount {
        let percent = TimeAmount.milliseconds(base.milliseconds) * Int64(intervalJitterPercent)
        var sum = base + drawn(below: percent.milliseconds / 100, &random)
        sum = sum + drawn(below: jitter.milliseconds, &random)
        return max(.milliseconds(1), shortestInterval, min(sum, longestInterval))
    }

    private func drawn(below limit: Int64, _ random: inout FastRandom) -> TimeAmount {
        .milliseconds(Int64(clamping: random.below(UInt64(max(0, limit)))))
    }
}
