// What the system grants this process.
import Glibc

public enum ProcessLimits {
    /// Raises the soft limit of open files to the hard one: each proxied connection takes two. The last few are kept for
    /// what is not traffic (`DescriptorReserve`). Returns the limit that holds afterwards.
    @discardableResult
    public static func raiseOpenFiles() -> UInt64 {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
        if limit.rlim_cur < limit.rlim_max {
            var wanted = limit
            wanted.rlim_cur = limit.rlim_max
            if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &wanted) == 0 { limit = wanted }
        }
        DescriptorReserve.set(limit: UInt64(limit.rlim_cur))
        return UInt64(limit.rlim_cur)
    }

    /// Writes to a closed connection give an error and not a signal.
    public static func ignoreBrokenPipes() { signal(SIGPIPE, SIG_IGN) }
}
