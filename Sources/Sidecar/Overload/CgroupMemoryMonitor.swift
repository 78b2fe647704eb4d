// `envoy.resource_monitors.cgroup_memory`: the memory of the cgroup, and of those around it.
import Reactor

/// The cgroup whose limit is nearest decides: a limit of any group on the way to the root holds. Version 1 and 2. What the
/// kernel counts is what it acts on, file pages that it could drop included. Main thread only.
final class CgroupMemoryMonitor: ResourceMonitor {
    private let maxBytes: UInt64
    private let limits: CgroupLimits

    /// - Parameter maxBytes: bounds the limits; 0: they are as they are.
    init(maxBytes: UInt64, _ limits: CgroupLimits) {
        self.maxBytes = maxBytes
        self.limits = limits
    }

    func read(now: MonotonicTime) throws(ResourceFailure) -> Double {
        let groups = limits.memoryGroups
        guard let own = groups.first else {
            throw ResourceFailure(description: "no cgroup of this process tells its memory, version 1 or 2")
        }
        var pressure = maxBytes > 0 ? Double(own.usage) / Double(maxBytes) : 0
        for group in groups {
            // As in Envoy there is no pressure where there is no limit.
            guard let limit = group.limit else { continue }
            pressure = max(pressure, Double(group.usage) / Double(max(1, limit)))
        }
        return pressure
    }
}
