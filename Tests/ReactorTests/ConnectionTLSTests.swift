// TLS through connections: handshakes that work and fail, both ends, big bodies, upgrades, and looking before reuse.
import Reactor
import TestKit
import Testing

@Suite struct ConnectionTLSTests {
    let loop: EventLoop
    let certificates: TestCertificates
    let server: TLSContext
    let client: TLSContext

    init() throws {
        loop = try EventLoop()
        certificates = try TestCertificates()
        var serverSpec = certificates.mutualServerSpec(try certificates.server("localhost"))
        serverSpec.alpn = ["h2", "http/1.1"]
        server = try TLSContext.server(serverSpec)
        var clientSpec = certificates.clientSpec(try certificates.workload("a"))
        clientSpec.alpn = ["http/1.1"]
        client = try TLSContext.client(clientSpec)
    }

    private func pair(_ options: SocketOptions = SocketOptions()) throws -> ConnectionPair {
        try ConnectionPair(
            loop: loop, options: options, serverTLS: server, clientTLS: client, serverName: "localhost")
    }

    @Test func mutualTLSCarriesBytesBothWays() throws {
        let pair = try pair()
        #expect(pair.clientSide.established == 1 && pair.serverSide.established == 1)
        #expect(pair.client.isTLS && pair.client.tls?.alpn == "http/1.1")
        #expect(pair.server.tls?.serverName == "localhost" && pair.server.tls?.peerPresented == true)
        pair.client.output.append("question")
        pair.client.flush()
        #expect(loop.turn(until: { pair.serverSide.text == "question" }))
        pair.server.output.append("answer")
        pair.server.flush()
        #expect(loop.turn(until: { pair.clientSide.text == "answer" }))
        #expect(pair.client.bytesWritten == 8 && pair.client.bytesRead == 6)
        #expect(pair.server.bytesRead == 8 && pair.server.bytesWritten == 6)
        loop.turnWhileBusy()
        #expect(loop.slabs.slabsInUse == 0)
        pair.close()
        #expect(loop.registeredCount == 1 && pair.serverSide.closed == nil)
    }

    @Test func bigBodiesKeepWatermarksAndOrder() throws {
        var options = SocketOptions()
        options.sendBuffer = 64 * 1024
        options.receiveBuffer = 64 * 1024
        let pair = try pair(options)
        let sent = TestBytes.pattern(4 << 20)
        pair.server.pauseReading()
        pair.client.highWatermark = 1 << 18
        pair.client.output.append(sent)
        pair.client.flush()
        loop.turnWhileBusy()
        #expect(pair.client.isAboveHighWatermark && pair.client.unwrittenBytes > 3 << 20)
        // Only so much is sealed ahead of the socket.
        #expect(loop.slabs.slabsInUse < (4 << 20) / SlabPool.slabSize + 20)
        pair.server.resumeReading()
        #expect(loop.turn(until: { pair.serverSide.received.count == sent.count }))
        #expect(pair.serverSide.received == sent)
        loop.turnWhileBusy()
        // At half the mark and at empty, or at both at once.
        #expect((1...2).contains(pair.clientSide.drained) && pair.client.unwrittenBytes == 0)
        pair.close()
        #expect(loop.slabs.slabsInUse == 0)
    }

    @Test func closeNotifyEndsOneDirection() throws {
        let pair = try pair()
        pair.client.output.append("last words")
        pair.client.shutdownWrite()
        #expect(loop.turn(until: { pair.serverSide.sawEnd }))
        #expect(pair.serverSide.text == "last words" && pair.server.isOpen)
        pair.server.output.append("understood")
        pair.server.closeAfterFlush()
        #expect(loop.turn(until: { pair.clientSide.sawEnd && pair.serverSide.closed == .flushed }))
        #expect(pair.clientSide.text == "understood" && pair.clientSide.closed == nil)
        pair.close()
    }

    @Test func closeSaysCloseNotify() throws {
        let pair = try pair()
        pair.server.close()
        #expect(loop.turn(until: { pair.clientSide.sawEnd }))
        #expect(pair.client.isOpen && pair.clientSide.closed == nil)
        pair.close()
    }

    @Test func bytesWaitingInTLSComeAfterResume() throws {
        let pair = try pair()
        pair.serverSide.reads = false
        pair.serverSide.onReadable = { connection in
            _ = connection.fill()
            connection.pauseReading()
        }
        let sent = TestBytes.pattern(60_000)
        pair.client.output.append(sent)
        pair.client.flush()
        #expect(loop.turn(until: { pair.serverSide.readable == 1 }))
        loop.turnWhileBusy()
        #expect(pair.serverSide.readable == 1 && pair.server.input.count < sent.count)
        pair.serverSide.onReadable = nil
        pair.serverSide.reads = true
        pair.server.resumeReading()
        #expect(loop.turn(until: { pair.serverSide.received.count == sent.count }))
        #expect(pair.serverSide.received == sent)
        pair.close()
    }

    @Test func aRefusedClientIsToldAndTheServerSaysWhy() throws {
        let anonymous = try TLSContext.client(certificates.clientSpec())
        let pair = try ConnectionPair(
            loop: loop, serverTLS: server, clientTLS: anonymous, serverName: "localhost")
        #expect(loop.turn(until: { pair.serverSide.closed != nil && pair.clientSide.closed != nil }))
        #expect(pair.serverSide.closed == .tlsFailed && pair.serverSide.established == 0)
        #expect(pair.server.failureReason == pair.server.tlsFailure?.reason && pair.server.failureReason != nil)
        #expect(pair.clientSide.closed == .tlsFailed || pair.clientSide.closed == .remoteReset)
        pair.close()
        #expect(loop.registeredCount == 1 && loop.slabs.slabsInUse == 0)
    }

    @Test func plainBytesAreNoHandshake() throws {
        let pair = try ConnectionPair(loop: loop, serverTLS: nil, clientTLS: nil)
        pair.close()
        let listener = try ListeningSocket.bind(.v4(.loopback, port: 0), loop: loop)
        let serverSide = RecordingDelegate()
        try listener.start { socket in
            _ = try? Connection.accept(socket, loop: loop, tls: server, delegate: serverSide)
        }
        let clientSide = RecordingDelegate()
        let plain = Connection.connect(to: listener.localAddress, loop: loop, delegate: clientSide)
        plain.output.append("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(loop.turn(until: { serverSide.closed != nil }))
        #expect(serverSide.closed == .tlsFailed && serverSide.established == 0)
        plain.close()
        // A peer that leaves without a word.
        let silentSide = RecordingDelegate()
        listener.close()
        let again = try ListeningSocket.bind(.v4(.loopback, port: 0), loop: loop)
        try again.start { socket in
            _ = try? Connection.accept(socket, loop: loop, tls: server, delegate: silentSide)
        }
        let silent = Connection.connect(to: again.localAddress, loop: loop, delegate: clientSide)
        #expect(loop.turn(until: { silent.isEstablished }))
        silent.close()
        #expect(loop.turn(until: { silentSide.closed != nil }))
        #expect(silentSide.closed == .tlsFailed)
        again.close()
    }

    @Test func plainConnectionsAreUpgradedAfterALook() throws {
        let listener = try ListeningSocket.bind(.v4(.loopback, port: 0), loop: loop)
        let serverSide = RecordingDelegate()
        serverSide.reads = false
        var first: UInt8?
        var accepted: Connection?
        serverSide.onReadable = { connection in
            if first == nil, case .data = connection.fill() {
                first = connection.input.front.first
                connection.upgradeToTLS(server)
                serverSide.reads = true
            }
        }
        try listener.start { socket in
            accepted = try? Connection.accept(socket, loop: loop, delegate: serverSide)
        }
        let clientSide = RecordingDelegate()
        let connection = Connection.connect(
            to: listener.localAddress, loop: loop, tls: client, serverName: "localhost", delegate: clientSide)
        connection.output.append("through the upgrade")
        #expect(loop.turn(until: { serverSide.text == "through the upgrade" }))
        #expect(first == 22 && serverSide.established == 2 && accepted?.tls?.alpn == "http/1.1")
        connection.close()
        accepted?.close()
        listener.close()
    }

    @Test func peekTellsTicketsFromTheEnd() throws {
        let pair = try pair()
        // TLS 1.3 tickets are on their way or read; neither is the end.
        #expect(!pair.client.peekClosed())
        loop.turnWhileBusy()
        #expect(!pair.client.peekClosed())
        pair.server.close()
        #expect(pair.client.peekClosed())
        pair.close()
    }

    @Test func manyRecordsAndManyConnectionsReturnEverySlab() throws {
        for round in 0..<20 {
            let pair = try pair()
            for size in [1, 2047, 2048, 16_383, 16_384, 16_385, 100_000] {
                pair.client.output.append(TestBytes.pattern(size + round))
                pair.client.flush()
            }
            pair.client.closeAfterFlush()
            #expect(loop.turn(until: { pair.serverSide.sawEnd }))
            #expect(pair.serverSide.received.count == 153_248 + 7 * round)
            pair.close()
        }
        #expect(loop.slabs.slabsInUse == 0 && loop.slabs.oversizeInUse == 0 && loop.registeredCount == 1)
    }
}
