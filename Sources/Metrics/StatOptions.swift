// StatOptions: what the bootstrap's stats_config and the command line say about stats.

/// Where a tag extractor found its tag: UTF-8 byte offsets into the stat name.
public struct TagMatch: Sendable, Equatable {
    /// What is cut out of the name (a regex's group 1).
    public var removed: Range<Int>
    /// The tag's value (group 2, or group 1 when there is no second).
    public var value: Range<Int>

    public init(removed: Range<Int>, value: Range<Int>) {
        self.removed = removed
        self.value = value
    }
}

/// One entry of `stats_config.stats_tags`, or one `--stats-tag`.
public struct StatTagRule: Sendable {
    public enum Source: Sendable {
        /// Every stat gets the tag with this value.
        case fixed(String)
        /// The stats in which the closure finds something get it. Must be pure and thread-safe. `prefix` is the first
        /// token a name must have when the pattern starts with `^token\.`; such rules run after those without one.
        case extracted(prefix: String?, @Sendable (String) -> TagMatch?)
        /// Envoy's default extractor (or extractors) of this tag name, for use with `useDefaultTags` off.
        case standard
    }

    /// The tag's name, for example `envoy.cluster_name`.
    public var name: String
    public var source: Source

    public init(name: String, source: Source) {
        self.name = name
        self.source = source
    }
}

/// One entry of `stats_config.histogram_bucket_settings`.
public struct HistogramBucketRule: Sendable {
    /// Which stats it holds for.
    public var matches: @Sendable (String) -> Bool
    /// Upper bounds, ascending, above 0.
    public var bounds: [Double]

    public init(bounds: [Double], matches: @escaping @Sendable (String) -> Bool) {
        self.bounds = bounds
        self.matches = matches
    }
}

/// How a `StatStore` names, keeps and buckets its stats.
public struct StatOptions: Sendable {
    /// `use_all_default_tags`.
    public var useDefaultTags = true
    /// `--stats-tag`, in the order given; they come before `customTags`.
    public var fixedTags: [StatTagRule] = []
    /// `stats_tags`, in the order given.
    public var customTags: [StatTagRule] = []
    /// `stats_matcher`: false keeps a stat from being made; writes to it go nowhere.
    public var accepts: (@Sendable (String) -> Bool)?
    /// Stats that there may be; what is asked for beyond them is counted and not kept. 0: no limit.
    public var maxStats = 0
    /// `histogram_bucket_settings`; the first that matches decides.
    public var histogramBuckets: [HistogramBucketRule] = []

    public init() {}

    /// Envoy's bucket bounds for every histogram without a rule of its own.
    public static let defaultBuckets: [Double] = [
        0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
        3_600_000,
    ]
}
