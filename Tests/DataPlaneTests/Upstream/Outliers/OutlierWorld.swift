// A cluster with outlier detection whose tries the test makes up, on a clock that the test moves.
import Metrics
import Reactor
import TestKit
import Testing

@testable import DataPlane

/// The cluster "c" over so many hosts, used by so many workers, all on one loop.
final class OutlierWorld {
    let fixture: UpstreamFixture

    /// `spec` begins with rows off and all ejections enforced and allowed, so that each test turns on what it is about.
    init(
        hosts: Int, workers: Int = 1, _ change: (inout OutlierSpec) -> Void = { _ in },
        cluster changeCluster: (inout ClusterSpec) -> Void = { _ in }
    ) throws {
        var outliers = OutlierSpec()
        outliers.serverErrors.threshold = 0
        outliers.gatewayFailures = OutlierSpec.Consecutive(threshold: 0, enforcing: 100)
        outliers.localOriginFailures.threshold = 0
        outliers.maxEjectionPercent = 100
        change(&outliers)
        let addresses = (0..<hosts).map { SocketAddress.v4(.loopback, port: UInt16(1000 + $0)) }
        let spec = UpstreamFixture.spec(addresses) {
            $0.outliers = outliers
            changeCluster(&$0)
        }
        fixture = try UpstreamFixture([spec], workers: workers)
        fixture.directory.start(timeout: .seconds(1)) {}
    }

    var hosts: [Host] { fixture.directory.hosts(of: "c")?.hosts ?? [] }

    /// Makes up tries at a host.
    func tell(_ outcomes: AttemptOutcome..., host: Int = 0, worker: Int = 0, times: Int = 1) {
        for _ in 0..<times {
            for outcome in outcomes { fixture.cluster(worker).report(outcome, of: hosts[host]) }
        }
    }

    /// The same until the main thread has dealt with it.
    func fail(_ status: Int, host: Int = 0, times: Int) {
        tell(.answered(status: status), host: host, times: times)
        fixture.settle()
    }

    func advance(_ seconds: Int64) { fixture.advance(.seconds(seconds)) }

    /// Indexes of the hosts that are out.
    var ejected: [Int] { hosts.indices.filter { hosts[$0].healthFlags.contains(.failedOutlierCheck) } }

    /// Hosts that workers choose from, as they know it.
    func served(worker: Int = 0) -> Int { fixture.cluster(worker).hosts.healthyCount }

    func stat(_ name: String) -> Int { fixture.stat("outlier_detection.ejections_" + name) }

    var report: ClusterReport { fixture.directory.reports[0] }

    deinit {
        fixture.directory.stop()
    }
}

/// A detector without a cluster around it.
final class BareDetector {
    let clock = TestClock()
    let loop: EventLoop
    let store = StatStore()
    let detector: OutlierDetector
    let hosts: [Host]
    /// How often the cluster would have sent its hosts out.
    private(set) var changes = 0

    init(
        hosts count: Int, events: OutlierEventLog? = nil, _ change: (inout OutlierSpec) -> Void = { _ in }
    ) throws {
        loop = try EventLoop(clock: clock)
        var outliers = OutlierSpec()
        outliers.maxEjectionPercent = 100
        change(&outliers)
        var spec = ClusterSpec(name: "c")
        spec.outliers = outliers
        let shared = ClusterShared(spec: spec, workers: 1, loops: LoopGuard(), main: loop.mailbox)
        let watch = try #require(shared.outliers)
        detector = OutlierDetector(
            shared, watch: watch, loop: loop, stats: OutlierStats(store.makeCells(), cluster: "c"), events: events)
        hosts = (0..<count).map {
            Host(
                address: .v4(.loopback, port: UInt16(1000 + $0)),
                state: HostState(flags: [], workers: 1, watch: watch))
        }
        detector.follow(HostSet(hosts))
        detector.changed = { [unowned self] in changes += 1 }
    }

    func stat(_ name: String) -> Int {
        Int(store.snapshot().value("cluster.c.outlier_detection.ejections_" + name))
    }
}
