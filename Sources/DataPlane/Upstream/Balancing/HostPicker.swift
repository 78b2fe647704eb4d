// Picks one host from one list of hosts, by one policy.
import Glibc
import Reactor

/// Balancer state for one `HostSource`. Positions are those of `HostSet.hosts`. Loop thread only.
///
/// Follows Envoy: equal weights need no schedule (round robin turns an index, least request compares `choiceCount`
/// random hosts); unequal weights use an earliest-deadline schedule, in which least request lowers a host's weight by
/// its active requests. Random ignores weights.
struct HostPicker {
    private let policy: BalancerSpec
    private let members: [Int]
    private var cursor: Int
    private var schedule: EDFSchedule?

    /// More starting picks than this change nothing that anybody would see.
    private static let maxStartingPicks: UInt64 = 1024

    init(
        _ policy: BalancerSpec, members: [Int], hosts: [Host], slowStart: SlowStart? = nil,
        now: MonotonicTime = .zero, random: inout FastRandom
    ) {
        self.policy = policy
        self.members = members
        cursor = Int(random.below(UInt64(max(1, members.count))))
        let weights = members.map { hosts[$0].weight }
        guard members.count > 1, policy != .random else { return }
        if weights.allSatisfy({ $0 == weights[0] }), slowStart?.isUnderWay(now) != true { return }
        func weight(_ member: Int) -> Double {
            Self.weight(policy, hosts[members[member]]) * (slowStart?.factor(members[member], now) ?? 1)
        }
        var made = EDFSchedule(count: members.count, weight: weight)
        // Workers start at different points, so that they do not all pick the same host at once.
        let total = weights.reduce(UInt64(0)) { $0 + UInt64($1) }
        for _ in 0..<random.below(min(total, Self.maxStartingPicks)) {
            _ = made.next(weight: weight)
        }
        schedule = made
    }

    /// The same with hosts that are still warming up.
    mutating func pick(
        _ hosts: [Host], _ slowStart: SlowStart?, _ now: MonotonicTime, random: inout FastRandom
    ) -> Int? {
        guard let slowStart, schedule != nil else { return pick(hosts, random: &random) }
        let (policy, members) = (policy, members)
        return schedule?.next { Self.weight(policy, hosts[members[$0]]) * slowStart.factor(members[$0], now) }
            .map { members[$0] }
    }

    /// A position in `hosts`, or nil when the list is empty.
    mutating func pick(_ hosts: [Host], random: inout FastRandom) -> Int? {
        guard members.count > 1 else { return members.first }
        if schedule != nil {
            let (policy, members) = (policy, members)
            guard let entry = schedule?.next(weight: { Self.weight(policy, hosts[members[$0]]) }) else { return nil }
            return members[entry]
        }
        switch policy {
        case .roundRobin:
            let position = cursor
            cursor = cursor + 1 == members.count ? 0 : cursor + 1
            return members[position]
        case .random:
            return members[Int(random.below(UInt64(members.count)))]
        case .leastRequest(let choiceCount, _):
            return leastLoaded(of: choiceCount, hosts, &random)
        }
    }

    /// The least loaded of `choices` hosts drawn at random, with replacement. So many draws that they see almost every
    /// host are one look at each, from a random one on.
    private func leastLoaded(of choices: Int, _ hosts: [Host], _ random: inout FastRandom) -> Int {
        let seesAll = choices / 4 >= members.count
        let start = Int(random.below(UInt64(members.count)))
        var best = members[start]
        var bestLoad = hosts[best].activeRequests
        for step in 1..<(seesAll ? members.count : max(2, choices)) {
            let next = seesAll ? (start + step) % members.count : Int(random.below(UInt64(members.count)))
            let other = members[next]
            if other == best { continue }
            let load = hosts[other].activeRequests
            if load < bestLoad {
                best = other
                bestLoad = load
            }
        }
        return best
    }

    private static func weight(_ policy: BalancerSpec, _ host: Host) -> Double {
        let weight = Double(host.weight)
        guard case .leastRequest(_, let bias) = policy, bias > 0 else { return weight }
        let load = Double(host.activeRequests + 1)
        return bias == 1 ? weight / load : weight / pow(load, bias)
    }
}
