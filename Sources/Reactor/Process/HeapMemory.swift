// The heap's free pages.
import CLinux
import Glibc

/// Memory that is free and that the allocator has kept.
public enum HeapMemory {
    /// Gives it back to the system. Allocations of all threads wait meanwhile: some milliseconds when there is much to give
    /// back. Any thread.
    public static func release() { malloc_trim(0) }
}
