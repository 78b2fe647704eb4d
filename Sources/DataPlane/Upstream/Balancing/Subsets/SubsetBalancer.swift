// Chooses the host of a request among the subsets of a host set.
import Reactor

/// What a choice of a host may need of its request.
struct HostQuestion {
    var hash: UInt64?
    /// Hosts that are chosen again only when `attempts` further picks found no other.
    var avoiding: [Host]
    var attempts: Int
    var now: MonotonicTime
    /// Requests in the whole cluster.
    var running: Int
}

/// One worker's balancers of a host set with subsets, made as they are needed. Loop thread only.
final class SubsetBalancer {
    /// A subset to ask, and how it is counted.
    private struct Step {
        enum Kind {
            /// By the request's criteria, or a selector's fallback: whatever comes of it, it is the answer.
            case selected, selectorFallback
            /// Where there is none, the next one is asked.
            case fallback, panic
        }
        var kind: Kind
        var subset: Int
    }

    private let table: SubsetTable
    private let cluster: ClusterSpec
    private let stats: SubsetStats
    private let zones: () -> ZoneStats
    /// By subset.
    private var pickers: [SubsetPicker?]
    /// What is asked for which criteria, one list after the other: until one of them has a host.
    private var plans: [SubsetKey: [Step]] = [:]
    private lazy var planWithoutCriteria = fallbackSteps

    /// Other criteria than these many are worked out each time.
    private static let maxPlans = 1024

    init(_ table: SubsetTable, _ cluster: ClusterSpec, stats: SubsetStats, zones: @escaping () -> ZoneStats) {
        self.table = table
        self.cluster = cluster
        self.stats = stats
        self.zones = zones
        pickers = Array(repeating: nil, count: table.subsets.count)
    }

    /// A position in the whole host set, or nil when no host may be picked.
    func pick(
        _ criteria: SubsetCriteria?, _ question: HostQuestion, random: inout FastRandom, panicPicks: inout UInt64
    ) -> Int? {
        guard let criteria else { return follow(planWithoutCriteria, question, &random, &panicPicks) }
        if table.spec.usesFallbackList, let alternatives = criteria.alternatives {
            for key in alternatives {
                if let found = follow(plan(key), question, &random, &panicPicks) { return found }
            }
            return nil
        }
        return follow(plan(criteria.key), question, &random, &panicPicks)
    }

    private func follow(
        _ steps: [Step], _ question: HostQuestion, _ random: inout FastRandom, _ panicPicks: inout UInt64
    ) -> Int? {
        for step in steps {
            if step.kind == .selected { stats.selected.increment() }
            guard let found = picker(step.subset, question, &random).pick(question, &random, &panicPicks) else {
                continue
            }
            switch step.kind {
            case .selected, .selectorFallback: break
            case .fallback: stats.fallback.increment()
            case .panic: stats.panic.increment()
            }
            return found
        }
        return nil
    }

    private func picker(_ subset: Int, _ question: HostQuestion, _ random: inout FastRandom) -> SubsetPicker {
        if let made = pickers[subset] { return made }
        let made = SubsetPicker(table.subsets[subset], cluster, zones, now: question.now, random: &random)
        pickers[subset] = made
        return made
    }

    // MARK: - What is asked

    private func plan(_ key: SubsetKey) -> [Step] {
        if let known = plans[key] { return known }
        let made = steps(key)
        if plans.count < Self.maxPlans { plans[key] = made }
        return made
    }

    private func steps(_ key: SubsetKey) -> [Step] {
        if let subset = table.find(key) { return [Step(kind: .selected, subset: subset)] }
        switch table.fallback(of: key) {
        case .asCluster?, nil: return fallbackSteps
        case SubsetSpec.Selector.Fallback.none?: return []
        case .anyEndpoint?: return table.any.map { [Step(kind: .selectorFallback, subset: $0)] } ?? []
        case .defaultSubset?: return table.defaultSubset.map { [Step(kind: .selectorFallback, subset: $0)] } ?? []
        // They are fewer, so that this ends.
        case .keys(let names)?: return steps(key.filtered(names))
        }
    }

    /// As in Envoy, there is no panic without a fallback.
    private var fallbackSteps: [Step] {
        let first: Int?
        switch table.spec.fallback {
        case .none: first = nil
        case .anyEndpoint: first = table.any
        case .defaultSubset: first = table.defaultSubset
        }
        guard let first else { return [] }
        var steps = [Step(kind: .fallback, subset: first)]
        if table.spec.panicsToAny, let any = table.any { steps.append(Step(kind: .panic, subset: any)) }
        return steps
    }
}

/// The balancer of one subset, by the cluster's policy.
private final class SubsetPicker {
    private enum Way {
        case one(Int)
        case hashed(HashRouting, [Host])
        case shaped(ShapedBalancer)
        case turns
    }

    private let way: Way
    private var balancer: Balancer?
    /// In the whole host set.
    private let positions: [Int]

    init(
        _ subset: SubsetTable.Subset, _ cluster: ClusterSpec, _ zones: () -> ZoneStats, now: MonotonicTime,
        random: inout FastRandom
    ) {
        switch subset {
        case .one(let position):
            way = .one(position)
            positions = []
        case .some(let set, let positions):
            self.positions = positions
            if let hashing = set.hashing {
                way = .hashed(hashing, set.hosts)
            } else if let shape = set.shape, shape.decides {
                way = .shaped(ShapedBalancer(cluster, set, shape, stats: zones(), now: now, random: &random))
            } else {
                way = .turns
                balancer = Balancer(cluster, set, random: &random)
            }
        }
    }

    func pick(_ question: HostQuestion, _ random: inout FastRandom, _ panicPicks: inout UInt64) -> Int? {
        let found: Int?
        switch way {
        case .one(let position): return position
        case .hashed(let hashing, let hosts):
            found = hashing.pick(
                question.hash ?? random.next(), hosts, avoiding: question.avoiding, attempts: question.attempts,
                running: question.running, panicPicks: &panicPicks)
        case .shaped(let shaped):
            found = shaped.pick(
                avoiding: question.avoiding, attempts: question.attempts, now: question.now, random: &random,
                panicPicks: &panicPicks)
        case .turns:
            found = balancer?.pick(
                avoiding: question.avoiding, attempts: question.attempts, random: &random, panicPicks: &panicPicks)
        }
        return found.map { positions[$0] }
    }
}
