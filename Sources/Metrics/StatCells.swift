// StatCells: the door through which one thread gets its counters, gauges and histograms.

/// One thread's cells. The methods may be called from any thread (they take the store's lock and are for set-up and
/// rare first uses); what they return may be written only by the thread these cells belong to.
///
/// The same name asked for twice gives the same cell. A stat that the matcher refuses gives a cell that nobody reads.
public final class StatCells: Sendable {
    /// The store that merges these cells.
    public let store: StatStore
    let pages: CellPages
    /// Where writes to refused stats go.
    private nonisolated(unsafe) let sink: StatCell?
    /// What keeps the stats that are asked for here; nil: the thread, for ever.
    private let hold: StatHold?

    init(store: StatStore, pages: CellPages) {
        self.store = store
        self.pages = pages
        self.sink = CellPages.allocate(1)
        hold = nil
    }

    private init(_ other: StatCells, _ hold: StatHold) {
        store = other.store
        pages = other.pages
        sink = other.sink
        self.hold = hold
    }

    /// The same cells, for stats that are there as long as `hold` is, or anybody else who has asked for them.
    public func held(by hold: StatHold) -> StatCells { StatCells(self, hold) }

    /// The counter `name`, dots and all: `cluster.web.upstream_cx_total`.
    public func counter(_ name: String) -> Counter {
        Counter(cell: cell(name, .counter))
    }

    /// The gauge `name`.
    public func gauge(_ name: String) -> Gauge {
        Gauge(cell: cell(name, .gauge))
    }

    /// The histogram `name`; its unit is decided by whoever asks first.
    public func histogram(_ name: String, unit: HistogramUnit = .unspecified) -> Histogram {
        Histogram(cell: store.findOrMake(name, .histogram, unit: unit, for: pages, hold)?.cell)
    }

    /// The text readout `name`.
    public func textReadout(_ name: String) -> TextReadout {
        TextReadout(store: store, id: store.findOrMake(name, .textReadout, unit: .unspecified, for: pages, hold)?.id)
    }

    private func cell(_ name: String, _ kind: StatKind) -> StatCell {
        if let cell = store.findOrMake(name, kind, unit: .unspecified, for: pages, hold)?.cell ?? sink { return cell }
        fatalError("out of memory for stats")
    }
}

/// A stat that is a text, such as the version of a configuration. Any thread may set it.
public struct TextReadout: Sendable {
    let store: StatStore
    /// Nil when the stat was refused.
    let id: UInt32?

    /// Replaces the text. Takes the store's lock: not for hot paths.
    public func set(_ text: String) {
        if let id { store.setText(text, id: id) }
    }
}
