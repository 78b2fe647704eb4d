// Signals as events of a loop.
import CLinux
import Glibc

/// Takes signals out of their asynchronous world and hands them to a loop, one at a time.
///
/// Signals must be blocked on every thread, or the system may deliver them to one that does not wait for them. Threads
/// inherit what their maker blocks: make the source (or call `block`) before any thread is started.
public final class SignalSource: IOHandler {
    private let loop: EventLoop
    private var descriptor: Int32
    private var key = SlotKey(bits: 0)
    private var handler: ((Int32) -> Void)?

    /// Blocks `signals` on the calling thread and on those it makes from now on.
    public static func block(_ signals: [Int32]) {
        var set = mask(signals)
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Calls `handler` with the number of each signal, on the loop's thread. Blocks the signals on this thread.
    public init(loop: EventLoop, signals: [Int32], handler: @escaping (Int32) -> Void) throws(SystemError) {
        self.loop = loop
        self.handler = handler
        SignalSource.block(signals)
        var set = SignalSource.mask(signals)
        descriptor = signalfd(-1, &set, Int32(SFD_NONBLOCK | SFD_CLOEXEC))
        if descriptor < 0 { throw SystemError("signalfd") }
        key = try loop.register(descriptor, IOEvents.readable, self)
    }

    deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

    /// Ends it. The signals stay blocked.
    public func close() {
        guard descriptor >= 0 else { return }
        handler = nil
        loop.unregister(descriptor, key)
        Glibc.close(descriptor)
        descriptor = -1
    }

    func ioReady(_ events: IOEvents) {
        while descriptor >= 0 {
            var info = signalfd_siginfo()
            let size = MemoryLayout<signalfd_siginfo>.size
            let count = withUnsafeMutableBytes(of: &info) { read(descriptor, $0.baseAddress, size) }
            guard count == size else { return }
            handler?(Int32(bitPattern: info.ssi_signo))
        }
    }

    private static func mask(_ signals: [Int32]) -> sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        return set
    }
}
