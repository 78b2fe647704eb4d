// Counter and Gauge: the 8-byte cells that one thread writes and any thread reads.
import Synchronization

/// One 8-byte word. Its owner thread writes it with a relaxed load and store (no locked instruction); readers see some
/// value that was there.
@usableFromInline
typealias StatCell = UnsafeMutablePointer<Atomic<UInt64>>

/// A number that only grows. Made by `StatCells.counter`; only the thread that owns those cells may write.
///
/// A counter may outlive its store: cells are never given back to the system. It must not be written after
/// the `StatHold` is gone that it was asked for with.
public struct Counter: @unchecked Sendable {
    // Safe to share: the word is atomic; a second writer would lose increments, not corrupt memory.
    @usableFromInline let cell: StatCell

    @inlinable
    init(cell: StatCell) {
        self.cell = cell
    }

    @inlinable
    public func increment() {
        add(1)
    }

    @inlinable
    public func add(_ amount: UInt64) {
        cell.pointee.store(cell.pointee.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
    }

    /// What this thread has counted, whatever `StatStore.resetCounters` did.
    @inlinable
    public var value: UInt64 {
        cell.pointee.load(ordering: .relaxed)
    }
}

/// A number that goes up and down. Made by `StatCells.gauge`; only the thread that owns those cells may write. The
/// stat's value is the sum over all cells, so either every thread adds and subtracts, or one thread alone sets.
public struct Gauge: @unchecked Sendable {
    // Safe to share: the word is atomic; a second writer would lose updates, not corrupt memory.
    /// The value and `Gauge.zero`; 0 as long as nothing was written.
    @usableFromInline let cell: StatCell

    @inlinable
    init(cell: StatCell) {
        self.cell = cell
    }

    @inlinable
    public func increment() {
        add(1)
    }

    @inlinable
    public func decrement() {
        add(-1)
    }

    @inlinable
    public func add(_ amount: Int64) {
        let bits = cell.pointee.load(ordering: .relaxed)
        cell.pointee.store((bits == 0 ? Gauge.zero : bits) &+ UInt64(bitPattern: amount), ordering: .relaxed)
    }

    @inlinable
    public func set(_ value: Int64) {
        set(bits: UInt64(bitPattern: value))
    }

    /// For values that use all 64 bits, such as the hash in a `version` gauge.
    @inlinable
    public func set(bits: UInt64) {
        cell.pointee.store(bits &+ Gauge.zero, ordering: .relaxed)
    }

    /// What stands for a value of 0 that was written. The least value there is, -2^63, reads as never written.
    @inlinable static var zero: UInt64 { 1 << 63 }

    /// The value of a cell.
    @inlinable
    static func value(_ bits: UInt64) -> UInt64 { bits == 0 ? 0 : bits &- zero }

    /// This thread's part of the sum.
    @inlinable
    public var value: Int64 {
        Int64(bitPattern: Gauge.value(cell.pointee.load(ordering: .relaxed)))
    }
}
