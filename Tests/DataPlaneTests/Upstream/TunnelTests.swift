// Upgrades and CONNECT: what follows the head is bytes, both ways, each way with an end of its own.
import HTTPWire
import Reactor
import TestKit
import Testing

@testable import DataPlane

struct TunnelTests {
    private static let switching =
        "HTTP/1.1 101 Go on\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"

    private func open(_ world: World, _ request: TestRequest, _ answer: String) -> TestTry {
        var request = request
        request.holdsEnd = true
        let attempt = world.send(request)
        attempt.onHead = { $0.becomeTunnel() }
        world.wait { world.server.peers.last?.endOfHead != nil }
        world.peer.drop(world.peer.endOfHead ?? 0)
        world.peer.send(answer)
        world.wait { attempt.status != nil }
        return attempt
    }

    @Test func anUpgradeCarriesBytesBothWays() throws {
        let world = try World()
        let attempt = open(world, TestRequest(fields: [("upgrade", "websocket")]), Self.switching + "early")
        #expect(attempt.status == 101)
        world.wait { attempt.text == "early" }
        attempt.send("ping", end: false)
        world.wait { world.peer.text == "ping" }
        world.peer.send("pong")
        world.wait { attempt.text == "earlypong" }
        attempt.send("bye", end: true)
        world.wait { world.peer.sawEnd }
        #expect(world.peer.text == "pingbye")
        #expect(!attempt.isOver)
        world.peer.send("last")
        world.peer.finish()
        world.wait { attempt.isOver }
        #expect(attempt.isComplete)
        #expect(attempt.text == "earlyponglast")
        world.settle()
        #expect(world.stat("upstream_cx_active") == 0)
        #expect(world.stat("upstream_rq_active") == 0)
        #expect(world.stat("upstream_cx_destroy_with_active_rq") == 0)
    }

    @Test func thePeerMayEndFirst() throws {
        let world = try World()
        let attempt = open(world, TestRequest(fields: [("upgrade", "websocket")]), Self.switching)
        world.peer.finish()
        world.wait { attempt.isComplete }
        attempt.send("still here", end: true)
        world.wait { world.peer.sawEnd }
        #expect(world.peer.text == "still here")
        world.settle()
        #expect(world.stat("upstream_cx_active") == 0)
    }

    @Test func theUpgradeRequestNamesItselfAndHasNoBody() throws {
        let world = try World()
        var request = TestRequest(fields: [("upgrade", "websocket")])
        request.holdsEnd = true
        world.exchangeOpen(request)
        let text = world.peer.text.lowercased()
        #expect(text.contains("connection: upgrade\r\n"))
        #expect(!text.contains("transfer-encoding"))
    }

    @Test func aRefusedUpgradeIsAnOrdinaryResponse() throws {
        let world = try World()
        var request = TestRequest(fields: [("upgrade", "websocket")])
        request.holdsEnd = true
        let attempt = world.exchangeOpen(request)
        world.peer.send("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno")
        world.wait { attempt.isOver }
        #expect(attempt.isComplete)
        #expect(attempt.status == 403)
        #expect(attempt.text == "no")
    }

    @Test func connectOpensATunnel() throws {
        let world = try World()
        let attempt = open(world, TestRequest("CONNECT"), "HTTP/1.1 200 OK\r\n\r\n")
        attempt.send("raw", end: false)
        world.wait { world.peer.text == "raw" }
        world.peer.reset()
        world.wait { attempt.isOver }
        #expect(attempt.reset == .connectionTermination)
        world.settle()
        #expect(world.stat("upstream_cx_active") == 0)
    }

    @Test func aSwitchThatNobodyTakesOverIsAnError() throws {
        let world = try World()
        var request = TestRequest(fields: [("upgrade", "websocket")])
        request.holdsEnd = true
        let attempt = world.exchangeOpen(request)
        world.peer.send(Self.switching)
        world.wait { attempt.isOver }
        #expect(attempt.reset == .protocolError)
    }

    @Test func bothEndsAtOnceWithBytesLeftToWrite() throws {
        let world = try World()
        let attempt = open(world, TestRequest(fields: [("upgrade", "x")]), Self.switching)
        world.peer.finish()
        world.wait { attempt.isComplete }
        world.peer.reads = false
        attempt.send(String(repeating: "x", count: 8 << 20), end: true)
        world.settle()
        #expect(world.stat("upstream_cx_active") == 1)
        world.peer.reads = true
        world.wait { world.peer.sawEnd }
        #expect(world.peer.received.count == 8 << 20)
        world.settle()
        #expect(world.stat("upstream_cx_active") == 0)
    }

    @Test func aPeerThatTakesNothingIsGivenUp() throws {
        let world = try World()
        let attempt = open(world, TestRequest(fields: [("upgrade", "x")]), Self.switching)
        world.peer.finish()
        world.wait { attempt.isComplete }
        world.peer.reads = false
        attempt.send(String(repeating: "x", count: 8 << 20), end: true)
        world.settle()
        world.advance(.seconds(6))
        #expect(world.stat("upstream_cx_active") == 0)
    }
}
