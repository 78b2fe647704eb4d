// The HTTP/1 client codec against servers that misbehave: each ends as one reset, and no connection lives on.
import HTTPWire
import Reactor
import TestKit
import Testing

@testable import DataPlane

struct HTTP1MisbehaviourTests {
    @Test func refusedConnections() throws {
        let world = try World()
        world.server.stopListening()
        let done = world.exchange()
        #expect(done.failure == .connectFailure)
        #expect(done.detail.contains("Connection refused"))
        #expect(world.stat("upstream_cx_connect_fail") == 1)
        #expect(world.stat("upstream_cx_connect_timeout") == 0)
        #expect(world.stat("upstream_rq_pending_failure_eject") == 1)
        #expect(world.stat("upstream_cx_destroy_remote") == 1)
        #expect(world.stat("upstream_cx_active") == 0)
        #expect(world.stat("upstream_rq_pending_active") == 0)
        #expect(world.fixture.directory.reports[0].hosts[0].totals.cxConnectFail == 1)
        #expect(world.cluster.shared.breakers.default.inUse.connections == 0)
        #expect(world.cluster.shared.breakers.default.inUse.pending == 0)
    }

    @Test func aResetBeforeTheResponse() throws {
        let world = try World()
        world.server.onBytes = { $0.reset() }
        let done = world.exchange()
        #expect(done.reset == .connectionTermination)
        #expect(done.bytesReceived == 0)
        #expect(done.bytesSent > 0)
        #expect(world.stat("upstream_cx_destroy_remote_with_active_rq") == 1)
        #expect(world.stat("upstream_cx_protocol_error") == 0)
        expectNothingLeft(world)
    }

    @Test func aFINBeforeTheResponse() throws {
        let world = try World()
        world.server.onBytes = { $0.finish() }
        let done = world.exchange()
        #expect(done.reset == .connectionTermination)
        #expect(done.bytesReceived == 0)
        expectNothingLeft(world)
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\ncontent-le", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc", "HTTP/1.1 100 Continue\r\n\r\nHTTP",
    ])
    func halfAResponse(_ part: String) throws {
        let world = try World()
        world.server.onBytes = { peer in
            peer.send(part)
            peer.finish()
        }
        let done = world.exchange()
        #expect(done.reset == .protocolError)
        #expect(done.bytesReceived == UInt64(part.utf8.count))
        #expect(world.stat("upstream_cx_protocol_error") == 1)
        #expect(world.stat("upstream_cx_destroy_remote_with_active_rq") == 1)
        expectNothingLeft(world)
    }

    @Test func anInterimResponseAndNothingElse() throws {
        let world = try World()
        world.server.onBytes = { peer in
            peer.send("HTTP/1.1 100 Continue\r\n\r\n")
            peer.finish()
        }
        let done = world.exchange()
        #expect(done.reset == .connectionTermination)
        #expect(world.stat("upstream_cx_protocol_error") == 0)
        expectNothingLeft(world)
    }

    @Test func halfAResponseThenAReset() throws {
        let world = try World()
        let attempt = world.exchangeOpen()
        world.peer.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
        world.wait { attempt.text == "half" }
        world.peer.reset()
        world.wait { attempt.isOver }
        #expect(attempt.reset == .protocolError)
        #expect(attempt.detail.contains("reset"))
        expectNothingLeft(world)
    }

    @Test(arguments: [
        "hello?\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
    ])
    func garbage(_ response: String) throws {
        let world = try World()
        world.server.answer(response)
        let done = world.exchange()
        #expect(done.reset == .protocolError)
        #expect(!done.detail.isEmpty)
        #expect(world.stat("upstream_cx_protocol_error") == 1)
        expectNothingLeft(world)
    }

    @Test func headersOverTheLimit() throws {
        let world = try World { $0.http.maxResponseHeadersKiB = 1 }
        world.server.answer(ScriptedServer.ok(extra: "x: \(String(repeating: "y", count: 2000))\r\n"))
        let done = world.exchange()
        #expect(done.reset == .protocolError)
        #expect(done.detail.contains("max_response_headers_kb"))
    }

    @Test func bytesBehindAResponse() throws {
        let world = try World()
        world.server.answer(ScriptedServer.ok() + "extra")
        let done = world.exchange()
        #expect(done.text == "hello")
        #expect(done.isComplete)
        #expect(world.stat("upstream_cx_protocol_error") == 1)
        expectNothingLeft(world)
        #expect(world.exchange().earlierRequests == 0)
    }

    @Test func aResponseThatNobodyAskedFor() throws {
        let world = try World()
        world.server.answer(ScriptedServer.ok())
        world.exchange()
        world.peer.send(ScriptedServer.ok())
        world.wait { world.stat("upstream_cx_active") == 0 }
        #expect(world.stat("upstream_cx_protocol_error") == 1)
        #expect(world.stat("upstream_cx_destroy_local") == 1)
        #expect(world.exchange().earlierRequests == 0)
    }

    @Test func a408OnAnIdleConnectionIsNoOffence() throws {
        let world = try World()
        world.server.answer(ScriptedServer.ok())
        world.exchange()
        world.peer.send("HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n")
        world.wait { world.stat("upstream_cx_active") == 0 }
        #expect(world.stat("upstream_cx_protocol_error") == 0)
    }

    @Test func anEarlyResponseEndsTheConnection() throws {
        let world = try World()
        var request = TestRequest("POST", body: "first part")
        request.holdsEnd = true
        let attempt = world.exchangeOpen(request)
        world.peer.send(ScriptedServer.ok("no need"))
        world.wait { attempt.isOver }
        #expect(attempt.isComplete)
        #expect(attempt.text == "no need")
        attempt.send("the rest", end: true)
        #expect(world.stat("upstream_cx_destroy_local_with_active_rq") == 1)
        expectNothingLeft(world)
    }

    @Test func anEarlyResponseInterimByInterim() throws {
        let world = try World()
        var request = TestRequest("POST", fields: [("expect", "100-continue"), ("content-length", "4")])
        request.holdsEnd = true
        let attempt = world.exchangeOpen(request)
        world.peer.send("HTTP/1.1 100 Continue\r\n\r\n")
        world.wait { attempt.informational == [100] }
        attempt.send("body", end: true)
        world.wait { world.peer.text.hasSuffix("body") }
        world.peer.send(ScriptedServer.ok())
        world.wait { attempt.isOver }
        #expect(attempt.isComplete)
        #expect(world.stat("upstream_cx_active") == 1)
    }

    @Test func aBodyThatBreaksItsLength() throws {
        let world = try World()
        let long = world.exchange(TestRequest("POST", body: "12345", fields: [("content-length", "4")]))
        #expect(long.reset == .localReset)
        let short = world.exchange(TestRequest("POST", body: "12345", fields: [("content-length", "6")]))
        #expect(short.reset == .localReset)
        world.settle()
        expectNothingLeft(world)
    }

    @Test func cancelClosesTheConnectionAndTellsNothing() throws {
        let world = try World()
        let attempt = world.exchangeOpen()
        attempt.stream?.cancel()
        world.wait { world.peer.closed != nil || world.peer.sawEnd }
        #expect(!attempt.isOver)
        #expect(world.stat("upstream_cx_destroy_local_with_active_rq") == 1)
        expectNothingLeft(world)
    }

    private func expectNothingLeft(_ world: World, _ location: SourceLocation = #_sourceLocation) {
        #expect(world.stat("upstream_cx_active") == 0, sourceLocation: location)
        #expect(world.stat("upstream_rq_active") == 0, sourceLocation: location)
        let breakers = world.cluster.shared.breakers.default
        #expect(breakers.connections.current == 0, sourceLocation: location)
        #expect(breakers.requests.current == 0, sourceLocation: location)
        #expect(breakers.pending.current == 0, sourceLocation: location)
        let totals = world.fixture.directory.reports[0].hosts[0].totals
        #expect(totals.cxActive == 0, sourceLocation: location)
        #expect(totals.rqActive == 0, sourceLocation: location)
        #expect(world.cluster.hosts.hosts[0].state.connections.load(ordering: .relaxed) == 0, sourceLocation: location)
    }
}
