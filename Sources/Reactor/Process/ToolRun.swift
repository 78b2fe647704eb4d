// Programs that are run to their end, for what they print.
import CLinux
import Glibc

extension ChildProcess {
    /// What a run gave.
    public struct Outcome: Equatable, Sendable {
        public let end: End
        public let output: [UInt8]
        public let errors: [UInt8]
    }

    /// Runs the program at `path` to its end, as long as that takes, with these bytes as its standard input. Input and
    /// output are files in memory: nothing is written to a disk, and no pipe can fill up.
    public static func run(_ path: String, _ arguments: [String], input: [UInt8]) throws(SystemError) -> Outcome {
        let files = try [MemoryFile(), MemoryFile(), MemoryFile()]
        try files[0].fill(input)
        let child = try spawn(path, arguments) { actions in
            for (number, file) in files.enumerated() {
                posix_spawn_file_actions_adddup2(&actions, file.descriptor, Int32(number))
            }
        }
        let end = child.wait() ?? .exited(0)
        return Outcome(end: end, output: try files[1].contents(), errors: try files[2].contents())
    }

    /// The path of a program: from $PATH, and from where an administrator's tools are, which $PATH often leaves out.
    public static func find(_ name: String) -> String? {
        let path = getenv("PATH").map { String(cString: $0) } ?? ""
        let folders = path.split(separator: ":").map(String.init) + ["/usr/local/sbin", "/usr/sbin", "/sbin"]
        return folders.lazy.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }
}

/// A file without a name, gone when this object is.
private final class MemoryFile {
    /// Never one of the three standard ones, which it would be mistaken for in the child.
    let descriptor: Int32

    init() throws(SystemError) {
        let descriptor = memfd_create("outrider", MFD_CLOEXEC)
        guard descriptor >= 0 else { throw SystemError("memfd_create") }
        guard descriptor <= STDERR_FILENO else {
            self.descriptor = descriptor
            return
        }
        self.descriptor = fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
        close(descriptor)
        guard self.descriptor >= 0 else { throw SystemError("fcntl") }
    }

    deinit { close(descriptor) }

    /// Writes the bytes and goes back to the begin.
    func fill(_ bytes: [UInt8]) throws(SystemError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno != EINTR { throw SystemError("write") }
            rest = rest.dropFirst(max(0, count))
        }
        lseek(descriptor, 0, SEEK_SET)
    }

    func contents() throws(SystemError) -> [UInt8] { try FileContents.read("/proc/self/fd/\(descriptor)") }
}
