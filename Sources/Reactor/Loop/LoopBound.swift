// Values of one thread, on their way through others.
import Glibc

/// A value that belongs to a loop's thread, carried by code that other threads pass along: a closure for the mailbox,
/// for instance. Only the loop's thread may look at the value, and it must be the last to let go of it.
///
/// Safety: `value` checks the thread, so that no two threads ever use what is inside.
public struct LoopBound<Value>: @unchecked Sendable {
    private let stored: Value
    private let thread: pthread_t

    /// Binds the value to the calling thread.
    public init(_ value: Value) {
        stored = value
        thread = pthread_self()
    }

    /// The value. Asked on another thread, the process stops.
    public var value: Value {
        precondition(pthread_equal(thread, pthread_self()) != 0, "a loop's value used on another thread")
        return stored
    }
}
