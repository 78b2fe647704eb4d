// Sessions taken up again: tickets, ids, both versions, both sides.
import TestKit
import Testing

@testable import Reactor

@Suite struct TLSResumptionTests {
    let pki: TestCertificates
    let stats = TLSStatsPair()
    init() throws { pki = try TestCertificates() }

    private func clientContext(_ version: TLSVersion, _ adjust: (inout TLSContextSpec) -> Void = { _ in }) throws
        -> TLSContext
    {
        var spec = try pki.clientSpec(pki.workload("a"))
        spec.maxVersion = version
        adjust(&spec)
        return try TLSContext.client(spec, stats: stats.client)
    }

    private func connect(_ client: TLSContext, _ server: TLSContext, serverName: String? = nil) -> TLSPair {
        let pair = TLSPair(client.makeSession(serverName: serverName), server.makeSession())
        pair.handshake()
        #expect(pair.bothDone)
        return pair
    }

    @Test func ticketsResumeInBothVersions() throws {
        for version in [TLSVersion.tls12, .tls13] {
            let client = try clientContext(version)
            let server = try TLSContext.server(pki.mutualServerSpec(pki.server()), stats: stats.server)
            let first = connect(client, server)
            #expect(first.server.session.info?.sessionReused == false)
            // More than one, so that a used-up ticket is seen to be replaced.
            for _ in 0..<3 {
                let next = connect(client, server)
                let info = try #require(next.server.session.info)
                #expect(info.sessionReused)
                #expect(info.version == (version == .tls12 ? "TLSv1.2" : "TLSv1.3"))
                #expect(info.peer?.uriNames == ["spiffe://td/a"])
                #expect(info.peerValidated)
                #expect(next.client.session.info?.sessionReused == true)
                #expect(next.client.session.info?.peerValidated == true)
            }
        }
        #expect(stats.onServer("session_reused") == 6)
        #expect(stats.onClient("session_reused") == 6)
    }

    @Test func workersShareTickets() throws {
        let spec = try pki.mutualServerSpec(pki.server())
        let one = try TLSContext.server(spec)
        let other = try TLSContext.server(spec)
        let client = try clientContext(.tls13)
        _ = connect(client, one)
        #expect(connect(client, other).server.session.info?.sessionReused == true)
    }

    @Test func givenKeysOutliveTheContextAndRotate() throws {
        let old = try #require(SessionTicketKeys.Key([UInt8](repeating: 1, count: 80)))
        let new = try #require(SessionTicketKeys.Key([UInt8](repeating: 2, count: 80)))
        #expect(SessionTicketKeys.Key([1, 2, 3]) == nil)
        let certificate = try pki.server()
        func server(_ keys: [SessionTicketKeys.Key]) throws -> TLSContext {
            var spec = pki.mutualServerSpec(certificate)
            spec.sessionTickets = .enabled(try #require(SessionTicketKeys.given(keys)))
            return try TLSContext.server(spec)
        }
        let client = try clientContext(.tls12)
        _ = connect(client, try server([old]))
        #expect(connect(client, try server([new, old])).server.session.info?.sessionReused == true)
        // That one was sealed anew, by the first key.
        #expect(connect(client, try server([new])).server.session.info?.sessionReused == true)
        #expect(connect(client, try server([old])).server.session.info?.sessionReused == false)
    }

    @Test func sessionsByIdWithoutTickets() throws {
        for version in [TLSVersion.tls12, .tls13] {
            var spec = try pki.mutualServerSpec(pki.server())
            spec.sessionTickets = .disabled
            let server = try TLSContext.server(spec)
            let client = try clientContext(version)
            _ = connect(client, server)
            #expect(connect(client, server).server.session.info?.sessionReused == true)
        }
    }

    @Test func nothingResumesWhenBothAreOff() throws {
        for version in [TLSVersion.tls12, .tls13] {
            var spec = try pki.mutualServerSpec(pki.server())
            spec.sessionTickets = .disabled
            spec.statefulResumption = false
            let server = try TLSContext.server(spec)
            let client = try clientContext(version)
            _ = connect(client, server)
            #expect(client.resumable?.count == 0 || version == .tls12)
            #expect(connect(client, server).server.session.info?.sessionReused == false)
        }
    }

    @Test func clientKeepsAsManyAsItMay() throws {
        let server = try TLSContext.server(pki.mutualServerSpec(pki.server()))
        let none = try clientContext(.tls13) { $0.maxSessionKeys = 0 }
        #expect(none.resumable == nil)
        _ = connect(none, server)
        #expect(connect(none, server).server.session.info?.sessionReused == false)
        let three = try clientContext(.tls12) { $0.maxSessionKeys = 3 }
        for name in ["a", "b", "c", "d"] { _ = connect(three, server, serverName: name) }
        #expect(three.resumable?.count == 3)
        #expect(connect(three, server, serverName: "b").server.session.info?.sessionReused == true)
        #expect(connect(three, server, serverName: "a").server.session.info?.sessionReused == false)
    }

    @Test func otherVerificationDoesNotResume() throws {
        // The same ticket keys, but the second server trusts another CA: the ticket must not let the client in.
        var spec = try pki.mutualServerSpec(pki.server())
        let client = try clientContext(.tls13)
        _ = connect(client, try TLSContext.server(spec))
        spec.trustedCA = pki.strangerAuthority.certificatePEM
        let pair = TLSPair(client.makeSession(), try TLSContext.server(spec).makeSession())
        pair.handshake()
        #expect(pair.server.failure == "client certificate: unknown CA: issuer CN=Test CA")
    }

    @Test func randomKeysAreRenewedAndOldOnesOpenForAWhile() {
        let keys = SessionTicketKeys.random()
        let start: Int64 = 1_000_000
        let first = keys.generation(now: start).keys
        #expect(first.count == 1)
        #expect(keys.generation(now: start + 3600).keys == first)
        let second = keys.generation(now: start + 12 * 3600).keys
        #expect(second.count == 2)
        #expect(second[1] == first[0])
        #expect(second[0] != first[0])
        let much = keys.generation(now: start + 100 * 3600).keys
        #expect(much.count == 1)
        #expect(keys == SessionTicketKeys.random())
    }
}
