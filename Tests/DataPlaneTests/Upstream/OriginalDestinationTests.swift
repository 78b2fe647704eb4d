// ORIGINAL_DST clusters: hosts come with the clients that ask for them, and go when nobody does.
import HTTPWire
import Reactor
import TestKit
import Testing

@testable import DataPlane

/// A cluster "c" without endpoints, and a server that clients want to go to.
private final class Destinations {
    let fixture: UpstreamFixture
    let server: ScriptedServer

    init(workers: Int = 1, _ change: (inout ClusterSpec) -> Void = { _ in }) throws {
        let clock = TestClock()
        let loop = try EventLoop(clock: clock)
        server = try ScriptedServer(loop: loop)
        server.answer(ScriptedServer.ok())
        var spec = ClusterSpec(name: "c")
        spec.discovery = .originalDestination
        spec.http.idleTimeout = .seconds(60)
        change(&spec)
        fixture = try UpstreamFixture([spec], workers: workers, clock: clock, loop: loop)
    }

    deinit { server.close() }

    var hosts: [String] {
        fixture.directory.reports[0].hosts.map(\.address.description)
    }

    /// Sends a request of a client that wanted to go to `target`.
    @discardableResult
    func send(to target: SocketAddress?, header: String? = nil, worker: Int = 0) -> TestTry {
        fixture.send(
            on: fixture.cluster(worker),
            origin: StreamOrigin(downstream: client(to: target), request: header.map(request)))
    }

    func exchange(to target: SocketAddress?, worker: Int = 0) -> TestTry {
        let attempt = send(to: target, worker: worker)
        fixture.wait { attempt.isOver }
        return attempt
    }

    func client(to target: SocketAddress?, from peer: SocketAddress = .v4(.loopback, port: 4000)) -> DownstreamInfo {
        let info = DownstreamInfo(
            connectionID: 1, local: .v4(.loopback, port: 15001), remote: peer, accepted: fixture.loop.now)
        info.originalDestination = target
        return info
    }

    private func request(_ value: String) -> HeaderMap {
        let map = HeaderMap()
        FixedBytes(value).withView { _ = map.append(name: ByteView("x-where" as StaticString), value: $0) }
        return map
    }
}

struct OriginalDestinationTests {
    private static let elsewhere = SocketAddress.v4(.loopback, port: 1)

    @Test func aClientGoesWhereItWantedTo() throws {
        let world = try Destinations()
        let attempt = world.exchange(to: world.server.address)
        #expect(attempt.status == 200)
        #expect(attempt.host?.address == world.server.address)
        #expect(attempt.host?.hostname == "c\(world.server.address)")
        #expect(world.hosts == ["\(world.server.address)"])
        #expect(world.fixture.stat("membership_total") == 1)
        #expect(world.fixture.stat("membership_healthy") == 1)
        #expect(world.fixture.stat("membership_change") == 1)
        // The connection is kept for the next one.
        world.send(to: world.server.address)
        #expect(world.fixture.stat("upstream_cx_total") == 1)
        #expect(world.fixture.stat("membership_change") == 1)
    }

    @Test func nobodySaysWhere() throws {
        let world = try Destinations()
        guard case .noHealthyHost = world.send(to: nil).outcome else {
            Issue.record("a host out of nowhere")
            return
        }
        #expect(world.fixture.stat("upstream_cx_none_healthy") == 1)
        #expect(world.fixture.stat("membership_total") == 0)
    }

    @Test func theHeaderComesFirst() throws {
        let world = try Destinations { $0.originalDestination.header = "x-where" }
        world.send(to: Self.elsewhere, header: "127.0.0.2:70")
        world.send(to: Self.elsewhere, header: "[::1]:70")
        #expect(world.hosts == ["127.0.0.2:70", "[::1]:70"])
        #expect(world.fixture.stat("original_dst_host_invalid") == 0)
        for text in [
            "", "localhost:80", "127.0.0.1", "::1:80", "127.0.0.1:x", "127.0.0.1:70000", "1.2.3.4:5,6.7.8.9:1",
        ] {
            world.send(to: Self.elsewhere, header: text)
        }
        #expect(world.fixture.stat("original_dst_host_invalid") == 7)
        #expect(world.hosts == ["127.0.0.2:70", "[::1]:70", "127.0.0.1:1"])
    }

    @Test func thePortMayBeAnother() throws {
        let world = try Destinations { $0.originalDestination.portOverride = 9 }
        world.send(to: Self.elsewhere)
        #expect(world.hosts == ["127.0.0.1:9"])
    }

    @Test func aDestinationGoesWhenItIsNotUsed() throws {
        let world = try Destinations { $0.http.idleTimeout = .seconds(13) }
        #expect(world.exchange(to: world.server.address).isComplete)
        world.fixture.advance(.seconds(6))
        #expect(world.hosts.count == 1)
        // Nobody has chosen it since, but there is a connection.
        world.fixture.advance(.seconds(6))
        #expect(world.hosts.count == 1)
        world.fixture.advance(.seconds(2))
        #expect(world.fixture.stat("upstream_cx_active") == 0)
        #expect(world.hosts.count == 1)
        world.fixture.advance(.seconds(6))
        #expect(world.hosts == [])
        #expect(world.fixture.stat("membership_total") == 0)
        #expect(world.fixture.stat("membership_change") == 2)
        #expect(world.exchange(to: world.server.address).isComplete)
        #expect(world.fixture.stat("membership_change") == 3)
    }

    @Test func workersShareTheirHosts() throws {
        let world = try Destinations(workers: 2)
        let first = world.exchange(to: world.server.address)
        let second = world.exchange(to: world.server.address, worker: 1)
        #expect(first.host === second.host)
        #expect(first.host?.totals.rqTotal == 2)
        #expect(world.fixture.stat("membership_total") == 1)
        world.fixture.sets[0].shutDown()
        #expect(world.hosts.count == 1)
    }

    @Test func thereIsALimit() throws {
        let world = try Destinations(workers: 2) { $0.originalDestination.maxHosts = 2 }
        for port in UInt16(1)...2 { world.send(to: .v4(.loopback, port: port), worker: Int(port) - 1) }
        guard case .refused(.tooManyHosts(limit: 2)) = world.send(to: .v4(.loopback, port: 3)).outcome else {
            Issue.record("more than two")
            return
        }
        #expect(world.fixture.stat("original_dst_host_overflow") == 1)
        #expect(world.fixture.stat("membership_total") == 2)
        // Those that failed to connect make room.
        world.fixture.settle()
        world.fixture.advance(.seconds(6))
        world.fixture.advance(.seconds(6))
        world.send(to: .v4(.loopback, port: 3))
        #expect(world.hosts == ["127.0.0.1:3"])
    }

    // MARK: - Loops

    @Test func ourOwnListenersAreNoDestination() throws {
        let world = try Destinations()
        let bound = try ListenerSockets.bind(
            ListenerSpec(name: "here", addresses: [ListenAddress(.v4(.loopback, port: 0))]), workers: 1,
            loop: world.fixture.loop)
        let wild = try ListenerSockets.bind(
            ListenerSpec(name: "all", addresses: [ListenAddress(.v4(.any, port: 0))]), workers: 1,
            loop: world.fixture.loop)
        for listener in [bound, wild] { world.fixture.directory.loops.add(listener) }
        let port = wild.localAddresses[0].port
        for (target, name) in [
            (bound.localAddresses[0], "here"), (.v4(.loopback, port: port), "all"),
            (.v4(IPv4Address(bits: 0x7f01_0203), port: port), "all"),
        ] {
            guard case .refused(.ownListener(name)) = world.send(to: target).outcome else {
                Issue.record("\(target) is \(name)")
                continue
            }
        }
        #expect(world.fixture.stat("original_dst_loop_refused") == 3)
        #expect(world.fixture.stat("membership_total") == 0)
        // An update is noted before what it replaces is forgotten.
        let loops = world.fixture.directory.loops
        loops.add(bound)
        loops.remove(bound)
        #expect(loops.listener(at: bound.localAddresses[0]) == "here")
        loops.remove(bound)
        #expect(loops.listener(at: bound.localAddresses[0]) == nil)
        // The same port on another machine, and of another family.
        for target in [SocketAddress("192.0.2.1:\(port)"), SocketAddress("[::1]:\(port)")] {
            guard case .waiting = world.send(to: target).outcome else {
                Issue.record("\(target as Any) is somebody else's")
                continue
            }
        }
    }

    @Test func ourOwnConnectionsPassAFewTimes() throws {
        let world = try Destinations()
        world.server.onBytes = { _ in }
        var peer = SocketAddress.v4(.loopback, port: 4000)
        for pass in 0..<LoopGuard.maxPasses {
            let client = world.client(to: world.server.address, from: peer)
            let attempt = world.fixture.send(origin: StreamOrigin(downstream: client))
            world.fixture.wait { world.server.peers.count == pass + 1 && attempt.stream != nil }
            peer = try #require(attempt.stream?.connectionInfo.localAddress)
        }
        let client = world.client(to: world.server.address, from: peer)
        let last = world.fixture.send(origin: StreamOrigin(downstream: client))
        guard case .refused(.circling(passes: LoopGuard.maxPasses)) = last.outcome else {
            Issue.record("round and round")
            return
        }
        #expect(world.fixture.stat("original_dst_loop_refused") == 1)
    }

    @Test func anEndThatIsClosedIsNobodys() throws {
        let world = try Destinations()
        let attempt = world.exchange(to: world.server.address)
        let end = try #require(attempt.stream?.connectionInfo.localAddress)
        let loops = world.fixture.directory.loops
        let another = world.client(to: nil, from: end)
        #expect(loops.refusal(another) == nil)
        #expect(another.passes == 1)
        world.fixture.advance(.seconds(61))
        let later = world.client(to: nil, from: end)
        #expect(loops.refusal(later) == nil)
        #expect(later.passes == 0)
    }

    @Test func loopsMayBeAllowed() throws {
        let world = try Destinations { $0.originalDestination.refusesLoops = false }
        let bound = try ListenerSockets.bind(
            ListenerSpec(name: "here", addresses: [ListenAddress(.v4(.loopback, port: 0))]), workers: 1,
            loop: world.fixture.loop)
        world.fixture.directory.loops.add(bound)
        guard case .waiting = world.send(to: bound.localAddresses[0]).outcome else {
            Issue.record("refused")
            return
        }
    }
}
