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

    /// What the groups of this process have of memory, its own first: bytes in use, and the limit where there is one.
    /// Groups that do not tell are left out.
    var memoryGroups: [(usage: UInt64, limit: UInt64?)] {
        let found: [(usage: UInt64, limit: UInt64?)] = groups(controller: "memory") { folder, isVersion2 in
            let usage = number(folder, isVersion2 ? "memory.current" : "memory.usage_in_bytes")
            let limit = number(folder, isVersion2 ? "memory.max" : "memory.limit_in_bytes")
            guard let usage, usage >= 0, usage < 0x1p60 else { return nil }
            return (UInt64(usage), limit.flatMap { $0 >= 0 && $0 < 0x1p60 ? UInt64($0) : nil })
        }
        return found.reversed()
    }

    /// CPU time that this process's own group has used, seconds; nil: none tells.
    var cpuSeconds: Double? {
        let version2 = groups(controller: "cpu") { folder, isVersion2 in isVersion2 ? usedSeconds(folder) : nil }
        if let own = version2.last { return own }
        return groups(controller: "cpuacct") { folder, isVersion2 in
            isVersion2 ? nil : number(folder, "cpuacct.usage").map { $0 / 1e9 }
        }.last
    }

    /// The line `usage_usec` of `cpu.stat`.
    private func usedSeconds(_ folder: String) -> Double? {
        let line = read(folder + "/cpu.stat")?.split(separator: "\n").first { $0.hasPrefix("usage_usec ") }
        return line?.split(separator: " ").last.flatMap { Double($0) }.map { $0 / 1e6 }
    }

    private func tightest(
        controller: String, version2: (String) -> Double?, version1: (String) -> Double?
    ) -> Double? {
        groups(controller: controller) { folder, isVersion2 in isVersion2 ? version2(folder) : version1(folder) }.min()
    }

    /// What `look` finds in the folders of the groups of this process, from the root to its own, with whether they are of
    /// version 2. In a container the path may name groups that are mounted elsewhere; the root of the mount is then the
    /// container's own group, with which the walk begins.
    private func groups<Found>(controller: String, _ look: (String, Bool) -> Found?) -> [Found] {
        guard let memberships = read("/proc/self/cgroup") else { return [] }
        var found: [Found] = []
        for line in memberships.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let isVersion2 = parts[0] == "0"
            guard isVersion2 || parts[1].split(separator: ",").contains(where: { $0 == controller }) else { continue }
            let root = isVersion2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/" + controller
            let levels = parts[2].split(separator: "/").map(String.init)
            found += (0...levels.count).compactMap { depth in
                look(([root] + levels.prefix(depth)).joined(separator: "/"), isVersion2)
            }
        }
        return found
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
