// StatRecord: what the store keeps about each stat, 8 bytes.

/// The kinds of stats.
public enum StatKind: UInt8, Sendable, CaseIterable {
    case counter
    case gauge
    case histogram
    case textReadout
}

/// One stat. Its name is split at the last dot, because the front and the back are shared by many stats. There are a
/// hundred for each cluster, most of which are never written: so it is one word.
///
/// Its number, by which the records are kept, is that of its word on every thread's `CellPages`, too.
struct StatRecord: Sendable {
    // From the highest bit: front 24, back 20, holders 15, kind 2, unit 3.
    private var bits: UInt64

    /// Nobody's.
    static let free = StatRecord(bits: 0)

    private init(bits: UInt64) { self.bits = bits }

    /// nil when there are more names than it can tell apart: 16,777,216 fronts and 1,048,576 backs.
    init?(front: UInt32, back: UInt32, kind: StatKind, unit: HistogramUnit) {
        guard front < 1 << 24, back < 1 << 20 else { return nil }
        bits = UInt64(front) << 40 | UInt64(back) << 20 | UInt64(kind.rawValue) << 3 | UInt64(unit.rawValue)
    }

    /// Interned name up to and with the last dot.
    var front: UInt32 { UInt32(truncatingIfNeeded: bits >> 40) }
    /// Interned name after the last dot.
    var back: UInt32 { UInt32(truncatingIfNeeded: bits >> 20) & 0xF_FFFF }
    var kind: StatKind { StatKind(rawValue: UInt8(truncatingIfNeeded: bits >> 3) & 0b11) ?? .counter }
    var unit: HistogramUnit { HistogramUnit(rawValue: UInt8(truncatingIfNeeded: bits) & 0b111) ?? .unspecified }

    /// Threads and holds that it is there for; 0 marks a free record.
    private var holders: UInt64 { bits >> 5 & StatRecord.allHolders }
    private static let allHolders: UInt64 = 0x7FFF
    private static let oneHolder: UInt64 = 1 << 5

    var isAlive: Bool { holders > 0 }

    /// One more. A number that is at its end stays there, and so does the stat.
    mutating func hold() {
        if holders < StatRecord.allHolders { bits &+= StatRecord.oneHolder }
    }

    /// One less; true when it was the last.
    mutating func letGo() -> Bool {
        guard holders > 0, holders < StatRecord.allHolders else { return false }
        bits &-= StatRecord.oneHolder
        return holders == 0
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

/// Hands out the numbers of stats: of records, and of words on the pages of every thread.
struct NumberAllocator: Sendable {
    /// The numbers of a page that are left.
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
        if let number = free.popLast() { return number }
        return isNameOnly ? NumberAllocator.take(&named, &pages) : NumberAllocator.take(&written, &pages)
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

    mutating func giveBack(_ number: UInt32) { free.append(number) }
}
