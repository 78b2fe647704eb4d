// Handshakes in memory: versions, suites, curves, ALPN, SNI, and bytes in drips.
import TestKit
import Testing

@testable import Reactor

@Suite struct TLSHandshakeTests {
    let pki: TestCertificates
    init() throws { pki = try TestCertificates() }

    @Test func bothSidesFinishAndTalk() throws {
        let stats = TLSStatsPair()
        let pair = try TLSPair(client: pki.clientSpec(), server: pki.serverSpec(pki.server()), stats: stats)
        pair.handshake()
        #expect(pair.bothDone)
        #expect(pair.send(Array("hello".utf8), from: pair.client, to: pair.server) == Array("hello".utf8))
        #expect(pair.send(Array("world".utf8), from: pair.server, to: pair.client) == Array("world".utf8))

        let info = try #require(pair.client.session.info)
        #expect(info.version == "TLSv1.3")
        #expect(info.cipherSuite == "TLS_AES_128_GCM_SHA256")
        #expect(info.curve == "X25519")
        #expect(info.peerValidated)
        #expect(info.peer?.subject == "CN=localhost")
        #expect(pair.server.session.info?.peerPresented == false)
        #expect(stats.onServer("handshake") == 1)
        #expect(stats.onServer("no_certificate") == 1)
        #expect(stats.onServer("ciphers.TLS_AES_128_GCM_SHA256") == 1)
        #expect(stats.onServer("versions.TLSv1.3") == 1)
        #expect(stats.onServer("curves.X25519") == 1)
        #expect(stats.onClient("handshake") == 1)
        #expect(stats.onClient("sigalgs.ecdsa_secp256r1_sha256") == 1)
        #expect(stats.onClient("connection_error") == 0)
    }

    @Test func oneByteAtATime() throws {
        for version in [TLSVersion.tls12, .tls13] {
            var client = try pki.clientSpec(pki.workload("a"))
            client.maxVersion = version
            let pair = try TLSPair(client: client, server: pki.mutualServerSpec(pki.server()))
            pair.handshake(step: 1)
            #expect(pair.bothDone)
            let text = Array("drip by drip".utf8)
            #expect(pair.send(text, from: pair.client, to: pair.server, step: 1) == text)
            #expect(pair.send(text, from: pair.server, to: pair.client, step: 1) == text)
        }
    }

    /// All sessions of a context read and write through one BIO: what one does in the middle of another's handshake, or
    /// that one goes away there, must not be seen by the others.
    @Test func sessionsOfAContextTakeTurns() throws {
        for version in [TLSVersion.tls12, .tls13] {
            var spec = try pki.clientSpec(pki.workload("a"))
            spec.maxVersion = version
            let clients = try TLSContext.client(spec)
            let servers = try TLSContext.server(pki.mutualServerSpec(pki.server()))
            let pairs = (0..<3).map { _ in TLSPair(clients.makeSession(), servers.makeSession()) }
            var leaving: TLSPair? = TLSPair(clients.makeSession(), servers.makeSession())
            var moved = 1
            var turn = 0
            while moved > 0 {
                moved = 0
                turn += 1
                for pair in pairs {
                    pair.client.handshake()
                    pair.server.handshake()
                    moved += pair.carry(step: 7)
                    leaving?.client.handshake()
                    leaving?.server.handshake()
                    leaving?.carry(step: 7)
                }
                if turn == 60 { leaving = nil }
            }
            for (index, pair) in pairs.enumerated() {
                #expect(pair.bothDone)
                let text = Array("to number \(index)".utf8)
                #expect(pair.send(text, from: pair.client, to: pair.server, step: 5) == text)
                #expect(pair.send(text, from: pair.server, to: pair.client, step: 5) == text)
            }
            let stranger = TLSPair(clients.makeSession(), servers.makeSession())
            stranger.server.rawInput.append(Array("SSH-2.0-x".utf8))
            stranger.server.handshake()
            #expect(stranger.server.failure?.contains("SSH-2.0-") == true)
        }
    }

    @Test func defaultVersionsAreEnvoys() throws {
        var client = pki.clientSpec()
        client.maxVersion = nil
        let pair = try TLSPair(client: client, server: pki.serverSpec(pki.server()))
        pair.handshake()
        let info = try #require(pair.server.session.info)
        #expect(info.version == "TLSv1.2")
        #expect(info.cipherSuite == "ECDHE-ECDSA-AES128-GCM-SHA256")
    }

    @Test func noCommonVersionIsToldToBothSides() throws {
        var server = try pki.serverSpec(pki.server())
        server.minVersion = .tls13
        var client = pki.clientSpec()
        client.maxVersion = .tls12
        let stats = TLSStatsPair()
        let pair = try TLSPair(client: client, server: server, stats: stats)
        pair.handshake()
        #expect(pair.server.failure == "no TLS version in common with the client")
        let said = "server refused the handshake or connection: protocol version: it speaks none of our TLS versions"
        #expect(pair.client.failure == said + " (alert 70)")
        #expect(stats.onServer("connection_error") == 1)
        #expect(stats.onClient("connection_error") == 1)
    }

    @Test func oldVersionsWhenAskedFor() throws {
        var server = try pki.serverSpec(pki.server())
        server.minVersion = .tls10
        server.cipherSuites = ["ECDHE-ECDSA-AES128-SHA"]
        var client = pki.clientSpec()
        client.minVersion = .tls10
        client.maxVersion = .tls10
        client.cipherSuites = ["ECDHE-ECDSA-AES128-SHA"]
        let pair = try TLSPair(client: client, server: server)
        pair.handshake()
        #expect(pair.server.session.info?.version == "TLSv1")
    }

    @Test func suitesAndCurvesAreTheServersChoice() throws {
        var server = try pki.serverSpec(pki.server())
        server.cipherSuites = ["ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"]
        server.curves = ["P-384", "P-256"]
        var client = pki.clientSpec()
        client.maxVersion = .tls12
        client.curves = ["P-256", "P-384"]
        let pair = try TLSPair(client: client, server: server)
        pair.handshake()
        #expect(pair.server.session.info?.cipherSuite == "ECDHE-ECDSA-AES256-GCM-SHA384")
        #expect(pair.server.session.info?.curve == "P-384")
    }

    @Test func noCommonSuiteOrCurve() throws {
        var server = try pki.serverSpec(pki.server())
        server.cipherSuites = ["ECDHE-ECDSA-AES256-GCM-SHA384"]
        var client = pki.clientSpec()
        client.maxVersion = .tls12
        client.cipherSuites = ["ECDHE-ECDSA-AES128-GCM-SHA256"]
        let suites = try TLSPair(client: client, server: server)
        suites.handshake()
        #expect(suites.server.failure == "no cipher suite in common with the client")
        let said = "server refused the handshake or connection: handshake failure: "
        #expect(suites.client.failure == said + "no common cipher, curve or certificate type (alert 40)")

        var other = pki.clientSpec()
        other.curves = ["P-521"]
        let curves = try TLSPair(client: other, server: pki.serverSpec(pki.server()))
        curves.handshake()
        #expect(curves.server.failure == "no curve in common with the client")
    }

    @Test func chachaFirstClientGetsChaCha() throws {
        var client = pki.clientSpec()
        client.maxVersion = .tls12
        client.cipherSuites = ["ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-GCM-SHA256"]
        let pair = try TLSPair(client: client, server: pki.serverSpec(pki.server()))
        pair.handshake()
        #expect(pair.server.session.info?.cipherSuite == "ECDHE-ECDSA-CHACHA20-POLY1305")
    }

    @Test func suitesAreTheClientsChoiceWhereItMay() throws {
        var server = try pki.serverSpec(pki.server())
        server.cipherSuites = ["ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"]
        server.prefersClientCiphers = true
        var client = pki.clientSpec()
        client.maxVersion = .tls12
        client.cipherSuites = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"]
        let pair = try TLSPair(client: client, server: server)
        pair.handshake()
        #expect(pair.server.session.info?.cipherSuite == "ECDHE-ECDSA-AES128-GCM-SHA256")
    }

    @Test(arguments: [("LOCALHOST", true), ("other", false), (nil, false)] as [(String?, Bool)])
    func aServerMayInsistOnAName(name: String?, accepted: Bool) throws {
        var server = try pki.serverSpec(pki.server())
        server.requireSNI = true
        let pair = try TLSPair(client: pki.clientSpec(), server: server, serverName: name)
        pair.handshake()
        #expect(pair.bothDone == accepted)
        if accepted { return }
        let said = "unrecognized name: it does not know the server name (SNI) (alert 112)"
        #expect(pair.client.failure == "server refused the handshake or connection: " + said)
        let reason =
            name.map { "require_sni: no certificate is good for the server name (SNI) '\($0)'" }
            ?? "the client sent no server name (SNI), but require_sni is set"
        #expect(pair.server.failure == reason)
    }

    @Test func anUnknownNameMayBeServedByAnyCertificate() throws {
        let rsa = try pki.issue("rsa") { $0.keyType = .rsa2048 }
        var server = try pki.serverSpec(rsa, pki.server())
        var client = pki.clientSpec()
        client.maxVersion = .tls12
        client.cipherSuites = ["ECDHE-ECDSA-AES128-GCM-SHA256"]
        let first = try TLSPair(client: client, server: server, serverName: "nobody")
        first.handshake()
        #expect(first.server.failure == "no cipher suite in common with the client")
        server.fullScanOnSNIMismatch = true
        let scanned = try TLSPair(client: client, server: server, serverName: "nobody")
        scanned.handshake()
        #expect(scanned.server.session.info?.cipherSuite == "ECDHE-ECDSA-AES128-GCM-SHA256")
    }

    @Test func signatureAlgorithmsNarrowTheChoice() throws {
        var server = try pki.serverSpec(pki.issue("rsa") { $0.keyType = .rsa2048 })
        server.signatureAlgorithms = ["rsa_pss_rsae_sha384"]
        let stats = TLSStatsPair()
        let pair = try TLSPair(client: pki.clientSpec(), server: server, stats: stats)
        pair.handshake()
        #expect(pair.bothDone)
        #expect(stats.onClient("sigalgs.rsa_pss_rsae_sha384") == 1)
    }

    @Test func serverPicksProtocolByItsOwnOrder() throws {
        var server = try pki.serverSpec(pki.server())
        server.alpn = ["h2", "http/1.1"]
        var client = pki.clientSpec()
        client.alpn = ["http/1.1", "h2"]
        let pair = try TLSPair(client: client, server: server)
        pair.handshake()
        #expect(pair.server.session.info?.alpn == "h2")
        #expect(pair.client.session.info?.alpn == "h2")
    }

    @Test func protocolMismatchIsNoProtocol() throws {
        var server = try pki.serverSpec(pki.server())
        server.alpn = ["h2"]
        let context = try TLSContext.client(pki.clientSpec())
        let pair = TLSPair(
            context.makeSession(alpn: ["istio", "x"]), try TLSContext.server(server).makeSession())
        pair.handshake()
        #expect(pair.bothDone)
        #expect(pair.server.session.info?.alpn == "")
        #expect(pair.client.session.info?.alpn == "")
    }

    @Test func serverNameIsSentFixedOrPerConnection() throws {
        var client = pki.clientSpec()
        client.sni = "fixed.example"
        let server = try pki.serverSpec(pki.server())
        let fixed = try TLSPair(client: client, server: server)
        fixed.handshake()
        #expect(fixed.server.session.info?.serverName == "fixed.example")
        let own = try TLSPair(client: client, server: server, serverName: "own.example")
        own.handshake()
        #expect(own.server.session.info?.serverName == "own.example")
        let address = try TLSPair(client: client, server: server, serverName: "127.0.0.1")
        address.handshake()
        #expect(address.server.session.info?.serverName == "")
    }

    @Test func certificateIsChosenByServerName() throws {
        let plain = try pki.server("a.example")
        let wild = try pki.issue("wild") { $0.dnsNames = ["*.b.example", "b.example"] }
        let rsa = try pki.issue("wild-rsa") {
            $0.dnsNames = ["*.b.example"]
            $0.keyType = .rsa2048
        }
        let server = pki.serverSpec(plain, wild, rsa)
        func presented(_ name: String?, rsaOnly: Bool = false) throws -> String? {
            var client = pki.clientSpec()
            if rsaOnly { client.signatureAlgorithms = ["rsa_pss_rsae_sha256"] }
            let pair = try TLSPair(client: client, server: server, serverName: name)
            pair.handshake()
            #expect(pair.server.session.info?.local?.subject == pair.client.session.info?.peer?.subject)
            return pair.client.session.info?.peer?.subject
        }
        #expect(try presented("a.example") == "CN=a.example")
        #expect(try presented("A.Example") == "CN=a.example")
        #expect(try presented("x.b.example") == "CN=wild")
        #expect(try presented("b.example") == "CN=wild")
        #expect(try presented("x.y.b.example") == "CN=a.example")
        #expect(try presented("unknown") == "CN=a.example")
        #expect(try presented(nil) == "CN=a.example")
        #expect(try presented(nil, rsaOnly: true) == "CN=wild-rsa")
    }

    @Test func chainWithIntermediate() throws {
        let intermediate = try pki.authority.makeIntermediate(commonName: "Middle CA")
        var request = CertificateRequest(commonName: "deep")
        request.dnsNames = ["deep"]
        let leaf = try intermediate.issue(request)
        let pair = try TLSPair(client: pki.clientSpec(), server: pki.serverSpec(leaf))
        pair.handshake()
        let info = try #require(pair.client.session.info)
        #expect(info.peerValidated)
        #expect(info.chainFingerprints.count == 2)
        #expect(info.peer?.issuer == "CN=Middle CA")
    }
}
