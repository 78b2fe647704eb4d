// MergedHistogram: one histogram over all threads, as of the last flush, and the figures drawn from it.

/// Bins of one histogram, summed over all threads.
public struct MergedHistogram: Sendable, Equatable {
    public let unit: HistogramUnit
    /// Since the start, as of the last merge; ascending, only bins with values.
    public private(set) var cumulative: [HistogramBin] = []
    /// Between the last two merges.
    public private(set) var interval: [HistogramBin] = []

    init(unit: HistogramUnit) {
        self.unit = unit
    }

    /// Takes new totals, one count for each of `HistogramBin.total` bins; the growth becomes the interval.
    mutating func advance(to counts: [UInt64]) {
        var old = cumulative[...]
        var totals: [HistogramBin] = []
        var growth: [HistogramBin] = []
        for (position, count) in counts.enumerated() where count > 0 {
            let index = UInt16(truncatingIfNeeded: position)
            while let first = old.first, first.index < index { old = old.dropFirst() }
            let before = old.first.map { $0.index == index ? $0.count : 0 } ?? 0
            totals.append(HistogramBin(index: index, count: count))
            if count > before { growth.append(HistogramBin(index: index, count: count - before)) }
        }
        cumulative = totals
        interval = growth
    }

    /// What recorded values are divided by before they are shown.
    public var scale: Double { unit == .percent ? 1_000_000 : 1 }
}

/// Figures of a list of bins, computed as circllhist does.
public enum HistogramFigures {
    /// The quantiles that Envoy shows.
    public static let quantiles: [Double] = [0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1]

    /// How many values there are.
    public static func count(_ bins: [HistogramBin]) -> UInt64 {
        bins.reduce(0) { $0 &+ $1.count }
    }

    /// The sum, with every value taken as its bin's midpoint.
    public static func sum(_ bins: [HistogramBin], scale: Double = 1) -> Double {
        bins.reduce(0) { $0 + $1.midpoint * Double($1.count) } / scale
    }

    /// For each bound (ascending), how many values are in bins up to and with the one that the bound is in.
    public static func counts(_ bins: [HistogramBin], upTo bounds: [Double], scale: Double = 1) -> [UInt64] {
        var rest = bins[...]
        var running: UInt64 = 0
        return bounds.map { bound in
            let last = HistogramBin.position(ofBound: bound * scale)
            while let first = rest.first, Int(first.index) <= last {
                running &+= first.count
                rest = rest.dropFirst()
            }
            return running
        }
    }

    /// The quantiles `wanted` (ascending, 0...1); NaN for an empty histogram. Values are taken as spread evenly over
    /// their bin: the k-th of n lies k / (n + 1) into it.
    public static func quantiles(
        _ bins: [HistogramBin], _ wanted: [Double] = quantiles, scale: Double = 1
    ) -> [Double] {
        guard let first = bins.first else { return wanted.map { _ in Double.nan } }
        let total = Double(count(bins))
        var place = 0
        var below = 0.0
        var upTo = Double(first.count)
        return wanted.map { quantile in
            let rank = total * quantile
            while place < bins.count - 1 && upTo < rank {
                place += 1
                below = upTo
                upTo += Double(bins[place].count)
            }
            let bin = bins[place]
            guard bin.width > 0 else { return 0 }
            let position = max((rank - below).rounded(.up), 1)
            return (bin.lowerBound + position / (Double(bin.count) + 1) * bin.width) / scale
        }
    }
}
