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
        var output = TextOutput()
        output.reserve(snapshot.orders.byFamily.count * 96)
        families(snapshot, .counter, "counter", options, &output) { place, name, labels, output in
            sample(name, labels, snapshot.values[Int(place)], &output)
        }
        families(snapshot, .gauge, "gauge", options, &output) { place, name, labels, output in
            sample(name, labels, snapshot.values[Int(place)], &output)
        }
        if options.textReadouts {
            families(snapshot, .textReadout, "gauge", options, &output) { place, name, labels, output in
                let text = PrometheusName.escaped(snapshot.texts[place] ?? "")
                sample(name, labels + (labels.isEmpty ? "" : ",") + "text_value=\"\(text)\"", 0, &output)
            }
        }
        families(snapshot, .histogram, options.summaries ? "summary" : "histogram", options, &output) {
            place, name, labels, output in
            if options.summaries {
                summary(snapshot, place, name, labels, &output)
            } else {
                histogram(snapshot, place, name, labels, &output)
            }
        }
        return output.bytes
    }

    private static func families(
        _ snapshot: StatSnapshot, _ kind: StatKind, _ type: StaticString, _ options: Options,
        _ output: inout TextOutput, _ write: (UInt32, String, String, inout TextOutput) -> Void
    ) {
        var family: UInt32?
        var name = ""
        snapshot.forEach(snapshot.orders.byFamily, [kind], options.filter) { place, _ in
            let tags = snapshot.tags[Int(place)]
            if tags.family != family {
                family = tags.family
                name = "envoy_" + PrometheusName.sanitized(snapshot.names.families[Int(tags.family)])
                output.append("# TYPE ")
                output.append(name)
                output.append(" ")
                output.append(type)
                output.append("\n")
            }
            write(place, name, snapshot.names.labels[Int(tags.labels)], &output)
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
