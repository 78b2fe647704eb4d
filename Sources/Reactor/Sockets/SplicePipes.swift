// Kernel pipes for splice(2), shared by the connections of a loop.
import CLinux
import Glibc

/// A pipe with bytes on their way from one socket to another.
final class SplicePipe {
    fileprivate let readEnd: Int32
    fileprivate let writeEnd: Int32
    /// Bytes in the pipe.
    fileprivate(set) var count = 0

    fileprivate init?() {
        var ends: (Int32, Int32) = (-1, -1)
        let made = withUnsafeMutableBytes(of: &ends) { raw in
            raw.withMemoryRebound(to: Int32.self) { pipe2($0.baseAddress, O_NONBLOCK | O_CLOEXEC) }
        }
        guard made == 0 else { return nil }
        readEnd = ends.0
        writeEnd = ends.1
        // Room for many small segments. Refused when the user's pipes have too much already: the default serves too.
        _ = fcntl(writeEnd, F_SETPIPE_SZ, SplicePipe.capacity)
    }

    deinit {
        close(readEnd)
        close(writeEnd)
    }

    /// Bytes asked of one call, and of the system for the pipe.
    static let capacity: Int32 = 256 * 1024

    /// Moves bytes from a socket into the pipe: the result of splice, and errno.
    func fill(from socket: Int32) -> (count: Int, code: Int32) {
        let moved = splice(socket, nil, writeEnd, nil, Int(SplicePipe.capacity), SplicePipe.flags)
        let code = errno
        if moved > 0 { count += moved }
        return (moved, code)
    }

    /// Moves bytes from the pipe to a socket: the result of splice, and errno.
    func drain(to socket: Int32) -> (count: Int, code: Int32) {
        let moved = splice(readEnd, nil, socket, nil, count, SplicePipe.flags)
        let code = errno
        if moved > 0 { count -= moved }
        return (moved, code)
    }

    /// SPLICE_F_MOVE | SPLICE_F_NONBLOCK
    private static let flags: UInt32 = 1 | 2
}

/// Empty pipes of a loop. A connection has one only while bytes are in it.
final class SplicePipes {
    private var free: [SplicePipe] = []
    private static let keepLimit = 32

    /// An empty pipe; nil when descriptors are short.
    func take() -> SplicePipe? {
        free.popLast() ?? SplicePipe()
    }

    /// Takes a pipe back. One with bytes in it is closed.
    func giveBack(_ pipe: SplicePipe) {
        if pipe.count == 0 && free.count < SplicePipes.keepLimit { free.append(pipe) }
    }
}
