// The HTTP/1 client codec against servers that behave.
import HTTPWire
import Reactor
import TestKit
import Testing

@testable import DataPlane

struct HTTP1ClientTests {
    @Test func aRequestAndItsResponse() throws {
        let world = try World()
        world.server.answer(ScriptedServer.ok("hello"))
        let done = world.exchange(TestRequest("GET", "/a?b", fields: [("X-Case", "Kept")]))
        #expect(done.status == 200)
        #expect(done.text == "hello")
        #expect(done.isComplete)
        #expect(done.bytesReceived == UInt64(ScriptedServer.ok("hello").utf8.count))
        #expect(done.bytesSent > 0)
        #expect(done.earlierRequests == 0)
        #expect(world.stat("upstream_cx_total") == 1)
        #expect(world.stat("upstream_cx_http1_total") == 1)
        #expect(world.stat("upstream_cx_active") == 1)
        #expect(world.stat("upstream_rq_total") == 1)
        #expect(world.stat("upstream_rq_active") == 0)
        #expect(world.stat("upstream_rq_pending_total") == 1)
        #expect(world.stat("upstream_rq_pending_active") == 0)
        #expect(world.stat("upstream_cx_rx_bytes_total") == Int(done.bytesReceived))
        #expect(world.stat("upstream_cx_tx_bytes_total") == Int(done.bytesSent))
    }

    @Test func theHeadIsSerialised() throws {
        let world = try World()
        world.exchangeOpen(TestRequest("GET", "/a?b", fields: [("X-Case", "Kept")]))
        let text = world.peer.text
        #expect(text.hasPrefix("GET /a?b HTTP/1.1\r\n"))
        #expect(text.lowercased().contains("host: test.example\r\n"))
        #expect(text.contains("X-Case: Kept\r\n"))
        #expect(!text.lowercased().contains("content-length"))
        #expect(!text.lowercased().contains("transfer-encoding"))
    }

    @Test func theConnectionIsUsedAgainLastInFirstOut() throws {
        let world = try World()
        world.server.answer(ScriptedServer.ok())
        let one = world.send()
        let two = world.send()
        world.wait { one.isOver && two.isOver }
        #expect(world.server.peers.count == 2)
        for index in 0..<5 {
            let done = world.exchange()
            #expect(done.isComplete)
            #expect(done.earlierRequests == index + 1)
        }
        #expect(world.stat("upstream_cx_total") == 2)
        #expect(world.stat("upstream_rq_total") == 7)
    }

    @Test func bodiesOfKnownAndUnknownLength() throws {
        let world = try World()
        world.exchangeOpen(TestRequest("POST", body: "12345", fields: [("content-length", "5")]))
        #expect(world.peer.text.hasSuffix("content-length: 5\r\n\r\n12345"))
        world.peer.send(ScriptedServer.ok())
        world.settle()
        world.peer.drop(10_000)
        world.exchangeOpen(TestRequest("POST", body: "12345"))
        #expect(world.peer.text.hasSuffix("transfer-encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n"))
    }

    @Test func anEmptyPostHasALength() throws {
        let world = try World()
        world.exchangeOpen(TestRequest("POST"))
        #expect(world.peer.text.lowercased().contains("content-length: 0\r\n"))
    }

    @Test func trailersGoOutOnlyWhenEnabled() throws {
        var request = TestRequest("POST", body: "x")
        request.trailers = [("checksum", "1")]
        let plain = try World()
        plain.exchangeOpen(request)
        #expect(plain.peer.text.hasSuffix("0\r\n\r\n"))
        let enabled = try World { $0.http.http1.enableTrailers = true }
        enabled.exchangeOpen(request)
        #expect(enabled.peer.text.hasSuffix("0\r\nchecksum: 1\r\n\r\n"))
    }

    @Test func chunkedResponseWithTrailers() throws {
        let world = try World()
        world.server.answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nend: yes\r\n\r\n")
        let done = world.exchange()
        #expect(done.text == "abc")
        #expect(done.hasTrailers)
        #expect(done.upstreamResponseTrailers.value(named: "end")?.string == "yes")
        #expect(world.exchange().earlierRequests == 1)
    }

    @Test(arguments: [
        ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"), ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\ncontent-length: 10\r\n\r\n"),
        ("GET", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    ])
    func responsesWithoutABody(method: String, response: String) throws {
        let world = try World()
        world.server.answer(response)
        for _ in 0..<2 {
            let done = world.exchange(TestRequest(method))
            #expect(done.isComplete)
            #expect(done.body.isEmpty)
        }
        #expect(world.server.peers.count == 1)
    }

    @Test func interimResponsesComeBeforeTheFinalOne() throws {
        let world = try World()
        world.server.answer(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + ScriptedServer.ok())
        let done = world.exchange()
        #expect(done.informational == [100, 103])
        #expect(done.status == 200)
        #expect(done.upstreamResponseHeaders.value(named: "link") == nil)
    }

    @Test func aResponseMayEndWithTheConnection() throws {
        let world = try World()
        world.server.onBytes = { peer in
            peer.send("HTTP/1.1 200 OK\r\n\r\nall of it")
            peer.finish()
        }
        let done = world.exchange()
        #expect(done.text == "all of it")
        #expect(done.isComplete)
        #expect(world.stat("upstream_cx_destroy_remote") == 1)
        #expect(world.stat("upstream_cx_destroy_with_active_rq") == 0)
        #expect(world.stat("upstream_cx_active") == 0)
    }

    @Test func connectionCloseIsObeyed() throws {
        let world = try World()
        world.server.answer(ScriptedServer.ok(extra: "connection: close\r\n"))
        #expect(world.exchange().isComplete)
        #expect(world.stat("upstream_cx_close_notify") == 1)
        #expect(world.stat("upstream_cx_active") == 0)
        #expect(world.stat("upstream_cx_destroy_local") == 1)
        #expect(world.exchange().earlierRequests == 0)
    }

    @Test func everyByteApart() throws {
        let world = try World()
        let response = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        let attempt = world.exchangeOpen()
        for byte in response.utf8 {
            world.peer.send(String(UnicodeScalar(byte)))
            world.loop.turn(maxWait: .milliseconds(50))
        }
        world.wait { attempt.isOver }
        #expect(attempt.text == "abcde")
    }

    @Test func pausedReadingHoldsTheServerBack() throws {
        let world = try World()
        let size = 8 << 20
        world.server.answer("HTTP/1.1 200 OK\r\ncontent-length: \(size)\r\n\r\n" + String(repeating: "x", count: size))
        let attempt = world.send()
        attempt.onHead = { $0.pauseReading() }
        world.wait { attempt.status != nil }
        world.settle()
        #expect(attempt.body.isEmpty)
        #expect((world.peer.connection?.output.count ?? 0) > 0)
        attempt.onBody = { stream in
            stream.pauseReading()
            world.loop.later { stream.resumeReading() }
        }
        attempt.stream?.resumeReading()
        world.wait { attempt.isOver }
        #expect(attempt.body.count == size)
        #expect(world.exchange(TestRequest("HEAD")).earlierRequests == 1)
    }

    @Test func aPauseBetweenBodyAndTrailersLosesNothing() throws {
        let world = try World()
        world.server.answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nend: yes\r\n\r\n")
        let attempt = world.send()
        attempt.onBody = { $0.pauseReading() }
        world.wait { attempt.text == "abc" }
        world.settle()
        #expect(!attempt.isOver)
        attempt.stream?.resumeReading()
        world.wait { attempt.isOver }
        #expect(attempt.hasTrailers)
    }

    @Test func aSlowServerBacksTheRequestUp() throws {
        let world = try World { $0.perConnectionBufferLimit = 64 << 10 }
        world.server.onAccept = { $0.reads = false }
        var request = TestRequest("POST")
        request.holdsEnd = true
        let attempt = world.send(request)
        world.wait { attempt.stream != nil }
        let piece = String(repeating: "x", count: 256 << 10)
        var sent = 0
        while attempt.backedUp == 0, sent < 200 {
            attempt.send(piece, end: false)
            world.settle()
            sent += 1
        }
        #expect(attempt.backedUp == 1)
        #expect(attempt.stream?.isBackedUp == true)
        #expect(world.stat("upstream_cx_tx_bytes_buffered") > 0)
        world.peer.reads = true
        world.wait { attempt.drained == 1 }
        attempt.send("", end: true)
        world.server.onBytes = { peer in
            if peer.text.hasSuffix("0\r\n\r\n") { peer.send(ScriptedServer.ok()) }
        }
        world.peer.send(ScriptedServer.ok())
        world.wait { attempt.isOver }
        #expect(attempt.isComplete)
        #expect(world.stat("upstream_cx_tx_bytes_buffered") == 0)
    }

    @Test func theNextRequestMayGoOutFromInsideTheEndOfTheLast() throws {
        let world = try World()
        world.server.answer(ScriptedServer.ok())
        let first = world.send()
        var second: TestTry?
        first.onEnd = { second = world.send() }
        world.wait { second?.isOver == true }
        #expect(second?.isComplete == true)
        #expect(second?.earlierRequests == 1)
        #expect(world.server.peers.count == 1)
    }
}
