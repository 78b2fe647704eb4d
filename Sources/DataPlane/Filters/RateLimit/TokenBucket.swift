// A token bucket that holds over all workers.
import Reactor
import Synchronization

/// `envoy.type.v3.TokenBucket`: full at first, refilled evenly as time goes by, as in Envoy. Any thread; one atomic and
/// no timer.
public final class TokenBucket: Sendable {
    let rate: TokenRate
    private let emptyAt = Atomic<Int64>(TokenRate.longAgo)

    public init(_ rate: TokenRate) { self.rate = rate }

    /// Takes a token; false: there is none.
    func take(now: MonotonicTime) -> Bool {
        var seen = emptyAt.load(ordering: .relaxed)
        while let next = rate.taking(from: seen, now: now) {
            let (exchanged, original) = emptyAt.weakCompareExchange(
                expected: seen, desired: next, ordering: .relaxed)
            if exchanged { return true }
            seen = original
        }
        return false
    }

    /// What is left.
    func quota(now: MonotonicTime) -> TokenRate.Quota {
        rate.quota(emptyAt: emptyAt.load(ordering: .relaxed), now: now)
    }
}
