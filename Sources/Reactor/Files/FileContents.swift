// Whole small files: configuration, certificates, /proc and cgroup entries.
import Glibc

/// Reads and writes files in one piece. Blocks: main thread only, never a worker.
public enum FileContents {
    /// All bytes of a file. A file longer than `limit` bytes is refused with EFBIG. Of a pipe, which may have a writer some
    /// day, what is there now is read unless `waits`.
    public static func read(
        _ path: String, limit: Int = 64 << 20, waits: Bool = true
    ) throws(SystemError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | (waits ? 0 : O_NONBLOCK))
        guard descriptor >= 0 else { throw SystemError("open", subject: path) }
        defer { close(descriptor) }
        var contents: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = chunk.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                throw SystemError("read", subject: path)
            }
            if count == 0 { return contents }
            guard contents.count + count <= limit else { throw SystemError("read", code: EFBIG, subject: path) }
            contents.append(contentsOf: chunk[..<count])
        }
    }

    /// Replaces the file at once (written beside it, then renamed), readable by its owner alone unless `mode` says more.
    public static func write(_ bytes: [UInt8], to path: String, mode: mode_t = 0o600) throws(SystemError) {
        let fresh = path + ".new"
        let descriptor = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw SystemError("open", subject: fresh) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                let error = SystemError("write", subject: fresh)
                close(descriptor)
                throw error
            }
            rest = rest.dropFirst(count)
        }
        guard close(descriptor) == 0 else { throw SystemError("close", subject: fresh) }
        guard rename(fresh, path) == 0 else { throw SystemError("rename", subject: path) }
    }
}
