// The pool: how long connections are kept, when they are trusted, and who waits for whom.
import HTTPWire
import Reactor
import TestKit
import Testing

@testable import DataPlane

struct PoolTests {
    @Test func idleConnectionsCloseAfterTheTimeout() throws {
        let world = try World { $0.http.idleTimeout = .seconds(10) }
        world.server.answer(ScriptedServer.ok())
        world.exchange()
        world.advance(.seconds(9))
        #expect(world.exchange().earlierRequests == 1)
        world.advance(.seconds(9))
        #expect(world.stat("upstream_cx_active") == 1)
        world.advance(.seconds(2))
        #expect(world.stat("upstream_cx_active") == 0)
        #expect(world.stat("upstream_cx_idle_timeout") == 1)
        #expect(world.stat("upstream_cx_destroy_local") == 1)
    }

    @Test func noIdleTimeoutIsForEver() throws {
        let world = try World { $0.http.idleTimeout = nil }
        world.server.answer(ScriptedServer.ok())
        world.exchange()
        world.advance(.hours(24))
        #expect(world.exchange().earlierRequests == 1)
    }

    @Test func theServersKeepAliveTimeoutIsObeyedATenthEarly() throws {
        let world = try World()
        world.server.answer(ScriptedServer.ok(extra: "keep-alive: max=100, timeout=10\r\n"))
        world.exchange()
        world.advance(.milliseconds(8900))
        #expect(world.exchange().earlierRequests == 1)
        world.advance(.milliseconds(9100))
        #expect(world.stat("upstream_cx_active") == 0)
        #expect(world.stat("upstream_cx_idle_timeout") == 1)
    }

    @Test func aFINWhileIdleIsSeenAtOnce() throws {
        let world = try World()
        world.server.answer(ScriptedServer.ok())
        world.exchange()
        world.peer.finish()
        world.wait { world.stat("upstream_cx_active") == 0 }
        #expect(world.stat("upstream_cx_idle_closed_by_peer") == 1)
        #expect(world.stat("upstream_cx_destroy_remote") == 1)
        #expect(world.stat("upstream_cx_protocol_error") == 0)
    }

    @Test func aFINThatTheLoopHasNotSeenIsFoundBeforeReuse() throws {
        let world = try World()
        world.server.answer(ScriptedServer.ok())
        world.exchange()
        world.settle()
        // Time goes by, and the FIN comes, without a turn of the loop in between.
        world.fixture.clock.advance(by: .seconds(5))
        world.loop.turn(maxWait: .zero)
        world.peer.finish()
        let done = world.exchange()
        #expect(done.isComplete)
        #expect(done.earlierRequests == 0)
        #expect(world.stat("upstream_cx_idle_closed_by_peer") == 1)
        #expect(world.stat("upstream_cx_total") == 2)
    }

    @Test func nobodyLooksForAFINWhereThatIsOff() throws {
        let world = try World { $0.reuse.peeksFirst = false }
        world.server.answer(ScriptedServer.ok())
        world.exchange()
        world.settle()
        world.fixture.clock.advance(by: .seconds(5))
        world.loop.turn(maxWait: .zero)
        world.peer.finish()
        let done = world.exchange()
        #expect(done.earlierRequests == 1)
        #expect(done.reset == .connectionTermination)
    }

    @Test(arguments: [true, false])
    func whatAHostShowsIsLearntUnlessThatIsOff(learns: Bool) throws {
        let world = try World { $0.reuse.learnsIdleTimeout = learns }
        world.server.answer(ScriptedServer.ok())
        for _ in 0..<2 {
            world.exchange()
            world.advance(.seconds(10))
            world.peer.finish()
            world.wait { world.stat("upstream_cx_active") == 0 }
        }
        world.exchange()
        world.advance(.seconds(9))
        #expect(world.stat("upstream_cx_active") == (learns ? 0 : 1))
        #expect(world.stat("upstream_cx_idle_timeout") == (learns ? 1 : 0))
    }

    @Test func deadPeersAreLookedForUnlessThatIsOff() {
        var spec = ClusterSpec(name: "c")
        #expect(UpstreamDefaults.socketOptions(spec).keepalive == UpstreamDefaults.keepalive)
        spec.detectsDeadPeers = false
        #expect(UpstreamDefaults.socketOptions(spec) == SocketOptions())
        spec.socketOptions.keepalive = TCPKeepalive(probes: 1)
        #expect(UpstreamDefaults.socketOptions(spec).keepalive == TCPKeepalive(probes: 1))
    }

    @Test func aServerThatClosesAfterEachResponse() throws {
        let world = try World()
        world.server.onBytes = { peer in
            peer.send(ScriptedServer.ok())
            peer.finish()
        }
        for _ in 0..<5 {
            let done = world.exchange()
            #expect(done.isComplete)
            world.settle()
        }
        #expect(world.stat("upstream_cx_active") == 0)
    }

    @Test func maxRequestsPerConnection() throws {
        let world = try World { $0.http.maxRequestsPerConnection = 2 }
        world.server.answer(ScriptedServer.ok())
        #expect([0, 1, 0, 1].allSatisfy { world.exchange().earlierRequests == $0 })
        #expect(world.stat("upstream_cx_max_requests") == 2)
        #expect(world.stat("upstream_cx_active") == 0)
        #expect(world.stat("upstream_cx_destroy_with_active_rq") == 0)
    }

    @Test func maxConnectionDuration() throws {
        let world = try World { $0.http.maxConnectionDuration = .seconds(10) }
        world.server.answer(ScriptedServer.ok())
        world.exchange()
        world.advance(.seconds(11))
        #expect(world.stat("upstream_cx_active") == 0)
        #expect(world.stat("upstream_cx_max_duration_reached") == 1)
        world.server.onBytes = { _ in }
        let busy = world.exchangeOpen()
        world.advance(.seconds(11))
        #expect(world.stat("upstream_cx_active") == 1)
        world.peer.send(ScriptedServer.ok())
        world.wait { busy.isOver }
        #expect(busy.isComplete)
        #expect(world.stat("upstream_cx_active") == 0)
    }

    @Test func aFreshConnectionOnRequest() throws {
        let world = try World()
        world.server.answer(ScriptedServer.ok())
        world.exchange()
        let done = world.exchange(fresh: true)
        #expect(done.earlierRequests == 0)
        #expect(world.stat("upstream_cx_active") == 2)
    }

    @Test func aFreshConnectionMakesRoomAtTheLimit() throws {
        let world = try World { $0.breakers.default.maxConnections = 1 }
        world.server.answer(ScriptedServer.ok())
        world.exchange()
        let done = world.exchange(fresh: true)
        #expect(done.isComplete)
        #expect(done.earlierRequests == 0)
        #expect(world.stat("upstream_cx_active") == 1)
    }

    @Test func aFreshConnectionWaitsForRoomAtTheLimit() throws {
        let world = try World { $0.breakers.default.maxConnections = 1 }
        let busy = world.exchangeOpen()
        let waiting = world.send(fresh: true)
        world.settle()
        #expect(waiting.stream == nil)
        world.server.answer(ScriptedServer.ok())
        world.peer.send(ScriptedServer.ok())
        world.wait { waiting.isOver }
        #expect(busy.isComplete)
        #expect(waiting.isComplete)
        #expect(waiting.earlierRequests == 0)
        #expect(world.server.peers.count == 2)
    }

    @Test func connectTimeoutCoversTheHandshake() throws {
        // A server that accepts and never says anything in TLS.
        let world = try World {
            $0.tls = TLSContextSpec()
            $0.connectTimeout = .milliseconds(300)
        }
        let attempt = world.send()
        world.wait { world.server.peers.count == 1 }
        world.advance(.milliseconds(250))
        #expect(!attempt.isOver)
        world.advance(.milliseconds(100))
        #expect(attempt.failure == .connectTimeout)
        #expect(attempt.detail.contains("connect_timeout 300ms"))
        #expect(world.stat("upstream_cx_connect_timeout") == 1)
        #expect(world.stat("upstream_cx_connect_fail") == 1)
        #expect(world.stat("upstream_cx_destroy_local") == 1)
        #expect(world.stat("upstream_cx_active") == 0)
    }

    @Test func connectTimeoutOfTCP() throws {
        // A queue of one that nobody empties: the kernel answers no further SYN.
        let clock = TestClock()
        let loop = try EventLoop(clock: clock)
        var options = ListenOptions()
        options.backlog = 0
        let listener = try ListeningSocket.bind(.v4(.loopback, port: 0), loop: loop, options: options)
        let filling = RecordingDelegate()
        let fillers = (0..<4).map { _ in Connection.connect(to: listener.localAddress, loop: loop, delegate: filling) }
        loop.turnWhileBusy()
        #expect(filling.established < 4)
        let fixture = try UpstreamFixture(
            [UpstreamFixture.spec([listener.localAddress])], workers: 1, clock: clock, loop: loop)
        let attempt = fixture.send()
        fixture.settle()
        #expect(!attempt.isOver)
        fixture.advance(.milliseconds(5100))
        #expect(attempt.failure == .connectTimeout)
        #expect(fixture.stat("upstream_cx_connect_timeout") == 1)
        #expect(fixture.stat("upstream_cx_active") == 0)
        for filler in fillers { filler.close() }
        listener.close()
    }

    @Test func aConnectFailureFailsAllWhoWait() throws {
        let world = try World()
        world.server.stopListening()
        let attempts = (0..<3).map { _ in world.send() }
        world.wait { attempts.allSatisfy { $0.isOver } }
        #expect(attempts.allSatisfy { $0.failure == .connectFailure })
        world.settle()
        #expect(world.stat("upstream_cx_active") == 0)
        #expect(world.stat("upstream_rq_pending_active") == 0)
    }

    @Test func aRetryFromInsideAFailureGetsAnotherConnection() throws {
        let world = try World()
        world.server.stopListening()
        let first = world.send()
        var second: TestTry?
        first.onFailure = { if second == nil { second = world.send() } }
        world.wait { second?.isOver == true }
        #expect(second?.failure == .connectFailure)
        #expect(world.stat("upstream_cx_connect_fail") == 2)
    }

    @Test func aWaiterMayGiveUp() throws {
        let world = try World()
        world.server.answer(ScriptedServer.ok())
        let attempt = world.send()
        guard case .waiting(let ticket) = attempt.outcome else {
            Issue.record("not waiting")
            return
        }
        ticket.cancel()
        ticket.cancel()
        world.settle()
        #expect(attempt.stream == nil)
        #expect(world.stat("upstream_rq_cancelled") == 1)
        #expect(world.stat("upstream_rq_pending_active") == 0)
        // The connection that was made for it serves the next request.
        #expect(world.exchange().earlierRequests == 0)
        #expect(world.stat("upstream_cx_total") == 1)
        ticket.cancel()
        #expect(world.stat("upstream_rq_cancelled") == 1)
    }

    @Test func shutDownEndsEverything() throws {
        let world = try World()
        let busy = world.exchangeOpen()
        let waiting = world.send()
        world.fixture.sets[0].shutDown()
        #expect(busy.reset == .localReset)
        #expect(waiting.failure == .connectFailure)
        world.settle()
        #expect(world.stat("upstream_cx_active") == 0)
        guard case .noHealthyHost = world.send().outcome else {
            Issue.record("a host after the end")
            return
        }
    }

    @Test func nothingIsKeptAfterTheEnd() throws {
        weak var cluster: Cluster?
        weak var stream: AnyObject?
        weak var pool: AnyObject?
        do {
            let world = try World()
            world.server.answer(ScriptedServer.ok())
            let done = world.exchange()
            let codec = done.stream as? HTTP1ClientConnection
            cluster = world.cluster
            stream = codec
            pool = codec?.pool
            #expect(pool != nil)
        }
        #expect(stream == nil)
        #expect(pool == nil)
        #expect(cluster == nil)
    }

    @Test func theHistogramsAreFed() throws {
        let world = try World()
        world.server.answer(ScriptedServer.ok(extra: "connection: close\r\n"))
        world.exchange()
        world.fixture.store.mergeHistograms()
        let snapshot = world.fixture.store.snapshot()
        for name in ["upstream_cx_connect_ms", "upstream_cx_length_ms", "upstream_rq_per_cx"] {
            #expect(snapshot.find("cluster.c." + name, .histogram)?.isUsed == true)
        }
    }
}
