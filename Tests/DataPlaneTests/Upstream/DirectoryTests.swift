// Clusters on the main thread: names, host sets, what workers get to know.
import Metrics
import Reactor
import TestKit
import Testing

@testable import DataPlane

struct DirectoryTests {
    private func spec(
        _ names: [String], logical: Bool = false, _ change: (inout DNSSpec) -> Void = { _ in }
    ) -> ClusterSpec {
        var spec = ClusterSpec(name: "c")
        spec.discovery = logical ? .logicalDNS : .strictDNS
        spec.endpoints = [
            LocalityEndpointsSpec(endpoints: names.map { EndpointSpec(address: .name($0, port: 80)) })
        ]
        change(&spec.dns)
        return spec
    }

    private func addresses(_ numbers: Int..., ttl: TimeAmount = .zero) -> NameLookup {
        .addresses(numbers.map { .v4(IPv4Address(bits: 0x0a00_0000 + UInt32($0))) }, ttl: ttl)
    }

    private func hosts(_ fixture: UpstreamFixture) -> [String] {
        fixture.settle()
        return fixture.cluster.hosts.hosts.map(\.address.description)
    }

    @Test func allAddressesOfAllNamesEachOnce() throws {
        let fixture = try UpstreamFixture([spec(["a", "b"])])
        var initialised = 0
        fixture.directory.start(timeout: .seconds(15)) { initialised += 1 }
        #expect(fixture.names.asked == ["a", "b"])
        #expect(fixture.stat("warming_state") == 1)
        fixture.names.answer("a", addresses(1, 2))
        #expect(hosts(fixture) == ["10.0.0.1:80", "10.0.0.2:80"])
        #expect(initialised == 0)
        #expect(fixture.directory.uninitialised.map(\.cluster) == ["c"])
        fixture.names.answer("b", addresses(2, 3))
        #expect(initialised == 1)
        #expect(hosts(fixture) == ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"])
        #expect(fixture.cluster.hosts.hosts.map(\.hostname) == ["a", "a", "b"])
        #expect(fixture.stat("membership_total") == 3)
        #expect(fixture.stat("membership_healthy") == 3)
        #expect(fixture.stat("membership_change") == 2)
        #expect(fixture.stat("update_attempt") == 2)
        #expect(fixture.stat("update_success") == 2)
        #expect(fixture.stat("warming_state") == 0)
        #expect(fixture.stat("max_host_weight") == 1)
    }

    @Test func namesAreAskedAgainAtTheRefreshRate() throws {
        let fixture = try UpstreamFixture([spec(["a"]) { $0.refreshRate = .seconds(5) }])
        fixture.directory.start(timeout: .seconds(15)) {}
        fixture.names.answers["a"] = addresses(1)
        fixture.names.answer("a", addresses(1))
        #expect(hosts(fixture) == ["10.0.0.1:80"])
        let first = fixture.cluster.hosts.hosts[0]
        fixture.advance(.milliseconds(4900))
        #expect(fixture.names.asked.count == 1)
        fixture.advance(.milliseconds(200))
        #expect(fixture.names.asked.count == 2)
        #expect(fixture.stat("update_no_rebuild") == 1)
        fixture.names.answers["a"] = addresses(2, 1)
        fixture.advance(.seconds(5))
        #expect(hosts(fixture) == ["10.0.0.2:80", "10.0.0.1:80"])
        #expect(fixture.cluster.hosts.hosts[1] === first)
    }

    @Test func theTTLIsRespectedWhenAsked() throws {
        let fixture = try UpstreamFixture([
            spec(["a"]) {
                $0.respectTTL = true
                $0.minRefreshRate = .seconds(3)
            }
        ])
        fixture.directory.start(timeout: .seconds(15)) {}
        fixture.names.answer("a", addresses(1, ttl: .seconds(60)))
        fixture.advance(.seconds(59))
        #expect(fixture.names.asked.count == 1)
        fixture.advance(.seconds(2))
        #expect(fixture.names.asked.count == 2)
        fixture.names.answer("a", addresses(1, ttl: .seconds(1)))
        fixture.advance(.seconds(2))
        #expect(fixture.names.asked.count == 2)
        fixture.advance(.milliseconds(1100))
        #expect(fixture.names.asked.count == 3)
    }

    @Test func failuresKeepTheHostsAndBackOff() throws {
        let fixture = try UpstreamFixture([
            spec(["a"]) { $0.failureRefresh = BackoffSpec(base: .seconds(1), max: .seconds(4)) }
        ])
        fixture.directory.start(timeout: .seconds(15)) {}
        fixture.names.answer("a", addresses(1))
        fixture.names.answers["a"] = .failed("timed out")
        fixture.advance(.seconds(5))
        #expect(hosts(fixture) == ["10.0.0.1:80"])
        #expect(fixture.stat("update_failure") == 1)
        for _ in 0..<20 { fixture.advance(.seconds(4)) }
        #expect(fixture.stat("update_failure") >= 20)
        #expect(hosts(fixture) == ["10.0.0.1:80"])
        #expect(fixture.stat("membership_change") == 1)
        // Stale answers have an end.
        for _ in 0..<30 { fixture.advance(.hours(1)) }
        #expect(hosts(fixture) == [])
        fixture.names.answers["a"] = addresses(1)
        fixture.advance(.seconds(5))
        #expect(hosts(fixture) == ["10.0.0.1:80"])
    }

    @Test func oneEmptyAnswerIsNotBelieved() throws {
        let fixture = try UpstreamFixture([spec(["a"])])
        fixture.directory.start(timeout: .seconds(15)) {}
        fixture.names.answer("a", addresses(1))
        fixture.advance(.seconds(5))
        fixture.names.answer("a", .empty)
        #expect(hosts(fixture) == ["10.0.0.1:80"])
        #expect(fixture.stat("update_empty") == 1)
        fixture.advance(.seconds(1))
        fixture.names.answer("a", .empty)
        #expect(hosts(fixture) == [])
        #expect(fixture.stat("membership_total") == 0)
    }

    @Test func aLogicalHostMovesOnAndKeepsItsConnections() throws {
        let clock = TestClock()
        let loop = try EventLoop(clock: clock)
        let server = try ScriptedServer(loop: loop)
        server.answer(ScriptedServer.ok())
        var spec = spec(["a"], logical: true)
        spec.endpoints[0].endpoints[0].address = .name("a", port: server.address.port)
        let fixture = try UpstreamFixture([spec], workers: 1, clock: clock, loop: loop)
        fixture.directory.start(timeout: .seconds(15)) {}
        fixture.names.answer("a", .addresses([.v4(.loopback), .v4(IPv4Address(bits: 0x7f00_0009))], ttl: .zero))
        fixture.settle()
        #expect(fixture.exchange().isComplete)
        fixture.advance(.seconds(5))
        fixture.names.answer("a", .addresses([.v4(IPv4Address(bits: 0x7f00_0009))], ttl: .zero))
        fixture.settle()
        #expect(fixture.cluster.hosts.hosts.map(\.address.description) == ["127.0.0.9:\(server.address.port)"])
        let done = fixture.exchange()
        #expect(done.earlierRequests == 1)
        #expect(done.host?.address == server.address)
        #expect(fixture.directory.reports[0].hosts[0].totals.rqTotal == 2)
        server.close()
    }

    @Test func hostsThatLeaveDrain() throws {
        let clock = TestClock()
        let loop = try EventLoop(clock: clock)
        let server = try ScriptedServer(loop: loop)
        server.answer(ScriptedServer.ok())
        var spec = spec(["a"])
        spec.endpoints[0].endpoints[0].address = .name("a", port: server.address.port)
        let fixture = try UpstreamFixture([spec], workers: 1, clock: clock, loop: loop)
        fixture.directory.start(timeout: .seconds(15)) {}
        fixture.names.answer("a", .addresses([.v4(.loopback)], ttl: .zero))
        fixture.settle()
        fixture.exchange()
        server.onBytes = { _ in }
        let busy = fixture.send()
        let second = fixture.send()
        fixture.wait { server.peers.count == 2 && second.stream != nil }
        #expect(fixture.stat("upstream_cx_active") == 2)
        fixture.advance(.seconds(5))
        fixture.names.answer("a", .addresses([.v4(IPv4Address(bits: 0x7f00_0009))], ttl: .zero))
        fixture.settle()
        #expect(fixture.stat("upstream_cx_active") == 2)
        for peer in server.peers { peer.send(ScriptedServer.ok()) }
        fixture.wait { busy.isOver && second.isOver }
        #expect(busy.isComplete)
        fixture.settle()
        #expect(fixture.stat("upstream_cx_active") == 0)
        #expect(fixture.stat("upstream_cx_destroy_with_active_rq") == 0)
        server.close()
    }

    @Test func startingGivesUpAfterItsTimeout() throws {
        let fixture = try UpstreamFixture([spec(["a"])])
        var initialised = 0
        fixture.directory.start(timeout: .seconds(15)) { initialised += 1 }
        fixture.advance(.seconds(14))
        #expect(initialised == 0)
        fixture.advance(.seconds(2))
        #expect(initialised == 1)
        fixture.names.answer("a", addresses(1))
        #expect(initialised == 1)
        #expect(hosts(fixture) == ["10.0.0.1:80"])
    }

    @Test func clustersWithoutNamesAreThereAtOnce() throws {
        let fixture = try UpstreamFixture([SocketAddress("1.2.3.4", 80), SocketAddress("1.2.3.5", 80)])
        var initialised = 0
        fixture.directory.start(timeout: .seconds(15)) { initialised += 1 }
        #expect(initialised == 1)
        #expect(hosts(fixture) == ["1.2.3.4:80", "1.2.3.5:80"])
    }

    @Test func healthOfTheConfigurationShows() throws {
        var spec = UpstreamFixture.spec([SocketAddress("1.2.3.4", 80), SocketAddress("1.2.3.5", 80)])
        spec.endpoints[0].endpoints[0].health = .unhealthy
        spec.endpoints[0].endpoints[1].health = .degraded
        spec.endpoints[0].locality.zone = "z"
        let fixture = try UpstreamFixture([spec])
        let report = fixture.directory.reports[0]
        #expect(report.hosts.map(\.flags.description) == ["/failed_eds_health", "/degraded_eds_health"])
        #expect(report.hosts.map(\.health) == [.unhealthy, .degraded])
        #expect(report.hosts[0].locality.zone == "z")
        #expect(HostHealthFlags().description == "healthy")
        #expect(fixture.stat("membership_healthy") == 0)
        #expect(fixture.stat("membership_degraded") == 1)
    }

    @Test func clustersAreFoundByNameAndByBytes() throws {
        let fixture = try UpstreamFixture((0..<50).map { ClusterSpec(name: "cluster-\($0)") })
        let set = fixture.sets[0]
        #expect(set.makeNames().place(of: "cluster-7") == 7)
        #expect(set.cluster("cluster-49")?.name == "cluster-49")
        #expect(set.cluster("nobody") == nil)
        for number in 0..<50 {
            let found = FixedBytes("cluster-\(number)").withView { set.cluster(named: $0)?.name }
            #expect(found == "cluster-\(number)")
        }
        #expect(FixedBytes("cluster-50").withView { set.cluster(named: $0) } == nil)
        #expect(set.cluster(named: ByteView()) == nil)
    }

    @Test func aClusterThatIsFirstUsedLateHasTheLatestHosts() throws {
        let fixture = try UpstreamFixture([SocketAddress("1.2.3.4", 80)])
        let set = fixture.sets[0]
        let newer = Host(address: SocketAddress("1.2.3.5", 80))
        let shared = ClusterShared(
            spec: ClusterSpec(name: "c"), workers: 1, loops: fixture.directory.loops, main: fixture.loop.mailbox)
        set.take(ClusterArrival(shared, HostSet([]), nil))
        set.apply(HostSet([newer]), to: shared)
        #expect(set.cluster(at: 0)?.hosts.hosts.map(\.address) == [newer.address])
        let newest = Host(address: SocketAddress("1.2.3.6", 80))
        set.apply(HostSet([newest]), to: shared)
        #expect(set.cluster("c")?.hosts.hosts.map(\.address) == [newest.address])
        #expect(set.cluster(at: 0) === set.cluster("c"))
        #expect(set.cluster(at: 1) == nil)
        #expect(set.cluster(at: -1) == nil)
    }

    @Test func aClusterThatIsFirstUsedAfterTheEndHasNoHosts() throws {
        let world = try World()
        world.fixture.sets[0].shutDown()
        #expect(world.fixture.cluster.hosts.hosts.isEmpty)
        guard case .noHealthyHost = world.fixture.send().outcome else {
            Issue.record("a cluster of a worker that has ended has hosts")
            return
        }
    }

    @Test func endpointsHaveStatsOfTheirOwnWhenAsked() throws {
        let world = try World { $0.perEndpointStats = true }
        world.server.answer(ScriptedServer.ok())
        world.exchange()
        let prefix = "endpoint.127.0.0.1_\(world.server.address.port)."
        #expect(world.stat(prefix + "cx_total") == 1)
        #expect(world.stat(prefix + "rq_total") == 1)
        world.exchange()
        #expect(world.stat(prefix + "rq_total") == 2)
        #expect(world.stat(prefix + "cx_active") == 1)
        #expect(world.stat(prefix + "rq_active") == 0)
        #expect(world.stat(prefix + "healthy") == 1)
    }

    @Test func colonsDoNotReachStats() throws {
        let fixture = try UpstreamFixture([ClusterSpec(name: "a:b")])
        #expect(fixture.store.snapshot().find("cluster.a_b.upstream_cx_total", .counter) != nil)
        #expect(fixture.directory.reports[0].name == "a:b")
    }
}

extension SocketAddress {
    fileprivate init(_ ip: String, _ port: UInt16) {
        self = SocketAddress(parsing: ip, port: port) ?? .v4(.any, port: port)
    }
}
