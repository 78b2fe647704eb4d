// The pool of HTTP/2 streams: who may serve again.
import HTTPWire
import Reactor
import Testing

@testable import DataPlane

@Suite struct HTTP2StreamPoolTests {
    private let slabs = SlabPool()

    @Test func whatIsStillHeldDoesNotServeAgain() {
        let pool = HTTP2StreamPool<HTTP2Stream>()
        #expect(pool.take() == nil)
        var holder: HTTP2Stream? = HTTP2Stream(pool: slabs)
        let identity = holder.map { ObjectIdentifier($0) }
        if let holder { pool.giveBack(holder) }
        #expect(pool.take() == nil && holder != nil)
        holder = nil
        #expect(pool.take().map { ObjectIdentifier($0) } == identity)
        #expect(pool.take() == nil)
    }

    @Test func aBurstIsNotKept() {
        let pool = HTTP2StreamPool<HTTP2Stream>()
        for _ in 0..<1000 { pool.giveBack(HTTP2Stream(pool: slabs)) }
        var kept: [HTTP2Stream] = []
        while let stream = pool.take() { kept.append(stream) }
        #expect(kept.count == 64)
    }
}
