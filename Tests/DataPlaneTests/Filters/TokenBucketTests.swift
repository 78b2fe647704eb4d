// Token buckets: how much they hold, how they fill, and that all threads share them.
import Reactor
import Synchronization
import Testing

@testable import DataPlane

struct TokenBucketTests {
    private func at(_ time: TimeAmount) -> MonotonicTime { MonotonicTime(ns: 5_000_000_000) + time }

    private func taken(_ bucket: TokenBucket, of count: Int, at time: TimeAmount) -> Int {
        (0..<count).filter { _ in bucket.take(now: at(time)) }.count
    }

    @Test func itIsFullAtFirstAndNeverFuller() {
        let bucket = TokenBucket(TokenRate(capacity: 3, tokensPerFill: 1, fillInterval: .seconds(1)))
        #expect(taken(bucket, of: 5, at: .zero) == 3)
        #expect(taken(bucket, of: 5, at: .seconds(3600)) == 3)
    }

    @Test func tokensComeBackOneByOne() {
        let bucket = TokenBucket(TokenRate(capacity: 10, tokensPerFill: 10, fillInterval: .seconds(10)))
        #expect(taken(bucket, of: 11, at: .zero) == 10)
        #expect(taken(bucket, of: 1, at: .milliseconds(999)) == 0)
        #expect(taken(bucket, of: 2, at: .milliseconds(1000)) == 1)
        #expect(taken(bucket, of: 5, at: .milliseconds(3500)) == 2)
        #expect(taken(bucket, of: 2, at: .milliseconds(4000)) == 1)
    }

    @Test func whatIsRefusedCostsNothing() {
        let bucket = TokenBucket(TokenRate(capacity: 1, tokensPerFill: 1, fillInterval: .seconds(1)))
        #expect(taken(bucket, of: 1, at: .zero) == 1)
        for step in 1..<10 { #expect(taken(bucket, of: 1, at: .milliseconds(Int64(step) * 100)) == 0) }
        #expect(taken(bucket, of: 1, at: .seconds(1)) == 1)
    }

    @Test func itTellsWhatIsLeft() {
        let bucket = TokenBucket(TokenRate(capacity: 2, tokensPerFill: 1, fillInterval: .seconds(10)))
        func quota(_ time: TimeAmount) -> [UInt64] {
            let quota = bucket.quota(now: at(time))
            return [UInt64(quota.limit), UInt64(quota.remaining), quota.resetSeconds]
        }
        #expect(quota(.zero) == [2, 2, 0])
        #expect(taken(bucket, of: 1, at: .zero) == 1)
        #expect(quota(.zero) == [2, 1, 0])
        #expect(taken(bucket, of: 1, at: .zero) == 1)
        #expect(quota(.zero) == [2, 0, 10])
        #expect(quota(.milliseconds(9001)) == [2, 0, 1])
        #expect(quota(.seconds(10)) == [2, 1, 0])
        #expect(quota(.seconds(100)) == [2, 2, 0])
    }

    @Test(arguments: [
        (UInt32.max, UInt32.max, TimeAmount.max), (UInt32.max, 1, .max), (1, UInt32.max, .nanoseconds(1)),
        (1, 0, .zero), (0, 1, .seconds(1)),
    ])
    func noSizeAndNoTimeTraps(capacity: UInt32, perFill: UInt32, interval: TimeAmount) {
        let bucket = TokenBucket(TokenRate(capacity: capacity, tokensPerFill: perFill, fillInterval: interval))
        for time in [MonotonicTime.zero, MonotonicTime(ns: 1), .distantFuture, .zero, .distantFuture] {
            #expect(!bucket.take(now: time) || capacity > 0)
            #expect(bucket.quota(now: time).remaining <= capacity)
        }
    }

    @Test func noTokenIsGivenTwice() async {
        let bucket = TokenBucket(TokenRate(capacity: 10_000, tokensPerFill: 1, fillInterval: .seconds(1)))
        let now = at(.zero)
        let total = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<4 {
                group.addTask { (0..<5000).reduce(0) { sum, _ in sum + (bucket.take(now: now) ? 1 : 0) } }
            }
            return await group.reduce(0, +)
        }
        #expect(total == 10_000)
    }
}
