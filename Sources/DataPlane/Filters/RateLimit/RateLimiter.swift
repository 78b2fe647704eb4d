// All token buckets of one local rate limit.
import Reactor

/// The buckets of a `LocalRateLimit`: one for all requests, and those of its descriptors. Any thread; they hold over all
/// workers.
public final class RateLimiter: Sendable {
    /// A descriptor's: one, or one for each value that comes.
    enum Buckets: Sendable {
        case one(TokenBucket)
        case each(DynamicBuckets)

        var rate: TokenRate {
            switch self {
            case .one(let bucket): bucket.rate
            case .each(let buckets): buckets.rate
            }
        }
    }

    struct Verdict {
        var isWithin: Bool
        /// Of the bucket that refused the request, or else of the slowest descriptor's that it has, or else of the one
        /// for all; nil: no bucket was asked.
        var quota: TokenRate.Quota?
        var hasEvicted = false
    }

    /// nil: requests without a descriptor are not limited.
    let standard: TokenBucket?
    /// Requests with a descriptor take a token of `standard`, too.
    let alwaysTakesStandard: Bool
    /// In the order of the spec's descriptors.
    let buckets: [Buckets]
    private let maxDynamic: Int

    /// - Parameters:
    ///   - standard: `token_bucket`; nil: none.
    ///   - descriptors: a rate for each, and whether it takes any value.
    ///   - maxDynamic: buckets at most of each descriptor that takes any value.
    public init(
        _ standard: TokenRate?, alwaysTakesStandard: Bool = true,
        descriptors: [(rate: TokenRate, takesAnyValue: Bool)] = [], maxDynamic: Int = 0
    ) {
        self.standard = standard.map { TokenBucket($0) }
        self.alwaysTakesStandard = alwaysTakesStandard
        self.maxDynamic = maxDynamic
        buckets = descriptors.map { rate, takesAnyValue in
            takesAnyValue ? .each(DynamicBuckets(rate, limit: maxDynamic)) : .one(TokenBucket(rate))
        }
    }

    /// One of the same size, in which all buckets are full.
    func makeCopy() -> RateLimiter {
        RateLimiter(
            standard?.rate, alwaysTakesStandard: alwaysTakesStandard,
            descriptors: buckets.map { buckets in
                if case .each = buckets { (buckets.rate, true) } else { (buckets.rate, false) }
            }, maxDynamic: maxDynamic)
    }

    /// Asks one bucket after the other, until one has no token: those behind it keep theirs.
    ///
    /// - Parameter matches: the descriptors of a request, the slowest first.
    func take(_ matches: [DescriptorMatch], now: MonotonicTime) -> Verdict {
        var verdict = Verdict(isWithin: true)
        for match in matches {
            let quota: TokenRate.Quota
            switch buckets[match.position] {
            case .one(let bucket):
                verdict.isWithin = bucket.take(now: now)
                quota = bucket.quota(now: now)
            case .each(let buckets):
                let answer = buckets.take(match.digest, now: now)
                verdict.isWithin = answer.isWithin
                if answer.hasEvicted { verdict.hasEvicted = true }
                quota = answer.quota
            }
            if verdict.quota == nil || !verdict.isWithin { verdict.quota = quota }
            if !verdict.isWithin { return verdict }
        }
        guard let standard, matches.isEmpty || alwaysTakesStandard else { return verdict }
        verdict.isWithin = standard.take(now: now)
        if verdict.quota == nil || !verdict.isWithin { verdict.quota = standard.quota(now: now) }
        return verdict
    }
}

/// A configured descriptor that a request has.
struct DescriptorMatch {
    /// Among the limit's descriptors.
    let position: Int
    /// Of the request's descriptor.
    let digest: Int
}
