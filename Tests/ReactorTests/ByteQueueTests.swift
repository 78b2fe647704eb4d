// ByteQueue: order, slabs handed over, gathering, and no slab lost.
import Reactor
import Testing

@Suite struct ByteQueueTests {
    private func pattern(_ count: Int, from start: Int = 0) -> [UInt8] {
        (start..<start + count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    }

    @Test func keepsOrderAndReturnsSlabs() {
        let pool = SlabPool()
        var queue = ByteQueue(pool: pool)
        #expect(queue.isEmpty && queue.front.isEmpty && pool.slabsInUse == 0)
        queue.append("GET ")
        queue.append(decimal: 0)
        queue.append(byte: 32)
        queue.append(decimal: .max)
        queue.append(byte: 32)
        queue.append(hex: 0)
        queue.append(hex: 0xdead_beef)
        queue.append(hex: .max)
        let text = String("-text")
        queue.append(text)
        #expect(queue.string == "GET 0 18446744073709551615 0deadbeefffffffffffffffff-text")
        #expect(pool.slabsInUse == 1)
        queue.consume(4)
        #expect(queue.front.first == 48)
        queue.consume(10_000)
        #expect(queue.isEmpty && pool.slabsInUse == 0 && pool.slabsKept == 1)
    }

    @Test func numbersCrossSlabEdges() {
        let pool = SlabPool()
        for gap in 0..<24 {
            var queue = ByteQueue(pool: pool)
            queue.append([UInt8](repeating: 65, count: SlabPool.slabSize - gap))
            queue.append(decimal: 1_234_567_890_123)
            queue.append(hex: 0xabc)
            queue.consume(SlabPool.slabSize - gap)
            #expect(queue.string == "1234567890123abc")
        }
        #expect(pool.slabsInUse == 0)
    }

    @Test func movesWholeSlabsByReference() {
        let pool = SlabPool()
        var source = ByteQueue(pool: pool)
        var target = ByteQueue(pool: pool)
        let bytes = pattern(3 * SlabPool.slabSize)
        source.append(bytes)
        let address = source.front.withUnsafeBytes { $0.baseAddress }
        source.moveAll(to: &target)
        #expect(source.isEmpty && target.count == bytes.count && pool.slabsInUse == 3)
        #expect(target.front.withUnsafeBytes { $0.baseAddress } == address)
        #expect(target.array == bytes)
        target.clear()
        #expect(pool.slabsInUse == 0)
    }

    @Test(arguments: [1, 100, 4095, 4096, 4097, 8192, 16383, 16384, 16385, 20000, 40000, 49999, 50000])
    func movesAnyPart(length: Int) {
        let pool = SlabPool()
        var source = ByteQueue(pool: pool)
        var target = ByteQueue(pool: pool)
        let bytes = pattern(50_000)
        target.append("head")
        source.append("xx")
        source.append(bytes)
        source.consume(2)
        source.move(length, to: &target)
        #expect(target.count == length + 4 && source.count == bytes.count - length)
        #expect(target.array == Array("head".utf8) + bytes[..<length])
        #expect(source.array == Array(bytes[length...]))
        source.append("tail")
        source.moveAll(to: &target)
        #expect(target.array == Array("head".utf8) + bytes + Array("tail".utf8))
        target.clear()
        #expect(pool.slabsInUse == 0 && pool.oversizeInUse == 0)
    }

    @Test func manySmallPartsDoNotHoardSlabs() {
        let pool = SlabPool()
        var target = ByteQueue(pool: pool)
        for number in 0..<2000 {
            var source = ByteQueue(pool: pool)
            source.append(pattern(600, from: number * 600))
            source.moveAll(to: &target)
        }
        #expect(target.count == 1_200_000 && target.array == pattern(1_200_000))
        #expect(pool.slabsInUse * SlabPool.slabSize <= 4 * target.count)
    }

    @Test func movesBetweenPoolsByCopy() {
        let first = SlabPool()
        let second = SlabPool()
        var source = ByteQueue(pool: first)
        var target = ByteQueue(pool: second)
        source.append(pattern(40_000))
        source.moveAll(to: &target)
        #expect(first.slabsInUse == 0 && second.slabsInUse == 3 && target.array == pattern(40_000))
    }

    @Test(arguments: [10, 16_000, 16_384, 16_385, 60_000])
    func gathersIntoOnePiece(length: Int) {
        let pool = SlabPool()
        var queue = ByteQueue(pool: pool)
        queue.append(pattern(100_000))
        queue.consume(16_380)
        let view = queue.contiguous(length)
        #expect(view.array == pattern(length, from: 16_380))
        #expect(queue.count == 100_000 - 16_380 && queue.array == pattern(100_000 - 16_380, from: 16_380))
        #expect(queue.contiguous(1_000_000).count == queue.count)
        queue.clear()
        #expect(pool.slabsInUse == 0 && pool.oversizeInUse == 0)
    }

    @Test func gathersWhatDripsIn() {
        let pool = SlabPool()
        var queue = ByteQueue(pool: pool)
        for count in stride(from: 0, to: 60_000, by: 500) {
            queue.append(pattern(500, from: count))
            #expect(queue.contiguous(queue.count).count == count + 500)
        }
        #expect(queue.array == pattern(60_000))
    }

    @Test func writableMemoryIsCommittedOrGivenBack() {
        let pool = SlabPool()
        var queue = ByteQueue(pool: pool)
        #expect(queue.writable().count == SlabPool.slabSize)
        queue.commit(0)
        #expect(pool.slabsInUse == 0)
        queue.append("abc")
        let room = queue.writable(atLeast: 10)
        room.copyBytes(from: Array("defg".utf8))
        queue.commit(4)
        #expect(queue.string == "abcdefg" && pool.slabsInUse == 1)
        _ = queue.writable(atLeast: SlabPool.slabSize)
        #expect(pool.slabsInUse == 2)
        queue.commit(0)
        #expect(pool.slabsInUse == 1 && queue.string == "abcdefg")
        queue.append("h")
        #expect(queue.string == "abcdefgh")
        var copy = [UInt8](repeating: 0, count: 5)
        #expect(copy.withUnsafeMutableBytes { queue.copy(to: $0) } == 5)
        #expect(String(decoding: copy, as: UTF8.self) == "abcde")
    }

    @Test func droppedQueuesGiveTheirSlabsBack() {
        let pool = SlabPool(keepLimit: 2)
        do {
            var queue = ByteQueue(pool: pool)
            queue.append(pattern(100_000))
            #expect(pool.slabsInUse == 7)
        }
        #expect(pool.slabsInUse == 0 && pool.slabsKept == 2)
        pool.trim(to: 0)
        #expect(pool.slabsKept == 0)
    }

    /// Random operations on three queues, two of one pool, against plain arrays.
    @Test func agreesWithArrays() {
        var random = SplitMix(state: 7)
        let pools = [SlabPool(keepLimit: 4), SlabPool(keepLimit: 0)]
        var first = ByteQueue(pool: pools[0])
        var second = ByteQueue(pool: pools[0])
        var third = ByteQueue(pool: pools[1])
        var models: [[UInt8]] = [[], [], []]
        func length() -> Int { Int(random.next() % (1 << (random.next() % 17))) }
        for step in 0..<4000 {
            let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: step), count: length())
            switch random.next() % 9 {
            case 0, 1:
                first.append(bytes)
                models[0] += bytes
            case 2:
                third.append(bytes)
                models[2] += bytes
            case 3:
                let part = length()
                first.move(part, to: &second)
                models[1] += models[0].prefix(part)
                models[0].removeFirst(min(part, models[0].count))
            case 4:
                let part = length()
                second.move(part, to: &first)
                models[0] += models[1].prefix(part)
                models[1].removeFirst(min(part, models[1].count))
            case 5:
                second.moveAll(to: &third)
                models[2] += models[1]
                models[1] = []
            case 6:
                let part = length()
                third.consume(part)
                models[2].removeFirst(min(part, models[2].count))
            case 7:
                let part = length()
                #expect(first.contiguous(part).array == Array(models[0].prefix(part)))
            default:
                let room = second.writable(atLeast: length())
                let part = min(room.count, length())
                room.copyBytes(from: repeatElement(UInt8(truncatingIfNeeded: step), count: part))
                second.commit(part)
                models[1] += [UInt8](repeating: UInt8(truncatingIfNeeded: step), count: part)
            }
            #expect(first.count == models[0].count && second.count == models[1].count)
            if step % 50 == 0 {
                #expect(first.array == models[0] && second.array == models[1] && third.array == models[2])
                third.clear()
                models[2] = []
            }
        }
        first.clear()
        second.clear()
        third.clear()
        #expect(pools.allSatisfy { $0.slabsInUse == 0 && $0.oversizeInUse == 0 })
    }
}
