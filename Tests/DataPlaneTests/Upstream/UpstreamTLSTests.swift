// TLS to hosts: identities, names, failures with their reasons.
import Reactor
import TestKit
import Testing

@testable import DataPlane

struct UpstreamTLSTests {
    private let certificates: TestCertificates

    init() throws { certificates = try TestCertificates() }

    @Test func requestsGoOverMutualTLS() throws {
        let server = try TLSContext.server(certificates.mutualServerSpec(certificates.server("localhost")))
        let client = try certificates.clientSpec(certificates.workload("client"))
        let world = try World(tls: server) { $0.tls = client }
        world.server.answer(ScriptedServer.ok())
        for index in 0..<2 {
            let done = world.exchange()
            #expect(done.isComplete)
            #expect(done.earlierRequests == index)
            #expect(done.stream?.connectionInfo.tls?.version == "TLSv1.3")
        }
        #expect(world.stat("ssl.handshake") == 1)
    }

    @Test func aServerThatNobodyTrustsIsRefusedWithTheReason() throws {
        let server = try TLSContext.server(certificates.serverSpec(certificates.stranger("localhost")))
        let client = certificates.clientSpec()
        let world = try World(tls: server) { $0.tls = client }
        let done = world.exchange()
        #expect(done.failure == .connectFailure)
        #expect(done.detail.contains("certificate"))
        #expect(world.stat("upstream_cx_connect_fail") == 1)
        #expect(world.stat("ssl.fail_verify_error") == 1)
        #expect(world.stat("upstream_cx_active") == 0)
    }

    @Test func theServerNameFollowsTheRequestAndKeepsPoolsApart() throws {
        let server = try TLSContext.server(certificates.serverSpec(certificates.server("localhost")))
        var client = certificates.clientSpec()
        client.autoSNI = true
        let world = try World(tls: server) {
            $0.tls = client
            $0.http.autoSNI = true
        }
        world.server.answer(ScriptedServer.ok())
        func exchange(_ authority: String) -> TestTry {
            let attempt = world.fixture.send(authority: authority)
            world.wait { attempt.isOver }
            return attempt
        }
        #expect(exchange("one.example:443").stream?.connectionInfo.tls?.serverName == "one.example")
        #expect(exchange("two.example").stream?.connectionInfo.tls?.serverName == "two.example")
        #expect(exchange("one.example").earlierRequests == 1)
        #expect(exchange("127.0.0.1:443").stream?.connectionInfo.tls?.serverName == "")
        #expect(exchange("[::1]:443").earlierRequests == 1)
        #expect(world.server.peers.count == 3)
        // A pool that a request's name made goes when it is empty.
        world.advance(.hours(2))
        #expect(world.stat("upstream_cx_active") == 0)
        #expect(world.cluster.shared.breakers.default.inUse.pools == 1)
    }

    @Test func theEndpointsNameIsTheServersName() throws {
        let server = try TLSContext.server(certificates.serverSpec(certificates.server("localhost")))
        var client = certificates.clientSpec()
        client.autoSNI = true
        let world = try World(tls: server) {
            $0.tls = client
            $0.endpoints[0].endpoints[0].hostname = "endpoint.example"
        }
        world.server.answer(ScriptedServer.ok())
        #expect(world.exchange().stream?.connectionInfo.tls?.serverName == "endpoint.example")
    }

    @Test func anIdleTLSConnectionSurvivesSessionTickets() throws {
        let server = try TLSContext.server(certificates.serverSpec(certificates.server("localhost")))
        let client = certificates.clientSpec()
        let world = try World(tls: server) { $0.tls = client }
        world.server.answer(ScriptedServer.ok())
        world.exchange()
        world.settle()
        world.advance(.seconds(1))
        #expect(world.exchange().earlierRequests == 1)
        #expect(world.stat("upstream_cx_protocol_error") == 0)
    }

    @Test func closeNotifyOnAnIdleConnectionEndsIt() throws {
        let server = try TLSContext.server(certificates.serverSpec(certificates.server("localhost")))
        let client = certificates.clientSpec()
        let world = try World(tls: server) { $0.tls = client }
        world.server.answer(ScriptedServer.ok())
        world.exchange()
        world.peer.finish()
        world.wait { world.stat("upstream_cx_active") == 0 }
        #expect(world.stat("upstream_cx_idle_closed_by_peer") == 1)
    }
}
