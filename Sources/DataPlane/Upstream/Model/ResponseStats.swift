// Response counts by status code under one stat prefix, made as codes turn up.
import Metrics

/// `<prefix>upstream_rq_<code>`, `_<n>xx`, `_completed` and `_time`. Loop thread only.
///
/// A code's counter is made on its first response (that takes the store's lock); after that, finding it is two array
/// reads.
public final class ResponseStats {
    private let cells: StatCells
    private let prefix: String
    private var completed: Counter?
    private var classes: [Counter?] = []
    /// For status 100...599: 1 + position in `codes`; 0 until seen. Empty until the first response.
    private var slots: [UInt16] = []
    private var codes: [Counter] = []
    private var time: Histogram?

    init(cells: StatCells, prefix: String) {
        self.cells = cells
        self.prefix = prefix + "upstream_rq_"
    }

    /// Counts one response. Statuses outside 100...599 count as completed only.
    public func record(status: Int) {
        (completed ?? makeCompleted()).increment()
        guard status >= 100, status < 600 else { return }
        if slots.isEmpty { makeTables() }
        let slot = slots[status - 100]
        let code = slot > 0 ? codes[Int(slot) - 1] : makeCode(status)
        code.increment()
        let group = status / 100
        (classes[group] ?? makeClass(group)).increment()
    }

    /// Records the time of a response, ms.
    public func recordTime(milliseconds: UInt64) {
        (time ?? makeTime()).record(milliseconds)
    }

    @inline(never)
    private func makeCompleted() -> Counter {
        let made = cells.counter(prefix + "completed")
        completed = made
        return made
    }

    @inline(never)
    private func makeTables() {
        slots = Array(repeating: 0, count: 500)
        classes = Array(repeating: nil, count: 6)
    }

    @inline(never)
    private func makeCode(_ status: Int) -> Counter {
        let made = cells.counter(prefix + String(status))
        codes.append(made)
        slots[status - 100] = UInt16(codes.count)
        return made
    }

    @inline(never)
    private func makeClass(_ group: Int) -> Counter {
        let made = cells.counter("\(prefix)\(group)xx")
        classes[group] = made
        return made
    }

    @inline(never)
    private func makeTime() -> Histogram {
        let made = cells.histogram(prefix + "time", unit: .milliseconds)
        time = made
        return made
    }
}
