// The end of everything that runs in a cgroup.
import CLinux
import Glibc

/// Tells when a cgroup (v2) that had processes has none any more, or is removed. Used on the loop's thread.
///
/// The kernel announces changes of `cgroup.events`; `populated` there counts the groups below, too.
public final class CgroupWatch: IOHandler {
    private let loop: EventLoop
    private var descriptor: Int32
    private var key = SlotKey(bits: 0)
    private var ended: (() -> Void)?
    /// Whether there has been a process: a group that is still empty has not ended.
    public private(set) var wasPopulated = false

    /// Calls `ended` once, never from inside this call. Fails when `folder` is no cgroup of version 2.
    public init(_ folder: String, loop: EventLoop, ended: @escaping () -> Void) throws(SystemError) {
        self.loop = loop
        self.ended = ended
        let path = folder + "/cgroup.events"
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        if descriptor < 0 { throw SystemError("open", subject: path) }
        wasPopulated = isPopulated ?? false
        // Invariant: closed by `close`, or by deinit where it was never registered.
        key = try loop.register(descriptor, IOEvents.exceptional, self)
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
        // A group that cannot be read any more was removed, which only an empty one can be.
        let now = isPopulated
        if now == true {
            wasPopulated = true
        } else if wasPopulated || now == nil {
            let ended = ended
            close()
            ended?()
        }
    }

    /// nil: the group is gone.
    private var isPopulated: Bool? {
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
        guard count >= 0 else { return nil }
        let lines = String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n")
        return lines.contains("populated 1")
    }
}
