// How many connections a listener may have at a time, over all workers.
import Synchronization

/// Envoy's `connection_limit` of a listener, true across workers: the total is an atomic that is touched once when a
/// connection comes and once when it goes, and only where a limit is set. Thread-safe.
final class ConnectionLimit: Sendable {
    let limit: Int
    private let open = Atomic<Int>(0)

    init(_ limit: Int) { self.limit = limit }

    /// True when there is room; a connection that got in must `leave`.
    func enter() -> Bool {
        if open.add(1, ordering: .relaxed).newValue <= limit { return true }
        open.subtract(1, ordering: .relaxed)
        return false
    }

    func leave() { open.subtract(1, ordering: .relaxed) }
}
