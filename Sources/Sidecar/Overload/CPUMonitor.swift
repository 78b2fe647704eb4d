// `envoy.resource_monitors.cpu_utilization`: how busy the CPUs are, of the machine or of the container.
import Reactor

/// The share of CPU time that was used since the reading before, smoothed as Envoy does. Main thread only.
final class CPUMonitor: ResourceMonitor {
    enum Scope { case host, container }

    /// How much a new value counts beside those before it.
    static let weight = 0.05

    /// Time that was used and time that has passed for each of `cpus`, in one unit.
    private struct Times {
        var used: Double
        var passed: Double
        var cpus: Double
    }

    private let scope: Scope
    private let limits: CgroupLimits
    private var before: Times?
    private var smoothed = 0.0

    init(_ scope: Scope, _ limits: CgroupLimits) {
        self.scope = scope
        self.limits = limits
    }

    /// The first reading is what the next one is compared with, and is no load.
    func read(now: MonotonicTime) throws(ResourceFailure) -> Double {
        let times = try scope == .host ? host() : container(now)
        defer { before = times }
        guard let before else { return 0 }
        let (used, passed) = (times.used - before.used, times.passed - before.passed)
        guard used >= 0, passed > 0 else {
            throw ResourceFailure(description: "CPU time has not gone on since the reading before")
        }
        smoothed = used / passed / times.cpus * CPUMonitor.weight + smoothed * (1 - CPUMonitor.weight)
        return smoothed
    }

    /// The first line of /proc/stat: user, nice and system time are used; with idle time they are all there was.
    private func host() throws(ResourceFailure) -> Times {
        let line = limits.read("/proc/stat")?.split(separator: "\n", maxSplits: 1).first ?? ""
        let fields = line.split(separator: " ")
        let numbers = fields.dropFirst().prefix(4).compactMap { Double($0) }
        guard fields.first == "cpu", numbers.count == 4, numbers.allSatisfy({ $0 >= 0 && $0.isFinite }) else {
            throw ResourceFailure(description: "/proc/stat cannot be read")
        }
        let used = numbers[0] + numbers[1] + numbers[2]
        return Times(used: used, passed: used + numbers[3], cpus: 1)
    }

    /// What the cgroup has used, of what its quota and the affinity mask grant.
    private func container(_ now: MonotonicTime) throws(ResourceFailure) -> Times {
        guard let used = limits.cpuSeconds else {
            throw ResourceFailure(description: "no cgroup of this process tells its CPU time, version 1 or 2")
        }
        let budget = CPUBudget(limits)
        let granted = min(Double(budget.affinity), budget.quota ?? .infinity)
        return Times(used: used, passed: Double(now.ns) / 1e9, cpus: max(granted, 0.001))
    }
}
