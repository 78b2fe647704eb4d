// StatStore: all stats of the process. Names and merged values; the numbers themselves are in per-thread cells.
import Synchronization

/// All stats of the process. Any thread may call it; a lock guards everything but the cells' words, so it is for
/// set-up, scrapes and the flush tick, not for the hot path.
public final class StatStore: Sendable {
    public let options: StatOptions
    let tags: TagExtractor
    private let state: Mutex<StatState>

    public init(options: StatOptions = StatOptions()) {
        self.options = options
        self.tags = TagExtractor(options: options)
        self.state = Mutex(StatState())
    }

    /// Cells for one more thread that writes.
    public func makeCells() -> StatCells {
        let pages = CellPages()
        state.withLock { $0.threads.append(pages) }
        return StatCells(store: self, pages: pages)
    }

    /// For who makes stats known, so that they are shown with 0, and leaves it to others to write them: what is written to
    /// these goes nowhere. A stat that is first asked for here takes no memory of the threads that do not write it.
    public func makeNames() -> StatCells {
        StatCells(store: self, pages: CellPages(areNamesOnly: true))
    }

    /// Brings the histograms up to date: what was recorded since the last call becomes the interval. Called at each
    /// flush tick (`stats_flush_interval`, 5 s) by the main thread.
    public func mergeHistograms() {
        state.withLock { $0.mergeHistograms() }
    }

    /// Makes every counter start from 0 again (`/reset_counters`). They still count as used.
    public func resetCounters() {
        state.withLock { $0.resetCounters() }
    }

    /// How many stats there are.
    public var count: Int {
        state.withLock { $0.index.count }
    }

    /// Everything as it is now; histograms as of the last `mergeHistograms`.
    public func snapshot() -> StatSnapshot {
        let steps = StatSnapshotSteps(self)
        while true {
            if let snapshot = steps.step() { return snapshot }
        }
    }

    /// Computes the tags of some stats that have none; true while there are more.
    fileprivate func tagSome() -> Bool {
        state.withLock { $0.tagSome(128, with: tags) }
    }

    fileprivate func unordered() -> (snapshot: StatSnapshot, hasOrders: Bool, generation: UInt64) {
        state.withLock { state in
            // Those that have come since.
            _ = state.tagSome(.max, with: tags)
            return state.snapshot(options: options)
        }
    }

    fileprivate func keep(_ orders: StatOrders, of generation: UInt64) {
        state.withLock { $0.keep(orders, of: generation) }
    }

    /// For stats that are to go before the process ends: see `StatCells.held`.
    public func makeHold() -> StatHold { StatHold(self) }

    /// From now on stats stay when who holds them goes: another process is to be told of all that was counted.
    public func keepReleased() {
        state.withLock { $0.keepsReleased = true }
    }

    func findOrMake(
        _ name: String, _ kind: StatKind, unit: HistogramUnit, for pages: CellPages, _ hold: StatHold?
    ) -> (id: UInt32, cell: StatCell?)? {
        if let accepts = options.accepts {
            if let found = state.withLock({ $0.find(name, kind, for: pages, hold) }) { return found }
            guard accepts(name) else { return nil }
        }
        return state.withLock { state in
            if options.maxStats > 0, state.index.count >= options.maxStats {
                if let found = state.find(name, kind, for: pages, hold) { return found }
                state.overflowed &+= 1
                return nil
            }
            // There is no room either where names run out of numbers.
            guard let made = state.findOrMake(name, kind, unit: unit, for: pages, hold) else {
                state.overflowed &+= 1
                return nil
            }
            return made
        }
    }

    /// How often a stat was asked for that there was no room for.
    public var overflowed: UInt64 { state.withLock { $0.overflowed } }

    func release(_ ids: StatIDs) {
        state.withLock { $0.release(ids) }
    }

    func setText(_ text: String, id: UInt32) {
        state.withLock { $0.setText(text, id: id) }
    }
}

/// Takes a snapshot in steps of a millisecond or some, for who has other things to do. One thread.
///
/// The values are all read in one step, which is short: with 100,000 stats what takes long is to work out tags and orders,
/// and that is kept until a stat comes or goes.
final class StatSnapshotSteps {
    private let store: StatStore
    /// What is being put in order, and of which generation it is.
    private var snapshot: StatSnapshot?
    private var generation: UInt64 = 0
    private var ordering: StatOrdering?

    init(_ store: StatStore) { self.store = store }

    /// nil: there is more to do.
    func step() -> StatSnapshot? {
        guard let ordering else { return begin() }
        if ordering.step() { return nil }
        snapshot?.orders = ordering.orders
        self.ordering = nil
        store.keep(ordering.orders, of: generation)
        return snapshot
    }

    private func begin() -> StatSnapshot? {
        if store.tagSome() { return nil }
        let (taken, hasOrders, generation) = store.unordered()
        if hasOrders { return taken }
        snapshot = taken
        self.generation = generation
        ordering = StatOrdering(taken)
        return nil
    }
}
