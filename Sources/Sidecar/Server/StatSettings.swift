// From the bootstrap's stats settings and the command line to what the stat store takes.
import DataPlane
import Matching
import Metrics

extension StatOptions {
    /// - Parameter tags: those of `--stats-tag`.
    init(_ spec: StatsSpec, fixedTags tags: [StatsTag]) {
        self.init()
        maxStats = spec.maxSeries
        useDefaultTags = spec.useAllDefaultTags
        fixedTags = tags.map { StatTagRule(name: $0.name, source: .fixed($0.value)) }
        customTags = spec.tags.map { tag in
            switch tag.value {
            case .fixed(let value): StatTagRule(name: tag.name, source: .fixed(value))
            case .extracted(let regex):
                StatTagRule(name: tag.name, source: .extracted(prefix: nil) { Self.match(regex, $0) })
            }
        }
        switch spec.admission {
        case .all: accepts = nil
        case .none: accepts = { _ in false }
        case .excluding(let matchers): accepts = { name in !matchers.contains { $0.matches(name) } }
        case .including(let matchers): accepts = { name in matchers.contains { $0.matches(name) } }
        }
        histogramBuckets = spec.bucketOverrides.map { rule in
            HistogramBucketRule(bounds: rule.buckets) { rule.name.matches($0) }
        }
    }

    /// Group 1 is cut out of the name; the value is group 2, or group 1 when there is no second.
    private static func match(_ regex: Regex, _ name: String) -> TagMatch? {
        guard let groups = regex.find(in: name), groups.count > 1, let removed = groups[1] else { return nil }
        return TagMatch(removed: removed, value: groups.count > 2 ? groups[2] ?? removed : removed)
    }
}
