// Descriptors that traffic may not have: with them, the admin port answers when all others are taken.
import Glibc
import Synchronization

/// The last few file descriptors below the limit. Sockets of traffic, accepted or connected, are refused when they would
/// be among them, as if the limit were reached. Thread-safe.
///
/// The kernel gives the lowest free number, so a number from the reserve tells that everything below is taken.
public enum DescriptorReserve {
    /// Kept back under a limit of 1024 and more; an eighth of a lower one.
    static let size: UInt64 = 32
    /// The first number of the reserve.
    private static let first = Atomic<Int32>(.max)
    /// The highest number that traffic was seen to have, until somebody looked again.
    private static let highest = Atomic<Int32>(0)
    /// From this far below on, it is looked before a descriptor is taken.
    private static let nearness: Int32 = 64

    /// - Parameter limit: how many descriptors there are in all; RLIMIT_NOFILE.
    static func set(limit: UInt64) {
        first.store(Int32(clamping: limit - min(size, limit / 8)), ordering: .relaxed)
    }

    /// Notes a descriptor that traffic has; false when it is of the reserve, and has to be given back.
    static func admits(_ descriptor: Int32) -> Bool {
        if descriptor > highest.load(ordering: .relaxed) { highest.store(descriptor, ordering: .relaxed) }
        return descriptor < first.load(ordering: .relaxed)
    }

    /// Whether the next descriptor would be of the reserve, or there is none. Costs next to nothing while many are free.
    ///
    /// - Parameter descriptor: any that is open.
    static func isNext(beside descriptor: Int32) -> Bool {
        let first = first.load(ordering: .relaxed)
        guard highest.load(ordering: .relaxed) >= first &- nearness else { return false }
        let next = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard next >= 0 else { return true }
        close(next)
        highest.store(next, ordering: .relaxed)
        return next >= first
    }
}
