// Chooses the host of a request: first a priority and health class, then a host in it.

/// One worker's balancer of one cluster. Loop thread only.
public struct Balancer {
    private let load: PriorityLoad
    private let only: HostSource?
    /// Indexed by priority * 3 + kind.
    private var pickers: [HostPicker]
    private let hosts: [Host]

    /// Reads the hosts' health as `set` has it, and takes starting points from `random`, so that workers differ.
    public init(_ spec: ClusterSpec, _ set: HostSet, random: inout FastRandom) {
        load = PriorityLoad(spec, set.priorities, overprovisioning: set.overprovisioningFactor)
        only = load.only
        hosts = set.hosts
        pickers = []
        // Others choose where the set has hash tables, a shape or subsets.
        guard set.hashing == nil, set.shape?.decides != true, set.subsets == nil else { return }
        for level in set.priorities {
            let all = spec.balancing.zone.failsOnPanic ? [] : level.all
            for members in [all, level.healthy, level.degraded] {
                pickers.append(HostPicker(spec.balancer, members: members, hosts: set.hosts, random: &random))
            }
        }
    }

    /// A position in the host set, or nil when no host may be picked. Adds to `panicPicks` for each pick that ignored
    /// health.
    ///
    /// A host in `avoiding` is picked again only when `attempts` further picks found no other.
    public mutating func pick(
        avoiding: [Host], attempts: Int, random: inout FastRandom, panicPicks: inout UInt64
    ) -> Int? {
        var left = avoiding.isEmpty ? 0 : max(0, attempts)
        while true {
            let source = only ?? load.source(roll: Int(random.below(100)))
            if source.kind == .all { panicPicks &+= 1 }
            guard let position = pickers[source.priority * 3 + source.kind.rawValue].pick(hosts, random: &random)
            else { return nil }
            if left == 0 || !avoiding.contains(where: { $0 === hosts[position] }) { return position }
            left -= 1
        }
    }
}
