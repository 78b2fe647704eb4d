// hash_balance_factor: a host with more than its share gives requests to others.

/// Consistent hashing with bounded loads. Envoy page: `ConsistentHashingLbConfig.hash_balance_factor`.
struct LoadBound {
    /// Requests that the whole cluster has room for, with the one that is looked for.
    private let slots: Double

    /// `percent` of the average is what a host may have; `running`: in the whole cluster now.
    init(percent: UInt32, running: Int) {
        let room = (UInt64(clamping: running) &+ 1).multipliedReportingOverflow(by: UInt64(percent))
        slots = room.overflow ? Double(UInt64.max) : ((Double(room.partialValue) + 99) / 100).rounded(.down)
    }

    /// `preferred`, or where it has too much the first that has not of a sequence that is the same for a hash each time;
    /// if all have, the one with the least. Looks at each host at most once.
    func member(_ members: HashMembers, _ hosts: [Host], preferred: Int, hash: UInt64) -> Int {
        var least = overload(members, hosts, preferred)
        if least <= 1 { return preferred }
        var best = preferred
        let count = members.positions.count
        return withUnsafeTemporaryAllocation(of: UInt32.self, capacity: count) { order in
            for index in 0..<count { order[index] = UInt32(truncatingIfNeeded: index) }
            var random = MersenneTwister(seed: UInt32(truncatingIfNeeded: hash))
            for index in 0..<count {
                order.swapAt(index, index + Int(random.below(UInt32(truncatingIfNeeded: count - index))))
                let other = Int(order[index])
                if other == preferred { continue }
                let load = overload(members, hosts, other)
                if load <= 1 { return other }
                if load < least {
                    least = load
                    best = other
                }
            }
            return best
        }
    }

    /// What a host has of what it may have.
    private func overload(_ members: HashMembers, _ hosts: [Host], _ member: Int) -> Double {
        let own = max(1, (slots * members.shares[member]).rounded(.up))
        return Double(hosts[members.positions[member]].activeRequests) / own
    }
}

/// The random numbers by which Envoy looks for another host (C++'s `std::mt19937`): a seed gives the same ones everywhere.
struct MersenneTwister {
    private var state: InlineArray<624, UInt32>
    private var next = 624

    init(seed: UInt32) {
        state = InlineArray(repeating: seed)
        for index in 1..<624 {
            let last = state[index - 1]
            state[index] = (last ^ (last >> 30)) &* 1_812_433_253 &+ UInt32(index)
        }
    }

    mutating func number() -> UInt32 {
        if next == 624 { twist() }
        var value = state[next]
        next += 1
        value ^= value >> 11
        value ^= (value << 7) & 0x9D2C_5680
        value ^= (value << 15) & 0xEFC6_0000
        return value ^ (value >> 18)
    }

    /// A number in `0..<bound`; `bound` is above 0. Without a bias, and as Envoy takes it.
    mutating func below(_ bound: UInt32) -> UInt32 {
        let part = (UInt64(UInt32.max) + 1) / UInt64(bound)
        while true {
            let value = UInt64(number()) / part
            if value < UInt64(bound) { return UInt32(value) }
        }
    }

    private mutating func twist() {
        for index in 0..<624 {
            let bits = (state[index] & 0x8000_0000) | (state[(index + 1) % 624] & 0x7FFF_FFFF)
            state[index] = state[(index + 397) % 624] ^ (bits >> 1) ^ (bits & 1 == 0 ? 0 : 0x9908_B0DF)
        }
        next = 0
    }
}
