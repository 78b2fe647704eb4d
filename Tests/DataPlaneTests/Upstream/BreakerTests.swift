// The circuit breakers: limits over all workers, the retry budget.
import Testing

@testable import DataPlane

struct BreakerTests {
    @Test func aResourceStopsAtItsLimit() {
        let resource = BreakerResource(limit: 2)
        let taken = (0..<3).map { _ in resource.tryAcquire() }
        #expect(taken == [true, true, false])
        var (inUse, left, hasRoom) = (resource.current, resource.remaining, resource.canAcquire)
        #expect(inUse == 2 && left == 0 && !hasRoom)
        resource.release()
        hasRoom = resource.canAcquire
        #expect(hasRoom)
        resource.acquire()
        resource.acquire()
        (inUse, left) = (resource.current, resource.remaining)
        #expect(inUse == 3 && left == 0)
    }

    @Test func noLimitIsNoLimit() {
        let resource = BreakerResource(limit: .max)
        let taken = (0..<10).map { _ in resource.tryAcquire() }
        #expect(!taken.contains(false))
        let left = resource.remaining
        #expect(left == Int(UInt32.max))
    }

    @Test func theBudgetIsAShareOfWhatIsUnderWayAndThreeAtLeast() {
        let set = BreakerSet(ThresholdsSpec())
        #expect(set.retryLimit == 3)
        for _ in 0..<50 { _ = set.requests.tryAcquire() }
        for _ in 0..<50 { _ = set.pending.tryAcquire() }
        #expect(set.retryLimit == 20)
        for _ in 0..<20 { #expect(set.tryStartRetry()) }
        #expect(!set.tryStartRetry())
        set.endRetry()
        #expect(set.tryStartRetry())
    }

    @Test func maxRetriesHoldsWhereThereIsNoBudget() {
        var thresholds = ThresholdsSpec()
        thresholds.retryBudget = nil
        thresholds.maxRetries = 1
        let set = BreakerSet(thresholds)
        #expect(set.tryStartRetry())
        #expect(!set.tryStartRetry())
    }
}
