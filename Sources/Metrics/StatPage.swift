// A page of stats in pieces, so that neither its text nor the time to write it is there at once.

/// What one format writes for each stat.
protocol StatPageFormat {
    /// Kinds of stats that stand together, in the order of the page.
    var sections: [Set<StatKind>] { get }
    func order(_ snapshot: StatSnapshot) -> [UInt32]
    mutating func begin(_ output: inout TextOutput)
    /// `section` is a position in `sections`.
    mutating func write(
        _ place: UInt32, _ record: StatRecord, section: Int, _ snapshot: StatSnapshot, _ output: inout TextOutput)
    mutating func end(_ output: inout TextOutput)
}

/// One answer with stats. Takes its snapshot itself, when its first piece is asked for. One thread.
public final class StatPage {
    /// A piece is as long as this and one stat at most, bytes; or what so many stats have come to that the filter looked at.
    private static let pieceSize = 32 << 10
    private static let statsAPiece = 2048

    /// nil: it has the snapshot.
    private var steps: StatSnapshotSteps?
    /// nil: it is not there yet, or the page is over.
    private var snapshot: StatSnapshot?
    private var section = 0
    private var position = 0
    private let filter: StatFilter
    private var format: any StatPageFormat
    private var name: [UInt8] = []

    public convenience init(prometheus options: PrometheusText.Options, of store: StatStore) {
        self.init(PrometheusFormat(options), options.filter, store)
    }

    public convenience init(text filter: StatFilter, histograms: HistogramDisplay, of store: StatStore) {
        self.init(StatsTextFormat(histograms), filter, store)
    }

    public convenience init(json filter: StatFilter, histograms: HistogramDisplay, of store: StatStore) {
        self.init(StatsJSONFormat(histograms), filter, store)
    }

    private init(_ format: any StatPageFormat, _ filter: StatFilter, _ store: StatStore) {
        self.format = format
        self.filter = filter
        steps = StatSnapshotSteps(store)
    }

    /// The whole page of a snapshot.
    static func whole(_ format: any StatPageFormat, _ filter: StatFilter, _ snapshot: StatSnapshot) -> [UInt8] {
        var (format, output, name) = (format, TextOutput(), [UInt8]())
        format.begin(&output)
        let order = format.order(snapshot)
        for section in format.sections.indices {
            for place in order where admits(snapshot, place, format.sections[section], filter, &name) {
                format.write(place, snapshot.records[Int(place)], section: section, snapshot, &output)
            }
        }
        format.end(&output)
        return output.bytes
    }

    /// The next piece; empty when there was something else to do that took its time, nil when there is no more.
    public func next() -> [UInt8]? {
        var output = TextOutput()
        if let steps {
            guard let taken = steps.step() else { return [] }
            self.steps = nil
            snapshot = taken
            format.begin(&output)
            return output.bytes
        }
        guard let snapshot else { return nil }
        output.reserve(StatPage.pieceSize + 1024)
        let order = format.order(snapshot)
        let sections = format.sections
        var left = StatPage.statsAPiece
        while section < sections.count, left > 0, output.bytes.count < StatPage.pieceSize {
            guard position < order.count else {
                section += 1
                position = 0
                continue
            }
            let place = order[position]
            position += 1
            left -= 1
            if StatPage.admits(snapshot, place, sections[section], filter, &name) {
                format.write(place, snapshot.records[Int(place)], section: section, snapshot, &output)
            }
        }
        if section == sections.count {
            format.end(&output)
            self.snapshot = nil
        }
        return output.bytes
    }

    private static func admits(
        _ snapshot: StatSnapshot, _ place: UInt32, _ kinds: Set<StatKind>, _ filter: StatFilter, _ name: inout [UInt8]
    ) -> Bool {
        let kind = snapshot.records[Int(place)].kind
        guard kinds.contains(kind), filter.kinds.contains(kind), !filter.usedOnly || snapshot.used[Int(place)]
        else { return false }
        guard let accepts = filter.accepts else { return true }
        name.removeAll(keepingCapacity: true)
        snapshot.appendName(place, to: &name)
        return name.withUnsafeBytes(accepts)
    }
}
