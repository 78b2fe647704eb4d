// StatState: what the store's lock guards.
import Synchronization

/// The names, the records and the merged histograms. All methods run under the store's lock.
struct StatState: Sendable {
    var threads: [CellPages] = []
    /// Nothing is dropped any more.
    var keepsReleased = false
    private(set) var index = PlaceTable()
    private var records: [StatRecord] = []
    /// Of the records before `firstUntagged`, at least.
    private var tags: [StatTags] = []
    private var freeRecords: [UInt32] = []
    /// Records from here on may lack tags.
    private var firstUntagged = 0
    private var slots = SlotAllocator()
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

    mutating func findOrMake(
        _ name: String, _ kind: StatKind, unit: HistogramUnit, for pages: CellPages, _ hold: StatHold?
    ) -> (id: UInt32, cell: StatCell?) {
        let id = StatState.withParts(of: name) { front, back in
            let (knownFront, knownBack) = (fronts.find(front), backs.find(back))
            if let knownFront, let knownBack, let found = find(knownFront, knownBack, kind) { return found }
            return add(
                StatRecord(
                    front: fronts.acquire(front, known: knownFront), back: backs.acquire(back, known: knownBack),
                    slot: slots.take(isNameOnly: pages.areNamesOnly), kind: kind, unit: unit))
        }
        return take(id, for: pages, hold)
    }

    private mutating func add(_ record: StatRecord) -> UInt32 {
        let id: UInt32
        if let reused = freeRecords.popLast() {
            id = reused
            records[Int(id)] = record
        } else {
            id = UInt32(truncatingIfNeeded: records.count)
            // Arrays double; a quarter more is enough for the largest thing here.
            if records.count == records.capacity { records.reserveCapacity(records.count + records.count / 4 + 64) }
            records.append(record)
        }
        index.insert(id) { [records] in records[Int($0)].hash }
        firstUntagged = min(firstUntagged, Int(id))
        membersChanged()
        return id
    }

    private mutating func take(
        _ id: UInt32, for pages: CellPages, _ hold: StatHold?
    ) -> (id: UInt32, cell: StatCell?) {
        let record = records[Int(id)]
        let isNew = hold?.note(id) ?? pages.hold(slot: record.slot)
        // A number that is at its end stays there, and so does the stat.
        if isNew, record.holders < .max { records[Int(id)].holders += 1 }
        return (id, pages.makeCell(slot: record.slot))
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
        for id in ids.all { release(id) }
    }

    private mutating func release(_ id: UInt32) {
        guard records[Int(id)].holders < .max else { return }
        records[Int(id)].holders -= 1
        if records[Int(id)].holders == 0 { drop(id) }
    }

    /// Forgets a stat that nobody holds any more.
    private mutating func drop(_ id: UInt32) {
        let record = records[Int(id)]
        for pages in threads {
            guard let cell = pages.cell(slot: record.slot) else { continue }
            if record.kind == .histogram { HistogramCells.free(cell) }
            cell.pointee.store(0, ordering: .relaxed)
        }
        index.remove(id) { [records] in records[Int($0)].hash }
        slots.giveBack(record.slot)
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
        freeRecords.append(id)
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
            let sum = sum(record)
            if sum != 0 { baselines[UInt32(truncatingIfNeeded: place)] = sum }
        }
    }

    mutating func mergeHistograms() {
        var counts = [UInt64](repeating: 0, count: HistogramBin.total)
        for (place, record) in records.enumerated() where record.isAlive && record.kind == .histogram {
            var used = false
            for pages in threads {
                guard let cell = pages.cell(slot: record.slot) else { continue }
                if HistogramCells.add(cell, to: &counts) { used = true }
            }
            guard used else { continue }
            histograms[UInt32(truncatingIfNeeded: place), default: MergedHistogram(unit: record.unit)].advance(
                to: counts)
            for bin in counts.indices { counts[bin] = 0 }
        }
    }

    /// The sum of a counter's or gauge's cells.
    private func sum(_ record: StatRecord) -> UInt64 {
        var sum: UInt64 = 0
        for pages in threads {
            guard let cell = pages.cell(slot: record.slot) else { continue }
            let bits = cell.pointee.load(ordering: .relaxed)
            sum &+= record.kind == .gauge ? Gauge.value(bits) : bits
        }
        return sum
    }

    private func isWritten(gauge record: StatRecord) -> Bool {
        threads.contains { pages in
            pages.cell(slot: record.slot).map { $0.pointee.load(ordering: .relaxed) != 0 } ?? false
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
                let sum = sum(record)
                values[place] = sum &- (baselines[id] ?? 0)
                used[place] = sum != 0
            case .gauge:
                // A sum just below zero was read between one thread's +1 and another's -1.
                let sum = sum(record)
                values[place] = sum > .max - (1 << 32) ? 0 : sum
                used[place] = sum != 0 || isWritten(gauge: record)
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
