// A ring of hashes (ketama): each host stands at many places of it.
import Reactor

/// RING_HASH. Made on the main thread, read by all workers. Envoy page: supported load balancers, "Ring hash".
final class HashRing: Sendable {
    /// In order.
    private let hashes: [UInt64]
    /// By place, the member that stands there.
    private let members: [UInt32]
    let leastPlaces: UInt64
    let mostPlaces: UInt64

    /// The host with the least share gets a whole number of places; the others may come to stand in between.
    init(_ spec: HashingSpec.Ring, _ hosts: HashMembers, keys: [String]) {
        let least = hosts.leastShare
        let scale = min((least * Double(spec.minSize)).rounded(.up) / least, Double(spec.maxSize))
        var places: [(hash: UInt64, member: UInt32)] = []
        places.reserveCapacity(Int(scale.rounded(.up)))
        var (made, wanted) = (0.0, 0.0)
        var (fewest, most) = (UInt64(scale.rounded(.up)), UInt64(0))
        var text = ByteArena()
        for (member, share) in hosts.shares.enumerated() {
            text.removeAll()
            text.append(keys[member])
            text.append(byte: UInt8(ascii: "_"))
            let stem = text.count
            // Running sums over all hosts, so that parts of places add up.
            wanted += scale * share
            var number: UInt64 = 0
            while made < wanted {
                text.truncate(to: stem)
                text.append(decimal: number)
                let hash =
                    switch spec.function {
                    case .xxHash: XXHash64.hash(text.view)
                    case .murmurHash2: MurmurHash2.hash(text.view)
                    }
                places.append((hash, UInt32(truncatingIfNeeded: member)))
                number += 1
                made += 1
            }
            fewest = min(fewest, number)
            most = max(most, number)
        }
        places.sort { ($0.hash, $0.member) < ($1.hash, $1.member) }
        hashes = places.map(\.hash)
        members = places.map(\.member)
        leastPlaces = fewest
        mostPlaces = most
    }

    var size: Int { hashes.count }

    /// The member at the first place from `hash` on, going round; `attempt` places on where others were no good.
    func member(_ hash: UInt64, attempt: Int) -> Int {
        var (low, high) = (0, hashes.count)
        while low < high {
            let middle = (low + high) / 2
            if hashes[middle] < hash { low = middle + 1 } else { high = middle }
        }
        if low == hashes.count { low = 0 }
        return Int(members[(low + attempt) % members.count])
    }
}
