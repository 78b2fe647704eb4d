// StatSnapshot: all stats at one moment, for the renderers.

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

    init(records: [StatRecord], names: StatNames) {
        let live = records.indices.filter { records[$0].isAlive }.map { UInt32(truncatingIfNeeded: $0) }
        var keys = [[UInt8]](repeating: [], count: records.count)
        for place in live {
            let record = records[Int(place)]
            keys[Int(place)] = Array(names.fronts[Int(record.front)].utf8) + Array(names.backs[Int(record.back)].utf8)
        }
        byName = live.sorted { keys[Int($0)].lexicographicallyPrecedes(keys[Int($1)]) }
        // Rank each family once; within a family a dot sorts before everything else.
        let families = Set(live.map { records[Int($0)].family })
            .map { (id: $0, key: StatOrders.tokenOrder(names.families[Int($0)].utf8)) }
            .sorted { $0.key.lexicographicallyPrecedes($1.key) }
        var rank = [Int](repeating: 0, count: names.families.count)
        for (position, family) in families.enumerated() { rank[Int(family.id)] = position }
        for place in live { keys[Int(place)] = StatOrders.tokenOrder(keys[Int(place)]) }
        byFamily = live.sorted {
            let (one, other) = (rank[Int(records[Int($0)].family)], rank[Int(records[Int($1)].family)])
            return one == other ? keys[Int($0)].lexicographicallyPrecedes(keys[Int($1)]) : one < other
        }
    }

    /// Bytes that compare as the tokens between the dots do.
    private static func tokenOrder(_ name: some Sequence<UInt8>) -> [UInt8] {
        name.map { $0 == UInt8(ascii: ".") ? 0 : $0 }
    }
}

/// All stats at one moment. Costs 9 bytes a stat for as long as it lives, besides what it shares with the store.
public struct StatSnapshot: Sendable {
    let names: StatNames
    let records: [StatRecord]
    let orders: StatOrders
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
        public var tagExtractedName: String { snapshot.names.families[Int(snapshot.records[Int(place)].family)] }
        /// The tags as Prometheus labels without braces: `envoy_cluster_name="web"`.
        public var labels: String { snapshot.names.labels[Int(snapshot.records[Int(place)].labels)] }
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
