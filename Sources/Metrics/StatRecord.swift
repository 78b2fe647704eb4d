// StatRecord: what the store keeps about each stat, 28 bytes.

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
    /// Interned tag-extracted name and rendered labels; 0 and 0 until `isTagged`.
    var family: UInt32 = 0
    var labels: UInt32 = 0
    /// Threads that hold it; 0 marks a free record.
    var holders: UInt16 = 0
    var kind: StatKind
    var unit: HistogramUnit
    var isTagged = false

    var isAlive: Bool { holders > 0 }

    init(front: UInt32, back: UInt32, slot: UInt32, kind: StatKind, unit: HistogramUnit) {
        self.front = front
        self.back = back
        self.slot = slot
        self.kind = kind
        self.unit = unit
    }

    /// What the store's index knows it by. Names of different kinds do not clash.
    var key: UInt64 { StatRecord.key(front: front, back: back, kind: kind) }

    static func key(front: UInt32, back: UInt32, kind: StatKind) -> UInt64 {
        UInt64(front) << 34 | UInt64(back) << 2 | UInt64(kind.rawValue)
    }
}

/// Hands out slots: one word, or two that lie side by side on the same page.
struct SlotAllocator: Sendable {
    private var next: UInt32 = 0
    private var singles: [UInt32] = []
    private var pairs: [UInt32] = []

    mutating func take(_ kind: StatKind) -> UInt32 {
        switch kind {
        case .counter, .histogram, .textReadout:
            if let slot = singles.popLast() { return slot }
            next += 1
            return next - 1
        case .gauge:
            if let slot = pairs.popLast() { return slot }
            // Pages have an even number of slots, so an even slot and its neighbour share one.
            if next % 2 == 1 {
                singles.append(next)
                next += 1
            }
            next += 2
            return next - 2
        }
    }

    mutating func giveBack(_ slot: UInt32, _ kind: StatKind) {
        switch kind {
        case .counter, .histogram, .textReadout: singles.append(slot)
        case .gauge: pairs.append(slot)
        }
    }
}
