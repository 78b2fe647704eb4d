// Whether connections are to be ended after their next response: a listener's drain, spread over time.
import Reactor

/// Tells a connection manager that its listener or filter chain drains. One a chain and worker; loop thread only.
public final class DrainSignal {
    private enum State {
        case serving
        case draining(since: MonotonicTime, over: TimeAmount)
    }
    private var state = State.serving

    public init() {}

    public var isDraining: Bool {
        if case .draining = state { return true }
        return false
    }

    /// Begins to drain. Over a time (`--drain-strategy gradual`), the chance that a response closes its connection
    /// grows from 0 to 1; with `.zero` every response does.
    public func begin(now: MonotonicTime, over time: TimeAmount) {
        guard !isDraining else { return }
        state = .draining(since: now, over: time)
    }

    /// Serves on as before.
    public func cancel() { state = .serving }

    /// Whether the response that is about to be sent shall close its connection.
    func closesNow(_ now: MonotonicTime, _ random: inout FastRandom) -> Bool {
        guard case .draining(let since, let over) = state else { return false }
        let elapsed = now - since
        if elapsed >= over || over.nanoseconds <= 0 { return true }
        return random.chance(Double(elapsed.nanoseconds) / Double(over.nanoseconds))
    }
}
