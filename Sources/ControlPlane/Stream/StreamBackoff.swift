// How long to wait between a stream's end and the next one.
import DataPlane
import Reactor

/// Exponential with full jitter, so that a control plane that comes back does not meet all its proxies at once.
struct StreamBackoff {
    private let spec: BackoffSpec
    private var ceiling: TimeAmount
    private var random: FastRandom

    init(_ spec: BackoffSpec, random: FastRandom = FastRandom()) {
        self.spec = spec
        self.random = random
        ceiling = min(spec.base, spec.max)
    }

    /// The next stream may follow at once again: this one has brought something.
    mutating func reset() { ceiling = min(spec.base, spec.max) }

    mutating func next() -> TimeAmount {
        let most = ceiling
        ceiling = min(ceiling * 2, max(spec.base, spec.max))
        let drawn = random.next().multipliedFullWidth(by: UInt64(max(1, most.nanoseconds))).high
        // Never without a pause: the loop has other things to do.
        return max(.milliseconds(10), .nanoseconds(Int64(clamping: drawn)))
    }
}
