// Slow readers, watermarks, and nobody keeping the loop to himself.
import Reactor
import TestKit
import Testing

@Suite struct BackpressureTests {
    let loop: EventLoop

    init() throws { loop = try EventLoop() }

    @Test func aSlowReaderRaisesTheWatermarkAndLowersItAgain() throws {
        var options = SocketOptions()
        options.sendBuffer = 64 * 1024
        options.receiveBuffer = 64 * 1024
        let pair = try ConnectionPair(loop: loop, options: options)
        pair.server.pauseReading()
        let sent = TestBytes.pattern(8 << 20)
        pair.client.highWatermark = 1 << 20
        pair.client.output.append(sent)
        pair.client.flush()
        loop.turnWhileBusy()
        #expect(pair.client.isAboveHighWatermark && pair.client.unwrittenBytes > 6 << 20)
        #expect(pair.serverSide.readable == 0 && pair.clientSide.drained == 0)
        var levels: [Int] = []
        pair.clientSide.onDrained = { levels.append($0.unwrittenBytes) }
        pair.server.resumeReading()
        #expect(loop.turn(until: { pair.serverSide.received.count == sent.count }))
        loop.turnWhileBusy()
        #expect(pair.serverSide.received == sent)
        // Once at half the mark, once at empty.
        #expect(levels.count == 2 && levels.first ?? .max <= 1 << 19 && levels.last == 0)
        #expect(!pair.client.isAboveHighWatermark && loop.slabs.slabsInUse == 0)
        pair.close()
    }

    @Test func drainedIsNotToldWhenNothingWasStuck() throws {
        let pair = try ConnectionPair(loop: loop)
        for _ in 0..<10 {
            pair.client.output.append("small")
            pair.client.flush()
            loop.turnWhileBusy()
        }
        #expect(pair.clientSide.drained == 0 && pair.serverSide.received.count == 50)
        pair.close()
    }

    @Test func aWriterThatRefillsOnDrainedKeepsGoing() throws {
        let pair = try ConnectionPair(loop: loop)
        let block = TestBytes.pattern(300_000)
        var left = 30
        let refill: (Connection) -> Void = { connection in
            while left > 0 && !connection.isAboveHighWatermark {
                left -= 1
                connection.output.append(block)
                connection.flush()
            }
        }
        pair.clientSide.onDrained = refill
        pair.client.highWatermark = 100_000
        refill(pair.client)
        #expect(loop.turn(until: { pair.serverSide.received.count == 30 * block.count }))
        pair.close()
    }

    @Test func oneBusyConnectionDoesNotStarveTheOthers() throws {
        var options = SocketOptions()
        options.sendBuffer = 4 << 20
        options.receiveBuffer = 4 << 20
        let busy = try ConnectionPair(loop: loop, options: options)
        let quiet = try ConnectionPair(loop: loop)
        busy.server.pauseReading()
        busy.client.output.append(TestBytes.pattern(3 << 20))
        busy.client.flush()
        loop.turnWhileBusy()
        busy.server.resumeReading()
        quiet.client.output.append("x")
        quiet.client.flush()
        // In the turn in which the quiet one is heard, the busy one has not read everything.
        #expect(loop.turn(until: { quiet.serverSide.text == "x" }))
        #expect(busy.serverSide.received.count < 2 << 20)
        #expect(loop.turn(until: { busy.serverSide.received.count == 3 << 20 }))
        busy.close()
        quiet.close()
    }

    @Test func pausedBytesComeAfterResumeWithoutANewEvent() throws {
        let pair = try ConnectionPair(loop: loop)
        pair.server.pauseReading()
        pair.client.output.append("waiting")
        pair.client.flush()
        loop.turnWhileBusy()
        #expect(pair.serverSide.readable == 0)
        pair.server.resumeReading()
        pair.server.resumeReading()
        loop.turn(maxWait: .zero)
        #expect(pair.serverSide.text == "waiting")
        pair.close()
    }

    @Test func bytesMoveBetweenConnectionsBySlab() throws {
        let left = try ConnectionPair(loop: loop)
        let right = try ConnectionPair(loop: loop)
        left.serverSide.reads = false
        // A relay as a TCP proxy does it: read, move, flush, stop reading while the other side is stuck.
        left.serverSide.onReadable = { connection in
            while true {
                switch connection.fill() {
                case .data:
                    connection.input.moveAll(to: &right.client.output)
                    right.client.flush()
                    if right.client.isAboveHighWatermark {
                        connection.pauseReading()
                        return
                    }
                case .end:
                    right.client.shutdownWrite()
                    return
                case .wouldBlock, .failed:
                    return
                }
            }
        }
        right.clientSide.onDrained = { _ in left.server.resumeReading() }
        right.client.highWatermark = 200_000
        let sent = TestBytes.pattern(5 << 20)
        left.client.output.append(sent)
        left.client.flush()
        left.client.shutdownWrite()
        var most = 0
        let relayed = loop.turn(until: {
            most = max(most, right.client.unwrittenBytes)
            return right.serverSide.sawEnd
        })
        #expect(relayed && right.serverSide.received == sent)
        #expect(most <= 200_000 + 16 * SlabPool.slabSize)
        left.close()
        right.close()
        #expect(loop.slabs.slabsInUse == 0)
    }
}
