// Health checks of hosts that come from DNS: they come, leave, and stay while they are seen to serve.
import Reactor
import TestKit
import Testing

@testable import DataPlane

@Suite struct CheckedNamesTests {
    /// Names that stand for addresses of this machine; one server listens on all of them.
    private final class Rig {
        let clock = TestClock()
        let loop: EventLoop
        let server: ScriptedServer
        let fixture: UpstreamFixture
        private(set) var isInitialised = false

        init(logical: Bool = false, _ change: (inout ClusterSpec) -> Void = { _ in }) throws {
            loop = try EventLoop(clock: clock)
            server = try ScriptedServer(loop: loop, address: .v4(IPv4Address(bits: 0), port: 0))
            var check = HealthCheckSpec(
                timeout: .seconds(1), interval: .seconds(10), unhealthy: 1, healthy: 1,
                .http(HTTPHealthCheckSpec(path: "/")))
            check.noTrafficInterval = .seconds(10)
            check.noTrafficHealthyInterval = .seconds(10)
            var spec = ClusterSpec(name: "c")
            spec.discovery = logical ? .logicalDNS : .strictDNS
            spec.endpoints = [
                LocalityEndpointsSpec(endpoints: [EndpointSpec(address: .name("a", port: server.address.port))])
            ]
            spec.healthCheck = check
            spec.dns.refreshRate = .seconds(3)
            change(&spec)
            fixture = try UpstreamFixture([spec], workers: 1, clock: clock, loop: loop)
            server.answer(ScriptedServer.ok())
        }

        deinit {
            fixture.directory.stop()
            server.close()
        }

        func start(_ numbers: UInt32...) {
            fixture.names.answers["a"] = Self.addresses(numbers)
            fixture.directory.start(timeout: .seconds(15)) { [unowned self] in isInitialised = true }
        }

        /// 127.0.0.<number>.
        static func addresses(_ numbers: [UInt32]) -> NameLookup {
            .addresses(numbers.map { .v4(IPv4Address(bits: 0x7f00_0000 + $0)) }, ttl: .zero)
        }

        func resolve(to numbers: UInt32...) {
            fixture.names.answers["a"] = Self.addresses(numbers)
            fixture.advance(.seconds(3))
        }

        func stat(_ name: String) -> Int { fixture.stat(name) }

        /// Last byte of the address and flags of each host.
        var hosts: [String] {
            (fixture.directory.hosts(of: "c")?.hosts ?? []).map {
                "\($0.address.description.split(separator: ":")[0].split(separator: ".")[3]) \($0.healthFlags.description)"
            }
        }
    }

    @Test func theClusterIsReadyAfterTheFirstChecksOfWhatWasFound() throws {
        let rig = try Rig()
        rig.server.onBytes = { _ in }
        rig.start(1, 2)
        rig.fixture.wait { rig.stat("health_check.attempt") == 2 }
        #expect(rig.hosts == ["1 /failed_active_hc", "2 /failed_active_hc"])
        #expect(!rig.isInitialised)
        #expect(rig.fixture.directory.uninitialised.first?.reason.contains("health checks") == true)
        rig.fixture.wait { rig.server.peers.count == 2 && rig.server.peers.allSatisfy { $0.endOfHead != nil } }
        rig.server.peers[0].send(ScriptedServer.ok())
        rig.fixture.wait { rig.stat("health_check.success") == 1 }
        rig.fixture.settle()
        #expect(!rig.isInitialised)
        rig.server.peers[1].send(ScriptedServer.ok())
        rig.fixture.wait { rig.isInitialised }
        #expect(rig.hosts == ["1 healthy", "2 healthy"])
        #expect(rig.stat("membership_healthy") == 2)
    }

    @Test func newHostsAreCheckedAndOldOnesNoMore() throws {
        let rig = try Rig { $0.removesHealthyHosts = true }
        rig.start(1)
        rig.fixture.wait { rig.isInitialised }
        rig.resolve(to: 2)
        rig.fixture.wait { rig.hosts == ["2 healthy"] }
        #expect(rig.stat("health_check.healthy") == 1)
        let attempts = rig.stat("health_check.attempt")
        rig.fixture.advance(.seconds(10))
        rig.fixture.wait { rig.stat("health_check.success") == attempts + 1 }
    }

    @Test func aHostThatServesStaysUntilItFails() throws {
        let rig = try Rig()
        rig.start(1)
        rig.fixture.wait { rig.isInitialised }
        rig.resolve(to: 2)
        rig.fixture.wait { rig.hosts == ["2 healthy", "1 /pending_dynamic_removal"] }
        #expect(rig.fixture.cluster.hosts.healthyCount == 2)
        #expect(rig.stat("membership_total") == 2)
        // Back again: the flag goes.
        rig.resolve(to: 2, 1)
        #expect(rig.hosts == ["2 healthy", "1 healthy"])
        rig.resolve(to: 2)
        #expect(rig.hosts == ["2 healthy", "1 /pending_dynamic_removal"])
        rig.server.onBytes = { peer in
            guard let end = peer.endOfHead else { return }
            peer.drop(end)
            let isFirst = peer.connection?.localAddress?.description.hasPrefix("127.0.0.1:") == true
            peer.send(isFirst ? "HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n" : ScriptedServer.ok())
        }
        rig.fixture.advance(.seconds(10))
        rig.fixture.wait { rig.hosts == ["2 healthy"] }
        #expect(rig.stat("membership_total") == 1)
        #expect(rig.stat("health_check.healthy") == 1)
    }

    @Test func uncheckedHostsCountForNothingWhereTheFileSaysSo() throws {
        let rig = try Rig { $0.ignoresUncheckedHosts = true }
        rig.start(1)
        rig.fixture.wait { rig.isInitialised }
        rig.server.onBytes = { _ in }
        rig.resolve(to: 1, 2)
        #expect(rig.hosts == ["1 healthy", "2 /failed_active_hc/pending_active_hc"])
        #expect(rig.stat("membership_excluded") == 1)
        rig.fixture.wait { rig.server.peers.count == 2 && rig.server.peers[1].endOfHead != nil }
        rig.server.peers[1].send("HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n")
        rig.fixture.wait { rig.stat("membership_excluded") == 0 }
        #expect(rig.hosts == ["1 healthy", "2 /failed_active_hc"])
    }

    @Test func nobodyWaitsForNamesWhereTheFileSaysSo() throws {
        let rig = try Rig { $0.waitsForNames = false }
        rig.fixture.directory.start(timeout: .seconds(15)) {}
        #expect(rig.fixture.directory.uninitialised.isEmpty)
        #expect(rig.stat("warming_state") == 0)
    }

    @Test func aHostThatMovesKeepsItsStanding() throws {
        let rig = try Rig(logical: true)
        rig.start(1)
        rig.fixture.wait { rig.isInitialised }
        rig.resolve(to: 2)
        #expect(rig.hosts == ["2 healthy"])
        #expect(rig.stat("health_check.healthy") == 1)
        rig.fixture.advance(.seconds(10))
        rig.fixture.wait { rig.stat("health_check.success") == 2 }
        // Not over the connection that is there, which leads to the old place.
        let ends = rig.server.peers.map { $0.connection?.localAddress?.description.prefix(10) }
        #expect(ends == ["127.0.0.1:", "127.0.0.2:"])
    }
}
