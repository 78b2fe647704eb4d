// A table in which each host has its share of the places (Maglev, section 3.4 of the paper).
import Reactor

/// MAGLEV. Made on the main thread, read by all workers. Envoy page: supported load balancers, "Maglev".
final class MaglevTable: Sendable {
    /// By place, the member that stands there, in as few bytes as hold it.
    private let members: PackedNumbers
    let leastPlaces: UInt64
    let mostPlaces: UInt64

    private struct Candidate {
        let member: Int
        let share: Double
        /// Where its own order of the places begins, and how far it steps.
        let offset: UInt64
        let skip: UInt64
        var next: UInt64 = 0
        var wanted = 0.0
        var count: UInt64 = 0

        func place(_ size: UInt64) -> Int { Int((offset &+ skip &* next) % size) }
    }

    /// `size` is a prime.
    init(size: Int, _ hosts: HashMembers, keys: [String]) {
        let size = UInt64(max(2, size))
        // In the order of their keys, for who comes first in a round gets the place.
        let order = keys.indices.sorted { keys[$0].isBefore(keys[$1]) }
        var candidates = order.map { member in
            Candidate(
                member: member, share: hosts.shares[member], offset: XXHash64.hash(keys[member]) % size,
                skip: XXHash64.hash(keys[member], seed: 1) % (size - 1) + 1)
        }
        let free = UInt32.max
        var table = Array(repeating: free, count: Int(size))
        var filled: UInt64 = 0
        var round = 1.0
        while filled < size {
            for index in candidates.indices where filled < size {
                // Who has the greatest share takes a place each round, the others less often.
                guard round * candidates[index].share >= candidates[index].wanted else { continue }
                candidates[index].wanted += hosts.greatestShare
                var place = candidates[index].place(size)
                while table[place] != free {
                    candidates[index].next += 1
                    place = candidates[index].place(size)
                }
                table[place] = UInt32(truncatingIfNeeded: candidates[index].member)
                candidates[index].next += 1
                candidates[index].count += 1
                filled += 1
            }
            round += 1
        }
        members = PackedNumbers(table, below: hosts.shares.count)
        leastPlaces = candidates.map(\.count).min() ?? 0
        mostPlaces = candidates.map(\.count).max() ?? 0
    }

    /// The member that the hash stands for, and a quite different one for each `attempt`.
    func member(_ hash: UInt64, attempt: Int) -> Int {
        let hash = attempt > 0 ? hash ^ (0 &- UInt64(truncatingIfNeeded: attempt)) : hash
        return members[Int(hash % UInt64(members.count))]
    }
}

extension String {
    /// By bytes, as C++ compares them.
    fileprivate func isBefore(_ other: String) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }
}
