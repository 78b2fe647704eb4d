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
        let fields = (try? FileContents.read("/proc/self/statm", limit: 4096)).map {
            String(decoding: $0, as: UTF8.self).split(separator: " ")
        }
        resident = (fields?.dropFirst().first.flatMap { UInt64($0) } ?? 0) * UInt64(sysconf(Int32(_SC_PAGESIZE)))
    }
}
