// How many tokens a bucket holds, and how fast they come back.
import Reactor

/// The arithmetic of token buckets. What is kept of a bucket is one number: nanoseconds of the monotonic clock at which it
/// was empty, or would have been; each token takes its time of that.
///
/// A token's time is a whole number of nanoseconds, so that rates above some millions a second are not met exactly.
public struct TokenRate: Sendable {
    let capacity: UInt32
    /// In which one token comes back; at least 1.
    let nanosecondsPerToken: Int64
    /// In which an empty bucket becomes full.
    private let nanosecondsToFill: Int64

    /// Of a bucket that is full.
    static let longAgo = -Int64.max / 4

    /// - Parameters:
    ///   - capacity: `max_tokens`.
    ///   - tokensPerFill: come back in each `fillInterval`; 0 counts as 1.
    public init(capacity: UInt32, tokensPerFill: UInt32, fillInterval: TimeAmount) {
        self.capacity = capacity
        // Times that no process lives to see may be cut: sums of two must not overflow.
        let limit = Int64.max / 8
        let interval = Double(max(1, fillInterval.nanoseconds)) / Double(max(1, tokensPerFill))
        nanosecondsPerToken = interval < Double(limit) ? max(1, Int64(interval.rounded())) : limit
        let (whole, overflow) = nanosecondsPerToken.multipliedReportingOverflow(by: Int64(capacity))
        nanosecondsToFill = overflow ? limit : min(whole, limit)
    }

    /// When the bucket was empty once a token is taken; nil: there is none.
    func taking(from emptyAt: Int64, now: MonotonicTime) -> Int64? {
        let now = TokenRate.clamp(now)
        let next = max(emptyAt, now - nanosecondsToFill) + nanosecondsPerToken
        return next > now ? nil : next
    }

    /// What is left.
    func quota(emptyAt: Int64, now: MonotonicTime) -> Quota {
        let now = TokenRate.clamp(now)
        let spare = max(0, now - max(emptyAt, now - nanosecondsToFill))
        let left = min(UInt32(clamping: spare / nanosecondsPerToken), capacity)
        let wait = left > 0 ? 0 : nanosecondsPerToken - spare
        return Quota(
            limit: capacity, remaining: left, resetSeconds: UInt64((max(0, wait) + 999_999_999) / 1_000_000_000))
    }

    private static func clamp(_ time: MonotonicTime) -> Int64 { min(Int64(clamping: time.ns), .max / 4) }

    /// What a client may still ask for.
    struct Quota {
        let limit: UInt32
        let remaining: UInt32
        /// Until there is a token again, rounded up; 0: there is one.
        let resetSeconds: UInt64
    }
}
