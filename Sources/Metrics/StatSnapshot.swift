// StatSnapshot: all stats at one moment, for the renderers.
import Glibc

/// The interned parts of names, shared with the store until it changes them.
struct StatNames: Sendable {
    let fronts: [String]
    let backs: [String]
    let families: [String]
    let labels: [String]
}

/// Places of the live records, sorted; kept by the store while no stat comes or goes.
struct StatOrders: Sendable {
    /// By the bytes of the name, as Envoy's `/stats` page.
    let byName: [UInt32]
    /// By tag-extracted name, then by name, both token by token: a Prometheus family is one run of it (for each kind).
    let byFamily: [UInt32]

    /// No stats.
    init() {
        byName = []
        byFamily = []
    }

    init(records: [StatRecord], tags: [StatTags], names: StatNames) {
        let live = records.indices.filter { records[$0].isAlive }
        var keys = SortKeys(count: live.count)
        for place in live {
            keys.append(names.fronts[Int(records[place].front)], names.backs[Int(records[place].back)], dot: ".")
        }
        byName = keys.sorted().map { UInt32(truncatingIfNeeded: live[$0]) }

        // Rank each family once; then a family's rank goes before the name.
        let families = Array(Set(live.map { tags[$0].family }))
        var familyKeys = SortKeys(count: families.count)
        for family in families { familyKeys.append(names.families[Int(family)], "", dot: "\0") }
        var rank = [UInt32](repeating: 0, count: names.families.count)
        for (position, index) in familyKeys.sorted().enumerated() {
            rank[Int(families[index])] = UInt32(truncatingIfNeeded: position)
        }
        keys = SortKeys(count: live.count)
        for place in live {
            let record = records[place]
            keys.append(
                names.fronts[Int(record.front)], names.backs[Int(record.back)], dot: "\0",
                rank: rank[Int(tags[place].family)])
        }
        byFamily = keys.sorted().map { UInt32(truncatingIfNeeded: live[$0]) }
    }
}

/// Strings in one buffer, to be sorted by their bytes.
private struct SortKeys {
    private var bytes: [UInt8] = []
    private var starts: [Int] = [0]

    init(count: Int) {
        bytes.reserveCapacity(count * 64)
        starts.reserveCapacity(count + 1)
    }

    /// Adds a name of two parts. With `dot` 0 names compare as the tokens between their dots do.
    mutating func append(_ front: String, _ back: String, dot: Unicode.Scalar, rank: UInt32? = nil) {
        if let rank {
            for shift: UInt32 in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: rank >> shift)) }
        }
        let start = bytes.count
        bytes.append(contentsOf: front.utf8)
        bytes.append(contentsOf: back.utf8)
        if dot != "." {
            for index in start..<bytes.count where bytes[index] == UInt8(ascii: ".") { bytes[index] = 0 }
        }
        starts.append(bytes.count)
    }

    /// The numbers of the strings, in their order.
    func sorted() -> [Int] {
        bytes.withUnsafeBytes { bytes in
            starts.indices.dropLast().sorted { one, other in
                let left = UnsafeRawBufferPointer(rebasing: bytes[starts[one]..<starts[one + 1]])
                let right = UnsafeRawBufferPointer(rebasing: bytes[starts[other]..<starts[other + 1]])
                guard let first = left.baseAddress, let second = right.baseAddress else {
                    return left.count < right.count
                }
                let order = memcmp(first, second, min(left.count, right.count))
                return order == 0 ? left.count < right.count : order < 0
            }
        }
    }
}

/// All stats at one moment. Costs 9 bytes a stat for as long as it lives, besides what it shares with the store.
public struct StatSnapshot: Sendable {
    let names: StatNames
    let records: [StatRecord]
    let tags: [StatTags]
    var orders: StatOrders
    let values: [UInt64]
    let used: [Bool]
    let texts: [UInt32: String]
    let histograms: [UInt32: MergedHistogram]
    let bucketRules: [HistogramBucketRule]

    /// One stat of a snapshot.
    public struct Stat: Sendable {
        let snapshot: StatSnapshot
        let place: UInt32

        /// The full name.
        public var name: String { snapshot.name(place) }
        public var kind: StatKind { snapshot.records[Int(place)].kind }
        /// Counters and gauges; 0 for the others.
        public var value: UInt64 { snapshot.values[Int(place)] }
        /// Whether it was ever written.
        public var isUsed: Bool { snapshot.used[Int(place)] }
        /// The text of a text readout.
        public var text: String? { snapshot.texts[place] }
        /// Nil before the first merge that found a value.
        public var histogram: MergedHistogram? { snapshot.histograms[place] }
        /// The name without its tags' values.
        public var tagExtractedName: String { snapshot.names.families[Int(snapshot.tags[Int(place)].family)] }
        /// The tags as Prometheus labels without braces: `envoy_cluster_name="web"`.
        public var labels: String { snapshot.names.labels[Int(snapshot.tags[Int(place)].labels)] }
    }

    /// All stats by name.
    public var stats: some Sequence<Stat> {
        orders.byName.lazy.map { Stat(snapshot: self, place: $0) }
    }

    /// The stat of this name and kind. Searches all of them: for tests and summaries.
    public func find(_ name: String, _ kind: StatKind) -> Stat? {
        stats.first { $0.kind == kind && $0.name == name }
    }

    /// The value of the counter or gauge `name`, 0 when there is none. Searches all of them: for tests and summaries.
    public func value(_ name: String) -> UInt64 {
        (find(name, .counter) ?? find(name, .gauge))?.value ?? 0
    }

    func name(_ place: UInt32) -> String {
        let record = records[Int(place)]
        return names.fronts[Int(record.front)] + names.backs[Int(record.back)]
    }

    /// The bucket bounds of the histogram at `place`.
    func bounds(_ place: UInt32) -> [Double] {
        guard !bucketRules.isEmpty else { return StatOptions.defaultBuckets }
        let name = name(place)
        return bucketRules.first { $0.matches(name) }?.bounds ?? StatOptions.defaultBuckets
    }
}
