// Tests of histograms: bins, merging, quantiles and bucket counts.
import Testing

@testable import Metrics

@Suite struct HistogramTests {
    /// circllhist's way: divide until two digits are left.
    private func slowPosition(_ value: UInt64) -> Int {
        guard value > 0 else { return 0 }
        guard value >= 10 else { return 1 + Int(value) * 10 - 10 }
        var digits = value
        var decade = 1
        while digits >= 100 {
            digits /= 10
            decade += 1
        }
        return 1 + decade * 90 + Int(digits) - 10
    }

    @Test func putsEveryValueIntoItsBin() {
        var values: [UInt64] = Array(0...2_000) + [.max, .max - 1]
        var power: UInt64 = 1
        while true {
            values += [power - 1, power, power + 1, power &* 2, power &* 5 &+ 3]
            let (next, overflow) = power.multipliedReportingOverflow(by: 10)
            if overflow { break }
            power = next
        }
        for shift in 0..<64 { values += [1 << UInt64(shift), (1 << UInt64(shift)) &- 1, (1 << UInt64(shift)) + 1] }
        for value in values {
            let position = HistogramBin.position(of: value)
            #expect(position == slowPosition(value))
            #expect(position < HistogramBin.total)
            let bin = HistogramBin(index: UInt16(position), count: 1)
            #expect(bin.lowerBound <= Double(value) * 1.000_000_1)
            #expect(value == 0 || Double(value) <= (bin.lowerBound + bin.width) * 1.000_000_1)
            // Two digits and zeros are a bin's own lower bound, exactly.
            if value < 1_000_000_000 { #expect(HistogramBin.position(ofBound: Double(value)) == position) }
        }
    }

    @Test func mergesThreadsAndKeepsTheInterval() {
        let store = StatStore()
        let one = store.makeCells().histogram("h")
        let two = store.makeCells().histogram("h")
        #expect(store.snapshot().find("h", .histogram)?.isUsed == false)
        one.record(5)
        two.record(5)
        two.record(0)
        #expect(store.snapshot().find("h", .histogram)?.histogram == nil)
        store.mergeHistograms()
        var merged = store.snapshot().find("h", .histogram)?.histogram
        #expect(merged?.cumulative == [HistogramBin(index: 0, count: 1), HistogramBin(index: 41, count: 2)])
        #expect(merged?.interval == merged?.cumulative)
        one.record(5)
        one.record(.max)
        store.mergeHistograms()
        merged = store.snapshot().find("h", .histogram)?.histogram
        #expect(merged?.cumulative.map { $0.count } == [1, 3, 1])
        #expect(merged?.interval.map { $0.count } == [1, 1])
        store.mergeHistograms()
        merged = store.snapshot().find("h", .histogram)?.histogram
        #expect(merged?.cumulative.map { $0.count } == [1, 3, 1])
        #expect(merged?.interval == [])
        #expect(store.snapshot().find("h", .histogram)?.isUsed == true)
    }

    private func bins(_ values: [UInt64]) -> [HistogramBin] {
        var merged = MergedHistogram(unit: .unspecified)
        var counts = [UInt64](repeating: 0, count: HistogramBin.total)
        for value in values { counts[HistogramBin.position(of: value)] += 1 }
        merged.advance(to: counts)
        return merged.cumulative
    }

    /// Figures that Envoy 1.40 printed for the same values.
    @Test func computesEnvoysFigures() {
        #expect(HistogramFigures.quantiles(bins([5])) == Array(repeating: 5.05, count: 10))
        #expect(
            HistogramFigures.quantiles(bins([1, 3, 4]))
                == [1.05, 1.05, 3.05, 4.05, 4.05, 4.05, 4.05, 4.05, 4.05, 4.05])
        #expect(
            HistogramFigures.quantiles(bins([1, 1, 1, 40, 44, 45]))
                == [1.025, 1.05, 1.075, 44.5, 45.5, 45.5, 45.5, 45.5, 45.5, 45.5])
        #expect(HistogramFigures.quantiles(bins([0, 0, 0])) == Array(repeating: 0, count: 10))
        #expect(HistogramFigures.quantiles([]).filter { !$0.isNaN }.isEmpty)
        #expect(HistogramFigures.sum(bins([1, 3, 4])) == 8.146182091537284009)
        #expect(HistogramFigures.sum(bins([36])) == 36.493150684931507044)
        #expect(HistogramFigures.sum([]) == 0)
    }

    @Test func countsABoundWithItsBin() {
        let bins = bins([0, 1, 5, 10, 99, 100, 2500, 2510])
        #expect(
            HistogramFigures.counts(bins, upTo: [0.5, 1, 4.9, 5, 10, 98, 100, 2499, 2500]) == [
                1, 2, 2, 3, 4, 4, 6, 6, 8,
            ])
        #expect(HistogramFigures.counts([], upTo: [1, 2]) == [0, 0])
        #expect(HistogramBin.position(ofBound: -1) == 0)
        #expect(HistogramBin.position(ofBound: .nan) == 0)
        #expect(HistogramBin.position(ofBound: 1e30) == HistogramBin.total - 1)
        #expect(HistogramBin.position(ofBound: .infinity) == HistogramBin.total - 1)
    }

    @Test func percentsAreFractions() {
        let store = StatStore()
        let histogram = store.makeCells().histogram("cluster.web.budget_percent_used", unit: .percent)
        histogram.record(500_000)
        store.mergeHistograms()
        let page = String(decoding: PrometheusText.render(store.snapshot()), as: UTF8.self)
        #expect(page.contains("le=\"0.5\"} 1\n"))
        #expect(page.contains("_sum{envoy_cluster_name=\"web\"} 0.5049"))
    }

    @Test func aRuleDecidesTheBuckets() {
        var options = StatOptions()
        options.histogramBuckets = [
            HistogramBucketRule(bounds: [1, 2]) { $0.hasPrefix("a.") },
            HistogramBucketRule(bounds: [3]) { _ in true },
        ]
        let store = StatStore(options: options)
        let cells = store.makeCells()
        _ = cells.histogram("a.b")
        _ = cells.histogram("b.b")
        let page = String(decoding: PrometheusText.render(store.snapshot()), as: UTF8.self)
        #expect(page.split(separator: "\n").filter { $0.contains("le=") }.count == 3 + 2)
    }
}
