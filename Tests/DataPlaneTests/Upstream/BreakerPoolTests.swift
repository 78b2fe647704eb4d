// Circuit breakers at work in the pools, over one worker and two.
import HTTPWire
import Reactor
import TestKit
import Testing

@testable import DataPlane

struct BreakerPoolTests {
    @Test func atTheConnectionLimitARequestWaitsForAConnectionInUse() throws {
        let world = try World { $0.breakers.default.maxConnections = 1 }
        let first = world.exchangeOpen()
        let second = world.send()
        world.settle()
        #expect(second.stream == nil)
        #expect(world.stat("upstream_cx_overflow") == 1)
        #expect(world.stat("circuit_breakers.default.cx_open") == 1)
        #expect(world.stat("upstream_rq_pending_active") == 1)
        world.server.answer(ScriptedServer.ok())
        world.peer.send(ScriptedServer.ok())
        world.wait { second.isOver }
        #expect(first.isComplete)
        #expect(second.isComplete)
        #expect(second.earlierRequests == 1)
        #expect(world.server.peers.count == 1)
    }

    @Test func whenTheConnectionInUseDiesTheWaiterGetsANewOne() throws {
        let world = try World { $0.breakers.default.maxConnections = 1 }
        let first = world.exchangeOpen()
        let second = world.send()
        world.settle()
        world.server.answer(ScriptedServer.ok())
        world.peer.reset()
        world.wait { second.isOver }
        #expect(first.reset == .connectionTermination)
        #expect(second.isComplete)
        #expect(second.earlierRequests == 0)
    }

    @Test func pendingOverflow() throws {
        let world = try World {
            $0.breakers.default.maxConnections = 1
            $0.breakers.default.maxPendingRequests = 1
        }
        world.exchangeOpen()
        world.send()
        let refused = world.send()
        guard case .overflow = refused.outcome else {
            Issue.record("no overflow")
            return
        }
        #expect(world.stat("upstream_rq_pending_overflow") == 1)
        #expect(world.stat("circuit_breakers.default.rq_pending_open") == 1)
    }

    @Test func requestOverflowOnAReadyConnection() throws {
        let world = try World { $0.breakers.default.maxRequests = 1 }
        world.server.answer(ScriptedServer.ok())
        let (one, two) = (world.send(), world.send())
        world.wait { one.isOver && two.isOver }
        // One of the two found the place taken when its connection came up.
        #expect([one, two].filter { $0.failure == .overflow }.count == 1)
        #expect(world.stat("upstream_rq_active_overflow") == 1)
        #expect(world.stat("upstream_rq_active") == 0)
    }

    @Test func requestOverflowLeavesTheConnectionReady() throws {
        let world = try World()
        world.server.answer(ScriptedServer.ok())
        let (one, two) = (world.send(), world.send())
        world.wait { one.isOver && two.isOver }
        let breakers = world.cluster.shared.breakers.default
        while breakers.requests.tryAcquire() {}
        let refused = world.send()
        guard case .overflow = refused.outcome else {
            Issue.record("no overflow")
            return
        }
        #expect(world.stat("circuit_breakers.default.rq_open") == 1)
        for _ in 0..<breakers.requests.current { breakers.requests.release() }
        #expect(world.stat("upstream_cx_active") == 2)
        #expect(world.exchange().earlierRequests == 1)
    }

    @Test func theLimitsHoldOverAllWorkers() throws {
        let world = try World(workers: 2) { $0.breakers.default.maxConnections = 3 }
        let other = world.fixture.cluster(1)
        var attempts: [TestTry] = []
        for _ in 0..<2 { attempts.append(world.send()) }
        for _ in 0..<2 { attempts.append(world.fixture.send(on: other)) }
        world.wait { world.server.peers.filter { $0.endOfHead != nil }.count == 3 }
        world.settle()
        #expect(world.server.peers.count == 3)
        #expect(world.stat("upstream_cx_active") == 3)
        #expect(world.stat("upstream_rq_pending_active") == 1)
        #expect(world.fixture.directory.reports[0].hosts[0].totals.rqActive == 3)
        #expect(world.fixture.directory.reports[0].hosts[0].totals.rqPendingActive == 1)
    }

    @Test func aPoolWithoutAnyConnectionGetsOnePastTheLimit() throws {
        let world = try World(workers: 2) { $0.breakers.default.maxConnections = 1 }
        world.exchangeOpen()
        let other = world.fixture.send(on: world.fixture.cluster(1))
        world.wait { other.stream != nil }
        #expect(world.stat("upstream_cx_active") == 2)
        #expect(world.stat("upstream_cx_overflow") == 1)
        let left = world.cluster.shared.breakers.default.connections.remaining
        #expect(left == 0)
    }

    @Test func theLimitOfAHost() throws {
        let world = try World { $0.breakers.maxConnectionsPerHost = 1 }
        world.exchangeOpen()
        let second = world.send()
        world.settle()
        #expect(second.stream == nil)
        #expect(world.stat("upstream_cx_overflow") == 1)
        #expect(world.stat("circuit_breakers.default.cx_open") == 0)
    }

    @Test func prioritiesHaveBreakersOfTheirOwn() throws {
        let world = try World { $0.breakers.default.maxPendingRequests = 0 }
        guard case .overflow = world.send().outcome else {
            Issue.record("no overflow")
            return
        }
        world.server.answer(ScriptedServer.ok())
        let attempt = TestTry(world.loop, TestRequest())
        attempt.outcome = world.cluster.newStream(attempt, priority: .high)
        world.wait { attempt.isOver }
        #expect(attempt.isComplete)
    }

    @Test func whatRemainsIsShownWhenTracked() throws {
        let world = try World {
            $0.breakers.default.trackRemaining = true
            $0.breakers.default.retryBudget = nil
        }
        world.exchangeOpen()
        #expect(world.stat("circuit_breakers.default.remaining_cx") == 1023)
        #expect(world.stat("circuit_breakers.default.remaining_rq") == 1023)
        #expect(world.stat("circuit_breakers.default.remaining_pending") == 1024)
        #expect(world.stat("circuit_breakers.default.remaining_retries") == 3)
        #expect(world.cluster.tryStartRetry(.default))
        #expect(world.stat("circuit_breakers.default.remaining_retries") == 2)
        world.cluster.endRetry(.default)
    }
}
