// StatsJSON: the `/stats?format=json` page, as Envoy 1.40 writes it.

/// The JSON page of stats: one array with text readouts, then counters and gauges, then one entry with all histograms.
public enum StatsJSON {
    public static func render(
        _ snapshot: StatSnapshot, _ filter: StatFilter = StatFilter(), histograms: HistogramDisplay = .summary
    ) -> [UInt8] {
        var output = TextOutput()
        output.reserve(snapshot.orders.byName.count * 80)
        var isFirst = true
        output.append("{\"stats\":[")
        snapshot.forEach(snapshot.orders.byName, [.textReadout], filter) { place, _ in
            entry(snapshot, place, &isFirst, &output)
            output.append(json: snapshot.texts[place] ?? "")
            output.append("}")
        }
        snapshot.forEach(snapshot.orders.byName, [.counter, .gauge], filter) { place, _ in
            entry(snapshot, place, &isFirst, &output)
            output.append(snapshot.values[Int(place)])
            output.append("}")
        }
        var isFirstHistogram = true
        snapshot.forEach(snapshot.orders.byName, [.histogram], filter) { place, record in
            if isFirstHistogram {
                if !isFirst { output.append(",") }
                start(histograms, &output)
            } else {
                output.append(",")
            }
            isFirstHistogram = false
            let histogram = snapshot.histograms[place] ?? MergedHistogram(unit: record.unit)
            output.append("{\"name\":")
            output.append(json: snapshot.name(place))
            switch histograms {
            case .summary:
                output.append(",\"values\":")
                quantiles(histogram, &output)
            case .cumulative, .disjoint:
                buckets(histogram, snapshot.bounds(place), disjoint: histograms == .disjoint, &output)
            case .detailed:
                output.append(",\"totals\":")
                bins(histogram.cumulative, &output)
                output.append(",\"intervals\":")
                bins(histogram.interval, &output)
                output.append(",\"percentiles\":")
                quantiles(histogram, &output)
            }
            output.append("}")
        }
        if !isFirstHistogram {
            output.append(histograms == .summary || histograms == .detailed ? "]}}" : "]}")
        }
        output.append("]}")
        return output.bytes
    }

    private static func entry(
        _ snapshot: StatSnapshot, _ place: UInt32, _ isFirst: inout Bool, _ output: inout TextOutput
    ) {
        output.append(isFirst ? "{\"name\":" : ",{\"name\":")
        isFirst = false
        output.append(json: snapshot.name(place))
        output.append(",\"value\":")
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
