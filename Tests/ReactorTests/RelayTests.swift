// Relaying between connections: order, backpressure, ends and failures, by copy and by splice, in the clear and by TLS.
import Reactor
import TestKit
import Testing

/// One direction or both of a TCP proxy.
private final class Relay: ConnectionDelegate {
    weak var other: Connection?
    var closed: ConnectionCloseReason?
    var sawEnd = false
    var pauses = 0

    func connectionEstablished(_ connection: Connection) {}

    func connectionReadable(_ connection: Connection) {
        guard let other else { return }
        while true {
            switch connection.relay(to: other) {
            case .moved: continue
            case .targetFull:
                pauses += 1
                connection.pauseReading()
            case .end:
                sawEnd = true
                other.shutdownWrite()
            case .wouldBlock, .failed: break
            }
            return
        }
    }

    func connectionDrained(_ connection: Connection) { other?.resumeReading() }

    func connectionClosed(_ connection: Connection, _ reason: ConnectionCloseReason) {
        closed = reason
        other?.close(abort: true)
    }
}

@Suite struct RelayTests {
    let loop: EventLoop
    private let left = Relay()
    private let right = Relay()

    init() throws { loop = try EventLoop() }

    /// A client, the relay's two connections, and a server.
    private func connect(
        _ options: SocketOptions = SocketOptions(), isUnix: Bool = false
    ) throws -> (near: ConnectionPair, far: ConnectionPair) {
        let addresses = (0..<2).map { _ in
            isUnix
                ? SocketAddress.unix(path: "@outrider-relay-\(UInt64.random(in: 0 ... .max))")
                : .v4(.loopback, port: 0)
        }
        let near = try ConnectionPair(loop: loop, address: addresses[0], options: options)
        let far = try ConnectionPair(loop: loop, address: addresses[1], options: options)
        left.other = far.client
        right.other = near.server
        near.server.delegate = left
        far.client.delegate = right
        return (near, far)
    }

    @Test(arguments: ["tcp", "unix", "small buffers"])
    func bigStreamsArriveWholeBothWays(kind: String) throws {
        var options = SocketOptions()
        if kind == "small buffers" {
            options.sendBuffer = 32 * 1024
            options.receiveBuffer = 32 * 1024
        }
        let (near, far) = try connect(options, isUnix: kind == "unix")
        near.server.highWatermark = 300_000
        far.client.highWatermark = 300_000
        let up = TestBytes.pattern(7_000_001)
        let down = TestBytes.pattern(3_000_003)
        near.client.output.append(up)
        near.client.flush()
        near.client.shutdownWrite()
        far.server.output.append(down)
        far.server.flush()
        far.server.shutdownWrite()
        var most = 0
        let done = loop.turn(until: {
            most = max(most, near.server.unwrittenBytes, far.client.unwrittenBytes)
            return near.clientSide.sawEnd && far.serverSide.sawEnd
        })
        #expect(done && far.serverSide.received == up && near.clientSide.received == down)
        #expect(near.server.bytesRead == UInt64(up.count) && far.client.bytesWritten == UInt64(up.count))
        #expect(far.client.bytesRead == UInt64(down.count) && near.server.bytesWritten == UInt64(down.count))
        // A connection holds its watermark and one read more, at most.
        #expect(most <= 300_000 + 1 << 20)
        near.close()
        far.close()
        #expect(loop.slabs.slabsInUse == 0 && loop.registeredCount == 1)
    }

    @Test func aStuckTargetStopsTheSourceUntilItReadsAgain() throws {
        let (near, far) = try connect()
        far.server.pauseReading()
        let sent = TestBytes.pattern(40 << 20)
        near.client.output.append(sent)
        near.client.flush()
        loop.turnWhileBusy()
        #expect(left.pauses == 1 && near.server.isPaused)
        #expect(far.client.unwrittenBytes < 3 << 20 && near.client.unwrittenBytes > 10 << 20)
        far.server.resumeReading()
        #expect(loop.turn(until: { far.serverSide.received.count == sent.count }))
        #expect(far.serverSide.received == sent)
        near.close()
        far.close()
    }

    @Test func smallMessagesGoRightThrough() throws {
        let (near, far) = try connect()
        for number in 0..<200 {
            near.client.output.append("message \(number)\n")
            near.client.flush()
            loop.turn(maxWait: .zero)
        }
        #expect(loop.turn(until: { far.serverSide.text.hasSuffix("message 199\n") }))
        #expect(loop.slabs.slabsInUse == 0)
        near.close()
        far.close()
    }

    @Test func whatWasReadBeforeRelayingGoesFirst() throws {
        let near = try ConnectionPair(loop: loop)
        near.serverSide.reads = false
        near.client.output.append("first bytes, ")
        near.client.flush()
        near.serverSide.onReadable = { _ = $0.fill() }
        #expect(loop.turn(until: { near.server.input.count == 13 }))
        let far = try ConnectionPair(loop: loop)
        left.other = far.client
        near.server.delegate = left
        near.client.output.append("then the rest")
        near.client.flush()
        #expect(loop.turn(until: { far.serverSide.received.count == 26 }))
        #expect(far.serverSide.text == "first bytes, then the rest")
        near.close()
        far.close()
    }

    @Test func aResetInTheMiddleOfAStreamIsTold() throws {
        for resetsReader in [true, false] {
            let left = Relay()
            let right = Relay()
            let near = try ConnectionPair(loop: loop)
            let far = try ConnectionPair(loop: loop)
            left.other = far.client
            right.other = near.server
            near.server.delegate = left
            far.client.delegate = right
            near.client.output.append(TestBytes.pattern(20 << 20))
            near.client.flush()
            #expect(loop.turn(until: { far.serverSide.received.count > 1 << 20 }))
            if resetsReader {
                far.server.close(abort: true)
                #expect(loop.turn(until: { right.closed != nil }))
                #expect(right.closed == .remoteReset)
            } else {
                near.client.close(abort: true)
                #expect(loop.turn(until: { left.closed != nil }))
                #expect(left.closed == .remoteReset)
            }
            near.close()
            far.close()
        }
        #expect(loop.slabs.slabsInUse == 0 && loop.registeredCount == 1)
    }

    @Test func tlsOnOneSideIsRelayedByCopy() throws {
        let certificates = try TestCertificates()
        let server = try TLSContext.server(certificates.serverSpec(try certificates.server()))
        let client = try TLSContext.client(certificates.clientSpec())
        let near = try ConnectionPair(loop: loop, serverTLS: server, clientTLS: client, serverName: "localhost")
        let far = try ConnectionPair(loop: loop)
        left.other = far.client
        right.other = near.server
        near.server.delegate = left
        far.client.delegate = right
        let up = TestBytes.pattern(3_000_001)
        let down = TestBytes.pattern(2_000_003)
        near.client.output.append(up)
        near.client.shutdownWrite()
        far.server.output.append(down)
        far.server.shutdownWrite()
        #expect(loop.turn(until: { near.clientSide.sawEnd && far.serverSide.sawEnd }))
        #expect(far.serverSide.received == up && near.clientSide.received == down)
        near.close()
        far.close()
        #expect(loop.slabs.slabsInUse == 0)
    }
}
