// The active health checks of one cluster: one `HostCheck` a host.
import Logging
import Metrics
import Reactor

/// Checks a cluster's hosts and keeps their health flags. Main thread only.
///
/// Several changes of one turn go out to the workers as one.
final class HealthChecker {
    let spec: HealthCheckSpec
    let loop: EventLoop
    let stats: HealthCheckStats
    let events: HealthEventLog?
    private let cluster: ClusterShared
    private let asking: CheckAsking
    private var checks: [ObjectIdentifier: HostCheck] = [:]
    private var isStarted = false
    private var isChangeScheduled = false
    private var random: FastRandom
    private var log: OffenceLog
    /// Hosts without a result so far, which the cluster waits for, and what is to be done when there are none.
    private var awaited = 0
    private var firstRoundOver: (() -> Void)?
    /// Called when flags have changed, once a turn.
    var changed: () -> Void = {}
    /// Called when a host is taken out.
    var hostFailed: (Host) -> Void = { _ in }
    /// Called after each check that a host has passed.
    var hostPassed: (Host) -> Void = { _ in }

    /// Fails when a file for events cannot be opened.
    init(
        _ spec: HealthCheckSpec, cluster: ClusterShared, loop: EventLoop, cells: StatCells, logs: AccessLogSinks?,
        random: FastRandom = FastRandom()
    ) throws(ClusterError) {
        self.spec = spec
        self.cluster = cluster
        self.loop = loop
        events = try HealthEventLog(spec, cluster: cluster.name, logs: logs, loop: loop, cells: cells)
        self.random = random
        stats = HealthCheckStats(cells, prefix: "cluster.\(cluster.statName).")
        asking = CheckAsking(spec, cluster: cluster, loop: loop, cells: cells, stats: stats)
        log = OffenceLog(label: "upstream", place: "cluster '\(cluster.name)'")
    }

    // MARK: - Hosts

    /// Begins with the hosts of now.
    func start(_ hosts: [Host]) {
        isStarted = true
        cluster.immediateFailures?.attach(self)
        follow(hosts)
    }

    /// Checks the hosts that are new, and those that left no more.
    func follow(_ hosts: [Host]) {
        guard isStarted else { return }
        var leaving = checks
        for host in hosts where !host.isExemptFromChecks {
            let key = ObjectIdentifier(host.state)
            leaving[key] = nil
            if let known = checks[key] {
                known.update(host)
            } else {
                let check = HostCheck(host, checker: self)
                checks[key] = check
                check.start()
            }
        }
        for check in leaving.values { leave(check.host) }
    }

    /// Checks a host no more. Its flags are still those of its checks.
    func leave(_ host: Host) {
        guard let check = checks.removeValue(forKey: ObjectIdentifier(host.state)) else { return }
        check.stop()
        if check.isFirst { firstResultCame() }
    }

    /// Checks that connect from now on do it with this.
    func replaceTLS(_ tls: TLSContextSpec, for transport: TransportIndex) { asking.replaceTLS(tls, for: transport) }

    func stop() {
        isStarted = false
        cluster.immediateFailures?.attach(nil)
        firstRoundOver = nil
        let all = checks
        checks = [:]
        for check in all.values { check.stop() }
    }

    /// Calls `body` when each host of now has had its first result, or has left: at once when there is none to wait for.
    func afterFirstRound(_ body: @escaping () -> Void) {
        awaited = checks.values.count(where: \.isFirst)
        if awaited == 0 { body() } else { firstRoundOver = body }
    }

    func firstResultCame() {
        guard let body = firstRoundOver else { return }
        awaited -= 1
        if awaited > 0 { return }
        firstRoundOver = nil
        // Together with the flags that it is about.
        loop.later(body)
    }

    // MARK: - What the checks of hosts ask for

    func makeProbe(_ owner: HealthProbeOwner) -> any HealthProbe {
        switch spec.kind {
        case .http(let spec): HTTPProbe(spec, asking: asking, owner: owner)
        case .tcp(let spec): TCPProbe(spec, asking: asking, owner: owner)
        case .grpc(let spec): GRPCProbe(spec, timeout: self.spec.timeout, asking: asking, owner: owner)
        }
    }

    func firstPause() -> TimeAmount { spec.firstPause(&random) }

    func pause(afterSuccess isSuccess: Bool, _ change: HealthChange) -> TimeAmount {
        spec.pause(afterSuccess: isSuccess, change, hasTraffic: cluster.hasTraffic, &random)
    }

    /// The workers hear of it at the end of this turn.
    func healthChanged() {
        guard !isChangeScheduled else { return }
        isChangeScheduled = true
        loop.later { [self] in
            isChangeScheduled = false
            changed()
        }
    }

    /// A host said in ordinary traffic that it is to be taken out.
    func failImmediately(_ host: Host) {
        var failure = CheckFailure(
            kind: .passive, reason: "a response to ordinary traffic has x-envoy-immediate-health-check-fail")
        failure.excludesHost = true
        checks[ObjectIdentifier(host.state)]?.fail(failure)
    }

    // MARK: - The log

    /// `count`: the failures that it took; nil: one was enough.
    func noteFailure(of host: Host, _ failure: CheckFailure, count: UInt32?) {
        note(
            "host \(host.address) is unhealthy: \(failure.reason)"
                + (count.map { " (\($0) in a row, unhealthy_threshold \(spec.unhealthyThreshold))" } ?? ""))
    }

    func noteRecovery(of host: Host) {
        note("host \(host.address) is healthy again (healthy_threshold \(spec.healthyThreshold))")
    }

    func note(_ text: @autoclosure () -> String) { log.note(text(), now: loop.now) }
}
