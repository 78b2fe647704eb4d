// Which host a hash stands for, over all priorities of a host set.

/// The hash tables of a host set: immutable, made once on the main thread when hosts or their health change, and shared by
/// all workers. Envoy's thread aware load balancers.
final class HashRouting: Sendable {
    private enum Table {
        case ring(HashRing)
        case maglev(MaglevTable)

        func member(_ hash: UInt64, attempt: Int) -> Int {
            switch self {
            case .ring(let ring): ring.member(hash, attempt: attempt)
            case .maglev(let table): table.member(hash, attempt: attempt)
            }
        }
    }

    private struct Level {
        var members: HashMembers
        var table: Table
    }

    private let load: PriorityLoad
    /// By priority; nil: nobody can be chosen there.
    private let levels: [Level?]
    /// Percent of the average load that a host may have; nil: any.
    private let balanceFactor: UInt32?

    /// nil: the cluster does not choose by hashes.
    init?(
        _ spec: ClusterSpec, _ hosts: [Host], _ priorities: [PriorityHosts], _ shape: HostShape?,
        overprovisioning: UInt32
    ) {
        guard let hashing = spec.balancing.hashing else { return nil }
        let load = PriorityLoad(spec, priorities, overprovisioning: overprovisioning)
        self.load = load
        balanceFactor = hashing.balanceFactor
        levels = priorities.enumerated().map { priority, level in
            // As in Envoy degraded hosts have no part, but where there are no others: there Envoy chooses nobody.
            let source: HostSource.Kind =
                load.panic[priority] ? .all : level.healthy.isEmpty ? .degraded : .healthy
            var members = HashMembers()
            if let shape, shape.isWeighted {
                // Without weight nobody is chosen, as in Envoy.
                let sum = shape.localities[priority].reduce(UInt64(0)) { $0 + UInt64($1.weight) }
                for locality in shape.localities[priority] where locality.weight > 0 {
                    members.add(
                        locality.hosts.members(source), of: hosts, share: Double(locality.weight) / Double(sum))
                }
            } else {
                members.add(level.members(source), of: hosts)
            }
            if members.isEmpty { return nil }
            let keys = members.keys(of: hosts, usesHostname: hashing.usesHostname)
            switch hashing.table {
            case .ring(let ring): return Level(members: members, table: .ring(HashRing(ring, members, keys: keys)))
            case .maglev(let size):
                return Level(members: members, table: .maglev(MaglevTable(size: size, members, keys: keys)))
            }
        }
    }

    /// A position in `hosts`, the hosts of the set, or nil when no host may be chosen.
    ///
    /// A host in `avoiding` is chosen only when `attempts` further places have no other. `running`: requests in the
    /// whole cluster. Adds to `panicPicks` for a choice that ignored health.
    func pick(
        _ hash: UInt64, _ hosts: [Host], avoiding: [Host], attempts: Int, running: Int, panicPicks: inout UInt64
    ) -> Int? {
        let priority = load.source(roll: Int(hash % 100)).priority
        if load.panic[priority] { panicPicks &+= 1 }
        guard let level = levels[priority] else { return nil }
        var attempt = 0
        while true {
            var member = level.table.member(hash, attempt: attempt)
            if let balanceFactor {
                let bound = LoadBound(percent: balanceFactor, running: running)
                member = bound.member(level.members, hosts, preferred: member, hash: hash)
            }
            let position = level.members.positions[member]
            if avoiding.isEmpty || attempt >= attempts || !avoiding.contains(where: { $0 === hosts[position] }) {
                return position
            }
            attempt += 1
        }
    }

    /// How the table of the last priority came out, as Envoy's stats have it: `size`, and places of the host with the
    /// fewest and of that with the most.
    var shape: (size: UInt64, least: UInt64, most: UInt64)? {
        switch levels.last(where: { $0 != nil })??.table {
        case .ring(let ring): (UInt64(ring.size), ring.leastPlaces, ring.mostPlaces)
        case .maglev(let table): (0, table.leastPlaces, table.mostPlaces)
        case nil: nil
        }
    }
}
