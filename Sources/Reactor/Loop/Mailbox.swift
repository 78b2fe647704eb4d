// How other threads speak to a loop.
import CLinux
import Glibc
import Synchronization

/// Takes work from any thread and runs it on the loop, in order.
public final class Mailbox: Sendable {
    private struct State {
        var bodies: [@Sendable () -> Void] = []
        var stopRequested = false
    }

    private let state = Mutex(State())
    /// The eventfd that wakes the loop.
    let descriptor: Int32

    init() throws(SystemError) {
        descriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        if descriptor < 0 { throw SystemError("eventfd") }
    }

    deinit { close(descriptor) }

    /// Runs `body` on the loop's thread. Callable from any thread, never blocks on the loop. What is posted after the
    /// loop's last turn does not run.
    public func post(_ body: @escaping @Sendable () -> Void) {
        let wake = state.withLock {
            $0.bodies.append(body)
            return $0.bodies.count == 1
        }
        if wake { ring() }
    }

    /// Makes `EventLoop.run` return after its current turn. Callable from any thread.
    public func stopLoop() {
        state.withLock { $0.stopRequested = true }
        ring()
    }

    private func ring() {
        var one: UInt64 = 1
        // Fails only when the counter is full, and then the loop is awake anyway.
        _ = withUnsafeBytes(of: &one) { write(descriptor, $0.baseAddress, $0.count) }
    }

    /// Runs what was posted up to now; returns true when the loop is asked to stop. Loop thread only.
    func drain() -> Bool {
        var counter: UInt64 = 0
        _ = withUnsafeMutableBytes(of: &counter) { read(descriptor, $0.baseAddress, $0.count) }
        let (bodies, stop) = state.withLock { state in
            let taken = (state.bodies, state.stopRequested)
            state.bodies = []
            state.stopRequested = false
            return taken
        }
        for body in bodies { body() }
        return stop
    }
}
