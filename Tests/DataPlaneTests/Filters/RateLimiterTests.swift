// The buckets of a local rate limit: descriptors, their order, values that make room for each other.
import Reactor
import Testing

@testable import DataPlane

struct RateLimiterTests {
    private static func rate(_ tokens: UInt32, seconds: Int64 = 1000) -> TokenRate {
        TokenRate(capacity: tokens, tokensPerFill: 1, fillInterval: .seconds(seconds))
    }

    private static func described(_ entries: [(String, String)]) -> RequestDescriptor {
        let descriptor = RequestDescriptor()
        for (key, value) in entries {
            FixedBytes(key).withView { key in FixedBytes(value).withView { descriptor.append(key: key, value: $0) } }
        }
        return descriptor
    }

    private static func spec(_ entries: [(String, String)]) -> RateLimitDescriptorSpec {
        RateLimitDescriptorSpec(entries: entries.map { .init(key: $0, value: $1) })
    }

    private let start = MonotonicTime(ns: 1_000_000_000_000)

    // MARK: - Descriptors

    @Test func aDescriptorIsFoundByAllOfItsEntries() {
        let index = DescriptorIndex([
            Self.spec([("a", "1"), ("b", "2")]), Self.spec([("a", "")]), Self.spec([("a", "1")]),
            Self.spec([("a", "1"), ("b", "")]),
        ])
        for (entries, position) in [
            ([("a", "1"), ("b", "2")], 0), ([("a", "9")], 1), ([("a", "")], 1), ([("a", "1")], 2),
            ([("a", "1"), ("b", "9")], 3), ([("b", "2"), ("a", "1")], nil),
            ([("a", "1"), ("b", "2"), ("c", "3")], nil),
            ([("a1", "")], nil), ([], nil),
        ] as [([(String, String)], Int?)] {
            #expect(index.find(Self.described(entries))?.position == position, "\(entries)")
        }
    }

    @Test func whereAKeyEndsMakesADifference() {
        #expect(Self.described([("ab", "c")]).digest != Self.described([("a", "bc")]).digest)
        #expect(Self.described([("a", "b"), ("c", "d")]).digest != Self.described([("a", "bcd")]).digest)
        #expect(Self.described([("a", "b")]).digest == Self.described([("a", "b")]).digest)
    }

    @Test func roomForDescriptorsIsUsedAgain() {
        let descriptor = Self.described([("long key", "long value"), ("b", "c")])
        descriptor.removeAll()
        descriptor.append(key: ByteView("k"), value: ByteView("v"))
        #expect(descriptor.count == 1 && descriptor.key(0).string == "k" && descriptor.value(0).string == "v")
    }

    // MARK: - Buckets

    @Test func whoRefusesSparesTheOthers() {
        let limiter = RateLimiter(
            Self.rate(5), descriptors: [(Self.rate(1), false), (Self.rate(3, seconds: 1), false)])
        let both = [DescriptorMatch(position: 0, digest: 0), DescriptorMatch(position: 1, digest: 0)]
        #expect(limiter.take(both, now: start).isWithin)
        let refused = limiter.take(both, now: start)
        #expect(!refused.isWithin && refused.quota?.limit == 1)
        let second = limiter.take([both[1]], now: start)
        #expect(second.isWithin && second.quota?.limit == 3 && second.quota?.remaining == 1)
        let plain = limiter.take([], now: start)
        #expect(plain.isWithin && plain.quota?.limit == 5 && plain.quota?.remaining == 2)
    }

    @Test func aCopyIsFullAndItsOwn() {
        let limiter = RateLimiter(
            Self.rate(1), alwaysTakesStandard: false, descriptors: [(Self.rate(1), true)], maxDynamic: 1)
        let match = [DescriptorMatch(position: 0, digest: 7)]
        #expect(limiter.take([], now: start).isWithin && !limiter.take([], now: start).isWithin)
        #expect(limiter.take(match, now: start).isWithin && !limiter.take(match, now: start).isWithin)
        let copy = limiter.makeCopy()
        #expect(copy.take([], now: start).isWithin && copy.take(match, now: start).isWithin)
        #expect(copy.take([DescriptorMatch(position: 0, digest: 8)], now: start).hasEvicted)
    }

    @Test func withoutABucketNothingIsSaid() {
        let verdict = RateLimiter(nil).take([], now: start)
        #expect(verdict.isWithin && verdict.quota == nil)
    }

    // MARK: - Any value

    @Test func theOneNotAskedForLongestMakesRoom() {
        let buckets = DynamicBuckets(Self.rate(1), limit: 3)
        for digest in [1, 2, 3] { #expect(buckets.take(digest, now: start).isWithin) }
        for digest in [3, 1, 2] { #expect(!buckets.take(digest, now: start).isWithin) }
        let fourth = buckets.take(4, now: start)
        #expect(fourth.isWithin && fourth.hasEvicted)
        #expect(!buckets.take(1, now: start).isWithin && !buckets.take(2, now: start).isWithin)
        #expect(buckets.take(3, now: start).hasEvicted)
        #expect(buckets.count == 3)
    }

    @Test(arguments: [0, 1, 2, 7])
    func thereAreNeverMoreThanAllowed(limit: Int) {
        let buckets = DynamicBuckets(Self.rate(1), limit: limit)
        // What a list of their uses would say.
        var order: [Int] = []
        var seed = UInt64(limit + 1)
        for _ in 0..<2000 {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1
            let digest = Int(seed >> 60)
            let isKnown = order.contains(digest)
            let answer = buckets.take(digest, now: start)
            #expect(answer.isWithin == !isKnown && answer.hasEvicted == (!isKnown && order.count == max(1, limit)))
            order.removeAll { $0 == digest }
            order.append(digest)
            if order.count > max(1, limit) { order.removeFirst() }
        }
        #expect(buckets.count == order.count)
    }

    @Test func tokensComeBackToEachValue() {
        let buckets = DynamicBuckets(Self.rate(1, seconds: 1), limit: 2)
        #expect(buckets.take(1, now: start).isWithin && !buckets.take(1, now: start).isWithin)
        let later = MonotonicTime(ns: start.ns + 1_000_000_000)
        let answer = buckets.take(1, now: later)
        #expect(answer.isWithin && answer.quota.remaining == 0 && answer.quota.resetSeconds == 1)
    }
}
