// The pool that every buffer of a loop borrows its memory from.

/// A block of memory with its header in front: linked into one queue, or into the free list.
struct SlabHeader {
    var next: UnsafeMutablePointer<SlabHeader>?
    /// Offset of the first byte in use.
    var start: Int
    /// Offset after the last byte in use.
    var end: Int
    /// Bytes of payload.
    let capacity: Int
}

typealias Slab = UnsafeMutablePointer<SlabHeader>

extension UnsafeMutablePointer where Pointee == SlabHeader {
    /// Bytes between the block's begin and its payload: the header, padded to a cache line.
    static var headerSize: Int { 64 }

    @inline(__always) var payload: UnsafeMutableRawPointer { UnsafeMutableRawPointer(self) + Slab.headerSize }
    @inline(__always) var used: Int { pointee.end &- pointee.start }
    @inline(__always) var room: Int { pointee.capacity &- pointee.end }
    @inline(__always) var front: UnsafeMutableRawPointer { payload + pointee.start }

    static func allocate(payload: Int) -> Slab {
        let block = UnsafeMutableRawPointer.allocate(byteCount: headerSize + payload, alignment: 64)
        let slab = block.bindMemory(to: SlabHeader.self, capacity: 1)
        slab.initialize(to: SlabHeader(next: nil, start: 0, end: 0, capacity: payload))
        return slab
    }

    func free() {
        UnsafeMutableRawPointer(self).deallocate()
    }
}

/// A free list of 16 KiB slabs. One per loop, used on the loop's thread only.
///
/// Slabs that come back are kept up to `keepLimit` and freed beyond it, so that a burst does not stay in memory.
public final class SlabPool {
    /// Payload bytes of a slab.
    public static let slabSize = 16 * 1024

    struct State {
        var free: Slab?
        var freeCount = 0
        var keepLimit: Int
        var inUse = 0
        var oversizeInUse = 0
    }

    /// The loop's small blocks.
    public let blocks = BlockPool()
    // Invariant: allocated in init, freed in deinit; queues keep the pool alive by a reference.
    let state: UnsafeMutablePointer<State>

    /// Keeps at most `keepLimit` free slabs: 2 MiB unless set.
    public init(keepLimit: Int = 128) {
        state = .allocate(capacity: 1)
        state.initialize(to: State(keepLimit: keepLimit))
    }

    deinit {
        trim(to: 0)
        state.deallocate()
    }

    /// Slabs that queues hold now. Zero when nothing is buffered anywhere.
    public var slabsInUse: Int { state.pointee.inUse }

    /// Blocks larger than a slab that queues hold now.
    public var oversizeInUse: Int { state.pointee.oversizeInUse }

    /// Free slabs kept for use again.
    public var slabsKept: Int { state.pointee.freeCount }

    /// Frees kept slabs until at most `count` are left.
    public func trim(to count: Int) {
        while state.pointee.freeCount > count, let slab = state.pointee.free {
            state.pointee.free = slab.pointee.next
            state.pointee.freeCount &-= 1
            slab.free()
        }
    }

    /// A slab with nothing in it.
    func take() -> Slab {
        state.pointee.inUse &+= 1
        guard let slab = state.pointee.free else { return Slab.allocate(payload: SlabPool.slabSize) }
        state.pointee.free = slab.pointee.next
        state.pointee.freeCount &-= 1
        slab.pointee.next = nil
        return slab
    }

    /// A block of at least `size` bytes of payload: a slab when that is enough.
    func take(atLeast size: Int) -> Slab {
        if size <= SlabPool.slabSize { return take() }
        state.pointee.oversizeInUse &+= 1
        return Slab.allocate(payload: size)
    }

    /// Takes a slab back.
    func giveBack(_ slab: Slab) {
        if slab.pointee.capacity != SlabPool.slabSize {
            state.pointee.oversizeInUse &-= 1
            slab.free()
            return
        }
        state.pointee.inUse &-= 1
        if state.pointee.freeCount >= state.pointee.keepLimit {
            slab.free()
            return
        }
        slab.pointee.start = 0
        slab.pointee.end = 0
        slab.pointee.next = state.pointee.free
        state.pointee.free = slab
        state.pointee.freeCount &+= 1
    }
}
