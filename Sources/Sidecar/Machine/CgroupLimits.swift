// What the cgroups of this process allow it: CPUs and memory.
import Reactor

/// The limits along the cgroup path of this process, version 1 or 2. A limit of any group on the way to the root holds.
struct CgroupLimits: Sendable {
    /// Reads a file as text; nil when it is not there. A parameter, so that tests bring their own tree.
    let read: @Sendable (String) -> String?

    static let ofThisProcess = CgroupLimits { path in
        (try? FileContents.read(path, limit: 64 * 1024)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The tightest CPU quota in CPUs, e.g. 0.5; nil: none.
    var cpus: Double? {
        tightest(controller: "cpu") { folder in
            number(folder, "cpu.max", at: 0, over: 1)
        } version1: { folder in
            guard let quota = number(folder, "cpu.cfs_quota_us"), let period = number(folder, "cpu.cfs_period_us"),
                quota > 0, period > 0
            else { return nil }
            return quota / period
        }
    }

    /// The tightest memory limit in bytes; nil: none.
    var memory: UInt64? {
        let limit = tightest(controller: "memory") { folder in
            number(folder, "memory.max")
        } version1: { folder in
            // Without a limit the file has the largest number of pages there is.
            number(folder, "memory.limit_in_bytes").flatMap { $0 < 0x1p60 ? $0 : nil }
        }
        return limit.flatMap { $0 >= 0 && $0 < 0x1p60 ? UInt64($0) : nil }
    }

    private func tightest(
        controller: String, version2: (String) -> Double?, version1: (String) -> Double?
    ) -> Double? {
        guard let memberships = read("/proc/self/cgroup") else { return nil }
        var found: [Double] = []
        for line in memberships.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            if parts[0] == "0" {
                found += limits(path: parts[2], root: "/sys/fs/cgroup", version2)
            } else if parts[1].split(separator: ",").contains(where: { $0 == controller }) {
                found += limits(path: parts[2], root: "/sys/fs/cgroup/" + controller, version1)
            }
        }
        return found.min()
    }

    /// Walks from the process's own group to the root. In a container the path may name groups that are mounted
    /// elsewhere; the root of the mount is then the container's own group, which the walk ends with.
    private func limits(path: Substring, root: String, _ limit: (String) -> Double?) -> [Double] {
        let levels = path.split(separator: "/").map(String.init)
        return (0...levels.count).compactMap { limit(([root] + levels.prefix($0)).joined(separator: "/")) }
    }

    /// The number in a file; with `over`, the quotient of two numbers. nil for the word "max" and for nonsense.
    private func number(_ folder: String, _ name: String, at place: Int = 0, over: Int? = nil) -> Double? {
        guard let fields = read(folder + "/" + name)?.split(whereSeparator: \.isWhitespace), place < fields.count,
            let value = Double(fields[place])
        else { return nil }
        guard let over else { return value }
        guard over < fields.count, let divisor = Double(fields[over]), value > 0, divisor > 0 else { return nil }
        return value / divisor
    }
}
