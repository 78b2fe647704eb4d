// StatFilter: which stats a page shows, and how it shows histograms.

/// Which stats a page shows.
public struct StatFilter: Sendable {
    /// `usedonly`: leave out stats that were never written.
    public var usedOnly = false
    /// `type`: only these kinds.
    public var kinds: Set<StatKind> = Set(StatKind.allCases)
    /// `filter`, with `invert_filter` already applied: called with the full name of each stat.
    public var accepts: (@Sendable (UnsafeRawBufferPointer) -> Bool)?

    public init() {}

    /// The `type` parameter of `/stats`; nil when the word is none of Envoy's.
    public static func kinds(named type: String) -> Set<StatKind>? {
        switch type {
        case "All": Set(StatKind.allCases)
        case "Counters": [.counter]
        case "Gauges": [.gauge]
        case "Histograms": [.histogram]
        case "TextReadouts": [.textReadout]
        default: nil
        }
    }
}

/// The `histogram_buckets` parameter of `/stats`.
public enum HistogramDisplay: String, Sendable {
    /// Quantiles: the default.
    case summary
    case cumulative
    case disjoint
    case detailed
}

extension StatSnapshot {
    /// Calls `body` with the place of each stat in `order` that is of `kinds` and passes `filter`.
    func forEach(_ order: [UInt32], _ kinds: Set<StatKind>, _ filter: StatFilter, _ body: (UInt32, StatRecord) -> Void)
    {
        let kinds = kinds.intersection(filter.kinds)
        var name: [UInt8] = []
        for place in order {
            let record = records[Int(place)]
            guard kinds.contains(record.kind), !filter.usedOnly || used[Int(place)] else { continue }
            if let accepts = filter.accepts {
                name.removeAll(keepingCapacity: true)
                name.append(contentsOf: names.fronts[Int(record.front)].utf8)
                name.append(contentsOf: names.backs[Int(record.back)].utf8)
                guard name.withUnsafeBytes(accepts) else { continue }
            }
            body(place, record)
        }
    }
}
