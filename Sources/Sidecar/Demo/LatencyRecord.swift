// How long requests took.
import Reactor

/// Latencies of a span of time, kept one by one: exact for as many as a demo has.
struct LatencyRecord {
    private var microseconds: [UInt32] = []

    var count: Int { microseconds.count }

    mutating func add(_ amount: TimeAmount) {
        microseconds.append(UInt32(clamping: amount.microseconds))
    }

    mutating func removeAll() { microseconds.removeAll(keepingCapacity: true) }

    /// The latencies below which these percentages of the requests lie, as text; dashes when there was none.
    func percentiles(_ percents: [Int]) -> [String] {
        guard !microseconds.isEmpty else { return percents.map { _ in "-" } }
        let sorted = microseconds.sorted()
        return percents.map { percent in
            let rank = (sorted.count * percent + 99) / 100
            return LatencyRecord.text(sorted[min(max(rank, 1), sorted.count) - 1])
        }
    }

    /// "0.42 ms", "12.3 ms", "1.23 s".
    static func text(_ microseconds: UInt32) -> String {
        switch microseconds {
        case ..<10_000: "\(decimal(microseconds / 10, places: 2)) ms"
        case ..<1_000_000: "\(decimal(microseconds / 100, places: 1)) ms"
        default: "\(decimal(microseconds / 10_000, places: 2)) s"
        }
    }

    /// `units` of the last decimal place.
    static func decimal(_ units: UInt32, places: Int) -> String {
        let digits = String(units)
        let padded = String(repeating: "0", count: max(0, places + 1 - digits.count)) + digits
        return "\(padded.dropLast(places)).\(padded.suffix(places))"
    }
}
