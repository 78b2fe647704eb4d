// Gives back what only the start needed: program text that ran once, and freed blocks of the heap.
import CLinux
import Glibc

/// Memory that a process holds because of its start.
public enum StartUpMemory {
    /// Lets go of all mapped program text and of the free end of the heap. Text that is still used comes back from the
    /// page cache, 64 KiB at a time, at the cost of some microseconds each; what parsed the configuration stays out.
    /// Only segments that are executable and never written are let go, so that nothing can be lost. Call it once, when
    /// the start is over, from any thread.
    public static func release() {
        HeapMemory.release()
        guard let maps = try? FileContents.read("/proc/self/maps", limit: 1 << 20) else { return }
        for line in String(decoding: maps, as: UTF8.self).split(separator: "\n") {
            guard let range = textRange(of: line) else { continue }
            madvise(UnsafeMutableRawPointer(bitPattern: range.lowerBound), range.count, MADV_DONTNEED)
        }
    }

    /// The addresses of a line of `/proc/self/maps` that is the text of a file: `55d0-55d8 r-xp 00001000 fe:00 7 /path`.
    static func textRange(of line: Substring) -> Range<UInt>? {
        let fields = line.split(separator: " ", maxSplits: 5)
        guard fields.count == 6, fields[1] == "r-xp", fields[5].drop(while: { $0 == " " }).hasPrefix("/") else {
            return nil
        }
        let ends = fields[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
        guard ends.count == 2, ends[0] < ends[1] else { return nil }
        return ends[0]..<ends[1]
    }
}
