// TCP health checks: a connection alone, and bytes that have to come.
import Reactor
import TestKit
import Testing

@testable import DataPlane

@Suite struct TCPCheckTests {
    private func rig(
        _ change: (inout TCPHealthCheckSpec) -> Void = { _ in }, reuses: Bool = true
    ) throws -> HealthRig {
        var tcp = TCPHealthCheckSpec()
        change(&tcp)
        return try HealthRig {
            $0.kind = .tcp(tcp)
            $0.reusesConnection = reuses
        }
    }

    @Test func aConnectionIsEnoughWhereNothingHasToCome() throws {
        let rig = try rig { $0.send = Array("never sent".utf8) }
        rig.startAndWait()
        #expect(rig.flags == "healthy")
        rig.fixture.wait("closed") { rig.firstPeerIsGone }
        #expect(rig.server.peers[0].received.isEmpty)
        rig.next()
        #expect(rig.server.peers.count == 2)
        rig.server.stopListening()
        for _ in 0..<3 { rig.next() }
        #expect(rig.flags == "/failed_active_hc")
        #expect(rig.stat("network_failure") == 3)
    }

    @Test func sendsAndLooksForTheAnswer() throws {
        let rig = try rig {
            $0.send = Array("PING\r\n".utf8)
            $0.receive = [Array("+".utf8), Array("PONG".utf8)]
        }
        rig.server.onBytes = { peer in
            guard peer.text == "PING\r\n" else { return }
            peer.drop(6)
            peer.send("+PO")
            rig.loop.later { peer.send("NG\r\nand more") }
        }
        rig.startAndWait()
        #expect(rig.flags == "healthy")
        for _ in 0..<2 { rig.next() }
        #expect(rig.server.peers.count == 1)
        #expect(rig.stat("success") == 3)
    }

    @Test func theWrongAnswerIsSilence() throws {
        let rig = try rig { $0.receive = [Array("PONG".utf8)] }
        rig.server.onAccept = { $0.send(String(repeating: "-ERR\r\n", count: 10_000)) }
        rig.start()
        rig.fixture.wait { rig.server.peers.first?.isEstablished == true }
        rig.fixture.settle()
        rig.fixture.advance(.milliseconds(1010))
        #expect(rig.flags == "/failed_active_hc/active_hc_timeout")
        rig.fixture.wait("closed") { rig.firstPeerIsGone }
    }

    @Test func anEarlyEndIsAFailure() throws {
        let rig = try rig({ $0.receive = [Array("PONG".utf8)] }, reuses: false)
        rig.server.onAccept = {
            $0.send("PON")
            $0.finish()
        }
        rig.startAndWait()
        #expect(rig.stat("network_failure") == 1)
        // What came of the last one does not count for the next.
        rig.server.onAccept = { $0.send("GPONG") }
        rig.next()
        rig.next()
        #expect(rig.flags == "healthy")
    }

    @Test func withoutReuseEachCheckConnects() throws {
        let rig = try rig({ $0.receive = [Array("hi".utf8)] }, reuses: false)
        rig.server.onAccept = { $0.send("hi") }
        rig.startAndWait()
        rig.next()
        #expect(rig.server.peers.count == 2)
    }

    @Test(arguments: [UpstreamProxyProtocolSpec.Version.v1, .v2])
    func checksCanBeginWithAHeader(_ version: UpstreamProxyProtocolSpec.Version) throws {
        let rig = try rig {
            $0.proxyProtocol = version
            $0.send = Array("PING".utf8)
            $0.receive = [Array("PONG".utf8)]
        }
        var header = [UInt8]()
        rig.server.onBytes = { peer in
            guard peer.text.hasSuffix("PING") else { return }
            header = Array(peer.received.dropLast(4))
            peer.send("PONG")
        }
        rig.startAndWait()
        #expect(rig.flags == "healthy")
        if version == .v2 {
            #expect(header.suffix(4) == [0x20, 0, 0, 0])
            #expect(header.count == 16)
        } else {
            let text = String(decoding: header, as: UTF8.self)
            #expect(text.hasPrefix("PROXY TCP4 127.0.0.1 127.0.0.1 "))
            #expect(text.hasSuffix(" \(rig.server.address.port)\r\n"))
        }
    }
}
