// Histogram: log-linear bins of one thread, allocated decade by decade on first use.
import Glibc
import Synchronization

/// What a histogram's values count.
public enum HistogramUnit: UInt8, Sendable {
    case unspecified
    case bytes
    case microseconds
    case milliseconds
    /// Recorded in millionths of a hundredth (1 % is 10,000; 100 % is 1,000,000), printed as a fraction of 1.
    case percent
}

/// A distribution of unsigned values with two significant decimal digits, as in Envoy's circllhist. Made by
/// `StatCells.histogram`; only the thread that owns those cells may record.
///
/// Until the first value it costs one 8-byte cell a thread; then 168 bytes and 720 for each power of ten it meets.
public struct Histogram: @unchecked Sendable {
    // Safe to share: the words are atomic; a second writer would lose values, not corrupt memory.
    /// Holds the address of the root block, or 0 before the first value. Nil drops all values.
    private let cell: StatCell?

    init(cell: StatCell?) {
        self.cell = cell
    }

    /// Adds one value.
    public func record(_ value: UInt64) {
        guard let cell else { return }
        let address = cell.pointee.load(ordering: .relaxed)
        guard let root = StatCell(bitPattern: UInt(address)) ?? HistogramCells.attach(to: cell, count: 21) else {
            return
        }
        let bin = HistogramBin.position(of: value)
        guard bin > 0 else {
            HistogramCells.bump(root)
            return
        }
        let (decade, offset) = (bin - 1).quotientAndRemainder(dividingBy: HistogramBin.perDecade)
        let link = root + 1 + decade
        let block = StatCell(bitPattern: UInt(link.pointee.load(ordering: .relaxed)))
        guard let block = block ?? HistogramCells.attach(to: link, count: HistogramBin.perDecade) else { return }
        HistogramCells.bump(block + offset)
    }
}

/// The blocks behind a histogram's cell: a root (the zero bin, then 20 links), and 90 bins behind each link in use.
enum HistogramCells {
    @inline(__always)
    static func bump(_ cell: StatCell) {
        cell.pointee.store(cell.pointee.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
    }

    /// Allocates a block and publishes it, zeroes first; nil when memory has run out (the value is then lost).
    @inline(never)
    static func attach(to link: StatCell, count: Int) -> StatCell? {
        guard let block = CellPages.allocate(count) else { return nil }
        link.pointee.store(UInt64(UInt(bitPattern: block)), ordering: .releasing)
        return block
    }

    private static func follow(_ link: StatCell) -> StatCell? {
        StatCell(bitPattern: UInt(link.pointee.load(ordering: .acquiring)))
    }

    /// Adds every bin of the histogram at `cell` to `counts` (`HistogramBin.count` entries). Any thread, under the
    /// store's lock, which keeps the blocks alive. False when it never got a value.
    static func add(_ cell: StatCell, to counts: inout [UInt64]) -> Bool {
        guard let root = follow(cell) else { return false }
        counts[0] &+= root.pointee.load(ordering: .relaxed)
        for decade in 0..<HistogramBin.decades {
            guard let block = follow(root + 1 + decade) else { continue }
            let first = 1 + decade * HistogramBin.perDecade
            for offset in 0..<HistogramBin.perDecade {
                counts[first + offset] &+= (block + offset).pointee.load(ordering: .relaxed)
            }
        }
        return true
    }

    /// Frees the blocks of a histogram that nobody records into any more.
    static func free(_ cell: StatCell) {
        guard let root = follow(cell) else { return }
        cell.pointee.store(0, ordering: .relaxed)
        for decade in 0..<HistogramBin.decades {
            if let block = follow(root + 1 + decade) { Glibc.free(block) }
        }
        Glibc.free(root)
    }
}
