// What becomes of the hosts of a cluster of type EDS when endpoints are assigned anew.
import Reactor
import TestKit
import Testing

@testable import DataPlane

struct AssignmentTests {
    private func world(servers: Int = 3, change: (inout ClusterSpec) -> Void = { _ in }) throws -> DynamicWorld {
        let world = try DynamicWorld(servers: servers)
        try world.put(world.edsSpec(change: change))
        return world
    }

    @Test func hostsWhoseAddressStaysAreTheSame() throws {
        let world = try world()
        world.assign([world.endpoint(0), world.endpoint(1)])
        let first = try #require(world.cluster?.hosts.hosts)
        #expect(world.stat("membership_total") == 2 && world.stat("membership_change") == 1)
        world.assign([world.endpoint(1), world.endpoint(2)])
        let second = try #require(world.cluster?.hosts.hosts)
        #expect(second.count == 2 && second[0] === first[1])
        #expect(world.stat("membership_change") == 2 && world.stat("update_success") == 2)
        #expect(world.stat("update_no_rebuild") == 0 && world.stat("update_attempt") == 2)
    }

    @Test func theSameEndpointsInAnotherOrderAreNoNews() throws {
        let world = try world()
        world.assign([world.endpoint(0), world.endpoint(1), world.endpoint(2)])
        let set = try #require(world.cluster?.hosts)
        world.assign([world.endpoint(2), world.endpoint(0), world.endpoint(1)])
        #expect(world.cluster?.hosts === set)
        #expect(world.stat("update_no_rebuild") == 1 && world.total("cluster_updated") == 0)
    }

    @Test func weightHealthLocalityAndPriorityChangeInPlace() throws {
        let world = try world()
        world.assign([world.endpoint(0), world.endpoint(1) { $0.health = .unhealthy }])
        #expect(world.answer() == "0")
        let before = try #require(world.cluster?.hosts.hosts)
        var group = LocalityEndpointsSpec(endpoints: [
            world.endpoint(0) { $0.weight = 5 }, world.endpoint(1) { $0.health = .unhealthy },
        ])
        group.locality.region = "r"
        group.priority = 2
        world.assign([group])
        let after = try #require(world.cluster?.hosts)
        #expect(after.hosts[0] !== before[0] && after.hosts[0].state === before[0].state)
        #expect(after.hosts[0].weight == 5 && after.hosts[0].locality.region == "r" && after.hosts[0].priority == 2)
        #expect(after.priorities.count == 3 && world.stat("max_host_weight") == 5)
        #expect(world.stat("membership_change") == 1)
        // Over the same connection as before.
        #expect(world.answer() == "0" && world.servers[0].peers.count == 1)
        group.endpoints = [
            world.endpoint(0) {
                $0.weight = 5
                $0.health = .degraded
            }, world.endpoint(1) { $0.health = .healthy },
        ]
        world.assign([group])
        #expect(world.hosts == ["0 /degraded_eds_health", "1 healthy"])
        #expect(world.cluster?.hosts.hosts[0] === after.hosts[0])
        // Half of the hosts are healthy and take 70 %: the degraded one has the rest.
        #expect(Set((0..<50).map { _ in world.answer() }) == ["0", "1"] && world.stat("membership_degraded") == 1)
        #expect(world.servers[0].peers.allSatisfy { !$0.sawEnd })
    }

    @Test func healthAsTheControlPlaneSays() throws {
        let world = try world()
        world.assign([
            world.endpoint(0) { $0.health = .draining }, world.endpoint(1) { $0.health = .timeout },
            world.endpoint(2) { $0.health = .unhealthy },
        ])
        #expect(world.hosts == ["0 /eds_status_draining", "1 /failed_eds_health", "2 /failed_eds_health"])
        #expect(world.stat("membership_healthy") == 0 && world.stat("membership_excluded") == 1)
        world.assign([world.endpoint(0), world.endpoint(1), world.endpoint(2) { $0.health = .draining }])
        #expect(world.hosts == ["0 healthy", "1 healthy", "2 /eds_status_draining"])
        #expect(world.stat("membership_healthy") == 2 && world.stat("membership_change") == 1)
    }

    @Test func ofAnAddressThatIsThereTwiceTheFirstCounts() throws {
        let world = try world()
        world.assign([world.endpoint(0) { $0.weight = 2 }, world.endpoint(1), world.endpoint(0) { $0.weight = 7 }])
        #expect(world.cluster?.hosts.hosts.map(\.weight) == [2, 1])
    }

    @Test func removedHostsEndInPeace() throws {
        let world = try world()
        world.servers[0].onBytes = { _ in }
        world.assign([world.endpoint(0)])
        let attempt = try world.send()
        world.fixture.wait { world.servers[0].peers.first?.endOfHead != nil }
        world.assign([world.endpoint(1)])
        #expect(world.answer() == "1" && !attempt.isOver)
        world.servers[0].peers[0].send(ScriptedServer.ok("late"))
        world.fixture.wait { attempt.isComplete && world.servers[0].peers[0].sawEnd }
        #expect(attempt.text == "late")
    }

    @Test func anEmptyAssignmentTakesAllHostsAway() throws {
        let world = try world()
        world.assign([world.endpoint(0)])
        world.assign([EndpointSpec]())
        #expect(world.hosts.isEmpty && world.answer() == nil)
        #expect(world.stat("membership_total") == 0 && world.stat("membership_change") == 2)
        #expect(world.stat("upstream_cx_none_healthy") == 1)
        world.assign([world.endpoint(0)])
        #expect(world.answer() == "0")
    }

    @Test func theOverprovisioningFactorIsTheAssignments() throws {
        let world = try world()
        var second = LocalityEndpointsSpec(endpoints: [world.endpoint(2)])
        second.priority = 1
        let groups = [
            LocalityEndpointsSpec(endpoints: [world.endpoint(0), world.endpoint(1) { $0.health = .unhealthy }]), second,
        ]
        func shareOfSecond() throws -> Int {
            let cluster = try #require(world.cluster)
            var balancer = Balancer(cluster.spec, cluster.hosts, random: &random)
            var (panics, count) = (UInt64(0), 0)
            for _ in 0..<1000 where balancer.pick(avoiding: [], attempts: 0, random: &random, panicPicks: &panics) == 2
            {
                count += 1
            }
            return count
        }
        var random = FastRandom()
        // Half of the first are healthy: 70 percent go there with a factor of 140, all with one of 200.
        world.assign(groups)
        let share = try shareOfSecond()
        #expect((200...400).contains(share))
        world.assign(groups) { $0.overprovisioningFactor = 200 }
        let rest = try shareOfSecond()
        #expect(rest == 0)
        #expect(world.stat("update_no_rebuild") == 0)
        world.assign(groups) { $0.overprovisioningFactor = 200 }
        #expect(world.stat("update_no_rebuild") == 1)
    }

    @Test func staleEndpointsCountForNothing() throws {
        let world = try world()
        world.assign([world.endpoint(0)]) { $0.staleAfter = .seconds(30) }
        #expect(world.stat("assignment_timeout_received") == 1)
        world.fixture.advance(.seconds(20))
        world.assign([world.endpoint(0)]) { $0.staleAfter = .seconds(30) }
        world.fixture.advance(.seconds(20))
        #expect(world.answer() == "0" && world.stat("assignment_stale") == 0)
        // A replacement does not make them younger.
        try world.put(world.edsSpec { $0.connectTimeout = .seconds(1) })
        world.fixture.advance(.seconds(11))
        #expect(world.hosts.isEmpty && world.stat("assignment_stale") == 1)
        world.assign([world.endpoint(1)])
        world.fixture.advance(.hours(1))
        #expect(world.answer() == "1" && world.stat("assignment_stale") == 1)
    }

    @Test func badAnswersAreCounted() throws {
        let world = try world()
        world.assign([world.endpoint(0)])
        world.directory.assignmentFailed(DynamicWorld.subscription("c"), isRejected: true)
        world.directory.assignmentFailed(DynamicWorld.subscription("c"), isRejected: false)
        #expect(world.stat("update_rejected") == 1 && world.stat("update_failure") == 1)
        #expect(world.stat("update_attempt") == 3 && world.answer() == "0")
    }

    @Test func endpointsHaveTheirOwnStatsWhileTheyAreThere() throws {
        let world = try world { $0.perEndpointStats = true }
        world.assign([world.endpoint(0), world.endpoint(1) { $0.health = .unhealthy }])
        #expect(world.answer() == "0")
        let prefix = "endpoint.127.0.0.1_\(world.servers[0].address.port)."
        #expect(world.stat(prefix + "rq_total") == 1)
        world.assign([world.endpoint(0) { $0.weight = 4 }])
        #expect(world.answer() == "0" && world.stat(prefix + "rq_total") == 2)
        world.assign([world.endpoint(1)])
        let left = world.fixture.store.snapshot().stats.map(\.name).filter { $0.contains(prefix) }
        #expect(left.isEmpty)
    }
}

struct CheckedAssignmentTests {
    /// Checked every 10 s; one failure is enough.
    private func world(change: (inout ClusterSpec) -> Void = { _ in }) throws -> DynamicWorld {
        let world = try DynamicWorld()
        var check = HealthCheckSpec(
            timeout: .seconds(1), interval: .seconds(10), unhealthy: 1, healthy: 1,
            .http(HTTPHealthCheckSpec(path: "/health")))
        check.noTrafficInterval = .seconds(10)
        check.noTrafficHealthyInterval = .seconds(10)
        try world.put(
            world.edsSpec {
                $0.healthCheck = check
                change(&$0)
            })
        return world
    }

    @Test func aHostThatPassesItsChecksStaysUntilItFails() throws {
        let world = try world()
        world.assign([world.endpoint(0), world.endpoint(1)])
        world.fixture.wait { world.hosts == ["0 healthy", "1 healthy"] }
        world.assign([world.endpoint(0)])
        #expect(world.hosts == ["0 healthy", "1 /pending_dynamic_removal"])
        #expect(world.stat("membership_total") == 2)
        world.assign([world.endpoint(1), world.endpoint(0)])
        #expect(world.hosts == ["0 healthy", "1 healthy"])
        world.assign([world.endpoint(0)])
        world.servers[1].answer("HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n")
        world.fixture.advance(.seconds(10))
        world.fixture.wait { world.hosts == ["0 healthy"] }
        #expect(world.stat("health_check.healthy") == 1 && world.stat("membership_total") == 1)
    }

    @Test func orNotWhereTheFileSaysSo() throws {
        let world = try world { $0.removesHealthyHosts = true }
        world.assign([world.endpoint(0), world.endpoint(1)])
        world.fixture.wait { world.hosts == ["0 healthy", "1 healthy"] }
        world.assign([world.endpoint(0)])
        #expect(world.hosts == ["0 healthy"])
    }

    @Test func anEndpointMayStopAndBeginToBeChecked() throws {
        let world = try world()
        world.servers[0].answer("HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n")
        world.assign([world.endpoint(0)])
        world.fixture.wait { world.hosts == ["0 /failed_active_hc"] }
        let exempt = world.endpoint(0) {
            var settings = EndpointHealthCheckSpec()
            settings.isDisabled = true
            $0.healthCheck = settings
        }
        world.assign([exempt])
        #expect(world.hosts == ["0 healthy"] && world.stat("health_check.healthy") == 0)
        let attempts = world.stat("health_check.attempt")
        world.fixture.advance(.seconds(60))
        #expect(world.stat("health_check.attempt") == attempts)
        world.servers[0].onBytes = { _ in }
        world.assign([world.endpoint(0)])
        #expect(world.hosts == ["0 /failed_active_hc"])
        world.fixture.wait { world.servers[0].peers.last?.endOfHead != nil }
        world.servers[0].peers.last?.send(ScriptedServer.ok())
        world.fixture.wait { world.hosts == ["0 healthy"] }
        #expect(world.stat("health_check.healthy") == 1)
    }

    @Test func checksGoWhereTheEndpointSays() throws {
        let world = try world()
        world.assign([world.endpoint(0)])
        world.fixture.wait { world.hosts == ["0 healthy"] }
        var settings = EndpointHealthCheckSpec()
        settings.port = world.servers[1].address.port
        world.assign([world.endpoint(0) { $0.healthCheck = settings }])
        #expect(world.servers[1].peers.isEmpty)
        world.fixture.advance(.seconds(10))
        world.fixture.wait { world.stat("health_check.success") == 2 }
        #expect(world.servers[1].peers.count == 1)
    }
}
