// A file that grows at its end: access logs, log files.
import Glibc

/// Appends to a file, or to standard output or error. Blocks as long as the disk or the pipe does: never on a worker.
/// Used by one thread at a time.
public final class AppendFile {
    /// Where the bytes go.
    public enum Target: Hashable, Sendable {
        case path(String)
        case standardOutput
        case standardError
    }

    public let target: Target
    private var descriptor: Int32

    /// Opens the file, and makes it (mode 0644) when it is not there.
    public init(_ target: Target) throws(SystemError) {
        self.target = target
        descriptor = try AppendFile.open(target)
    }

    deinit { closeFile() }

    /// Writes all bytes. Nil when that worked; what was written before an error stays written.
    public func write(_ bytes: ByteView) -> SystemError? {
        var rest = bytes
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, rest.unsafeBytes.baseAddress, rest.count)
            if count >= 0 {
                rest = rest.dropFirst(count)
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN:
                // Somebody made our output non-blocking: wait until it takes more.
                var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                if poll(&entry, 1, -1) < 0 && errno != EINTR { return SystemError("poll", subject: name) }
            default: return SystemError("write", subject: name)
            }
        }
        return nil
    }

    /// Opens the path anew, after somebody moved the file away. The old file stays in use when that fails.
    public func reopen() throws(SystemError) {
        guard case .path = target else { return }
        let fresh = try AppendFile.open(target)
        closeFile()
        descriptor = fresh
    }

    private var name: String {
        switch target {
        case .path(let path): path
        case .standardOutput: "stdout"
        case .standardError: "stderr"
        }
    }

    private static func open(_ target: Target) throws(SystemError) -> Int32 {
        switch target {
        case .standardOutput: return STDOUT_FILENO
        case .standardError: return STDERR_FILENO
        case .path(let path):
            let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
            guard descriptor >= 0 else { throw SystemError("open", subject: path) }
            return descriptor
        }
    }

    private func closeFile() {
        if case .path = target { close(descriptor) }
    }
}
