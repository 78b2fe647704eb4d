// StatState: what the store's lock guards.
import Synchronization

/// The names, the records and the merged histograms. All methods run under the store's lock.
struct StatState: Sendable {
    var threads: [CellPages] = []
    /// Nothing is dropped any more.
    var keepsReleased = false
    /// Stats that there was no room for.
    var overflowed: UInt64 = 0
    private(set) var index = PlaceTable()
    private var records: [StatRecord] = []
    /// Of the records before `firstUntagged`, at least.
    private var tags: [StatTags] = []
    /// Records from here on may lack tags.
    private var firstUntagged = 0
    private var numbers = NumberAllocator()
    private var fronts = Interner()
    private var backs = Interner()
    private var families = Interner()
    private var labels = Interner()
    /// What a counter's cells said at the last reset.
    private var baselines: [UInt32: UInt64] = [:]
    private var texts: [UInt32: String] = [:]
    private var histograms: [UInt32: MergedHistogram] = [:]
    /// The orders of the last snapshot, while no stat has come or gone.
    private var orders: StatOrders?
    /// Counts the times a stat has come or gone.
    private var generation: UInt64 = 0

    // MARK: Finding and making

    /// The stat if it exists; it is then held by `hold`, or by `pages`.
    mutating func find(
        _ name: String, _ kind: StatKind, for pages: CellPages, _ hold: StatHold?
    ) -> (id: UInt32, cell: StatCell?)? {
        let id = StatState.withParts(of: name) { front, back -> UInt32? in
            guard let front = fronts.find(front), let back = backs.find(back) else { return nil }
            return find(front, back, kind)
        }
        return id.map { take($0, for: pages, hold) }
    }

    private func find(_ front: UInt32, _ back: UInt32, _ kind: StatKind) -> UInt32? {
        index.find(StatRecord.hash(front: front, back: back, kind: kind)) {
            records[Int($0)].isNamed(front: front, back: back, kind: kind)
        }
    }

    /// nil: there are more names than a record can tell apart.
    mutating func findOrMake(
        _ name: String, _ kind: StatKind, unit: HistogramUnit, for pages: CellPages, _ hold: StatHold?
    ) -> (id: UInt32, cell: StatCell?)? {
        let id = StatState.withParts(of: name) { front, back -> UInt32? in
            let (knownFront, knownBack) = (fronts.find(front), backs.find(back))
            if let knownFront, let knownBack, let found = find(knownFront, knownBack, kind) { return found }
            let names = (fronts.acquire(front, known: knownFront), backs.acquire(back, known: knownBack))
            guard let record = StatRecord(front: names.0, back: names.1, kind: kind, unit: unit) else {
                fronts.release(names.0)
                backs.release(names.1)
                return nil
            }
            return add(record, isNameOnly: pages.areNamesOnly)
        }
        return id.map { take($0, for: pages, hold) }
    }

    private mutating func add(_ record: StatRecord, isNameOnly: Bool) -> UInt32 {
        let id = numbers.take(isNameOnly: isNameOnly)
        if Int(id) >= records.count {
            // Arrays double; an eighth more is enough for the largest thing here.
            if Int(id) >= records.capacity { records.reserveCapacity(Int(id) + Int(id) / 8 + 64) }
            // Up to the begin of a page that is new: the page before may still fill up.
            while records.count <= Int(id) { records.append(.free) }
        }
        records[Int(id)] = record
        index.insert(id) { [records] in records[Int($0)].hash }
        firstUntagged = min(firstUntagged, Int(id))
        membersChanged()
        return id
    }

    private mutating func take(
        _ id: UInt32, for pages: CellPages, _ hold: StatHold?
    ) -> (id: UInt32, cell: StatCell?) {
        let isNew = hold?.note(id) ?? pages.hold(slot: id)
        if isNew { records[Int(id)].hold() }
        return (id, pages.makeCell(slot: id))
    }

    /// `cluster.web.upstream_cx_total` -> `cluster.web.` and `upstream_cx_total`.
    private static func withParts<Result>(
        of name: String, _ body: (_ front: UnsafeRawBufferPointer, _ back: UnsafeRawBufferPointer) -> Result
    ) -> Result {
        Interner.withBytes(name) { bytes in
            var end = bytes.count
            while end > 0, bytes[end - 1] != UInt8(ascii: ".") { end -= 1 }
            return body(
                UnsafeRawBufferPointer(rebasing: bytes[..<end]), UnsafeRawBufferPointer(rebasing: bytes[end...]))
        }
    }

    // MARK: Releasing

    mutating func release(_ ids: StatIDs) {
        guard !keepsReleased else { return }
        for id in ids.all where records[Int(id)].letGo() { drop(id) }
    }

    /// Forgets a stat that nobody holds any more.
    private mutating func drop(_ id: UInt32) {
        let record = records[Int(id)]
        for pages in threads {
            guard let cell = pages.cell(slot: id) else { continue }
            if record.kind == .histogram { HistogramCells.free(cell) }
            cell.pointee.store(0, ordering: .relaxed)
        }
        index.remove(id) { [records] in records[Int($0)].hash }
        fronts.release(record.front)
        backs.release(record.back)
        if Int(id) < tags.count, tags[Int(id)].isKnown {
            families.release(tags[Int(id)].family)
            labels.release(tags[Int(id)].labels)
            tags[Int(id)] = .unknown
        }
        baselines[id] = nil
        texts[id] = nil
        histograms[id] = nil
        records[Int(id)] = .free
        numbers.giveBack(id)
        membersChanged()
    }

    private mutating func membersChanged() {
        orders = nil
        generation &+= 1
    }

    // MARK: Values

    mutating func setText(_ text: String, id: UInt32) {
        guard Int(id) < records.count, records[Int(id)].isAlive, records[Int(id)].kind == .textReadout else { return }
        texts[id] = text
    }

    mutating func resetCounters() {
        for (place, record) in records.enumerated() where record.isAlive && record.kind == .counter {
            let id = UInt32(truncatingIfNeeded: place)
            let sum = sum(id, record)
            if sum != 0 { baselines[id] = sum }
        }
    }

    mutating func mergeHistograms() {
        var counts = [UInt64](repeating: 0, count: HistogramBin.total)
        for (place, record) in records.enumerated() where record.isAlive && record.kind == .histogram {
            var used = false
            let id = UInt32(truncatingIfNeeded: place)
            for pages in threads {
                guard let cell = pages.cell(slot: id) else { continue }
                if HistogramCells.add(cell, to: &counts) { used = true }
            }
            guard used else { continue }
            histograms[id, default: MergedHistogram(unit: record.unit)].advance(to: counts)
            for bin in counts.indices { counts[bin] = 0 }
        }
    }

    /// The sum of a counter's or gauge's cells.
    private func sum(_ id: UInt32, _ record: StatRecord) -> UInt64 {
        var sum: UInt64 = 0
        for pages in threads {
            guard let cell = pages.cell(slot: id) else { continue }
            let bits = cell.pointee.load(ordering: .relaxed)
            sum &+= record.kind == .gauge ? Gauge.value(bits) : bits
        }
        return sum
    }

    private func isWritten(gauge id: UInt32) -> Bool {
        threads.contains { pages in
            pages.cell(slot: id).map { $0.pointee.load(ordering: .relaxed) != 0 } ?? false
        }
    }

    // MARK: Snapshots

    /// Computes the tags of at most `count` stats; true while there are more to do.
    mutating func tagSome(_ count: Int, with extractor: TagExtractor) -> Bool {
        var done = 0
        if tags.count < records.count {
            tags.reserveCapacity(records.count)
            while tags.count < records.count { tags.append(.unknown) }
        }
        while firstUntagged < records.count {
            let place = firstUntagged
            if records[place].isAlive && !tags[place].isKnown {
                guard done < count else { return true }
                done += 1
                let name = fronts.texts[Int(records[place].front)] + backs.texts[Int(records[place].back)]
                let tagged = extractor.extract(name)
                tags[place] = StatTags(
                    family: families.acquire(tagged.name),
                    labels: labels.acquire(PrometheusName.labels(tagged.tags)))
            }
            firstUntagged += 1
        }
        return false
    }

    /// Keeps the orders of a snapshot for the next one, unless a stat has come or gone since.
    mutating func keep(_ orders: StatOrders, of generation: UInt64) {
        if generation == self.generation { self.orders = orders }
    }

    /// All values; without orders when those of the last snapshot no longer hold.
    func snapshot(options: StatOptions) -> (snapshot: StatSnapshot, hasOrders: Bool, generation: UInt64) {
        let names = StatNames(
            fronts: fronts.texts, backs: backs.texts, families: families.texts, labels: labels.texts)
        var values = [UInt64](repeating: 0, count: records.count)
        var used = [Bool](repeating: false, count: records.count)
        for (place, record) in records.enumerated() where record.isAlive {
            let id = UInt32(truncatingIfNeeded: place)
            switch record.kind {
            case .counter:
                let sum = sum(id, record)
                values[place] = sum &- (baselines[id] ?? 0)
                used[place] = sum != 0
            case .gauge:
                // A sum just below zero was read between one thread's +1 and another's -1.
                let sum = sum(id, record)
                values[place] = sum > .max - (1 << 32) ? 0 : sum
                used[place] = sum != 0 || isWritten(gauge: id)
            case .histogram:
                used[place] = histograms[id] != nil
            case .textReadout:
                used[place] = texts[id] != nil
            }
        }
        let snapshot = StatSnapshot(
            names: names, records: records, tags: tags, orders: orders ?? StatOrders(), values: values, used: used,
            texts: texts, histograms: histograms, bucketRules: options.histogramBuckets)
        return (snapshot, orders != nil, generation)
    }
}
