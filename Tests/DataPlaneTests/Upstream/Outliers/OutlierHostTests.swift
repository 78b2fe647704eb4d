// Hosts that come and go while they are watched.
import Metrics
import Reactor
import TestKit
import Testing

@testable import DataPlane

struct OutlierHostTests {
    private func world(_ discovery: ClusterSpec.Discovery) throws -> OutlierWorld {
        try OutlierWorld(hosts: 0) {
            $0.serverErrors.threshold = 2
        } cluster: {
            $0.discovery = discovery
            $0.dns.refreshRate = .seconds(5)
            $0.endpoints =
                discovery == .originalDestination
                ? [] : [LocalityEndpointsSpec(endpoints: [EndpointSpec(address: .name("a", port: 80))])]
        }
    }

    private func answer(_ world: OutlierWorld, _ numbers: UInt32...) {
        world.fixture.names.answer(
            "a", .addresses(numbers.map { .v4(IPv4Address(bits: 0x0a00_0000 + $0)) }, ttl: .zero))
        world.fixture.settle()
    }

    @Test func aHostThatLeavesIsForgotten() throws {
        let world = try world(.strictDNS)
        answer(world, 1, 2)
        world.fail(500, host: 0, times: 2)
        #expect(world.ejected == [0])
        let left = world.hosts[0]
        world.advance(5)
        answer(world, 2)
        #expect(world.stat("active") == 0)
        #expect(world.fixture.stat("membership_healthy") == 1)
        // What its last requests still tell is nobody's concern.
        world.fixture.cluster.report(.failed, of: left)
        world.fixture.cluster.report(.failed, of: left)
        world.fixture.settle()
        #expect(world.stat("active") == 0)
        world.advance(5)
        answer(world, 1, 2)
        #expect(world.hosts.count == 2 && world.ejected == [])
        world.fail(500, host: 0, times: 1)
        #expect(world.ejected == [])
        world.fail(500, host: 0, times: 1)
        #expect(world.ejected == [0])
    }

    @Test func aHostThatStaysIsOutAsBefore() throws {
        let world = try world(.strictDNS)
        answer(world, 1, 2)
        world.fail(500, host: 1, times: 2)
        world.advance(5)
        answer(world, 1, 2, 3)
        #expect(world.ejected == [1])
        #expect(world.served() == 2)
        #expect(world.stat("active") == 1)
        for _ in 0..<3 { world.advance(10) }
        #expect(world.ejected == [])
    }

    @Test func aHostThatMovesIsTheSame() throws {
        let world = try world(.logicalDNS)
        answer(world, 1)
        world.fail(500, times: 1)
        world.advance(5)
        answer(world, 2)
        #expect(world.hosts.map(\.address.description) == ["10.0.0.2:80"])
        world.fail(500, times: 1)
        #expect(world.ejected == [0])
        for _ in 0..<3 { world.advance(10) }
        #expect(world.ejected == [])
    }

    @Test func hostsThatWorkersMakeAreWatchedAndServed() throws {
        let world = try world(.originalDestination)
        let destinations = try #require(world.fixture.cluster.shared.originalDestinations)
        let host = try #require(destinations.take(.v4(.loopback, port: 9)))
        let before = world.fixture.cluster.hosts
        world.fixture.cluster.report(.failed, of: host)
        world.fixture.cluster.report(.failed, of: host)
        world.fixture.settle()
        #expect(host.healthFlags == .failedOutlierCheck)
        #expect(world.stat("active") == 1)
        #expect(world.report.hosts.map(\.flags) == [.failedOutlierCheck])
        #expect(world.fixture.stat("membership_healthy") == 0)
        // Workers go there all the same: it is where the client wants to go.
        #expect(world.fixture.cluster.hosts === before)
        destinations.giveUp([.v4(.loopback, port: 9)])
        world.advance(10)
        #expect(world.stat("active") == 0)
    }

    @Test func nothingTicksWithoutTheField() throws {
        let fixture = try UpstreamFixture([.v4(.loopback, port: 1)])
        fixture.directory.start(timeout: .seconds(1)) {}
        fixture.advance(.seconds(2))
        // No timer is armed: a turn waits for ever, or for as long as it may.
        #expect(fixture.loop.turn(maxWait: .zero) == 0)
        #expect(fixture.store.snapshot().value("cluster.c.outlier_detection.ejections_active") == 0)
    }
}
