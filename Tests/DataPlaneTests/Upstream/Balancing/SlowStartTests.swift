// Hosts that have just come get their share step by step.
import Metrics
import Reactor
import TestKit
import Testing

@testable import DataPlane

struct SlowStartTests {
    private func at(_ seconds: Int64) -> MonotonicTime { MonotonicTime.zero + .seconds(seconds) }

    private func slow(
        _ since: [Int64?], window: Int64 = 100, _ change: (inout SlowStartSpec) -> Void = { _ in }
    ) -> SlowStart {
        var spec = SlowStartSpec(window: .seconds(window))
        change(&spec)
        return SlowStart(spec, healthySince: since.map { $0.map(at) })
    }

    @Test func factorsGrowToOne() {
        let even = slow([0])
        #expect(even.factor(0, at(0)) == 0.1 && even.factor(0, at(10)) == 0.1)
        #expect(even.factor(0, at(50)) == 0.5 && even.factor(0, at(99)) == 0.99)
        #expect(even.factor(0, at(100)) == 1 && even.factor(0, at(1000)) == 1)
        let fast = slow([0]) { $0.aggression = 2 }
        #expect(abs(fast.factor(0, at(25)) - 0.5) < 1e-9)
        let late = slow([0]) { $0.aggression = 0.5 }
        #expect(abs(late.factor(0, at(50)) - 0.25) < 1e-9)
        let sparse = slow([0]) { $0.leastPart = 0 }
        #expect(sparse.factor(0, at(0)) > 0 && sparse.factor(0, at(0)) < 0.001)
        #expect(slow([nil]).factor(0, at(5)) == 1 && even.factor(7, at(5)) == 1)
    }

    @Test func itIsOverWithTheWindow() {
        #expect(slow([0, 50]).isUnderWay(at(140)) && !slow([0, 50]).isUnderWay(at(151)))
        #expect(!slow([nil]).isUnderWay(at(0)))
    }

    private func picks(
        _ policy: BalancerSpec, _ hosts: [Host], _ slow: SlowStart, now: MonotonicTime, _ count: Int
    ) -> [Int] {
        var random = FastRandom(seed: (1, 2, 3, 4))
        var picker = HostPicker(
            policy, members: Array(hosts.indices), hosts: hosts, slowStart: slow, now: now, random: &random)
        let found = (0..<count).compactMap { _ in picker.pick(hosts, slow, now, random: &random) }
        return hosts.indices.map { index in found.filter { $0 == index }.count }
    }

    @Test func newHostsGetTheirPart() {
        let hosts = (1...3).map { Host(address: .v4(IPv4Address(bits: $0), port: 80)) }
        let slow = slow([0, 0, 200])
        let least = BalancerSpec.leastRequest(choiceCount: 2, activeRequestBias: 1)
        for policy in [BalancerSpec.roundRobin, least] {
            let half = picks(policy, hosts, slow, now: at(250), 500)
            #expect(abs(half[2] - 100) <= 1 && abs(half[0] - 200) <= 1)
            let whole = picks(policy, hosts, slow, now: at(500), 600)
            #expect(policy != .roundRobin || whole == [200, 200, 200])
        }
        // Random goes by no weights.
        #expect(picks(.random, hosts, slow, now: at(201), 600)[2] > 120)
    }

    @Test func weightsAndAgesMultiply() {
        let hosts = [1, 4].map { Host(address: .v4(IPv4Address(bits: $0), port: 80), weight: $0) }
        let found = picks(.roundRobin, hosts, slow([0, 200]), now: at(250), 300)
        #expect(abs(found[0] - 100) <= 1 && abs(found[1] - 200) <= 1)
    }

    // MARK: - Since when

    @Test func hostsBeginWhenTheyComeHealthy() throws {
        let world = try DynamicWorld(servers: 3)
        try world.put(world.edsSpec { $0.balancing.slowStart = SlowStartSpec(window: .seconds(100)) })
        world.assign([world.endpoint(0), world.endpoint(1) { $0.health = .unhealthy }])
        let start = world.fixture.loop.now
        func since() -> [MonotonicTime?] { world.cluster?.hosts.shape?.slowStart?.healthySince ?? [] }
        #expect(since() == [start, nil])
        world.fixture.advance(.seconds(200))
        world.assign([world.endpoint(0), world.endpoint(1), world.endpoint(2)])
        let later = world.fixture.loop.now
        #expect(since() == [start, later, later] && later == start + .seconds(200))
        // A tenth of a share each.
        var answers = (0..<120).map { _ in world.answer() }
        #expect(abs(answers.filter { $0 == "0" }.count - 100) <= 2)
        // Half of it when half of the window is over, without any news.
        world.fixture.advance(.seconds(50))
        for _ in 0..<20 { _ = world.answer() }
        answers = (0..<200).map { _ in world.answer() }
        #expect(abs(answers.filter { $0 == "0" }.count - 100) <= 4)
        world.fixture.advance(.seconds(51))
        for _ in 0..<20 { _ = world.answer() }
        answers = (0..<300).map { _ in world.answer() }
        #expect(abs(answers.filter { $0 == "0" }.count - 100) <= 4)
        // Taken out by the control plane and back: as in Envoy it has its share at once.
        world.assign([world.endpoint(0) { $0.health = .unhealthy }, world.endpoint(1), world.endpoint(2)])
        world.assign([world.endpoint(0), world.endpoint(1), world.endpoint(2)])
        #expect(since() == [start, later, later])
    }

    @Test func hostsUnderChecksBeginWhenTheyPass() {
        let host = Host(address: .v4(.loopback, port: 1), flags: .failedActiveHealthCheck)
        var times = HealthyTimes()
        #expect(times.follow([host], now: at(1)) == [nil])
        host.set(.failedActiveHealthCheck, false)
        #expect(times.follow([host], now: at(5)) == [at(5)])
        #expect(times.follow([host], now: at(9)) == [at(5)])
        // Ejected in between: nothing begins anew.
        host.set(.failedOutlierCheck, true)
        #expect(times.follow([host], now: at(10)) == [nil])
        host.set(.failedOutlierCheck, false)
        #expect(times.follow([host], now: at(11)) == [at(5)])
        host.set(.failedActiveHealthCheck, true)
        #expect(times.follow([host], now: at(20)) == [nil])
        host.set(.failedActiveHealthCheck, false)
        #expect(times.follow([host], now: at(30)) == [at(30)])
        // A host that left is forgotten.
        #expect(times.follow([], now: at(40)) == [] && times.follow([host], now: at(50)) == [at(50)])
    }

    @Test func clustersWithoutItHaveNone() {
        #expect(HostSet([Host(address: .v4(.loopback, port: 1))], for: ClusterSpec(name: "c")).shape == nil)
    }
}
