// One thread's cells: pages of zeroed words, made when the first stat that lives on them is asked for.
import Glibc
import Synchronization

/// The memory behind one `StatCells`. A stat has the same slot in the pages of every thread.
///
/// All methods are called under the store's lock; only the words themselves are read and written without it. The pages
/// are never freed, so that a counter may outlive its store.
final class CellPages: @unchecked Sendable {
    // Safe to share: everything but the words is guarded by the store's lock.
    static let slotsPerPage = 512

    /// The owner makes names known and writes nothing: there are no cells.
    let areNamesOnly: Bool
    private var pages: [StatCell?] = []
    /// One bit a slot: whether the owner thread has asked for it, for as long as it lives.
    private var held: [UInt64] = []
    /// Bytes taken from the system for cells and histograms.
    private(set) var allocatedBytes = 0

    init(areNamesOnly: Bool = false) {
        self.areNamesOnly = areNamesOnly
        CellPages.all.withLock { $0.append(self) }
    }

    /// Keeps every page reachable for as long as the process lives.
    private static let all = Mutex<[CellPages]>([])

    /// The cell of `slot`, for its owner; nil when memory has run out, or when it has no cells.
    func makeCell(slot: UInt32) -> StatCell? {
        if areNamesOnly { return nil }
        let (page, offset) = Int(slot).quotientAndRemainder(dividingBy: CellPages.slotsPerPage)
        while pages.count <= page { pages.append(nil) }
        if let start = pages[page] { return start + offset }
        guard let start = CellPages.allocate(CellPages.slotsPerPage) else { return nil }
        allocatedBytes += CellPages.slotsPerPage * 8
        pages[page] = start
        return start + offset
    }

    /// The cell of `slot` when its page exists.
    func cell(slot: UInt32) -> StatCell? {
        let (page, offset) = Int(slot).quotientAndRemainder(dividingBy: CellPages.slotsPerPage)
        guard page < pages.count, let start = pages[page] else { return nil }
        return start + offset
    }

    /// Marks `slot` as held by the owner; false when it was held already.
    func hold(slot: UInt32) -> Bool {
        let word = Int(slot / 64)
        while held.count <= word { held.append(0) }
        let bit: UInt64 = 1 << UInt64(slot % 64)
        defer { held[word] |= bit }
        return held[word] & bit == 0
    }

    /// Zeroed words that nobody ever frees but `HistogramCells`.
    static func allocate(_ count: Int) -> StatCell? {
        // Zero bits are a valid Atomic<UInt64> of value 0.
        calloc(count, 8)?.bindMemory(to: Atomic<UInt64>.self, capacity: count)
    }
}
