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
}

extension CPUBudget {
    /// Reads the affinity mask and the cgroup files (v2 `cpu.max`, v1 `cpu.cfs_quota_us`).
    init(_ limits: CgroupLimits) {
        self.init(
            affinity: limits.read("/proc/self/status").flatMap { CPUBudget.allowedCPUs(inStatus: $0) } ?? 1,
            quota: limits.cpus)
    }
}
