// Random use of connections: nothing crashes, stalls, reorders or leaks, whatever the owner and the peer do.
import Reactor
import TestKit
import Testing

@Suite struct ConnectionChaosTests {
    let loop: EventLoop

    init() throws { loop = try EventLoop() }

    private func contexts(_ tls: Bool) throws -> (server: TLSContext?, client: TLSContext?) {
        guard tls else { return (nil, nil) }
        let certificates = try TestCertificates()
        return (
            try TLSContext.server(certificates.serverSpec(try certificates.server())),
            try TLSContext.client(certificates.clientSpec())
        )
    }

    @Test(arguments: [false, true])
    func gracefulEndsLoseNothing(tls: Bool) throws {
        let (server, client) = try contexts(tls)
        var random = SplitMix(state: tls ? 11 : 12)
        for _ in 0..<30 {
            var options = SocketOptions()
            if random.next() % 2 == 0 {
                options.sendBuffer = 8192
                options.receiveBuffer = 8192
            }
            let pair = try ConnectionPair(
                loop: loop, options: options, serverTLS: server, clientTLS: client, serverName: "localhost")
            var sent: [[UInt8]] = [[], []]
            let ends = [pair.client, pair.server]
            for connection in ends { connection.highWatermark = Int(1 + random.next() % 100_000) }
            for _ in 0..<60 {
                let side = Int(random.next() % 2)
                switch random.next() % 6 {
                case 0, 1:
                    let bytes = Array(TestBytes.pattern(Int(random.next() % (1 << (random.next() % 19)))))
                    ends[side].output.append(bytes)
                    sent[side] += bytes
                case 2: ends[side].flush()
                case 3: ends[side].pauseReading()
                case 4: ends[side].resumeReading()
                default: loop.turn(maxWait: .zero)
                }
            }
            for connection in ends { connection.resumeReading() }
            // One end finishes the one way, the other end the other way.
            pair.client.shutdownWrite()
            pair.client.flush()
            #expect(loop.turn(until: { pair.serverSide.sawEnd }))
            #expect(pair.serverSide.received == sent[0])
            pair.server.closeAfterFlush()
            #expect(loop.turn(until: { pair.clientSide.sawEnd && pair.serverSide.closed != nil }))
            #expect(pair.clientSide.received == sent[1] && pair.serverSide.closed == .flushed)
            pair.close()
            #expect(loop.slabs.slabsInUse == 0 && loop.slabs.oversizeInUse == 0 && loop.registeredCount == 1)
        }
    }

    @Test(arguments: [false, true])
    func anythingMayHappenAtAnyTime(tls: Bool) throws {
        let (server, client) = try contexts(tls)
        var random = SplitMix(state: tls ? 21 : 22)
        for _ in 0..<150 {
            let pair = try ConnectionPair(loop: loop, serverTLS: server, clientTLS: client, serverName: "localhost")
            let ends = [pair.client, pair.server]
            let sides = [pair.clientSide, pair.serverSide]
            func act(_ side: Int) {
                let connection = ends[side]
                switch random.next() % 14 {
                case 0, 1, 2:
                    connection.output.append(TestBytes.pattern(Int(random.next() % (1 << (random.next() % 20)))))
                    connection.flush()
                case 3: connection.pauseReading()
                case 4: connection.resumeReading()
                case 5: connection.shutdownWrite()
                case 6: if random.next() % 4 == 0 { connection.close() }
                case 7: if random.next() % 4 == 0 { connection.close(abort: true) }
                case 8: if random.next() % 4 == 0 { connection.closeAfterFlush() }
                case 9: _ = connection.fill()
                case 10: _ = connection.peekClosed()
                case 11: _ = connection.relay(to: ends[1 - side])
                default: loop.later { connection.resumeReading() }
                }
            }
            for side in 0..<2 {
                sides[side].onReadable = { _ in act(side) }
                sides[side].onDrained = { _ in act(1 - side) }
                sides[side].onClosed = { _, _ in act(1 - side) }
            }
            for _ in 0..<40 {
                act(Int(random.next() % 2))
                if random.next() % 3 == 0 { loop.turn(maxWait: .zero) }
            }
            pair.close()
            #expect(loop.slabs.slabsInUse == 0 && loop.slabs.oversizeInUse == 0 && loop.registeredCount == 1)
        }
    }
}
