// A program that this process starts and answers for.
import CLinux
import Glibc

/// A child process, used on one thread. It outlives this object: whoever starts it ends it.
public final class ChildProcess {
    /// How a process ended.
    public enum End: Equatable, Sendable, CustomStringConvertible {
        case exited(Int32)
        case killed(signal: Int32)

        public var description: String {
            switch self {
            case .exited(let code): "exit code \(code)"
            case .killed(let signal): "signal \(signal)"
            }
        }
    }

    public let id: Int32
    /// Set by `reap` and `wait`.
    public private(set) var end: End?

    private init(id: Int32) { self.id = id }

    /// Starts the program at `path` with `arguments`, the first of which is the name that it is called by.
    ///
    /// It inherits the environment and no file: its input is empty, and what it prints is appended to `log`. It blocks
    /// no signal, and is in a process group of its own, so that a Ctrl-C reaches its parent alone.
    public static func start(_ path: String, _ arguments: [String], log: String) throws(SystemError) -> ChildProcess {
        try spawn(path, arguments) { actions in
            posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
            posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
            posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        }
    }

    /// Starts a program with the files that `files` gives it.
    static func spawn(
        _ path: String, _ arguments: [String], files: (inout posix_spawn_file_actions_t) -> Void
    ) throws(SystemError) -> ChildProcess {
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        // Invariant: copies of the arguments, ended by nil, freed below.
        var copies: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        copies.append(nil)
        defer {
            for copy in copies { free(copy) }
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        files(&actions)
        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
        var id: pid_t = 0
        let code = posix_spawn(&id, path, &actions, &attributes, copies, clinux_environment())
        guard code == 0 else { throw SystemError("posix_spawn", code: code, subject: path) }
        return ChildProcess(id: id)
    }

    /// Whether it has ended; does not wait. To be asked when SIGCHLD came.
    @discardableResult
    public func reap() -> End? { take(WNOHANG) }

    /// Waits for its end, as long as that takes.
    @discardableResult
    public func wait() -> End? { take(0) }

    /// Sends a signal, unless it was seen to end: its number may be another process's then.
    public func send(_ signal: Int32) {
        if end == nil { kill(id, signal) }
    }

    private func take(_ options: Int32) -> End? {
        while end == nil {
            var status: Int32 = 0
            let found = waitpid(id, &status, options)
            if found == id {
                let signal = status & 0x7f
                end = signal == 0 ? .exited(status >> 8 & 0xff) : .killed(signal: signal)
            } else if found == 0 {
                return nil
            } else if errno != EINTR {
                // Somebody else has waited for it.
                end = .exited(0)
            }
        }
        return end
    }

    /// Called by a child: it gets `signal` when the thread of `parent` that started it ends. False when that has
    /// happened already.
    public static func endWithParent(_ parent: Int32, signal: Int32 = SIGKILL) -> Bool {
        clinux_signal_at_parents_end(signal) == 0 && getppid() == parent
    }

    /// The number of this process.
    public static var ownID: Int32 { getpid() }
}
