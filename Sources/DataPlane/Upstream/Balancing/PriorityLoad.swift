// How load is shared among priorities and health classes, and when health is ignored (panic).

/// One list of hosts that a pick can come from.
struct HostSource: Equatable {
    enum Kind: Int { case all, healthy, degraded }
    var priority: Int
    var kind: Kind
}

/// Percent of the picks that each priority's healthy and degraded hosts get. Envoy page: load balancing, "Priority
/// levels", "Degraded endpoints", "Panic threshold".
struct PriorityLoad {
    private(set) var healthy: [Int]
    private(set) var degraded: [Int]
    /// Priorities whose hosts are picked whatever their health.
    private(set) var panic: [Bool]

    /// `panicThreshold` in percent; `overprovisioning` in percent, 140 by default.
    init(_ levels: [PriorityHosts], panicThreshold: Double, overprovisioning: Int) {
        healthy = Array(repeating: 0, count: levels.count)
        degraded = healthy
        panic = Array(repeating: false, count: levels.count)
        let factor = max(0, min(1_000_000, overprovisioning))
        let health = levels.map { Self.percent($0.healthy.count, of: $0.counted, factor) }
        let degradedHealth = levels.map { Self.percent($0.degraded.count, of: $0.counted, factor) }
        let available = min(100, health.reduce(0, +) + degradedHealth.reduce(0, +))
        let threshold = min(100, max(0, panicThreshold.rounded(.down)))

        if available > 0 { distribute(health, degradedHealth, available) }
        if available == 0, threshold == 0 {
            // Nobody can be picked; the sum has to be 100 all the same.
            healthy[0] = 100
            return
        }
        if available < 100 {
            for (index, level) in levels.enumerated() {
                let usable = level.counted == 0 ? 0 : 100.0 * Double(level.healthy.count + level.degraded.count)
                panic[index] = usable < threshold * Double(max(1, level.counted))
            }
        }
        if panic.allSatisfy({ $0 }) { distributeByHostCount(levels) }
    }

    /// As the cluster has it; `overprovisioning` is that of an assignment, or 0.
    init(_ spec: ClusterSpec, _ levels: [PriorityHosts], overprovisioning: UInt32) {
        self.init(
            levels, panicThreshold: spec.panicThreshold,
            overprovisioning: overprovisioning == 0 ? spec.overprovisioningFactor : Int(overprovisioning))
    }

    private static func percent(_ part: Int, of whole: Int, _ factor: Int) -> Int {
        whole == 0 ? 0 : min(100, factor * part / whole)
    }

    /// Gives as much as it can to the first priorities, healthy hosts before degraded ones.
    private mutating func distribute(_ health: [Int], _ degradedHealth: [Int], _ available: Int) {
        var left = 100
        for index in health.indices {
            healthy[index] = min(left, health[index] * 100 / available)
            left -= healthy[index]
        }
        for index in degradedHealth.indices {
            degraded[index] = min(left, degradedHealth[index] * 100 / available)
            left -= degraded[index]
        }
        // What is left is rounding.
        if let first = health.firstIndex(where: { $0 > 0 }) {
            healthy[first] += left
        } else if let first = degradedHealth.firstIndex(where: { $0 > 0 }) {
            degraded[first] += left
        }
    }

    /// All priorities are in panic: each gets load by its number of hosts.
    private mutating func distributeByHostCount(_ levels: [PriorityHosts]) {
        let total = levels.reduce(0) { $0 + $1.all.count }
        guard total > 0 else {
            healthy[0] = 100
            return
        }
        var left = 100
        for (index, level) in levels.enumerated() {
            healthy[index] = 100 * level.all.count / total
            degraded[index] = 0
            left -= healthy[index]
        }
        if let first = levels.firstIndex(where: { !$0.all.isEmpty }) { healthy[first] += left }
    }

    /// The source for a roll of 0..<100.
    func source(roll: Int) -> HostSource {
        var sum = 0
        for (priority, load) in healthy.enumerated() {
            sum += load
            if roll < sum { return HostSource(priority: priority, kind: panic[priority] ? .all : .healthy) }
        }
        for (priority, load) in degraded.enumerated() {
            sum += load
            if roll < sum { return HostSource(priority: priority, kind: panic[priority] ? .all : .degraded) }
        }
        return HostSource(priority: 0, kind: panic[0] ? .all : .healthy)
    }

    /// The source of every pick, when there is only one.
    var only: HostSource? {
        let first = source(roll: 0)
        return first == source(roll: 99) && (healthy.contains(100) || degraded.contains(100)) ? first : nil
    }
}
