// StatsJSON: the `/stats?format=json` page, as Envoy 1.40 writes it.

/// The JSON page of stats: one array with text readouts, then counters and gauges, then one entry with all histograms.
public enum StatsJSON {
    public static func render(
        _ snapshot: StatSnapshot, _ filter: StatFilter = StatFilter(), histograms: HistogramDisplay = .summary
    ) -> [UInt8] {
        StatPage.whole(StatsJSONFormat(histograms), filter, snapshot)
    }
}

/// Writes the page stat by stat.
struct StatsJSONFormat: StatPageFormat {
    private let display: HistogramDisplay
    private var isFirst = true
    private var isFirstHistogram = true

    init(_ display: HistogramDisplay) { self.display = display }

    let sections: [Set<StatKind>] = [[.textReadout], [.counter, .gauge], [.histogram]]

    func order(_ snapshot: StatSnapshot) -> [UInt32] { snapshot.orders.byName }

    func begin(_ output: inout TextOutput) { output.append("{\"stats\":[") }

    func end(_ output: inout TextOutput) {
        if !isFirstHistogram { output.append(display == .summary || display == .detailed ? "]}}" : "]}") }
        output.append("]}")
    }

    mutating func write(
        _ place: UInt32, _ record: StatRecord, section: Int, _ snapshot: StatSnapshot, _ output: inout TextOutput
    ) {
        if record.kind == .histogram { return writeHistogram(place, record, snapshot, &output) }
        output.append(isFirst ? "{\"name\":" : ",{\"name\":")
        isFirst = false
        output.append(json: snapshot.name(place))
        output.append(",\"value\":")
        if record.kind == .textReadout {
            output.append(json: snapshot.texts[place] ?? "")
        } else {
            output.append(snapshot.values[Int(place)])
        }
        output.append("}")
    }

    private mutating func writeHistogram(
        _ place: UInt32, _ record: StatRecord, _ snapshot: StatSnapshot, _ output: inout TextOutput
    ) {
        if isFirstHistogram {
            if !isFirst { output.append(",") }
            Self.start(display, &output)
        } else {
            output.append(",")
        }
        isFirstHistogram = false
        let histogram = snapshot.histograms[place] ?? MergedHistogram(unit: record.unit)
        output.append("{\"name\":")
        output.append(json: snapshot.name(place))
        switch display {
        case .summary:
            output.append(",\"values\":")
            Self.quantiles(histogram, &output)
        case .cumulative, .disjoint:
            Self.buckets(histogram, snapshot.bounds(place), disjoint: display == .disjoint, &output)
        case .detailed:
            output.append(",\"totals\":")
            Self.bins(histogram.cumulative, &output)
            output.append(",\"intervals\":")
            Self.bins(histogram.interval, &output)
            output.append(",\"percentiles\":")
            Self.quantiles(histogram, &output)
        }
        output.append("}")
    }

    private static func start(_ display: HistogramDisplay, _ output: inout TextOutput) {
        output.append("{\"histograms\":")
        switch display {
        case .summary, .detailed:
            output.append(display == .summary ? "{\"supported_quantiles\":[" : "{\"supported_percentiles\":[")
            for (index, quantile) in HistogramFigures.quantiles.enumerated() {
                if index > 0 { output.append(",") }
                output.append(quantile * 100, precision: 6)
            }
            output.append(display == .summary ? "],\"computed_quantiles\":[" : "],\"details\":[")
        case .cumulative, .disjoint:
            output.append("[")
        }
    }

    private static func quantiles(_ histogram: MergedHistogram, _ output: inout TextOutput) {
        let interval = HistogramFigures.quantiles(histogram.interval, scale: histogram.scale)
        let total = HistogramFigures.quantiles(histogram.cumulative, scale: histogram.scale)
        output.append("[")
        for index in total.indices {
            output.append(index == 0 ? "{\"cumulative\":" : ",{\"cumulative\":")
            output.append(json: total[index])
            output.append(",\"interval\":")
            output.append(json: interval[index])
            output.append("}")
        }
        output.append("]")
    }

    private static func buckets(
        _ histogram: MergedHistogram, _ bounds: [Double], disjoint: Bool, _ output: inout TextOutput
    ) {
        let interval = histogram.buckets(histogram.interval, bounds, disjoint: disjoint)
        let total = histogram.buckets(histogram.cumulative, bounds, disjoint: disjoint)
        output.append(",\"buckets\":[")
        for (index, bound) in bounds.enumerated() {
            output.append(index == 0 ? "{\"upper_bound\":" : ",{\"upper_bound\":")
            output.append(json: bound)
            output.append(",\"interval\":")
            output.append(interval[index])
            output.append(",\"cumulative\":")
            output.append(total[index])
            output.append("}")
        }
        output.append("]")
    }

    private static func bins(_ bins: [HistogramBin], _ output: inout TextOutput) {
        output.append("[")
        for (index, bin) in bins.enumerated() {
            output.append(index == 0 ? "{\"lower_bound\":" : ",{\"lower_bound\":")
            output.append(json: bin.lowerBound)
            output.append(",\"width\":")
            output.append(json: bin.width)
            output.append(",\"count\":")
            output.append(bin.count)
            output.append("}")
        }
        output.append("]")
    }
}
