// The checks of one host: when, how many in a row, and what follows for the host.
import Reactor

/// One host under active health checks. Main thread only.
///
/// Envoy page: health checking. The first result a host ever has decides at once; afterwards thresholds do, but an
/// answer that says no takes the host out without one.
final class HostCheck: TimerTarget, HealthProbeOwner {
    /// Replaced when the host keeps its identity but changes (LOGICAL_DNS moved on, a weight changed).
    private(set) var host: Host
    private unowned let checker: HealthChecker
    private var probe: (any HealthProbe)?
    /// Until the next check, or until the end of the one under way.
    private var timer: LoopTimer?
    private var isChecking = false
    /// The host is somewhere else now, or is spoken to in another way: the next check needs another connection.
    private var hasMoved = false
    private(set) var isFirst = true
    /// Failures and successes in a row that have not changed anything yet.
    private var failures: UInt32 = 0
    private var successes: UInt32 = 0

    init(_ host: Host, checker: HealthChecker) {
        self.host = host
        self.checker = checker
        if isPassing { checker.stats.healthy.add(1) }
        if host.healthFlags.contains(.degradedActiveHealthCheck) { checker.stats.degraded.add(1) }
    }

    deinit { probe?.close() }

    private var spec: HealthCheckSpec { checker.spec }
    private var isPassing: Bool { !host.healthFlags.contains(.failedActiveHealthCheck) }

    func start() {
        probe = checker.makeProbe(self)
        timer = LoopTimer(loop: checker.loop, target: self)
        let pause = checker.firstPause()
        if pause == .zero { check() } else { timer?.arm(after: pause) }
    }

    /// The host has left the cluster.
    func stop() {
        timer = nil
        isChecking = false
        probe?.close()
        probe = nil
        if isPassing { checker.stats.healthy.add(-1) }
        if host.healthFlags.contains(.degradedActiveHealthCheck) { checker.stats.degraded.add(-1) }
    }

    /// The same host in a newer snapshot.
    func update(_ newer: Host) {
        let port = checker.spec.altPort
        if newer.checkAddress(altPort: port) != host.checkAddress(altPort: port) { hasMoved = true }
        if spec.transport == nil, newer.transport != host.transport { hasMoved = true }
        host = newer
    }

    // MARK: - Checking

    private func check() {
        if hasMoved { probe?.close() }
        hasMoved = false
        isChecking = true
        checker.stats.attempt.increment()
        timer?.arm(after: spec.timeout)
        probe?.begin(host)
    }

    func timerFired(_ timer: LoopTimer) {
        guard isChecking else { return check() }
        probe?.giveUp()
        probeEnded(.failed(CheckFailure(kind: .timeout, reason: "no answer within timeout \(spec.timeout)")))
    }

    func probeEnded(_ result: CheckResult) {
        guard isChecking else { return }
        isChecking = false
        let change: HealthChange
        let isSuccess: Bool
        switch result {
        case .healthy(let degraded):
            change = pass(degraded: degraded)
            isSuccess = true
        case .failed(let failure):
            change = fail(failure)
            isSuccess = false
        }
        timer?.arm(after: checker.pause(afterSuccess: isSuccess, change))
    }

    // MARK: - What follows

    private func pass(degraded: Bool) -> HealthChange {
        failures = 0
        var change = HealthChange.unchanged
        if !isPassing {
            successes &+= 1
            if isFirst || successes == spec.healthyThreshold {
                host.set(
                    [.failedActiveHealthCheck, .activeHealthCheckTimeout, .excludedByImmediateHealthCheckFail], false)
                successes = 0
                change = .changed
                checker.stats.healthy.add(1)
                checker.events?.added(host, isFirst: isFirst)
                if !isFirst { checker.noteRecovery(of: host) }
            } else {
                change = .pending
            }
        }
        if change != .changed { checker.events?.succeeded(host) }
        if host.set(.pendingActiveHealthCheck, false) { change = .changed }
        if host.set(.degradedActiveHealthCheck, degraded) {
            checker.stats.degraded.add(degraded ? 1 : -1)
            checker.events?.degraded(host, degraded)
            checker.note("host \(host.address) is \(degraded ? "degraded, as it says itself" : "no longer degraded")")
            if change == .unchanged { change = .changed }
        }
        checker.stats.success.increment()
        checker.hostPassed(host)
        finish(change)
        return change
    }

    /// The host has failed a check, or has said in ordinary traffic that it would.
    @discardableResult
    func fail(_ failure: CheckFailure) -> HealthChange {
        successes = 0
        var change = HealthChange.unchanged
        if failure.excludesHost, host.set(.excludedByImmediateHealthCheckFail, true) { change = .changed }
        if isPassing {
            failures &+= 1
            let isFinal = !failure.kind.isNetwork && !failure.isRetriable
            if isFinal || failures == spec.unhealthyThreshold {
                host.set(.failedActiveHealthCheck, true)
                checker.stats.healthy.add(-1)
                checker.events?.ejected(host, failure)
                checker.noteFailure(of: host, failure, count: isFinal ? nil : failures)
                failures = 0
                checker.hostFailed(host)
                change = .changed
            } else if change == .unchanged {
                change = .pending
            }
        } else if isFirst {
            checker.noteFailure(of: host, failure, count: nil)
        }
        host.set(.activeHealthCheckTimeout, failure.kind == .timeout && !isPassing)
        if host.set(.pendingActiveHealthCheck, false) { change = .changed }
        checker.events?.failed(host, failure, isFirst: isFirst)
        checker.stats.failure.increment()
        if failure.kind.isNetwork { checker.stats.networkFailure.increment() }
        if failure.kind == .passive { checker.stats.passiveFailure.increment() }
        finish(change)
        return change
    }

    private func finish(_ change: HealthChange) {
        let wasFirst = isFirst
        isFirst = false
        if change == .changed { checker.healthChanged() }
        if wasFirst { checker.firstResultCame() }
    }
}
