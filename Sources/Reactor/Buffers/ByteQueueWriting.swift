// Putting bytes into a ByteQueue: copies, numbers, slabs handed over, and memory for system calls to write into.
import Glibc

extension ByteQueue {
    /// Appends a copy of `bytes`.
    public mutating func append(_ bytes: ByteView) {
        var source = bytes.start
        var left = bytes.count
        count &+= left
        while left > 0 {
            let slab: Slab
            if let tail, tail.room > 0 {
                slab = tail
            } else {
                slab = pool.take()
                link(slab)
            }
            let part = Swift.min(left, slab.room)
            (slab.payload + slab.pointee.end).copyMemory(from: source, byteCount: part)
            slab.pointee.end &+= part
            source += part
            left &-= part
        }
    }

    /// Appends copies of four pieces, one behind the other, with one look for room: what a line is made of.
    public mutating func append(_ first: ByteView, _ second: ByteView, _ third: ByteView, _ fourth: ByteView) {
        let length = first.count &+ second.count &+ third.count &+ fourth.count
        guard let slab = tail, slab.room >= length else {
            append(first)
            append(second)
            append(third)
            return append(fourth)
        }
        var place = slab.payload + slab.pointee.end
        place.copyMemory(from: first.start, byteCount: first.count)
        place += first.count
        place.copyMemory(from: second.start, byteCount: second.count)
        place += second.count
        place.copyMemory(from: third.start, byteCount: third.count)
        place += third.count
        place.copyMemory(from: fourth.start, byteCount: fourth.count)
        slab.pointee.end &+= length
        count &+= length
    }

    /// Appends the bytes of a literal.
    public mutating func append(_ literal: StaticString) {
        append(ByteView(literal))
    }

    /// Appends the UTF-8 of a text.
    public mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { append(ByteView(UnsafeRawBufferPointer($0))) }
    }

    /// Appends a copy of an array.
    public mutating func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { append(ByteView($0)) }
    }

    /// Appends a copy of fixed bytes.
    public mutating func append(_ bytes: FixedBytes) {
        withExtendedLifetime(bytes) { append(bytes.view) }
    }

    /// Appends one byte.
    public mutating func append(byte: UInt8) {
        let slab = tail(withRoom: 1)
        slab.payload.storeBytes(of: byte, toByteOffset: slab.pointee.end, as: UInt8.self)
        slab.pointee.end &+= 1
        count &+= 1
    }

    /// Appends a number in decimal digits.
    public mutating func append(decimal value: UInt64) {
        var digits = 1
        var rest = value
        while rest >= 10 {
            rest /= 10
            digits &+= 1
        }
        let slab = tail(withRoom: digits)
        rest = value
        var place = slab.pointee.end &+ digits
        repeat {
            place &-= 1
            let digit = UInt8(truncatingIfNeeded: rest % 10)
            slab.payload.storeBytes(of: 0x30 &+ digit, toByteOffset: place, as: UInt8.self)
            rest /= 10
        } while rest > 0
        slab.pointee.end &+= digits
        count &+= digits
    }

    /// Appends a number in lower-case hexadecimal digits, without a prefix.
    public mutating func append(hex value: UInt64) {
        let digits = Swift.max(1, (64 &- value.leadingZeroBitCount &+ 3) / 4)
        let slab = tail(withRoom: digits)
        for index in 0..<digits {
            let nibble = UInt8(truncatingIfNeeded: (value >> UInt64(4 &* (digits &- 1 &- index))) & 15)
            let digit = nibble < 10 ? 0x30 &+ nibble : 0x57 &+ nibble
            slab.payload.storeBytes(of: digit, toByteOffset: slab.pointee.end &+ index, as: UInt8.self)
        }
        slab.pointee.end &+= digits
        count &+= digits
    }

    /// Moves the first `length` bytes (or all there are) behind those of `target`. Whole slabs change hands; only small
    /// parts are copied.
    public mutating func move(_ length: Int, to target: inout ByteQueue) {
        var left = Swift.min(Swift.max(length, 0), count)
        while left > 0, let slab = head {
            let used = slab.used
            let worthLinking = used >= ByteQueue.linkThreshold || target.isEmpty
            if pool === target.pool && used <= left && worthLinking {
                head = slab.pointee.next
                if head == nil { tail = nil }
                target.link(slab)
                target.count &+= used
                count &-= used
                left &-= used
            } else if pool === target.pool && used > left && left >= ByteQueue.linkThreshold && used &- left < left {
                // Most of the slab goes: the rest is what is copied.
                splitHead(slab, at: left)
            } else {
                let part = Swift.min(used, left)
                target.append(ByteView(start: UnsafeRawPointer(slab.front), count: part))
                consume(part)
                left &-= part
            }
        }
    }

    /// Moves everything behind the bytes of `target`.
    public mutating func moveAll(to target: inout ByteQueue) {
        move(count, to: &target)
    }

    /// Copies what follows the first `length` bytes of the first slab into a slab of its own.
    private mutating func splitHead(_ slab: Slab, at length: Int) {
        let rest = pool.take(atLeast: slab.used &- length)
        let size = slab.used &- length
        rest.payload.copyMemory(from: slab.front + length, byteCount: size)
        rest.pointee.end = size
        slab.pointee.end &-= size
        rest.pointee.next = slab.pointee.next
        slab.pointee.next = rest
        if tail == slab { tail = rest }
    }

    /// Free memory behind the last byte, at least `size` bytes of it (one slab's worth at most is promised), for a
    /// system or library call to write into. Follow up with `commit`, also when nothing was written.
    public mutating func writable(atLeast size: Int = 1) -> UnsafeMutableRawBufferPointer {
        let slab = tail(withRoom: Swift.min(Swift.max(size, 1), SlabPool.slabSize))
        return UnsafeMutableRawBufferPointer(start: slab.payload + slab.pointee.end, count: slab.room)
    }

    /// Takes in `length` bytes that were written into the memory of `writable`.
    public mutating func commit(_ length: Int) {
        guard let tail else { return }
        precondition(length >= 0 && length <= tail.room, "more bytes committed than there was room for")
        tail.pointee.end &+= length
        count &+= length
        if tail.used == 0 { dropEmptyTail(tail) }
    }

    /// The last slab if it has room for `size` bytes, or a new one.
    private mutating func tail(withRoom size: Int) -> Slab {
        if let tail, tail.room >= size { return tail }
        let slab = pool.take()
        link(slab)
        return slab
    }

    /// Gives back a last slab in which nothing is.
    private mutating func dropEmptyTail(_ slab: Slab) {
        if head == slab {
            dropHead(slab)
            return
        }
        var before = head
        while let candidate = before, candidate.pointee.next != slab { before = candidate.pointee.next }
        before?.pointee.next = nil
        tail = before
        pool.giveBack(slab)
    }

    /// Describes up to `capacity` parts from the front for `writev`; returns how many and their bytes in all.
    func describe(into vectors: UnsafeMutablePointer<iovec>, capacity: Int) -> (parts: Int, bytes: Int) {
        var parts = 0
        var bytes = 0
        var next = head
        while parts < capacity, let slab = next {
            vectors[parts] = iovec(iov_base: slab.front, iov_len: slab.used)
            bytes &+= slab.used
            parts &+= 1
            next = slab.pointee.next
        }
        return (parts, bytes)
    }

    /// The most slabs that one `read` fills.
    static var readSlabs: Int { 4 }

    /// Lets `body` write into `readSlabs` empty slabs, described as for `readv`, and appends the bytes that it says it
    /// wrote; a negative number stands for none. Slabs that stay empty go back to the pool.
    mutating func read(_ body: (UnsafeMutablePointer<iovec>, Int) -> Int) -> Int {
        let first = pool.take()
        var last = first
        for _ in 1..<ByteQueue.readSlabs {
            let next = pool.take()
            last.pointee.next = next
            last = next
        }
        let result = withUnsafeTemporaryAllocation(of: iovec.self, capacity: ByteQueue.readSlabs) { vectors -> Int in
            guard let base = vectors.baseAddress else { return -1 }
            var slab: Slab? = first
            for index in 0..<ByteQueue.readSlabs {
                base[index] = iovec(iov_base: slab?.payload, iov_len: SlabPool.slabSize)
                slab = slab?.pointee.next
            }
            return body(base, ByteQueue.readSlabs)
        }
        var left = Swift.max(result, 0)
        count &+= left
        var next: Slab? = first
        while let slab = next {
            next = slab.pointee.next
            slab.pointee.next = nil
            slab.pointee.end = Swift.min(left, SlabPool.slabSize)
            left &-= slab.pointee.end
            if slab.pointee.end > 0 { link(slab) } else { pool.giveBack(slab) }
        }
        return result
    }
}
