// How many workers the machine grants: affinity and the CPU quota of the cgroup.
import Reactor

/// The CPUs this process may use, and the worker count that follows.
struct CPUBudget: Equatable, Sendable {
    /// CPUs in the affinity mask.
    var affinity: Int
    /// CPUs of the tightest cgroup quota on the way to the root, e.g. 0.5; nil: no quota.
    var quota: Double?

    /// A sidecar's default: what is granted, at least 1 and at most `limit` workers.
    func workers(limit: Int) -> Int {
        let granted = quota.map { min(Double(affinity), $0.rounded(.up)) } ?? Double(affinity)
        return max(1, min(limit, Int(granted)))
    }

    /// For the log line that tells the choice.
    var explanation: String {
        "\(affinity) CPU\(affinity == 1 ? "" : "s") in the affinity mask, "
            + (quota.map { "cgroup quota of \($0) CPUs" } ?? "no cgroup quota")
    }

    /// Reads the affinity mask and the cgroup files (v2 `cpu.max`, v1 `cpu.cfs_quota_us`).
    static func ofThisProcess() -> CPUBudget {
        CPUBudget(
            affinity: text("/proc/self/status").flatMap { allowedCPUs(inStatus: $0) } ?? 1,
            quota: CgroupQuota(read: text).cpus)
    }

    /// The count in the line `Cpus_allowed_list: 0-3,8` of /proc/self/status.
    static func allowedCPUs(inStatus status: String) -> Int? {
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("Cpus_allowed_list:") }),
            let list = line.split(whereSeparator: \.isWhitespace).last
        else { return nil }
        var count = 0
        for range in list.split(separator: ",") {
            let ends = range.split(separator: "-").compactMap { Int($0) }
            guard let first = ends.first, let last = ends.last, last >= first else { return nil }
            count += last - first + 1
        }
        return count
    }

    private static func text(_ path: String) -> String? {
        (try? FileContents.read(path, limit: 64 * 1024)).map { String(decoding: $0, as: UTF8.self) }
    }
}

/// The CPU quota along the cgroup path of this process.
struct CgroupQuota {
    /// Reads a file as text; nil when it is not there. A parameter, so that tests bring their own tree.
    let read: (String) -> String?

    /// The tightest quota of all levels; nil when none is set.
    var cpus: Double? {
        guard let memberships = read("/proc/self/cgroup") else { return nil }
        var tightest: Double?
        for line in memberships.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let controllers = parts[1].split(separator: ",")
            if parts[0] == "0" {
                tighten(&tightest, path: String(parts[2]), root: "/sys/fs/cgroup", quota: version2)
            } else if controllers.contains("cpu") {
                tighten(&tightest, path: String(parts[2]), root: "/sys/fs/cgroup/cpu", quota: version1)
            }
        }
        return tightest
    }

    /// Walks from the process's own group to the root. In a container the path may name groups that are mounted
    /// elsewhere; the root of the mount is then the container's own group, which the walk ends with.
    private func tighten(_ tightest: inout Double?, path: String, root: String, quota: (String) -> Double?) {
        var levels = path.split(separator: "/").map(String.init)
        while true {
            let folder = ([root] + levels).joined(separator: "/")
            if let here = quota(folder) { tightest = min(tightest ?? here, here) }
            if levels.popLast() == nil { return }
        }
    }

    private func version2(_ folder: String) -> Double? {
        guard let fields = read(folder + "/cpu.max")?.split(whereSeparator: \.isWhitespace), fields.count == 2,
            let quota = Double(fields[0]), let period = Double(fields[1]), quota > 0, period > 0
        else { return nil }
        return quota / period
    }

    private func version1(_ folder: String) -> Double? {
        func number(_ name: String) -> Double? {
            read(folder + "/" + name).flatMap { text in
                text.split(whereSeparator: \.isWhitespace).first.flatMap { Double($0) }
            }
        }
        guard let quota = number("cpu.cfs_quota_us"), let period = number("cpu.cfs_period_us"), quota > 0, period > 0
        else { return nil }
        return quota / period
    }
}
