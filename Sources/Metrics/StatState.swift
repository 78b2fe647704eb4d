// StatState: what the store's lock guards.
import Synchronization

/// The names, the records and the merged histograms. All methods run under the store's lock.
struct StatState: Sendable {
    var threads: [CellPages] = []
    private(set) var index = StatIndex()
    private var records: [StatRecord] = []
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

    /// The stat if it exists; it is then held by `pages`.
    mutating func find(_ name: String, _ kind: StatKind, for pages: CellPages) -> (id: UInt32, cell: StatCell?)? {
        let (front, back) = StatState.split(name)
        guard let frontID = fronts.find(front), let backID = backs.find(back),
            let id = index.find(StatRecord.key(front: frontID, back: backID, kind: kind), in: records)
        else { return nil }
        return hold(id, for: pages)
    }

    mutating func findOrMake(
        _ name: String, _ kind: StatKind, unit: HistogramUnit, for pages: CellPages
    ) -> (id: UInt32, cell: StatCell?) {
        if let found = find(name, kind, for: pages) { return found }
        let (front, back) = StatState.split(name)
        let record = StatRecord(
            front: fronts.acquire(front), back: backs.acquire(back), slot: slots.take(kind), kind: kind, unit: unit)
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
        index.insert(id, in: records)
        firstUntagged = min(firstUntagged, Int(id))
        membersChanged()
        return hold(id, for: pages)
    }

    private mutating func hold(_ id: UInt32, for pages: CellPages) -> (id: UInt32, cell: StatCell?) {
        let record = records[Int(id)]
        if pages.hold(slot: record.slot) { records[Int(id)].holders += 1 }
        return (id, pages.makeCell(slot: record.slot))
    }

    /// `cluster.web.upstream_cx_total` -> `cluster.web.` and `upstream_cx_total`.
    private static func split(_ name: String) -> (front: String, back: String) {
        guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")) else { return ("", name) }
        let end = name.utf8.index(after: dot)
        return (String(name[..<end]), String(name[end...]))
    }

    // MARK: Releasing

    mutating func release(prefix: String, for pages: CellPages) {
        for place in records.indices where records[place].isAlive {
            let record = records[place]
            guard hasPrefix(record, prefix), pages.release(slot: record.slot) else { continue }
            records[place].holders -= 1
            if records[place].holders == 0 { drop(UInt32(truncatingIfNeeded: place)) }
        }
    }

    private func hasPrefix(_ record: StatRecord, _ prefix: String) -> Bool {
        let front = fronts.texts[Int(record.front)].utf8
        let count = prefix.utf8.count
        if count <= front.count { return front.starts(with: prefix.utf8) }
        guard prefix.utf8.starts(with: front) else { return false }
        return backs.texts[Int(record.back)].utf8.starts(with: prefix.utf8.dropFirst(front.count))
    }

    /// Forgets a stat that nobody holds any more.
    private mutating func drop(_ id: UInt32) {
        let record = records[Int(id)]
        for pages in threads {
            guard let cell = pages.cell(slot: record.slot) else { continue }
            if record.kind == .histogram { HistogramCells.free(cell) }
            cell.pointee.store(0, ordering: .relaxed)
            if record.kind == .gauge { (cell + 1).pointee.store(0, ordering: .relaxed) }
        }
        index.remove(id, in: records)
        slots.giveBack(record.slot, record.kind)
        fronts.release(record.front)
        backs.release(record.back)
        families.release(record.family)
        labels.release(record.labels)
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
            if let cell = pages.cell(slot: record.slot) { sum &+= cell.pointee.load(ordering: .relaxed) }
        }
        return sum
    }

    private func isWritten(gauge record: StatRecord) -> Bool {
        threads.contains { pages in
            pages.cell(slot: record.slot).map { ($0 + 1).pointee.load(ordering: .relaxed) != 0 } ?? false
        }
    }

    // MARK: Snapshots

    /// Computes the tags of at most `count` stats; true while there are more to do.
    mutating func tagSome(_ count: Int, with extractor: TagExtractor) -> Bool {
        var done = 0
        while firstUntagged < records.count {
            let place = firstUntagged
            if records[place].isAlive && !records[place].isTagged {
                guard done < count else { return true }
                done += 1
                let name = fronts.texts[Int(records[place].front)] + backs.texts[Int(records[place].back)]
                let tagged = extractor.extract(name)
                records[place].family = families.acquire(tagged.name)
                records[place].labels = labels.acquire(PrometheusName.labels(tagged.tags))
                records[place].isTagged = true
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
            names: names, records: records, orders: orders ?? StatOrders(), values: values, used: used, texts: texts,
            histograms: histograms, bucketRules: options.histogramBuckets)
        return (snapshot, orders != nil, generation)
    }
}
