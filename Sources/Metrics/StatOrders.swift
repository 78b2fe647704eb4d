// The orders in which pages show stats, and how they are worked out.

/// Places of the live records, sorted; kept by the store while no stat comes or goes.
struct StatOrders: Sendable {
    /// By the bytes of the name, as Envoy's `/stats` page.
    var byName: [UInt32] = []
    /// By tag-extracted name, then by name, both token by token: a Prometheus family is one run of it (for each kind).
    var byFamily: [UInt32] = []
}

/// Works the orders of a snapshot out in steps of about a millisecond. One thread.
final class StatOrdering {
    private enum Phase { case names, families, samples, done }

    private let snapshot: StatSnapshot
    /// Places of records that are alive.
    private let live: [UInt32]
    /// Numbers of the families that they are of, and each one's rank among them by its number.
    private var families: [UInt32] = []
    private var ranks: [UInt32]
    private var phase = Phase.names
    private var sort: StepwiseSort
    private(set) var orders = StatOrders()

    init(_ snapshot: StatSnapshot) {
        self.snapshot = snapshot
        live = snapshot.records.indices.lazy.filter { snapshot.records[$0].isAlive }.map {
            UInt32(truncatingIfNeeded: $0)
        }
        ranks = [UInt32](repeating: .max, count: snapshot.names.families.count)
        sort = StepwiseSort(count: live.count)
    }

    /// Does some of the work. False: there is none left, and `orders` holds.
    func step() -> Bool {
        switch phase {
        case .names:
            let more = sort.step { [snapshot, live] number, bytes in
                snapshot.appendName(live[number], to: &bytes)
            }
            if more { return true }
            orders.byName = sort.result.map { live[Int($0)] }
            // Each family is ranked once; then its rank goes before the name.
            for place in live {
                let family = snapshot.tags[Int(place)].family
                if ranks[Int(family)] == .max {
                    ranks[Int(family)] = 0
                    families.append(family)
                }
            }
            sort = StepwiseSort(count: families.count)
            phase = .families
        case .families:
            let more = sort.step { [snapshot, families] number, bytes in
                let start = bytes.count
                bytes += snapshot.names.families[Int(families[number])].utf8
                StatOrdering.splitTokens(&bytes, from: start)
            }
            if more { return true }
            for (rank, number) in sort.result.enumerated() {
                ranks[Int(families[Int(number)])] = UInt32(truncatingIfNeeded: rank)
            }
            sort = StepwiseSort(count: live.count)
            phase = .samples
        case .samples:
            let more = sort.step { [snapshot, live, ranks] number, bytes in
                let rank = ranks[Int(snapshot.tags[Int(live[number])].family)]
                for shift: UInt32 in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: rank >> shift)) }
                let start = bytes.count
                snapshot.appendName(live[number], to: &bytes)
                StatOrdering.splitTokens(&bytes, from: start)
            }
            if more { return true }
            orders.byFamily = sort.result.map { live[Int($0)] }
            sort = StepwiseSort(count: 0)
            phase = .done
        case .done:
            return false
        }
        return true
    }

    /// Without dots names compare as the tokens between them do.
    private static func splitTokens(_ bytes: inout [UInt8], from start: Int) {
        for index in start..<bytes.count where bytes[index] == UInt8(ascii: ".") { bytes[index] = 0 }
    }
}
