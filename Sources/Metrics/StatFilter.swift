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
