// The hosts that a hash table is made of, with their shares and the keys by which they stand in it.

/// Hosts of one priority, in the order of the host set. The order, the arithmetic and the keys are Envoy's, so that both
/// make the same table of the same hosts.
struct HashMembers: Sendable {
    /// In `HostSet.hosts`.
    private(set) var positions: [Int] = []
    /// What of the load is a host's, by member; 1 together.
    private(set) var shares: [Double] = []
    private(set) var leastShare = 1.0
    private(set) var greatestShare = 0.0

    /// Adds hosts that have `share` of the load together, split by their weights.
    mutating func add(_ members: [Int], of hosts: [Host], share: Double = 1) {
        let sum = members.reduce(UInt64(0)) { $0 &+ UInt64(hosts[$1].weight) }
        for position in members {
            let own = Double(hosts[position].weight) * share / Double(sum)
            positions.append(position)
            shares.append(own)
            leastShare = min(leastShare, own)
            greatestShare = max(greatestShare, own)
        }
    }

    var isEmpty: Bool { positions.isEmpty }

    /// What each member is known by: `hash_key` of its metadata, or else its name or its address.
    func keys(of hosts: [Host], usesHostname: Bool) -> [String] {
        positions.map { position in
            let host = hosts[position]
            if let key = host.hashKey { return key }
            return usesHostname ? host.hostname : host.address.description
        }
    }
}
