// Connections over loopback: echo, both kinds of close, resets, failures, and who is told what.
import Reactor
import TestKit
import Testing

@Suite struct ConnectionTests {
    let loop: EventLoop

    init() throws { loop = try EventLoop() }

    @Test(arguments: ["127.0.0.1", "::1", "unix"])
    func echoes(address: String) throws {
        let bound =
            SocketAddress(parsing: address, port: 0) ?? .unix(path: "@outrider-test-\(UInt64.random(in: 0 ... .max))")
        let pair = try ConnectionPair(loop: loop, address: bound)
        pair.serverSide.onReadable = { connection in
            connection.output.append(pair.serverSide.received)
            connection.flush()
        }
        #expect(pair.client.isEstablished && pair.server.isEstablished)
        pair.client.output.append("hello")
        pair.client.flush()
        #expect(pair.client.unwrittenBytes == 0)
        #expect(loop.turn(until: { pair.clientSide.text == "hello" }))
        #expect(pair.client.bytesWritten == 5 && pair.client.bytesRead == 5)
        #expect(pair.client.remoteAddress == pair.server.localAddress)
        #expect(pair.client.localAddress == pair.server.remoteAddress)
        #expect(pair.client.id != pair.server.id)
        pair.close()
        #expect(loop.registeredCount == 1 && loop.slabs.slabsInUse == 0)
    }

    @Test func halfCloseEndsOneDirectionOnly() throws {
        let pair = try ConnectionPair(loop: loop)
        pair.client.output.append("last words")
        pair.client.flush()
        pair.client.shutdownWrite()
        #expect(loop.turn(until: { pair.serverSide.sawEnd }))
        #expect(pair.serverSide.text == "last words" && pair.serverSide.peerFinished == 1)
        #expect(pair.server.isOpen && pair.server.peerHasFinished && pair.clientSide.closed == nil)
        pair.server.output.append("answer")
        pair.server.closeAfterFlush()
        #expect(loop.turn(until: { pair.clientSide.sawEnd && pair.serverSide.closed != nil }))
        #expect(pair.clientSide.text == "answer" && pair.serverSide.closed == .flushed)
        pair.close()
    }

    @Test func aResetIsToldOnce() throws {
        let pair = try ConnectionPair(loop: loop)
        pair.client.close(abort: true)
        #expect(loop.turn(until: { pair.serverSide.closed != nil }))
        #expect(pair.serverSide.closed == .remoteReset && pair.clientSide.closed == nil)
        #expect(!pair.server.isOpen && pair.server.failureReason?.contains("Connection reset") == true)
        pair.close()
    }

    @Test func aResetIsToldWhileReadingIsPaused() throws {
        let pair = try ConnectionPair(loop: loop)
        pair.server.pauseReading()
        pair.client.close(abort: true)
        #expect(loop.turn(until: { pair.serverSide.closed == .remoteReset }))
        pair.close()
    }

    @Test func bytesBeforeAResetAreStillRead() throws {
        let pair = try ConnectionPair(loop: loop)
        pair.server.pauseReading()
        pair.client.output.append("answer before the end")
        pair.client.flush()
        pair.client.close(abort: true)
        #expect(loop.turn(until: { pair.serverSide.peerFinished == 1 }))
        #expect(pair.serverSide.closed == nil)
        pair.server.resumeReading()
        #expect(loop.turn(until: { pair.serverSide.closed != nil }))
        #expect(pair.serverSide.text == "answer before the end")
        pair.close()
    }

    @Test func anAnswerIsReadAlthoughWritingHasFailed() throws {
        let pair = try ConnectionPair(loop: loop)
        // The server answers and leaves without having read: its kernel resets the connection.
        pair.serverSide.reads = false
        pair.client.output.append("request body")
        pair.client.flush()
        pair.server.output.append("no, thanks")
        pair.server.flush()
        #expect(loop.turn(until: { pair.clientSide.text == "no, thanks" }))
        pair.client.pauseReading()
        pair.server.output.append(", really")
        pair.server.flush()
        pair.server.close()
        loop.turnWhileBusy()
        for _ in 0..<3 {
            pair.client.output.append("more body")
            pair.client.flush()
        }
        loop.turnWhileBusy()
        pair.client.resumeReading()
        #expect(loop.turn(until: { pair.clientSide.closed != nil }))
        #expect(pair.clientSide.text == "no, thanks, really")
        pair.close()
    }

    @Test func closingAfterFlushNoticesThatThePeerIsGone() throws {
        let pair = try ConnectionPair(loop: loop)
        pair.client.pauseReading()
        pair.server.output.append([UInt8](repeating: 1, count: 16 << 20))
        pair.server.closeAfterFlush()
        loop.turnWhileBusy()
        #expect(pair.server.isOpen && pair.serverSide.closed == nil)
        pair.client.close(abort: true)
        #expect(loop.turn(until: { pair.serverSide.closed != nil }))
        #expect(pair.serverSide.closed == .remoteReset)
        pair.close()
    }

    @Test func aResetAfterTheEndIsToldToo() throws {
        let pair = try ConnectionPair(loop: loop)
        pair.client.shutdownWrite()
        #expect(loop.turn(until: { pair.serverSide.sawEnd }))
        pair.client.close(abort: true)
        #expect(loop.turn(until: { pair.serverSide.closed != nil }))
        #expect(pair.serverSide.closed == .remoteReset)
        pair.close()
    }

    @Test func bothDirectionsShutIsNoFailure() throws {
        let pair = try ConnectionPair(loop: loop)
        for paused in [true, false] {
            let pair = try ConnectionPair(loop: loop)
            if paused { pair.server.pauseReading() }
            pair.server.shutdownWrite()
            pair.client.shutdownWrite()
            loop.turnWhileBusy()
            #expect(pair.serverSide.closed == nil && pair.clientSide.closed == nil && pair.server.isOpen)
            #expect(pair.serverSide.sawEnd == !paused && pair.serverSide.peerFinished == 1)
            pair.server.resumeReading()
            loop.turnWhileBusy()
            #expect(pair.serverSide.sawEnd)
            pair.close()
        }
        pair.close()
    }

    @Test func refusedConnectionsAreToldLater() throws {
        let listener = try ListeningSocket.bind(.v4(.loopback, port: 0), loop: loop)
        let address = listener.localAddress
        listener.close()
        let delegate = RecordingDelegate()
        let connection = Connection.connect(to: address, loop: loop, delegate: delegate)
        #expect(delegate.closed == nil && connection.isOpen)
        #expect(loop.turn(until: { delegate.closed != nil }))
        guard case .connectFailed(let error)? = delegate.closed else {
            Issue.record("closed by \(String(describing: delegate.closed))")
            return
        }
        #expect(error.description == "connect \(address): Connection refused")
        #expect(connection.failureReason == error.description && !connection.isOpen)
    }

    @Test func failuresBeforeConnectingAreToldLaterToo() throws {
        let path = String(repeating: "x", count: 200)
        let delegate = RecordingDelegate()
        let tooLong = Connection.connect(to: .unix(path: path), loop: loop, delegate: delegate)
        #expect(delegate.closed == nil)
        loop.turnWhileBusy()
        #expect(delegate.closed != nil && tooLong.fill() == .failed)
        // A source address that is not of this machine.
        var options = SocketOptions()
        options.source = SocketAddress(parsing: "192.0.2.77", port: 0)
        let other = RecordingDelegate()
        let unbound = Connection.connect(to: .v4(.loopback, port: 9), loop: loop, options: options, delegate: other)
        loop.turnWhileBusy()
        #expect(unbound.failureReason == "bind 192.0.2.77:0: Cannot assign requested address")
        #expect(loop.registeredCount == 1)
    }

    @Test func closingWhileConnectingIsSilent() throws {
        let listener = try ListeningSocket.bind(.v4(.loopback, port: 0), loop: loop)
        let delegate = RecordingDelegate()
        let connection = Connection.connect(to: listener.localAddress, loop: loop, delegate: delegate)
        connection.close()
        connection.close()
        loop.turnWhileBusy()
        #expect(delegate.established == 0 && delegate.closed == nil && !connection.isOpen)
        #expect(connection.fill() == .failed)
        listener.close()
    }

    @Test func outputGivenBeforeConnectingIsSent() throws {
        let listener = try ListeningSocket.bind(.v4(.loopback, port: 0), loop: loop)
        let serverSide = RecordingDelegate()
        try listener.start { socket in
            _ = try? Connection.accept(socket, loop: loop, delegate: serverSide)
        }
        let delegate = RecordingDelegate()
        let client = Connection.connect(to: listener.localAddress, loop: loop, delegate: delegate)
        client.output.append("early")
        client.flush()
        client.shutdownWrite()
        #expect(loop.turn(until: { serverSide.sawEnd }))
        #expect(serverSide.text == "early")
        client.close()
        listener.close()
    }

    @Test func peekSeesTheEndButTakesNothing() throws {
        let pair = try ConnectionPair(loop: loop)
        #expect(!pair.client.peekClosed())
        pair.server.output.append("x")
        pair.server.flush()
        #expect(!pair.client.peekClosed())
        #expect(loop.turn(until: { pair.clientSide.text == "x" }))
        pair.server.close()
        #expect(pair.client.peekClosed())
        pair.close()
        #expect(pair.client.peekClosed())
    }

    @Test func delegatesMayCloseInsideAnyCallback() throws {
        for moment in 0..<4 {
            let pair = try ConnectionPair(loop: loop)
            let close: (Connection) -> Void = { connection in
                connection.close()
                pair.client.close()
            }
            switch moment {
            case 0: pair.serverSide.onReadable = close
            case 1:
                pair.serverSide.onReadable = { connection in
                    connection.output.append("bye")
                    connection.closeAfterFlush()
                    close(connection)
                }
            case 2: pair.serverSide.onClosed = { connection, _ in close(connection) }
            default:
                pair.serverSide.reads = false
                pair.serverSide.onReadable = { connection in
                    _ = connection.fill()
                    // Closed while the owner holds the queue.
                    connection.input.forEachPart { _ in
                        close(connection)
                        return true
                    }
                    #expect(connection.fill() == .failed)
                }
            }
            pair.client.output.append("go")
            pair.client.flush()
            if moment == 2 { pair.client.close(abort: true) }
            #expect(loop.turn(until: { !pair.server.isOpen }))
            pair.close()
        }
        #expect(loop.registeredCount == 1 && loop.slabs.slabsInUse == 0)
    }

    @Test func eventsOfAClosedSocketAreDropped() throws {
        // Both ends become readable in the same turn; whichever is first closes the other and a new connection takes
        // over the descriptor's number and slot.
        for _ in 0..<20 {
            let first = try ConnectionPair(loop: loop)
            let second = try ConnectionPair(loop: loop)
            let late = RecordingDelegate()
            var fresh: Connection?
            let takeOver: (Connection) -> Void = { _ in
                guard fresh == nil else { return }
                first.server.close()
                second.server.close()
                fresh = Connection.connect(to: .v4(.loopback, port: 1), loop: loop, delegate: late)
            }
            first.serverSide.onReadable = takeOver
            second.serverSide.onReadable = takeOver
            for pair in [first, second] {
                pair.client.output.append("x")
                pair.client.flush()
            }
            #expect(loop.turn(until: { fresh != nil && late.closed != nil }))
            #expect(first.serverSide.readable + second.serverSide.readable == 1)
            #expect(late.established == 0 && late.readable == 0)
            first.close()
            second.close()
        }
    }
}
