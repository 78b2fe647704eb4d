// Weighted localities and zone aware routing. Tests/Integration/test_localities.py asks Envoy the same.
import Metrics
import Reactor
import TestKit
import Testing

@testable import DataPlane

struct LocalityTests {
    private func locality(_ zone: String) -> Locality { Locality(region: "r", zone: zone) }

    /// Hosts of zones, which are named by letters: "aab" are three hosts in two zones.
    private func hosts(_ zones: String, flags: [Int: HostHealthFlags] = [:], weight: UInt32 = 1) -> [Host] {
        zones.enumerated().map { number, zone in
            Host(
                address: .v4(IPv4Address(bits: UInt32(number)), port: 80), locality: locality(String(zone)),
                weight: weight, flags: flags[number] ?? [])
        }
    }

    private func plan(
        _ zones: String, proxies: String, own: String? = "a", flags: [Int: HostHealthFlags] = [:],
        proxyFlags: [Int: HostHealthFlags] = [:], _ change: (inout ZoneAwareSpec) -> Void = { _ in }
    ) throws -> ZonePlan {
        var spec = ClusterSpec(name: "c")
        spec.balancing.zone.minClusterSize = 1
        change(&spec.balancing.zone)
        let local = HostSet(hosts(proxies, flags: proxyFlags))
        let context = HostSetContext(ownLocality: own.map(locality), localHosts: local)
        let set = HostSet(hosts(zones, flags: flags), for: spec, in: context)
        let all = HostShape.localities(set.priorities[0], priority: 0, set.hosts, context)
        return ZonePlan(
            spec, set.hosts, set.priorities[0], all, local: local, own: context.ownLocality)
    }

    // MARK: - Zones

    @Test func aZoneWithEnoughHostsTakesAll() throws {
        #expect(try plan("aab", proxies: "ab").way == .direct)
        #expect(try plan("ab", proxies: "ab").way == .direct)
        // Only healthy ones count.
        #expect(try plan("aabb", proxies: "ab", flags: [0: .failedEDSHealth]).way != .direct)
        #expect(try plan("ab", proxies: "aab", proxyFlags: [0: .failedEDSHealth]).way == .direct)
    }

    @Test func whatIsTooMuchGoesWhereRoomIs() throws {
        // Envoy's own example: 40, 40 and 20 % of the proxies, 25, 50 and 25 % of the hosts.
        #expect(
            try plan("abbc", proxies: "aabbc").way == .residual(own: 6250, capacity: [0, 1000, 1500]))
        // No host in the own zone: all goes elsewhere.
        #expect(try plan("bcc", proxies: "abb").way == .residual(own: 0, capacity: [0, 6666]))
        // A zone without healthy hosts has no room.
        #expect(
            try plan("aabcc", proxies: "aaab", flags: [2: .failedEDSHealth, 0: .failedEDSHealth]).way
                == .residual(own: 4444, capacity: [0, 0, 6666]))
    }

    @Test func zonesDoNotMatter() throws {
        #expect(try plan("aaa", proxies: "ab").way == .anywhere)
        #expect(try plan("aab", proxies: "aa").way == .anywhere)
        let missing = try plan("aab", proxies: "bc")
        #expect(missing.way == .anywhere && missing.isLocalClusterNotOK)
        let nowhere = try plan("aab", proxies: "ab", own: nil)
        #expect(nowhere.way == .anywhere && nowhere.isLocalClusterNotOK)
        let small = try plan("aab", proxies: "ab") { $0.minClusterSize = 4 }
        #expect(small.way == .anywhere && small.isClusterTooSmall)
    }

    @Test func forceAndWeights() throws {
        #expect(try plan("abbb", proxies: "ab") { $0.forcedLocalHosts = 1 }.way == .direct)
        #expect(try plan("abbb", proxies: "aa") { $0.forcedLocalHosts = 1 }.way == .direct)
        #expect(try plan("abbb", proxies: "ab") { $0.forcedLocalHosts = 2 }.way != .direct)
        var spec = ClusterSpec(name: "c")
        spec.balancing.zone.minClusterSize = 1
        spec.balancing.zone.sharesByWeight = true
        let heavy = hosts("a", weight: 3) + hosts("bbb")
        let context = HostSetContext(ownLocality: locality("a"), localHosts: HostSet(hosts("ab")))
        #expect(HostSet(heavy, for: spec, in: context).shape?.zone?.way == .direct)
        spec.balancing.zone.sharesByWeight = false
        #expect(HostSet(heavy, for: spec, in: context).shape?.zone?.way != .direct)
    }

    @Test func panicOfTheLocalClusterIsSeen() throws {
        let failed: [Int: HostHealthFlags] = [0: .failedEDSHealth, 1: .failedEDSHealth]
        #expect(try plan("aab", proxies: "aab", proxyFlags: failed).isLocalClusterInPanic)
        #expect(try !plan("aab", proxies: "ab").isLocalClusterInPanic)
    }

    /// The first turn of a cluster's hosts.
    private func picks(_ set: HostSet, _ spec: ClusterSpec, _ count: Int) throws -> [Int] {
        var random = FastRandom(seed: (1, 2, 3, 4))
        let balancer = ShapedBalancer(
            spec, set, try #require(set.shape), stats: ZoneStats(StatStore().makeCells(), cluster: "c"), now: .zero,
            random: &random)
        var panic: UInt64 = 0
        return (0..<count).compactMap { _ in
            balancer.pick(avoiding: [], attempts: 0, now: .zero, random: &random, panicPicks: &panic)
        }
    }

    @Test func requestsFollowThePlan() throws {
        var spec = ClusterSpec(name: "c")
        spec.balancing.zone.minClusterSize = 1
        let context = HostSetContext(ownLocality: locality("a"), localHosts: HostSet(hosts("aabbc")))
        let picks = try picks(HostSet(hosts("abbc"), for: spec, in: context), spec, 4000)
        // 62.5 % stay; of the rest two thirds go to b.
        #expect(abs(picks.filter { $0 == 0 }.count - 2500) < 150)
        #expect(abs(picks.filter { $0 == 3 }.count - 500) < 120)
    }

    // MARK: - Weights

    private func weighted(
        _ zones: String, _ weights: [String: UInt32], flags: [Int: HostHealthFlags] = [:], factor: UInt32 = 0
    ) -> (set: HostSet, spec: ClusterSpec) {
        var spec = ClusterSpec(name: "c")
        spec.balancing.weighsLocalities = true
        var context = HostSetContext()
        for (zone, weight) in weights {
            context.localityWeights[LocalityPlace(priority: 0, locality: locality(zone))] = weight
        }
        return (
            HostSet(hosts(zones, flags: flags), overprovisioningFactor: factor, for: spec, in: context), spec
        )
    }

    @Test func weightsAreKeptExactly() throws {
        let (set, spec) = weighted("abbc", ["a": 1, "b": 3])
        let picks = try picks(set, spec, 400)
        #expect((0..<4).map { index in picks.filter { $0 == index }.count } == [100, 150, 150, 0])
    }

    @Test func weightGoesDownWithHealth() throws {
        let flags: [Int: HostHealthFlags] = [1: .failedEDSHealth]
        let (set, spec) = weighted("aabb", ["a": 1, "b": 1], flags: flags, factor: 100)
        #expect(try abs(picks(set, spec, 300).filter { $0 == 0 }.count - 100) <= 1)
        let (more, moreSpec) = weighted("aabb", ["a": 1, "b": 1], flags: flags, factor: 200)
        #expect(try abs(picks(more, moreSpec, 300).filter { $0 == 0 }.count - 150) <= 1)
        // A host that does not count is none.
        let (few, fewSpec) = weighted("aabb", ["a": 1, "b": 1], flags: [1: .edsStatusDraining], factor: 100)
        #expect(try abs(picks(few, fewSpec, 300).filter { $0 == 0 }.count - 150) <= 1)
    }

    @Test func degradedLocalitiesHaveWeightsOfTheirOwn() throws {
        let degraded: HostHealthFlags = .degradedEDSHealth
        let (set, spec) = weighted("ab", ["a": 1, "b": 3], flags: [0: degraded, 1: degraded])
        #expect(try abs(picks(set, spec, 400).filter { $0 == 1 }.count - 300) <= 1)
    }

    @Test func withoutAnyWeightAllAreAlike() throws {
        let (set, spec) = weighted("abb", [:])
        let picks = try picks(set, spec, 300)
        #expect((0..<3).allSatisfy { index in picks.filter { $0 == index }.count == 100 })
    }

    @Test func clustersWithoutLocalitiesHaveNoShape() {
        #expect(HostSet(hosts("ab"), for: ClusterSpec(name: "c")).shape == nil)
        let context = HostSetContext(ownLocality: locality("a"), localHosts: HostSet(hosts("ab")))
        #expect(HostSet(hosts("aa"), for: ClusterSpec(name: "c"), in: context).shape?.decides != true)
    }

    // MARK: - Assignments

    private func group(
        _ world: DynamicWorld, _ zone: String, _ numbers: [Int], weight: UInt32
    ) -> LocalityEndpointsSpec {
        var group = LocalityEndpointsSpec(endpoints: numbers.map { world.endpoint($0) })
        group.locality = locality(zone)
        group.weight = weight
        return group
    }

    private func shares(_ world: DynamicWorld, _ count: Int) -> [Int] {
        let answers = (0..<count).map { _ in world.answer() }
        return (0..<3).map { number in answers.filter { $0 == "\(number)" }.count }
    }

    @Test func weightsOfAssignmentsHoldAtOnce() throws {
        let world = try DynamicWorld(servers: 3)
        let spec = world.edsSpec { $0.balancing.weighsLocalities = true }
        try world.put(spec)
        world.assign([group(world, "a", [0], weight: 1), group(world, "b", [1, 2], weight: 2)])
        #expect(shares(world, 30) == [10, 10, 10])
        let before = try #require(world.cluster?.hosts)
        world.assign([group(world, "a", [0], weight: 1), group(world, "b", [1, 2], weight: 8)])
        #expect(world.cluster?.hosts !== before && world.cluster?.hosts.hosts[0] === before.hosts[0])
        #expect(shares(world, 90) == [10, 40, 40])
        // The same once more is no news.
        let same = try #require(world.cluster?.hosts)
        world.assign([group(world, "a", [0], weight: 1), group(world, "b", [1, 2], weight: 8)])
        #expect(world.cluster?.hosts === same)
        // Another cluster with the same subscription takes them over.
        try world.put(spec)
        #expect(shares(world, 90) == [10, 40, 40])
        world.assign([group(world, "a", [0], weight: 0), group(world, "b", [1, 2], weight: 8)])
        #expect(shares(world, 20) == [0, 10, 10])
    }

    @Test func plansFollowTheLocalCluster() throws {
        let clock = TestClock()
        let loop = try EventLoop(clock: clock)
        var app = ClusterSpec(name: "c")
        app.balancing.zone.minClusterSize = 1
        app.endpoints = ["a", "b", "b"].enumerated().map { number, zone in
            var group = LocalityEndpointsSpec(endpoints: [
                EndpointSpec(address: .socket(.v4(.loopback, port: UInt16(number + 1))))
            ])
            group.locality = locality(zone)
            return group
        }
        var local = ClusterSpec(name: "local")
        local.discovery = .eds
        local.endpointSource = DynamicWorld.subscription("local")
        let fixture = try UpstreamFixture(
            [app, local], workers: 1, clock: clock, loop: loop,
            zone: LocalZone(locality: locality("a"), cluster: "local"))
        fixture.directory.start(timeout: .seconds(1)) {}
        fixture.settle()
        func way() -> ZonePlan.Way? { fixture.sets[0].cluster("c")?.hosts.shape?.zone?.way }
        func assign(_ zones: String) {
            var assignment = EndpointAssignment(service: "local")
            assignment.groups = zones.enumerated().map { number, zone in
                var group = LocalityEndpointsSpec(endpoints: [
                    EndpointSpec(address: .socket(.v4(.loopback, port: UInt16(number + 100))))
                ])
                group.locality = locality(String(zone))
                return group
            }
            fixture.directory.assign(assignment, to: DynamicWorld.subscription("local"))
            fixture.settle()
        }
        #expect(way() != .direct)
        assign("abb")
        #expect(way() == .direct)
        let before = try #require(fixture.sets[0].cluster("c")?.hosts)
        assign("bab")
        #expect(fixture.sets[0].cluster("c")?.hosts === before)
        assign("aab")
        // A third of the hosts for two thirds of the proxies.
        #expect(way() == .residual(own: 5000, capacity: [0, 3333]))
        assign("bb")
        #expect(way() == .anywhere || way() == nil)
        #expect(fixture.sets[0].cluster("local")?.hosts.shape == nil)
        #expect(fixture.stat("lb_recalculate_zone_structures") >= 4)
        fixture.directory.stop()
    }
}
