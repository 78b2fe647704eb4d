// How much memory this process has.
import CLinux
import Glibc

/// Bytes of memory, read when made.
public struct ProcessMemory: Sendable {
    /// In use by the program, as malloc counts it.
    public let allocated: UInt64
    /// Taken from the system by malloc.
    public let heap: UInt64
    /// Resident.
    public let resident: UInt64

    public init() {
        let info = mallinfo2()
        allocated = UInt64(info.uordblks) + UInt64(info.hblkhd)
        heap = UInt64(info.arena) + UInt64(info.hblkhd)
        resident = (ProcessMemory.pages()?.resident ?? 0) &* ProcessMemory.pageSize
    }

    /// Resident bytes that belong to no file and that nobody shares; nil: not known. One read of a small file.
    public static func anonymous() -> UInt64? {
        guard let pages = pages(), pages.resident >= pages.shared else { return nil }
        return (pages.resident - pages.shared) &* pageSize
    }

    private static let pageSize = UInt64(sysconf(Int32(_SC_PAGESIZE)))

    /// Resident pages, and those of them that are of files or shared: the second and third field of /proc/self/statm.
    private static func pages() -> (resident: UInt64, shared: UInt64)? {
        guard let text = try? FileContents.read("/proc/self/statm", limit: 4096) else { return nil }
        let fields = String(decoding: text, as: UTF8.self).split(separator: " ")
        guard fields.count > 2, let resident = UInt64(fields[1]), let shared = UInt64(fields[2]) else { return nil }
        return (resident, shared)
    }
}
