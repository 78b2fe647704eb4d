// What is left of the first process of a container when another has taken over: the kernel ends everybody with it.
import Glibc
import Logging
import Reactor

/// Stays until the process at the hot-restart path has ended with nobody after it, and passes signals on to it. Main
/// thread only.
final class Caretaker {
    private let path: String
    private let loop: EventLoop
    private let log: Logger
    private var watch: ProcessWatch?
    private var signals: SignalSource?

    /// Whether this process is one that the others need.
    static var isNeeded: Bool { getpid() == 1 }

    init(_ path: String, loop: EventLoop, log: Logger) {
        self.path = path
        self.loop = loop
        self.log = log
    }

    /// Returns when nobody is left.
    func run() {
        // Children of processes that have ended become this one's; nobody asks how they ended.
        signal(SIGCHLD, SIG_IGN)
        signals = try? SignalSource(loop: loop, signals: [SIGTERM, SIGINT, SIGUSR1, SIGHUP]) { [unowned self] number in
            if let process = current { kill(process, number) }
        }
        guard watchCurrent() else { return }
        loop.run()
        signals?.close()
        watch?.close()
    }

    /// The process that serves now: it waits for its successor at the path.
    private var current: Int32? {
        guard let socket = try? PacketSocket.connect(to: path, loop: loop) else { return nil }
        defer { socket.close() }
        return socket.peer.isSameUser && socket.peer.process > 0 ? socket.peer.process : nil
    }

    private func watchCurrent() -> Bool {
        guard let process = current else { return false }
        watch = try? ProcessWatch(process: process, loop: loop) { [unowned self] in
            if !watchCurrent() { loop.stop() }
        }
        if watch != nil { log.info("process 1 stays for process \(process)") }
        return watch != nil
    }
}
