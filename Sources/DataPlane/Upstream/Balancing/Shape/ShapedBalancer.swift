// Chooses hosts where localities or slow start have a say.
import Reactor

/// One worker's balancer of one cluster whose host set has a `HostShape`. Loop thread only.
final class ShapedBalancer {
    private let load: PriorityLoad
    private let only: HostSource?
    private let set: HostSet
    private let shape: HostShape
    /// Indexed by priority * 3 + kind.
    private var pickers: [HostPicker]
    private var levels: [Level] = []
    private let stats: ZoneStats

    /// One priority by localities.
    private struct Level {
        /// Indexed by locality.
        var healthy: [HostPicker]
        var degraded: [HostPicker]
        /// Which locality comes next, where they are weighted; nil: none has weight and hosts.
        var nextHealthy: LocalitySchedule?
        var nextDegraded: LocalitySchedule?
    }

    init(
        _ spec: ClusterSpec, _ set: HostSet, _ shape: HostShape, stats: ZoneStats, now: MonotonicTime,
        random: inout FastRandom
    ) {
        self.set = set
        self.shape = shape
        self.stats = stats
        load = PriorityLoad(spec, set.priorities, overprovisioning: set.overprovisioningFactor)
        only = load.only
        func picker(_ members: [Int]) -> HostPicker {
            HostPicker(
                spec.balancer, members: members, hosts: set.hosts, slowStart: shape.slowStart, now: now,
                random: &random)
        }
        pickers = []
        for level in set.priorities {
            pickers.append(picker(spec.balancing.zone.failsOnPanic ? [] : level.all))
            pickers.append(picker(level.healthy))
            pickers.append(picker(level.degraded))
        }
        let factor =
            set.overprovisioningFactor == 0 ? spec.overprovisioningFactor : Int(set.overprovisioningFactor)
        for localities in shape.localities {
            var level = Level(
                healthy: localities.map { picker($0.hosts.healthy) },
                degraded: localities.map { picker($0.hosts.degraded) })
            if shape.isWeighted {
                level.nextHealthy = LocalitySchedule(localities, \.healthy, overprovisioning: factor, &random)
                level.nextDegraded = LocalitySchedule(localities, \.degraded, overprovisioning: factor, &random)
            }
            levels.append(level)
        }
    }

    /// As `Balancer.pick`.
    func pick(
        avoiding: [Host], attempts: Int, now: MonotonicTime, random: inout FastRandom, panicPicks: inout UInt64
    ) -> Int? {
        var left = avoiding.isEmpty ? 0 : max(0, attempts)
        while true {
            let source = only ?? load.source(roll: Int(random.below(100)))
            guard let position = pick(source, now, &random, &panicPicks) else { return nil }
            if left == 0 || !avoiding.contains(where: { $0 === set.hosts[position] }) { return position }
            left -= 1
        }
    }

    private func pick(
        _ source: HostSource, _ now: MonotonicTime, _ random: inout FastRandom, _ panicPicks: inout UInt64
    ) -> Int? {
        let slowStart = shape.slowStart
        if source.kind == .all {
            panicPicks &+= 1
        } else if source.priority < levels.count {
            switch locality(source, &random) {
            case .nobody: return nil
            case .all: break
            case .one(let locality):
                return source.kind == .healthy
                    ? levels[source.priority].healthy[locality].pick(set.hosts, slowStart, now, random: &random)
                    : levels[source.priority].degraded[locality].pick(set.hosts, slowStart, now, random: &random)
            }
        }
        return pickers[source.priority * 3 + source.kind.rawValue].pick(set.hosts, slowStart, now, random: &random)
    }

    private enum Choice {
        case all
        case one(Int)
        case nobody
    }

    /// By weight where localities are weighted, else by zone.
    private func locality(_ source: HostSource, _ random: inout FastRandom) -> Choice {
        if shape.isWeighted {
            let next =
                source.kind == .healthy
                ? levels[source.priority].nextHealthy?.next() : levels[source.priority].nextDegraded?.next()
            if let next { return .one(next) }
        }
        guard let zone = shape.zone, zone.routes, source.priority == 0 else { return .all }
        if random.below(100) >= UInt64(zone.spec.percent) { return .all }
        if zone.isLocalClusterInPanic {
            stats.localClusterNotOK.increment()
            return zone.spec.failsOnPanic ? .nobody : .all
        }
        switch zone.way {
        case .anywhere: return .all
        case .direct:
            stats.allDirectly.increment()
            return .one(0)
        case .residual(let own, let capacity):
            if random.below(10_000) < own {
                stats.sampled.increment()
                return .one(0)
            }
            stats.crossZone.increment()
            guard let total = capacity.last, total > 0 else {
                stats.noCapacityLeft.increment()
                return .one(Int(random.below(UInt64(capacity.count))))
            }
            let threshold = random.below(total)
            return .one(capacity.firstIndex { threshold < $0 } ?? 0)
        }
    }
}

/// Localities in turn, each as often as its weight and its health say. Envoy page: "Locality weighted load balancing".
struct LocalitySchedule {
    private var schedule: EDFSchedule
    private let localities: [Int]
    private let weights: [Double]

    /// `overprovisioning` in percent. nil: no locality has weight and hosts.
    init?(
        _ all: [LocalityHosts], _ eligible: KeyPath<PriorityHosts, [Int]>, overprovisioning: Int,
        _ random: inout FastRandom
    ) {
        let weighed = all.enumerated().compactMap { index, locality -> (locality: Int, weight: Double)? in
            let counted = locality.hosts.counted
            guard counted > 0 else { return nil }
            let available = Double(locality.hosts[keyPath: eligible].count) / Double(counted)
            let weight = Double(locality.weight) * min(1, Double(overprovisioning) / 100 * available)
            return weight > 0 ? (index, weight) : nil
        }
        if weighed.isEmpty { return nil }
        localities = weighed.map(\.locality)
        let weights = weighed.map(\.weight)
        self.weights = weights
        schedule = EDFSchedule(count: weights.count) { weights[$0] }
        // Workers start at different points.
        for _ in 0..<random.below(UInt64(weights.count * 4)) { _ = schedule.next { weights[$0] } }
    }

    mutating func next() -> Int? {
        let weights = weights
        return schedule.next { weights[$0] }.map { localities[$0] }
    }
}
