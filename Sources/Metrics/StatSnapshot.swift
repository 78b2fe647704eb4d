// StatSnapshot: all stats at one moment, for the renderers.
/// The interned parts of names, shared with the store until it changes them.
struct StatNames: Sendable {
    let fronts: [String]
    let backs: [String]
    let families: [String]
    let labels: [String]
}

/// All stats at one moment. Costs 9 bytes a stat for as long as it lives, besides what it shares with the store.
public struct StatSnapshot: Sendable {
    /// What it takes of its own for each stat.
    public static let bytesAStat = 9

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

    func appendName(_ place: UInt32, to bytes: inout [UInt8]) {
        let record = records[Int(place)]
        bytes += names.fronts[Int(record.front)].utf8
        bytes += names.backs[Int(record.back)].utf8
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
