// A growable array of plain values without a reference count: for tables on the hot path.

/// Owned values that lie one behind the other. Unlike `Array` it is never shared, so that a change asks nobody, and
/// unlike a class it is read without a retain. An index outside stops the process.
public struct FlatArray<Element: BitwiseCopyable>: ~Copyable {
    @usableFromInline var storage: UnsafeMutablePointer<Element>?
    /// Number of elements.
    @usableFromInline var used = 0
    /// Elements that fit before the next growth.
    @usableFromInline var room = 0

    /// An empty array; allocates nothing.
    public init() {}

    deinit { storage?.deallocate() }

    /// Number of elements.
    @inlinable public var count: Int { used }
    @inlinable public var isEmpty: Bool { used == 0 }
    /// Elements that fit before the next growth.
    @inlinable public var capacity: Int { room }

    /// The element at `index`. An index outside of `0..<count` stops the process.
    @inlinable public subscript(index: Int) -> Element {
        get {
            precondition(UInt(bitPattern: index) < UInt(bitPattern: used), "FlatArray index out of bounds")
            // Invariant: elements in use lie in memory.
            return storage.unsafelyUnwrapped[index]
        }
        set {
            precondition(UInt(bitPattern: index) < UInt(bitPattern: used), "FlatArray index out of bounds")
            storage.unsafelyUnwrapped[index] = newValue
        }
    }

    /// Adds an element behind the others.
    @inlinable public mutating func append(_ element: Element) {
        if used == room { grow(to: used &+ 1) }
        storage.unsafelyUnwrapped[used] = element
        used &+= 1
    }

    /// Replaces everything by the elements of `other`.
    public mutating func copy(from other: borrowing FlatArray) {
        used = 0
        if room < other.used { grow(to: other.used) }
        if let storage, let source = other.storage { storage.update(from: source, count: other.used) }
        used = other.used
    }

    /// Forgets the elements, and gives the memory back unless it is to be used again.
    @inlinable public mutating func removeAll(keepingCapacity: Bool = true) {
        used = 0
        if !keepingCapacity { release() }
    }

    @inline(never) @usableFromInline
    mutating func release() {
        storage?.deallocate()
        storage = nil
        room = 0
    }

    @inline(never) @usableFromInline
    mutating func grow(to needed: Int) {
        let target = Swift.max(needed, Swift.max(16, room * 2))
        let bigger = UnsafeMutablePointer<Element>.allocate(capacity: target)
        if let storage {
            bigger.update(from: storage, count: used)
            storage.deallocate()
        }
        storage = bigger
        room = target
    }
}
