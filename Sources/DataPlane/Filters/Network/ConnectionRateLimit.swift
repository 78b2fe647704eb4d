// The local rate limit filter for connections.
import Metrics
import Reactor

/// `envoy.filters.network.local_ratelimit` on one worker; its bucket holds over all of them.
struct ConnectionRateLimit {
    /// nil: the limit is off.
    private let bucket: TokenBucket?
    private let limited: Counter

    init(_ spec: ConnectionRateLimitSpec, _ cells: StatCells) {
        bucket = spec.isEnabled ? spec.bucket : nil
        limited = cells.counter("local_rate_limit.\(spec.statPrefix).rate_limited")
    }

    /// Takes the place of one connection; false: there is none.
    func take(now: MonotonicTime) -> Bool {
        guard let bucket, !bucket.take(now: now) else { return true }
        limited.increment()
        return false
    }
}
