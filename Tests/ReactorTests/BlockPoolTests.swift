// Blocks for C libraries: what they hold stays theirs, what comes back is used again, and not too much is kept.
import Testing

@testable import Reactor

struct BlockPoolTests {
    private func fill(_ block: UnsafeMutableRawPointer, _ count: Int, _ byte: UInt8) {
        for index in 0..<count { block.storeBytes(of: byte, toByteOffset: index, as: UInt8.self) }
    }

    private func holds(_ block: UnsafeMutableRawPointer, _ count: Int, _ byte: UInt8) -> Bool {
        (0..<count).allSatisfy { block.load(fromByteOffset: $0, as: UInt8.self) == byte }
    }

    @Test func blocksOfAllSizesKeepWhatIsInThem() throws {
        let pool = BlockPool()
        var blocks: [(UnsafeMutableRawPointer, Int, UInt8)] = []
        for size in [0, 1, 15, 16, 17, 48, 49, 112, 500, 1024, 1025, 4096, 100_000] {
            for copy in 0..<3 {
                let block = try #require(BlockPool.allocate(pool.handle, size))
                #expect(UInt(bitPattern: block) % 8 == 0)
                let byte = UInt8(truncatingIfNeeded: size &+ copy)
                fill(block, size, byte)
                blocks.append((block, size, byte))
            }
        }
        for (block, size, byte) in blocks { #expect(holds(block, size, byte), "\(size)") }
        for (block, _, _) in blocks { BlockPool.free(pool.handle, block) }
    }

    @Test func aBlockThatCameBackIsUsedAgain() throws {
        let pool = BlockPool()
        let first = try #require(BlockPool.allocate(pool.handle, 200))
        BlockPool.free(pool.handle, first)
        #expect(pool.bytesKept == 208)
        #expect(BlockPool.allocate(pool.handle, 208) == first)
        #expect(pool.bytesKept == 0)
        BlockPool.free(pool.handle, first)
    }

    @Test func noMoreIsKeptThanTheLimit() throws {
        let pool = BlockPool(keepLimit: 1000)
        let blocks = try (0..<20).map { _ in try #require(BlockPool.allocate(pool.handle, 100)) }
        for block in blocks { BlockPool.free(pool.handle, block) }
        #expect(pool.bytesKept == 896)
        let large = try #require(BlockPool.allocate(pool.handle, 5000))
        BlockPool.free(pool.handle, large)
        #expect(pool.bytesKept == 896)
    }

    @Test func zeroedMemoryIsZero() throws {
        let pool = BlockPool()
        let dirty = try #require(BlockPool.allocate(pool.handle, 300))
        fill(dirty, 300, 0xff)
        BlockPool.free(pool.handle, dirty)
        let clean = try #require(BlockPool.allocateZeroed(pool.handle, 3, 100))
        #expect(clean == dirty)
        #expect(holds(clean, 300, 0))
        BlockPool.free(pool.handle, clean)
        #expect(BlockPool.allocateZeroed(pool.handle, .max, 2) == nil)
        #expect(BlockPool.allocate(pool.handle, .max) == nil)
    }

    @Test(arguments: [(10, 40), (10, 300), (900, 5000), (5000, 20_000), (300, 100)])
    func growingKeepsTheBytes(_ sizes: (Int, Int)) throws {
        let pool = BlockPool()
        let block = try #require(BlockPool.reallocate(pool.handle, nil, sizes.0))
        fill(block, sizes.0, 0x5a)
        let larger = try #require(BlockPool.reallocate(pool.handle, block, sizes.1))
        #expect(holds(larger, min(sizes.0, sizes.1), 0x5a))
        BlockPool.free(pool.handle, larger)
    }

    @Test func noHandleIsNoMemory() {
        #expect(BlockPool.allocate(nil, 10) == nil)
        BlockPool.free(nil, nil)
    }

    @Test func largeBlocksAreOneWhereThatIsAskedFor() throws {
        let pool = BlockPool()
        let own = try #require(BlockPool.allocate(pool.handle, 16 * 1024))
        let shared = try #require(pool.sharingLargeBlocks { BlockPool.allocate(pool.handle, 16 * 1024) })
        let (same, small, larger) = pool.sharingLargeBlocks {
            (
                BlockPool.reallocate(pool.handle, nil, 17 * 1024), BlockPool.allocate(pool.handle, 4096),
                BlockPool.allocate(pool.handle, 17 * 1024 + 1)
            )
        }
        #expect(shared == same && small != shared && larger != shared && own != shared)
        let later = try #require(BlockPool.allocate(pool.handle, 16 * 1024))
        #expect(later != shared)
        fill(shared, 17 * 1024, 7)
        // Nobody's to free, and not to be grown in place.
        BlockPool.free(pool.handle, shared)
        #expect(holds(shared, 17 * 1024, 7))
        let grown = try #require(BlockPool.reallocate(pool.handle, shared, 20_000))
        #expect(grown != shared && holds(grown, 17 * 1024, 7))
        for block in [own, later, small, larger, grown] { BlockPool.free(pool.handle, block) }
    }
}
