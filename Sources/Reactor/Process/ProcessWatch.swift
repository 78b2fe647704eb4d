// The end of a process that need not be a child.
import CLinux
import Glibc

/// Tells when a process ends, by its pidfd (pidfd_open(2), Linux 5.3). Used on the loop's thread.
public final class ProcessWatch: IOHandler {
    private let loop: EventLoop
    private var descriptor: Int32
    private var key = SlotKey(bits: 0)
    private var ended: (() -> Void)?

    /// Calls `ended` once, when the process with the number `id` has ended. Fails when there is none.
    public init(process id: Int32, loop: EventLoop, ended: @escaping () -> Void) throws(SystemError) {
        self.loop = loop
        self.ended = ended
        descriptor = clinux_pidfd_open(id)
        if descriptor < 0 { throw SystemError("pidfd_open", subject: "process \(id)") }
        // Invariant: closed by `close`, or by deinit where it was never registered.
        key = try loop.register(descriptor, IOEvents.readable, self)
    }

    deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

    /// `ended` is not called any more. Needed before the last reference is dropped.
    public func close() {
        guard descriptor >= 0 else { return }
        ended = nil
        loop.unregister(descriptor, key)
        Glibc.close(descriptor)
        descriptor = -1
    }

    func ioReady(_ events: IOEvents) {
        let ended = ended
        close()
        ended?()
    }
}
