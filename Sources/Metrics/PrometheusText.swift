// PrometheusText: `/stats/prometheus` in the text exposition format 0.0.4, as Envoy 1.40 writes it.

/// The Prometheus page.
public enum PrometheusText {
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    public struct Options: Sendable {
        public var filter = StatFilter()
        /// `text_readouts`: text readouts become gauges of value 0 with a `text_value` label.
        public var textReadouts = false
        /// `histogram_buckets=summary`: quantiles of the last interval instead of cumulative buckets.
        public var summaries = false

        public init() {}
    }

    /// Counters, gauges, text readouts and histograms, each sorted by family; the samples of a family are contiguous.
    public static func render(_ snapshot: StatSnapshot, _ options: Options = Options()) -> [UInt8] {
        StatPage.whole(PrometheusFormat(options), options.filter, snapshot)
    }
}

/// Writes the page stat by stat.
struct PrometheusFormat: StatPageFormat {
    private let options: PrometheusText.Options
    /// Those that the last sample was of.
    private var section = -1
    private var family: UInt32 = .max
    private var name = ""

    init(_ options: PrometheusText.Options) { self.options = options }

    let sections: [Set<StatKind>] = [[.counter], [.gauge], [.textReadout], [.histogram]]

    func order(_ snapshot: StatSnapshot) -> [UInt32] { snapshot.orders.byFamily }

    func begin(_ output: inout TextOutput) {}
    func end(_ output: inout TextOutput) {}

    mutating func write(
        _ place: UInt32, _ record: StatRecord, section: Int, _ snapshot: StatSnapshot, _ output: inout TextOutput
    ) {
        if record.kind == .textReadout && !options.textReadouts { return }
        let tags = snapshot.tags[Int(place)]
        if tags.family != family || section != self.section {
            (family, self.section) = (tags.family, section)
            name = "envoy_" + PrometheusName.sanitized(snapshot.names.families[Int(family)])
            output.append("# TYPE ")
            output.append(name)
            output.append(" ")
            output.append(type(of: record.kind))
            output.append("\n")
        }
        let labels = snapshot.names.labels[Int(tags.labels)]
        switch record.kind {
        case .counter, .gauge:
            Self.sample(name, labels, snapshot.values[Int(place)], &output)
        case .textReadout:
            let text = PrometheusName.escaped(snapshot.texts[place] ?? "")
            Self.sample(name, labels + (labels.isEmpty ? "" : ",") + "text_value=\"\(text)\"", 0, &output)
        case .histogram where options.summaries:
            Self.summary(snapshot, place, name, labels, &output)
        case .histogram:
            Self.histogram(snapshot, place, name, labels, &output)
        }
    }

    private func type(of kind: StatKind) -> StaticString {
        switch kind {
        case .counter: "counter"
        case .gauge, .textReadout: "gauge"
        case .histogram: options.summaries ? "summary" : "histogram"
        }
    }

    private static func sample(_ name: String, _ labels: String, _ value: UInt64, _ output: inout TextOutput) {
        output.append(name)
        output.append("{")
        output.append(labels)
        output.append("} ")
        output.append(value)
        output.append("\n")
    }

    private static func histogram(
        _ snapshot: StatSnapshot, _ place: UInt32, _ name: String, _ labels: String, _ output: inout TextOutput
    ) {
        let merged = snapshot.histograms[place]
        let bins = merged?.cumulative ?? []
        let scale = merged?.scale ?? 1
        let bounds = snapshot.bounds(place)
        let counts = HistogramFigures.counts(bins, upTo: bounds, scale: scale)
        let prefix = name + "_bucket{" + labels + (labels.isEmpty ? "le=\"" : ",le=\"")
        for (bound, count) in zip(bounds, counts) {
            output.append(prefix)
            output.append(bound, precision: 32)
            output.append("\"} ")
            output.append(count)
            output.append("\n")
        }
        let total = HistogramFigures.count(bins)
        output.append(prefix)
        output.append("+Inf\"} ")
        output.append(total)
        output.append("\n")
        sumAndCount(HistogramFigures.sum(bins, scale: scale), total, name, labels, &output)
    }

    private static func summary(
        _ snapshot: StatSnapshot, _ place: UInt32, _ name: String, _ labels: String, _ output: inout TextOutput
    ) {
        let merged = snapshot.histograms[place]
        let bins = merged?.interval ?? []
        let scale = merged?.scale ?? 1
        let prefix = name + "{" + labels + (labels.isEmpty ? "quantile=\"" : ",quantile=\"")
        for (quantile, value) in zip(HistogramFigures.quantiles, HistogramFigures.quantiles(bins, scale: scale)) {
            output.append(prefix)
            output.append(shortest: quantile)
            output.append("\"} ")
            output.append(value, precision: 32)
            output.append("\n")
        }
        sumAndCount(HistogramFigures.sum(bins, scale: scale), HistogramFigures.count(bins), name, labels, &output)
    }

    private static func sumAndCount(
        _ sum: Double, _ count: UInt64, _ name: String, _ labels: String, _ output: inout TextOutput
    ) {
        output.append(name)
        output.append("_sum{")
        output.append(labels)
        output.append("} ")
        output.append(sum, precision: 32)
        output.append("\n")
        sample(name + "_count", labels, count, &output)
    }
}
