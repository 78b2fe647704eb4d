// StatRecord: what the store keeps about each stat, 16 bytes.

/// The kinds of stats.
public enum StatKind: UInt8, Sendable, CaseIterable {
    case counter
    case gauge
    case histogram
    case textReadout
}

/// One stat. Its name is split at the last dot, because the front and the back are shared by many stats.
struct StatRecord: Sendable {
    /// Interned name up to and with the last dot.
    var front: UInt32
    /// Interned name after the last dot.
    var back: UInt32
    /// The same in every thread's `CellPages`. A text readout has one only to be held by.
    var slot: UInt32
    /// Threads and holds that it is there for; 0 marks a free record.
    var holders: UInt16 = 0
    var kind: StatKind
    var unit: HistogramUnit

    var isAlive: Bool { holders > 0 }

    init(front: UInt32, back: UInt32, slot: UInt32, kind: StatKind, unit: HistogramUnit) {
        self.front = front
        self.back = back
        self.slot = slot
        self.kind = kind
        self.unit = unit
    }

    /// What the store's index finds it by. Names of different kinds do not clash.
    var hash: UInt64 { StatRecord.hash(front: front, back: back, kind: kind) }

    static func hash(front: UInt32, back: UInt32, kind: StatKind) -> UInt64 {
        // Fibonacci hashing; the high bits are the well-mixed ones.
        (UInt64(front) << 34 | UInt64(back) << 2 | UInt64(kind.rawValue)) &* 0x9E37_79B9_7F4A_7C15
    }

    func isNamed(front: UInt32, back: UInt32, kind: StatKind) -> Bool {
        self.front == front && self.back == back && self.kind == kind
    }
}

/// What tags make of a stat's name. Only those who ask for snapshots need it, so it is kept apart.
struct StatTags: Sendable {
    /// Interned tag-extracted name and rendered labels.
    var family: UInt32
    var labels: UInt32

    /// Nobody has asked yet.
    static let unknown = StatTags(family: .max, labels: .max)
    var isKnown: Bool { family != .max }
}

/// Hands out slots: a word on the pages of every thread.
struct SlotAllocator: Sendable {
    /// The slots of a page that are left.
    private struct Rest {
        var next: UInt32 = 0
        var end: UInt32 = 0
    }

    private var pages: UInt32 = 0
    private var written = Rest()
    private var named = Rest()
    private var free: [UInt32] = []

    /// - Parameter isNameOnly: who asks will not write the stat. Such stats have pages of their own, which take no memory
    ///   of the threads that write none of them.
    mutating func take(isNameOnly: Bool) -> UInt32 {
        if let slot = free.popLast() { return slot }
        return isNameOnly ? SlotAllocator.take(&named, &pages) : SlotAllocator.take(&written, &pages)
    }

    private static func take(_ rest: inout Rest, _ pages: inout UInt32) -> UInt32 {
        if rest.next == rest.end {
            let first = pages * UInt32(CellPages.slotsPerPage)
            pages += 1
            rest = Rest(next: first, end: first + UInt32(CellPages.slotsPerPage))
        }
        rest.next += 1
        return rest.next - 1
    }

    mutating func giveBack(_ slot: UInt32) { free.append(slot) }
}
