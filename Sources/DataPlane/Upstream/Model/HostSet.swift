// The hosts of a cluster at one moment: an immutable snapshot, by priority and health.

/// One priority level. Lists hold positions in `HostSet.hosts`.
public struct PriorityHosts: Sendable {
    public var all: [Int] = []
    public var healthy: [Int] = []
    public var degraded: [Int] = []
    /// Of `all`, how many do not count where the share of healthy hosts is told.
    public var excluded = 0

    /// One of the lists.
    func members(_ kind: HostSource.Kind) -> [Int] {
        switch kind {
        case .all: all
        case .healthy: healthy
        case .degraded: degraded
        }
    }

    /// Hosts that count.
    public var counted: Int { all.count - excluded }
}

/// All hosts of a cluster. Any thread.
public final class HostSet: Sendable {
    public let hosts: [Host]
    /// Indexed by priority; levels without hosts are empty.
    public let priorities: [PriorityHosts]
    /// Percent, as their assignment has it; 0: as the cluster has it.
    let overprovisioningFactor: UInt32

    /// For clusters that choose by hashes.
    let hashing: HashRouting?
    /// For clusters that go by localities or have slow start.
    let shape: HostShape?
    /// For clusters with subsets, in place of these two: each subset is a host set, and has its own.
    let subsets: SubsetTable?

    /// Reads each host's health as it is now.
    public convenience init(_ hosts: [Host], overprovisioningFactor: UInt32 = 0) {
        self.init(hosts, overprovisioningFactor: overprovisioningFactor, for: nil)
    }

    /// `spec`: of the cluster, which may want more than the lists.
    init(
        _ hosts: [Host], overprovisioningFactor: UInt32 = 0, for spec: ClusterSpec?,
        in context: HostSetContext = HostSetContext()
    ) {
        self.hosts = hosts
        self.overprovisioningFactor = overprovisioningFactor
        var levels = Array(repeating: PriorityHosts(), count: max(1, (hosts.map(\.priority).max() ?? 0) + 1))
        for (index, host) in hosts.enumerated() {
            let level = max(0, host.priority)
            levels[level].all.append(index)
            if !host.healthFlags.isDisjoint(with: .excluded) { levels[level].excluded += 1 }
            switch host.health {
            case .healthy: levels[level].healthy.append(index)
            case .degraded: levels[level].degraded.append(index)
            case .unhealthy: break
            }
        }
        // Mostly all are healthy: one list is enough then.
        for index in levels.indices where levels[index].healthy.count == levels[index].all.count {
            levels[index].healthy = levels[index].all
        }
        priorities = levels
        if let spec, let wanted = spec.balancing.subsets {
            shape = nil
            hashing = nil
            subsets = SubsetTable(
                wanted, spec, hosts, overprovisioningFactor: overprovisioningFactor, in: context)
            return
        }
        let shape = spec.flatMap { HostShape($0, hosts, levels, context) }
        self.shape = shape
        hashing = spec.flatMap { HashRouting($0, hosts, levels, shape, overprovisioning: overprovisioningFactor) }
        subsets = nil
    }

    /// Its own ways through zones, or those of its subsets.
    var zonePlans: [ZonePlan] {
        guard let subsets else { return (shape?.zone).map { [$0] } ?? [] }
        return subsets.subsets.compactMap { $0.hosts?.shape?.zone }
    }

    /// Its hash tables, or those of its last subset.
    var lastHashing: HashRouting? { subsets?.subsets.last { $0.hosts?.hashing != nil }?.hosts?.hashing ?? hashing }

    public var healthyCount: Int { priorities.reduce(0) { $0 + $1.healthy.count } }
    public var degradedCount: Int { priorities.reduce(0) { $0 + $1.degraded.count } }
    public var excludedCount: Int { priorities.reduce(0) { $0 + $1.excluded } }
    public var maxWeight: UInt32 { hosts.map(\.weight).max() ?? 0 }
}
