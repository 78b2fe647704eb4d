// StatsText: the `/stats` page as text, as Envoy 1.40 writes it.

/// The text page of stats: text readouts, then counters and gauges together, then histograms, each by name.
public enum StatsText {
    public static func render(
        _ snapshot: StatSnapshot, _ filter: StatFilter = StatFilter(), histograms: HistogramDisplay = .summary
    ) -> [UInt8] {
        StatPage.whole(StatsTextFormat(histograms), filter, snapshot)
    }
}

/// Writes the page stat by stat.
struct StatsTextFormat: StatPageFormat {
    private let display: HistogramDisplay

    init(_ display: HistogramDisplay) { self.display = display }

    let sections: [Set<StatKind>] = [[.textReadout], [.counter, .gauge], [.histogram]]

    func order(_ snapshot: StatSnapshot) -> [UInt32] { snapshot.orders.byName }

    func begin(_ output: inout TextOutput) {}
    func end(_ output: inout TextOutput) {}

    func write(
        _ place: UInt32, _ record: StatRecord, section: Int, _ snapshot: StatSnapshot, _ output: inout TextOutput
    ) {
        Self.name(snapshot, record, &output)
        switch record.kind {
        case .textReadout:
            output.append(": \"")
            output.append(snapshot.texts[place] ?? "")
            output.append("\"\n")
        case .counter, .gauge:
            output.append(": ")
            output.append(snapshot.values[Int(place)])
            output.append("\n")
        case .histogram:
            guard let histogram = snapshot.histograms[place] else { return output.append(": No recorded values\n") }
            write(histogram, snapshot.bounds(place), &output)
            output.append("\n")
        }
    }

    private func write(_ histogram: MergedHistogram, _ bounds: @autoclosure () -> [Double], _ output: inout TextOutput)
    {
        switch display {
        case .summary:
            output.append(": ")
            Self.quantiles(histogram, &output)
        case .cumulative, .disjoint:
            output.append(": ")
            Self.buckets(histogram, bounds(), disjoint: display == .disjoint, &output)
        case .detailed:
            output.append(":\n  totals=")
            Self.bins(histogram.cumulative, &output)
            output.append("\n  intervals=")
            Self.bins(histogram.interval, &output)
            output.append("\n  summary=")
            Self.quantiles(histogram, &output)
        }
    }

    private static func name(_ snapshot: StatSnapshot, _ record: StatRecord, _ output: inout TextOutput) {
        output.append(snapshot.names.fronts[Int(record.front)])
        output.append(snapshot.names.backs[Int(record.back)])
    }

    /// `P0(nan,1.05) P25(nan,1.05)`: the interval, then since the start.
    private static func quantiles(_ histogram: MergedHistogram, _ output: inout TextOutput) {
        let interval = HistogramFigures.quantiles(histogram.interval, scale: histogram.scale)
        let total = HistogramFigures.quantiles(histogram.cumulative, scale: histogram.scale)
        for (index, quantile) in HistogramFigures.quantiles.enumerated() {
            output.append(index == 0 ? "P" : " P")
            output.append(quantile * 100, precision: 6)
            output.append("(")
            output.append(shortest: interval[index])
            output.append(",")
            output.append(shortest: total[index])
            output.append(")")
        }
    }

    /// `B0.5(0,0) B1(0,1)`: the interval, then since the start.
    private static func buckets(
        _ histogram: MergedHistogram, _ bounds: [Double], disjoint: Bool, _ output: inout TextOutput
    ) {
        let interval = histogram.buckets(histogram.interval, bounds, disjoint: disjoint)
        let total = histogram.buckets(histogram.cumulative, bounds, disjoint: disjoint)
        for (index, bound) in bounds.enumerated() {
            output.append(index == 0 ? "B" : " B")
            output.append(bound, precision: 6)
            output.append("(")
            output.append(interval[index])
            output.append(",")
            output.append(total[index])
            output.append(")")
        }
    }

    /// `1,0.1:2, 40,1:1`: lower bound, width, count.
    private static func bins(_ bins: [HistogramBin], _ output: inout TextOutput) {
        for (index, bin) in bins.enumerated() {
            if index > 0 { output.append(", ") }
            output.append(bin.lowerBound, precision: 6)
            output.append(",")
            output.append(bin.width, precision: 6)
            output.append(":")
            output.append(bin.count)
        }
    }
}

extension MergedHistogram {
    /// Values up to each bound, or only those above the bound before it.
    func buckets(_ bins: [HistogramBin], _ bounds: [Double], disjoint: Bool) -> [UInt64] {
        let counts = HistogramFigures.counts(bins, upTo: bounds, scale: scale)
        guard disjoint else { return counts }
        return counts.indices.map { $0 == 0 ? counts[0] : counts[$0] &- counts[$0 - 1] }
    }
}
