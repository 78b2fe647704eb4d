// A token bucket that holds over all workers.
import Reactor
import Synchronization

/// `envoy.type.v3.TokenBucket`: full at first, refilled evenly as time goes by, as in Envoy. Any thread; one atomic and
/// no timer: what is kept is when the bucket was empty, or would have been, and each token takes its time of that.
///
/// A token's time is a whole number of nanoseconds, so that rates above some millions a second are not met exactly.
public final class TokenBucket: Sendable {
    /// `max_tokens`.
    public let capacity: UInt32
    /// In which one token comes back; at least 1 ns.
    private let nanosecondsPerToken: Int64
    /// In which an empty bucket becomes full.
    private let nanosecondsToFill: Int64
    /// Nanoseconds of the monotonic clock at which the bucket had no token. Long ago at first: it is full.
    private let emptyAt = Atomic<Int64>(longAgo)

    private static let longAgo = -Int64.max / 4

    /// - Parameters:
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

    /// Takes a token; false: there is none.
    func take(now: MonotonicTime) -> Bool {
        let now = TokenBucket.clamp(now)
        var seen = emptyAt.load(ordering: .relaxed)
        while true {
            let next = max(seen, now - nanosecondsToFill) + nanosecondsPerToken
            if next > now { return false }
            let (exchanged, original) = emptyAt.weakCompareExchange(
                expected: seen, desired: next, ordering: .relaxed)
            if exchanged { return true }
            seen = original
        }
    }

    /// What is left.
    func quota(now: MonotonicTime) -> Quota {
        let now = TokenBucket.clamp(now)
        let spare = max(0, now - max(emptyAt.load(ordering: .relaxed), now - nanosecondsToFill))
        let left = min(UInt32(clamping: spare / nanosecondsPerToken), capacity)
        let wait = left > 0 ? 0 : nanosecondsPerToken - spare
        return Quota(
            limit: capacity, remaining: left, resetSeconds: UInt64((max(0, wait) + 999_999_999) / 1_000_000_000))
    }

    /// A bucket of the same size, full.
    func makeCopy() -> TokenBucket { TokenBucket(like: self) }

    private init(like other: TokenBucket) {
        capacity = other.capacity
        nanosecondsPerToken = other.nanosecondsPerToken
        nanosecondsToFill = other.nanosecondsToFill
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
