// Files that the configuration names: the bootstrap, certificates, bodies. Read whole, with a bound.
import Glibc

/// Why a file could not be read, in words.
struct FileError: Error {
    var message: String
}

enum FileReader {
    /// Bytes of a bootstrap file.
    static let maxConfiguration = 64 << 20
    /// Bytes of a certificate, key or body.
    static let maxData = 8 << 20

    /// The whole file. Errors name what the system said, without the path.
    static func read(_ path: String, limit: Int) throws(FileError) -> [UInt8] {
        guard !path.utf8.contains(0) else { throw FileError(message: "a path cannot hold a NUL") }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(message: text(of: errno)) }
        defer { close(descriptor) }
        var content: [UInt8] = []
        let step = 64 << 10
        while true {
            var count = 0
            // The array never holds more than read() says it filled.
            let chunk = [UInt8](unsafeUninitializedCapacity: step) { buffer, filled in
                repeat {
                    count = Glibc.read(descriptor, buffer.baseAddress, step)
                } while count < 0 && errno == EINTR
                filled = max(count, 0)
            }
            if count < 0 { throw FileError(message: text(of: errno)) }
            if count == 0 { return content }
            content += chunk
            if content.count > limit { throw FileError(message: "more than \(limit) bytes") }
        }
    }

    private static func text(of code: Int32) -> String {
        switch code {
        case ENOENT: "no such file"
        case EACCES, EPERM: "permission denied"
        case EISDIR: "is a directory"
        default: String(cString: strerror(code))
        }
    }
}
