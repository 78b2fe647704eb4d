// A queue of bytes in slabs: what every connection reads into and writes from.
import Glibc

/// Bytes in order, held in slabs of one pool. Empty queues hold no memory.
///
/// Used on the pool's thread only. Views of the queue are valid until it is changed.
public struct ByteQueue: ~Copyable {
    let pool: SlabPool
    var head: Slab?
    var tail: Slab?
    /// Bytes in the queue.
    public internal(set) var count = 0

    /// Parts below this size are copied behind what is there rather than linked as a slab of their own, so that a queue
    /// never holds more than four times its bytes.
    static var linkThreshold: Int { SlabPool.slabSize / 4 }

    /// An empty queue that borrows from `pool`.
    public init(pool: SlabPool) {
        self.pool = pool
    }

    deinit {
        var next = head
        while let slab = next {
            next = slab.pointee.next
            pool.giveBack(slab)
        }
    }

    /// True when there is no byte.
    public var isEmpty: Bool { count == 0 }

    /// The first bytes, as many as lie in one piece; empty only when the queue is.
    public var front: ByteView {
        guard let head else { return ByteView() }
        return ByteView(start: UnsafeRawPointer(head.front), count: head.used)
    }

    /// Calls `body` with each contiguous part in order, until it returns false.
    public func forEachPart(_ body: (ByteView) -> Bool) {
        var next = head
        while let slab = next {
            if !body(ByteView(start: UnsafeRawPointer(slab.front), count: slab.used)) { return }
            next = slab.pointee.next
        }
    }

    /// Calls `body` with each contiguous part of `length` bytes from `offset` on, or of as many as there are.
    @inline(__always)
    func forEachPart(from offset: Int, _ length: Int, _ body: (UnsafeRawBufferPointer) -> Void) {
        var skipped = offset
        var left = length
        var next = head
        while left > 0, let slab = next {
            let used = slab.used
            if skipped < used {
                let part = Swift.min(used &- skipped, left)
                body(UnsafeRawBufferPointer(start: slab.front + skipped, count: part))
                left &-= part
                skipped = 0
            } else {
                skipped &-= used
            }
            next = slab.pointee.next
        }
    }

    /// Copies `length` bytes from `offset` on, or as many as there are; `target` has room for them.
    func copy(from offset: Int, _ length: Int, to target: UnsafeMutableRawPointer) {
        var place = target
        forEachPart(from: offset, length) { part in
            guard let base = part.baseAddress else { return }
            place.copyMemory(from: base, byteCount: part.count)
            place += part.count
        }
    }

    /// A copy of all bytes, for tests and cold paths.
    public var array: [UInt8] {
        var all: [UInt8] = []
        all.reserveCapacity(count)
        forEachPart {
            all.append(contentsOf: $0.unsafeBytes)
            return true
        }
        return all
    }

    /// A copy of all bytes as text, for tests and cold paths.
    public var string: String { String(decoding: array, as: UTF8.self) }

    /// Drops the first `length` bytes, or all when there are fewer.
    public mutating func consume(_ length: Int) {
        var left = Swift.min(Swift.max(length, 0), count)
        count &-= left
        while left > 0, let slab = head {
            let used = slab.used
            if left < used {
                slab.pointee.start &+= left
                return
            }
            left &-= used
            dropHead(slab)
        }
    }

    /// Drops everything.
    public mutating func clear() {
        while let slab = head { dropHead(slab) }
        count = 0
    }

    /// Copies the first bytes into `target` without taking them; returns how many.
    public func copy(to target: UnsafeMutableRawBufferPointer) -> Int {
        var done = 0
        var next = head
        while done < target.count, let slab = next, let base = target.baseAddress {
            let part = Swift.min(slab.used, target.count &- done)
            (base + done).copyMemory(from: slab.front, byteCount: part)
            done &+= part
            next = slab.pointee.next
        }
        return done
    }

    /// The first `length` bytes in one piece; they stay in the queue. Copies only when they lie in several slabs, and
    /// uses one block of its own when they are more than a slab holds. A length over `count` gives all bytes.
    public mutating func contiguous(_ length: Int) -> ByteView {
        let wanted = Swift.min(Swift.max(length, 0), count)
        if let head, head.used >= wanted {
            return ByteView(start: UnsafeRawPointer(head.front), count: wanted)
        }
        gather(wanted)
        return front.prefix(wanted)
    }

    /// Brings the first `wanted` bytes (at least two slabs' worth of parts) into the first slab.
    @inline(never)
    private mutating func gather(_ wanted: Int) {
        guard let first = head else { return }
        let target: Slab
        if first.pointee.capacity >= wanted {
            // All bytes fit into the first slab once its own are moved to the begin.
            let used = first.used
            memmove(first.payload, first.front, used)
            first.pointee.start = 0
            first.pointee.end = used
            target = first
        } else {
            // Doubling, so that a head that grows in drips is not copied at every growth.
            target = pool.take(atLeast: wanted <= SlabPool.slabSize ? wanted : wanted &+ wanted)
            target.pointee.next = first
            head = target
        }
        while target.used < wanted, let source = target.pointee.next {
            let part = Swift.min(source.used, target.room)
            (target.payload + target.pointee.end).copyMemory(from: source.front, byteCount: part)
            target.pointee.end &+= part
            source.pointee.start &+= part
            if source.used == 0 {
                target.pointee.next = source.pointee.next
                if tail == source { tail = target }
                pool.giveBack(source)
            }
        }
    }

    /// Unlinks and returns the first slab to the pool. Does not change `count`.
    mutating func dropHead(_ slab: Slab) {
        head = slab.pointee.next
        if head == nil { tail = nil }
        slab.pointee.next = nil
        pool.giveBack(slab)
    }

    /// Links a slab with bytes in it behind the last. Does not change `count`.
    mutating func link(_ slab: Slab) {
        slab.pointee.next = nil
        if let tail { tail.pointee.next = slab } else { head = slab }
        tail = slab
    }
}
