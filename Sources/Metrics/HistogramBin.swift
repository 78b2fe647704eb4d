// The log-linear bins of circllhist: 90 per power of ten, and one for zero.

/// One bin of a merged histogram that holds values. Bin 0 is the value 0; bin 1 + 90 d + k holds values from
/// (10 + k) / 10 * 10^d up to the next bin.
public struct HistogramBin: Sendable, Equatable {
    /// Which bin, 0 ..< `HistogramBin.count`.
    public let index: UInt16
    /// Values in it.
    public var count: UInt64

    static let perDecade = 90
    static let decades = 20
    static let total = 1 + perDecade * decades

    /// The smallest value of the bin.
    public var lowerBound: Double {
        guard index > 0 else { return 0 }
        let (decade, offset) = (Int(index) - 1).quotientAndRemainder(dividingBy: HistogramBin.perDecade)
        return Double(10 + offset) / 10 * HistogramBin.powersOfTen[decade]
    }

    /// The width of the bin; 0 for the zero bin.
    public var width: Double {
        guard index > 0 else { return 0 }
        return HistogramBin.powersOfTen[(Int(index) - 1) / HistogramBin.perDecade] / 10
    }

    /// The point of the bin that makes the largest relative error smallest, as circllhist has it.
    var midpoint: Double {
        guard index > 0 else { return 0 }
        let bottom = lowerBound
        let top = bottom + width
        return bottom + width * (bottom / (bottom + top))
    }

    /// The bin of an integer.
    static func position(of value: UInt64) -> Int {
        guard value >= 10 else { return value == 0 ? 0 : 1 + Int(truncatingIfNeeded: value) * 10 - 10 }
        var digits = value
        var first = 1 + perDecade
        // Most values have few digits: dividing is quicker than a table of powers.
        while digits >= 100 {
            digits /= 10
            first += perDecade
        }
        return first + Int(truncatingIfNeeded: digits) - 10
    }

    /// The bin that a bucket's upper bound falls into; bounds below 1 count as 0, because values are whole numbers.
    static func position(ofBound bound: Double) -> Int {
        guard bound >= 1 else { return 0 }
        guard let decade = powersOfTen.lastIndex(where: { $0 <= bound }), bound < powersOfTen[decade] * 10 else {
            return total - 1
        }
        // circllhist's guard against a quotient that is just below a whole number.
        let digits = (bound / powersOfTen[decade] * 10 + 1e-13).rounded(.down)
        return 1 + decade * perDecade + Int(min(max(digits, 10), 99)) - 10
    }

    private static let powersOfTen: [Double] = [
        1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
    ]
}
