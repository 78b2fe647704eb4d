// How many hosts may be out, for how long, and how they come back.
import Reactor
import TestKit
import Testing

@testable import DataPlane

struct EjectionTests {
    private func world(
        hosts: Int, _ change: @escaping (inout OutlierSpec) -> Void = { _ in }
    ) throws -> OutlierWorld {
        try OutlierWorld(hosts: hosts) {
            $0.serverErrors.threshold = 1
            change(&$0)
        }
    }

    /// The first failure ejects.
    private static let atOnce: OutlierSpec = {
        var spec = OutlierSpec()
        spec.serverErrors.threshold = 1
        spec.maxEjectionPercent = 100
        return spec
    }()

    // MARK: - How many

    @Test(arguments: [(10, 9, 0), (10, 10, 1), (34, 3, 1), (33, 3, 0), (50, 2, 1), (50, 5, 2), (100, 3, 3), (0, 4, 0)])
    func maxEjectionPercent(percent: Int, hosts: Int, allowed: Int) throws {
        let world = try world(hosts: hosts) { $0.maxEjectionPercent = percent }
        for host in 0..<hosts { world.fail(500, host: host, times: 1) }
        #expect(world.ejected == Array(0..<allowed))
        #expect(world.stat("active") == allowed)
        #expect(world.stat("overflow") == hosts - allowed)
        #expect(world.stat("detected_consecutive_5xx") == hosts)
        #expect(world.stat("total") == allowed)
    }

    @Test func oneHostMayAlwaysBeEjected() throws {
        let world = try world(hosts: 3) {
            $0.maxEjectionPercent = 0
            $0.alwaysEjectsOneHost = true
        }
        world.fail(500, host: 1, times: 1)
        world.fail(500, host: 0, times: 1)
        #expect(world.ejected == [1])
        #expect(world.stat("overflow") == 1)
    }

    @Test func roomIsThereAgainWhenAHostIsBack() throws {
        let world = try world(hosts: 2) { $0.maxEjectionPercent = 50 }
        world.fail(500, host: 0, times: 1)
        world.fail(500, host: 1, times: 1)
        #expect(world.ejected == [0])
        world.advance(30)
        world.fail(500, host: 1, times: 1)
        #expect(world.ejected == [1])
    }

    @Test func enforcementIsARoll() throws {
        let world = try world(hosts: 400) { $0.serverErrors.enforcing = 50 }
        for host in 0..<400 { world.fail(500, host: host, times: 1) }
        // Outside with a probability below 1e-22.
        #expect((100...300).contains(world.ejected.count))
        #expect(world.stat("enforced_consecutive_5xx") == world.ejected.count)
        #expect(world.stat("total") == 400)
        #expect(world.stat("overflow") == 0)
    }

    // MARK: - How long

    @Test func aHostComesBackWithTheIntervalAfterItsTime() throws {
        let world = try world(hosts: 2) {
            $0.interval = .seconds(10)
            $0.baseEjectionTime = .seconds(15)
        }
        world.advance(5)
        world.fail(500, times: 1)
        world.advance(5)  // 10
        world.advance(10)  // 20, exactly its time
        #expect(world.ejected == [])
        #expect(world.stat("active") == 0)
        #expect(world.served() == 2)
        world.advance(1)  // 21
        world.fail(500, times: 1)
        world.advance(9)  // 30
        #expect(world.ejected == [0])
        world.advance(10)  // 40: 19 of 30 s
        #expect(world.ejected == [0])
        world.advance(10)  // 50: 29
        #expect(world.ejected == [0])
        world.advance(10)  // 60
        #expect(world.ejected == [])
    }

    @Test func eachEjectionIsLongerAndQuietTimeMakesItShorter() {
        var spec = OutlierSpec()
        spec.baseEjectionTime = .seconds(30)
        spec.maxEjectionTime = .seconds(100)
        spec.interval = .seconds(10)
        var history = EjectionHistory()
        var now = MonotonicTime.zero
        var reasons: [String] = []
        for seconds in [30, 60, 90, 100, 100, 100] {
            history.eject(now, jitter: .zero, spec)
            #expect(history.duration(spec) == .seconds(Int64(seconds)))
            #expect(!history.isOver(now + .milliseconds(Int64(seconds) * 1000 - 1), spec))
            reasons.append(history.durationReason(spec))
            now = now + .seconds(Int64(seconds))
            #expect(history.isOver(now, spec))
            history.end(now)
        }
        #expect(history.count == 6)
        #expect(reasons[0] == "base_ejection_time 30s" && reasons[1] == "2 times base_ejection_time 30s")
        #expect(reasons[5] == "max_ejection_time 100s")
        // An interval has to pass first.
        history.decay(now + .seconds(9), spec)
        // The factor has stopped at 5.
        for seconds in [100, 90, 60, 30, 0, 0] {
            now = now + .seconds(10)
            history.decay(now, spec)
            #expect(history.duration(spec) == .seconds(Int64(seconds)))
        }
        history.eject(now, jitter: .zero, spec)
        #expect(history.duration(spec) == .seconds(30))
    }

    @Test func aHostThatWasNeverOutHasNothingToTakeBack() {
        var history = EjectionHistory()
        history.decay(MonotonicTime.zero + .hours(1), OutlierSpec())
        #expect(history.multiplier == 0 && history.count == 0)
        #expect(history.isOver(.zero, OutlierSpec()))
    }

    @Test func theLongestTimesDoNotOverflow() {
        var spec = OutlierSpec()
        spec.baseEjectionTime = .max
        spec.maxEjectionTime = .max
        var history = EjectionHistory()
        for _ in 0..<5 { history.eject(.zero, jitter: .max, spec) }
        #expect(history.duration(spec) == .max)
        #expect(!history.isOver(.zero + .hours(1_000_000), spec))
    }

    @Test func jitterComesOnTop() throws {
        let world = try world(hosts: 200) {
            $0.interval = .seconds(1)
            $0.baseEjectionTime = .seconds(10)
            $0.maxEjectionTime = .seconds(10)
            $0.maxEjectionTimeJitter = .seconds(20)
        }
        for host in 0..<200 { world.fail(500, host: host, times: 1) }
        world.advance(9)
        #expect(world.ejected.count == 200)
        for _ in 0..<11 { world.advance(1) }
        // After 20 s half of them, outside with a probability below 1e-16; after 30 s all.
        #expect((40...160).contains(world.ejected.count))
        for _ in 0..<11 { world.advance(1) }
        #expect(world.ejected == [])
    }

    @Test func theNextEjectionIsLonger() throws {
        let world = try world(hosts: 2) {
            $0.interval = .seconds(1)
            $0.baseEjectionTime = .seconds(2)
        }
        for seconds in [2, 4, 6] {
            world.fail(500, times: 1)
            for _ in 1..<seconds {
                world.advance(1)
                #expect(world.ejected == [0])
            }
            world.advance(1)
            #expect(world.ejected == [])
        }
    }

    // MARK: - Who hears of it

    @Test func aTurnsChangesGoOutAsOne() throws {
        let world = try world(hosts: 3)
        let before = world.fixture.cluster.hosts
        for host in 0..<2 { world.tell(.answered(status: 500), host: host) }
        world.fixture.loop.turn(maxWait: .zero)
        let after = try #require(world.fixture.directory.hosts(of: "c"))
        #expect(after !== before)
        world.fixture.settle()
        // What the worker has is what went out at the end of that turn: there was no other.
        #expect(world.fixture.cluster.hosts === after)
        #expect(world.served() == 1)
    }

    @Test func allHostsOutIsPanic() throws {
        let world = try world(hosts: 2)
        for host in 0..<2 { world.fail(500, host: host, times: 1) }
        #expect(world.served() == 0)
        let try1 = world.fixture.send()
        // Somebody is asked all the same.
        guard case .waiting = try1.outcome else {
            Issue.record("\(String(describing: try1.outcome))")
            return
        }
        #expect(world.fixture.stat("lb_healthy_panic") == 1)
    }

    @Test func anEjectedHostsIdleConnectionsClose() throws {
        let clock = TestClock()
        let loop = try EventLoop(clock: clock)
        let servers = try (0..<2).map { _ in try ScriptedServer(loop: loop) }
        defer { for server in servers { server.close() } }
        for server in servers { server.answer(ScriptedServer.ok()) }
        let fixture = try UpstreamFixture(
            [UpstreamFixture.spec(servers.map(\.address)) { $0.outliers = Self.atOnce }], workers: 1, clock: clock,
            loop: loop)
        for _ in 0..<2 { fixture.exchange() }
        #expect(fixture.stat("upstream_cx_active") == 2)
        let host = fixture.cluster.hosts.hosts[0]
        fixture.cluster.report(.failed, of: host)
        fixture.settle()
        #expect(fixture.stat("upstream_cx_active") == 1)
        for _ in 0..<3 {
            let attempt = fixture.exchange()
            #expect(attempt.status == 200 && attempt.host !== host)
        }
    }

    @Test func rawConnectionsOfAnEjectedHostEndWhereTheClusterAsksForIt() throws {
        for closes in [false, true] {
            let world = try World {
                $0.closesOnHealthFailure = closes
                $0.outliers = Self.atOnce
            }
            let session = RawSession(world.cluster)
            world.wait { session.lease != nil }
            world.cluster.report(.failed, of: world.cluster.hosts.hosts[0])
            world.settle()
            #expect((session.bytes.closed != nil) == closes)
            #expect(world.stat("upstream_cx_active") == (closes ? 0 : 1))
            session.lease?.close()
        }
    }

    @Test func aPassedHealthCheckEndsTheEjection() throws {
        for ends in [true, false] {
            let bare = try BareDetector(hosts: 2) {
                $0.serverErrors.threshold = 1
                $0.endsWithHealthCheck = ends
            }
            let (detector, host) = (bare.detector, bare.hosts[0])
            host.state.monitor?.record(.failed, worker: 0)
            bare.loop.turnWhileBusy()
            #expect(host.health == .unhealthy)
            // Still failing by another check.
            host.set(.failedActiveHealthCheck, true)
            detector.healthCheckPassed(host)
            #expect(host.healthFlags.contains(.failedOutlierCheck))
            host.set(.failedActiveHealthCheck, false)
            detector.healthCheckPassed(bare.hosts[1])
            detector.healthCheckPassed(host)
            bare.loop.turnWhileBusy()
            #expect(host.health == (ends ? .healthy : .unhealthy))
            #expect(bare.stat("active") == (ends ? 0 : 1))
            #expect(bare.changes == (ends ? 2 : 1))
            // Once is enough.
            detector.healthCheckPassed(host)
            #expect(bare.stat("active") == (ends ? 0 : 1))
        }
    }
}

/// In the TCP proxy's place.
private final class RawSession: TCPWaiter {
    let bytes = RecordingDelegate()
    var lease: TCPLease?

    init(_ cluster: Cluster) { _ = cluster.connectTCP(self) }

    var tcpDelegate: any ConnectionDelegate { bytes }
    func tcpReady(_ lease: TCPLease) { self.lease = lease }
    func tcpFailed(_ reason: StreamResetReason, host: Host, detail: String) {}
}
