// What a file looks like from outside.
import Glibc

/// Tells two states of a file or folder apart without reading it: identity, size, and the times that writers change.
/// Links are followed. Two states in which nothing is there, or nothing may be looked at, are equal.
public struct FileStamp: Sendable, Equatable {
    private var device: UInt64 = 0
    private var inode: UInt64 = 0
    private var size: Int64 = 0
    /// Of the contents.
    private var modified = WallTime(unixNanoseconds: 0)
    /// Of permissions and links, too.
    private var changed = WallTime(unixNanoseconds: 0)

    /// The state of `path` at this moment. Blocks as long as the file system does: never on a worker.
    public init(_ path: String) {
        var info = stat()
        guard stat(path, &info) == 0 else { return }
        device = UInt64(info.st_dev)
        inode = UInt64(info.st_ino)
        size = Int64(info.st_size)
        modified = FileStamp.time(info.st_mtim)
        changed = FileStamp.time(info.st_ctim)
    }

    private static func time(_ time: timespec) -> WallTime {
        WallTime(
            unixNanoseconds: (TimeAmount.seconds(Int64(time.tv_sec)) + .nanoseconds(Int64(time.tv_nsec))).nanoseconds)
    }
}
