// The circuit breakers: limits over all workers, the retry budget.
import Testing

@testable import DataPlane

struct BreakerTests {
    @Test func aResourceStopsAtItsLimit() {
        let resource = BreakerResource(limit: 2)
        #expect(resource.tryAcquire())
        #expect(resource.tryAcquire())
        #expect(!resource.tryAcquire())
        #expect(resource.current == 2)
        #expect(resource.remaining == 0)
        resource.release()
        #expect(resource.canAcquire)
        resource.acquire()
        resource.acquire()
        #expect(resource.remaining == 0)
    }

    @Test func noLimitIsNoLimit() {
        let resource = BreakerResource(limit: .max)
        for _ in 0..<10 { #expect(resource.tryAcquire()) }
        #expect(resource.remaining == Int(UInt32.max))
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
