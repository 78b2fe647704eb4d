// The small parts: what a host's idle closes teach, the queue of waiters, response counters.
import HTTPWire
import Metrics
import Reactor
import Testing

@testable import DataPlane

struct IdleLearnerTests {
    private func time(_ seconds: Double) -> MonotonicTime { MonotonicTime(ns: UInt64(seconds * 1e9)) }

    @Test func twoClosesThatAgreeTeachALimit() {
        var learner = IdleLearner()
        learner.peerClosed(after: .seconds(10), at: time(100))
        #expect(learner.limit(at: time(100)) == nil)
        learner.peerClosed(after: .milliseconds(10_100), at: time(150))
        #expect(learner.limit(at: time(150)) == .seconds(9))
    }

    @Test func aRestartTeachesNothing() {
        var learner = IdleLearner()
        for idle in [10.0, 10.1, 3, 10] {
            learner.peerClosed(after: TimeAmount(nanoseconds: Int64(idle * 1e9)), at: time(100))
        }
        #expect(learner.limit(at: time(100)) == nil)
    }

    @Test func closesThatDisagreeTeachNothing() {
        var learner = IdleLearner()
        learner.peerClosed(after: .seconds(10), at: time(100))
        learner.peerClosed(after: .seconds(20), at: time(200))
        learner.peerClosed(after: .seconds(40), at: time(300))
        #expect(learner.limit(at: time(300)) == nil)
    }

    @Test func shortIdleTimesTeachNothing() {
        var learner = IdleLearner()
        learner.peerClosed(after: .milliseconds(100), at: time(100))
        learner.peerClosed(after: .milliseconds(100), at: time(200))
        #expect(learner.limit(at: time(200)) == nil)
    }

    @Test func lessonsAreForgotten() {
        var learner = IdleLearner()
        learner.peerClosed(after: .seconds(10), at: time(100))
        learner.peerClosed(after: .seconds(10), at: time(200))
        #expect(learner.limit(at: time(3000)) != nil)
        #expect(learner.limit(at: time(4000)) == nil)
    }
}

private final class Waiter: PoolWaiter {
    let number: Int
    init(_ number: Int) { self.number = number }
    func poolReady(_ stream: any UpstreamStream, host: Host) {}
    func poolFailed(_ reason: StreamResetReason, host: Host, detail: String) {}
    var upstreamDelegate: any UpstreamStreamDelegate { fatalError("not asked for in these tests") }
}

struct PendingQueueTests {
    private func number(_ waiter: (any PoolWaiter)?) -> Int? { (waiter as? Waiter)?.number }

    @Test func firstComeFirstServed() {
        var queue = PendingQueue()
        for index in 0..<5 { _ = queue.append(Waiter(index), fresh: false) }
        #expect((0..<5).map { _ in number(queue.take(forNewConnection: false)) } == [0, 1, 2, 3, 4])
        #expect(queue.count == 0)
        #expect(queue.take(forNewConnection: true) == nil)
    }

    @Test func whoNeedsANewConnectionGetsIt() {
        var queue = PendingQueue()
        _ = queue.append(Waiter(0), fresh: false)
        _ = queue.append(Waiter(1), fresh: true)
        _ = queue.append(Waiter(2), fresh: false)
        #expect(number(queue.take(forNewConnection: true)) == 1)
        #expect(number(queue.take(forNewConnection: true)) == 0)
        _ = queue.append(Waiter(3), fresh: true)
        #expect(number(queue.take(forNewConnection: false)) == 2)
        #expect(queue.take(forNewConnection: false) == nil)
        #expect(number(queue.take(forNewConnection: true)) == 3)
    }

    @Test func serialsStayTrue() {
        var queue = PendingQueue()
        var random = FastRandom(seed: (1, 1, 2, 3))
        var model: [(serial: UInt64, number: Int)] = []
        for step in 0..<5000 {
            let action = random.below(3)
            if action == 0 || (action == 1 && model.count < 200) || model.isEmpty {
                model.append((queue.append(Waiter(step), fresh: false), step))
            } else if action == 1 {
                #expect(number(queue.take(forNewConnection: false)) == model.removeFirst().number)
            } else {
                let gone = model.remove(at: Int(random.below(UInt64(model.count))))
                #expect(number(queue.remove(serial: gone.serial)) == gone.number)
                #expect(queue.remove(serial: gone.serial) == nil)
            }
            #expect(queue.count == model.count)
        }
        #expect(queue.takeAll().map { number($0) } == model.map(\.number))
        #expect(queue.count == 0)
    }
}

struct ResponseStatsTests {
    @Test func codesClassesAndCompletions() {
        let store = StatStore()
        let stats = ClusterStats(cells: store.makeCells(), cluster: "c")
        for status in [200, 200, 404, 503, 999, 42] { stats.responses.record(status: status) }
        stats.retry.record(status: 503)
        stats.responses.recordTime(milliseconds: 5)
        store.mergeHistograms()
        let snapshot = store.snapshot()
        func value(_ name: String) -> UInt64 { snapshot.value("cluster.c." + name) }
        #expect(value("upstream_rq_completed") == 6)
        #expect(value("upstream_rq_200") == 2)
        #expect(value("upstream_rq_2xx") == 2)
        #expect(value("upstream_rq_404") == 1)
        #expect(value("upstream_rq_4xx") == 1)
        #expect(value("upstream_rq_5xx") == 1)
        #expect(value("retry.upstream_rq_503") == 1)
        #expect(value("retry.upstream_rq_5xx") == 1)
        #expect(snapshot.find("cluster.c.upstream_rq_time", .histogram)?.isUsed == true)
        #expect(snapshot.find("cluster.c.upstream_rq_500", .counter) == nil)
        #expect(snapshot.find("cluster.c.canary.upstream_rq_completed", .counter) == nil)
    }
}
