// What the machine grants may change while the process runs: a pod that is resized in place.
import Reactor

/// Compares what cgroups and affinity grant with what they granted before. Main thread only.
///
/// The number of workers is chosen once: each has sockets, clusters and stats of its own. A change is said, so that people
/// know what a restart would bring.
final class GrantWatch {
    /// How often to look: a few reads of /proc and /sys.
    static let interval = TimeAmount.seconds(30)

    private let limits: CgroupLimits
    private let workers: Int
    /// At most so many are started by themselves; nil: their number was given.
    private let workerLimit: Int?
    private var budget: CPUBudget
    /// Bytes; nil: no limit.
    private(set) var memory: UInt64?

    init(_ limits: CgroupLimits, workers: Int, workerLimit: Int?) {
        self.limits = limits
        self.workers = workers
        self.workerLimit = workerLimit
        budget = CPUBudget(limits)
        memory = limits.memory
    }

    /// What has changed since the last look, one line each.
    func look() -> [String] {
        var lines: [String] = []
        let now = CPUBudget(limits)
        if now != budget {
            lines.append("CPUs: now \(now.explanation); before: \(budget.explanation)\(consequence(now))")
            budget = now
        }
        let memoryNow = limits.memory
        if memoryNow != memory {
            lines.append("memory limit of the cgroup: now \(text(memoryNow)), before \(text(memory))")
            memory = memoryNow
        }
        return lines
    }

    private func consequence(_ now: CPUBudget) -> String {
        guard let workerLimit else { return "; --concurrency says \(workers)" }
        let wanted = now.workers(limit: workerLimit)
        if wanted == workers { return "; the number of workers stays \(workers)" }
        return "; a process that starts now would have \(wanted) workers, this one has \(workers) until it is restarted"
    }

    private func text(_ bytes: UInt64?) -> String { bytes.map { "\($0 >> 20) MiB" } ?? "none" }
}
