// Small blocks for a C library that allocates for every message: free lists in place of malloc.
import Glibc

/// Free lists of small blocks, by size. One per loop, used on the loop's thread only.
///
/// The functions take the pool as the pointer that a C library hands back to its allocator (`handle`), and are there for
/// C as well (`ForC`). Blocks that come back are kept up to `keepLimit` bytes and freed beyond it. No memory is nil, as
/// with malloc. Blocks are aligned to 8 bytes, which is enough for pointers and numbers.
public final class BlockPool {
    private struct State {
        var free: UnsafeMutablePointer<UnsafeMutableRawPointer?>
        var kept = 0
        let keepLimit: Int
        /// Made when it is first asked for.
        var shared: UnsafeMutableRawPointer?
        /// `sharingLargeBlocks` is at work.
        var isSharing = false
        var isSharedBlockInUse = false
    }

    /// In front of each block lies its size class, the index of its free list; 0: too large for any; -1: the shared block.
    /// With 8 bytes in front the blocks of every class fill what malloc gives for them: an idle HTTP/2 connection holds
    /// some 20 of them. A free block begins with the pointer to the next one.
    private static let headerSize = 8
    /// Bytes between one size class and the next.
    private static let step = 16
    private static let classes = 64
    /// Large blocks between these two sizes can be shared, bytes.
    private static let sharedSizes = 16 * 1024...17 * 1024

    // Invariant: allocated in init, freed in deinit; who hands `handle` out keeps the pool alive.
    private let state: UnsafeMutablePointer<State>

    /// Keeps at most `keepLimit` bytes of free blocks.
    public init(keepLimit: Int = 256 * 1024) {
        let lists = UnsafeMutablePointer<UnsafeMutableRawPointer?>.allocate(capacity: BlockPool.classes + 1)
        lists.initialize(repeating: nil, count: BlockPool.classes + 1)
        state = .allocate(capacity: 1)
        state.initialize(to: State(free: lists, keepLimit: keepLimit))
    }

    deinit {
        for index in 0...BlockPool.classes {
            while let block = state.pointee.free[index] {
                state.pointee.free[index] = BlockPool.next(block).pointee
                Glibc.free(block - BlockPool.headerSize)
            }
        }
        if let shared = state.pointee.shared { Glibc.free(shared - BlockPool.headerSize) }
        state.pointee.free.deallocate()
        state.deallocate()
    }

    /// What a C library passes to the functions below.
    public var handle: UnsafeMutableRawPointer { UnsafeMutableRawPointer(state) }

    /// Bytes of free blocks that are kept for use again.
    public var bytesKept: Int { state.pointee.kept }

    /// The functions below as C libraries take them: like malloc's family, with the pool's handle at the end. They are
    /// called for every message, so that nothing stands between the library and the free lists.
    public enum ForC {
        public static let malloc: @convention(c) (Int, UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = {
            BlockPool.allocate($1, $0)
        }
        public static let free: @convention(c) (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) -> Void = {
            BlockPool.free($1, $0)
        }
        public static let calloc: @convention(c) (Int, Int, UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = {
            BlockPool.allocateZeroed($2, $0, $1)
        }
        public static let realloc:
            @convention(c) (UnsafeMutableRawPointer?, Int, UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = {
                BlockPool.reallocate($2, $0, $1)
            }
    }

    /// Runs `body`. Where it asks for a block of 16 to 17 KiB, it gets the one that everybody gets here: for the buffer of a
    /// library's object that holds nothing but between `beginUsingSharedBlock` and `endUsingSharedBlock`.
    public func sharingLargeBlocks<Result>(_ body: () -> Result) -> Result {
        state.pointee.isSharing = true
        defer { state.pointee.isSharing = false }
        return body()
    }

    /// What is in the shared block is the caller's until `endUsingSharedBlock`. Two at a time would send one peer's bytes
    /// to another: that stops the process.
    public func beginUsingSharedBlock() {
        precondition(!state.pointee.isSharedBlockInUse, "two users of a shared block at the same time")
        state.pointee.isSharedBlockInUse = true
    }

    public func endUsingSharedBlock() { state.pointee.isSharedBlockInUse = false }

    @inline(never)
    private static func shared(_ state: UnsafeMutablePointer<State>) -> UnsafeMutableRawPointer? {
        if state.pointee.shared == nil { state.pointee.shared = make(sharedSizes.upperBound, sizeClass: -1) }
        return state.pointee.shared
    }

    private static func make(_ size: Int, sizeClass: Int) -> UnsafeMutableRawPointer? {
        guard let memory = Glibc.malloc(size &+ headerSize) else { return nil }
        memory.initializeMemory(as: Int.self, to: sizeClass)
        return memory + headerSize
    }

    /// A block of `size` bytes, not initialised.
    @inline(__always)
    public static func allocate(_ handle: UnsafeMutableRawPointer?, _ size: Int) -> UnsafeMutableRawPointer? {
        guard let state = BlockPool.state(handle), size >= 0, size <= Int.max &- headerSize else { return nil }
        // A block of no bytes is one, too.
        let sizeClass = (max(size, 1) &+ step &- 1) / step
        if sizeClass > classes {
            if state.pointee.isSharing && sharedSizes.contains(size) { return shared(state) }
            return make(size, sizeClass: 0)
        }
        guard let block = state.pointee.free[sizeClass] else { return make(sizeClass &* step, sizeClass: sizeClass) }
        state.pointee.free[sizeClass] = next(block).pointee
        state.pointee.kept &-= sizeClass &* step
        return block
    }

    /// A block of `count` times `size` bytes, all zero.
    public static func allocateZeroed(
        _ handle: UnsafeMutableRawPointer?, _ count: Int, _ size: Int
    ) -> UnsafeMutableRawPointer? {
        let (total, overflow) = count.multipliedReportingOverflow(by: size)
        guard !overflow, let bytes = allocate(handle, total) else { return nil }
        memset(bytes, 0, total)
        return bytes
    }

    /// The same bytes in a block of `size`: the old one when it has room.
    public static func reallocate(
        _ handle: UnsafeMutableRawPointer?, _ bytes: UnsafeMutableRawPointer?, _ size: Int
    ) -> UnsafeMutableRawPointer? {
        guard let bytes else { return allocate(handle, size) }
        let sizeClass = sizeClass(bytes)
        guard size >= 0, size <= Int.max &- headerSize else { return nil }
        if sizeClass == 0 {
            return Glibc.realloc(bytes - headerSize, size &+ headerSize).map { $0 + headerSize }
        }
        let room = sizeClass < 0 ? sharedSizes.upperBound : sizeClass &* step
        if size <= room { return bytes }
        guard let larger = allocate(handle, size) else { return nil }
        memcpy(larger, bytes, room)
        free(handle, bytes)
        return larger
    }

    /// Takes a block back.
    @inline(__always)
    public static func free(_ handle: UnsafeMutableRawPointer?, _ bytes: UnsafeMutableRawPointer?) {
        guard let bytes, let state = BlockPool.state(handle) else { return }
        let sizeClass = sizeClass(bytes)
        let size = sizeClass &* step
        guard sizeClass > 0, state.pointee.kept &+ size <= state.pointee.keepLimit else {
            if sizeClass >= 0 { Glibc.free(bytes - headerSize) }
            return
        }
        next(bytes).pointee = state.pointee.free[sizeClass]
        state.pointee.free[sizeClass] = bytes
        state.pointee.kept &+= size
    }

    private static func state(_ handle: UnsafeMutableRawPointer?) -> UnsafeMutablePointer<State>? {
        handle?.assumingMemoryBound(to: State.self)
    }

    private static func sizeClass(_ block: UnsafeMutableRawPointer) -> Int {
        (block - headerSize).load(as: Int.self)
    }

    private static func next(_ block: UnsafeMutableRawPointer) -> UnsafeMutablePointer<UnsafeMutableRawPointer?> {
        block.assumingMemoryBound(to: UnsafeMutableRawPointer?.self)
    }
}
