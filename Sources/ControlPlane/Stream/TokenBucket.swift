// How fast requests may go out (`rate_limit_settings`).
import DataPlane
import Reactor

/// Tokens that come back at a steady rate.
struct TokenBucket {
    private let most: Double
    private let perSecond: Double
    private var tokens: Double
    private var last: MonotonicTime

    init(_ limit: GRPCSourceSpec.RateLimit, now: MonotonicTime) {
        most = Double(max(1, limit.maxTokens))
        // A rate of nothing at all would hold requests back for ever; Envoy's least is one in a year, too.
        let least = 1.0 / (365 * 86_400)
        perSecond = limit.fillRate > least ? min(limit.fillRate, 1e9) : least
        tokens = most
        last = now
    }

    /// Whether there is a token; if not, there will be one after `nextToken`.
    mutating func hasToken(now: MonotonicTime) -> Bool {
        tokens = min(most, tokens + Double((now - last).nanoseconds) / 1e9 * perSecond)
        last = now
        return tokens >= 1
    }

    mutating func take() { tokens -= 1 }

    /// How long until there is one.
    var nextToken: TimeAmount {
        let seconds = max(0, 1 - tokens) / perSecond
        return .milliseconds(Int64(min(seconds * 1000, 1e12).rounded(.up)))
    }
}
