// Mutual TLS: who is let in, who is not, and the reason in words.
import Matching
import TestKit
import Testing

@testable import Reactor

@Suite struct TLSVerificationTests {
    let pki: TestCertificates
    let server: CertificateAuthority.Issued
    let stats = TLSStatsPair()

    init() throws {
        pki = try TestCertificates()
        server = try pki.server()
    }

    /// What a server that asks for `adjust` says to a client with `certificate`; nil when it lets the client in.
    private func refusal(
        of certificate: CertificateAuthority.Issued?, version: TLSVersion = .tls13,
        _ adjust: (inout TLSContextSpec) -> Void = { _ in }
    ) throws -> String? {
        var spec = pki.mutualServerSpec(server)
        adjust(&spec)
        var client = pki.clientSpec(certificate)
        client.maxVersion = version
        let pair = try TLSPair(client: client, server: spec, stats: stats)
        pair.handshake()
        #expect(pair.server.failure != nil || pair.bothDone)
        // The client is told by an alert: in TLS 1.3 after its own handshake is done.
        if pair.server.failure != nil { #expect(pair.client.session.failure?.kind == .alert) }
        return pair.server.failure
    }

    private func matcher(_ type: SANMatcher.NameType, _ pattern: StringMatcher.Pattern) -> SANMatcher {
        SANMatcher(type: type, matcher: StringMatcher(pattern))
    }

    @Test func trustedClientIsLetIn() throws {
        for version in [TLSVersion.tls12, .tls13] {
            #expect(try refusal(of: pki.workload("a"), version: version) == nil)
        }
        #expect(stats.onServer("handshake") == 2)
        #expect(stats.onServer("no_certificate") == 0)
        #expect(stats.onServer("sigalgs.ecdsa_secp256r1_sha256") == 2)
    }

    @Test func noCertificate() throws {
        let reason = "no client certificate presented, but require_client_certificate is set"
        #expect(try refusal(of: nil) == reason)
        #expect(try refusal(of: nil, version: .tls12) == reason)
        #expect(stats.onServer("fail_verify_no_cert") == 2)
        #expect(stats.onServer("connection_error") == 0)
        #expect(try refusal(of: nil) { $0.verify.required = false } == nil)
    }

    @Test func unknownAuthority() throws {
        let stranger = try pki.stranger("a")
        #expect(try refusal(of: stranger) == "client certificate: unknown CA: issuer CN=Stranger CA")
        #expect(stats.onServer("fail_verify_error") == 1)
        #expect(stats.onServer("connection_error") == 0)
    }

    @Test func selfSigned() throws {
        let own = try CertificateAuthority(commonName: "me")
        let issued = CertificateAuthority.Issued(
            certificatePEM: own.certificatePEM, intermediatesPEM: [], keyPEM: own.keyPEM)
        #expect(try refusal(of: issued) == "client certificate: unknown CA: self-signed by CN=me")
    }

    @Test func sameNameAsTheAuthorityButAnotherKey() throws {
        var request = CertificateRequest(commonName: "a")
        request.uris = ["spiffe://td/a"]
        let impostor = try CertificateAuthority(commonName: "Test CA").issue(request)
        let reason = try #require(try refusal(of: impostor))
        #expect(reason == "client certificate: unknown CA: issuer CN=Test CA")
    }

    @Test func expiredAndNotYetValid() throws {
        let expired = try #require(try refusal(of: pki.expired("a")))
        #expect(expired.hasPrefix("client certificate expired on 20"))
        #expect(expired.hasSuffix("Z"))
        let early = try #require(try refusal(of: pki.notYetValid("a")))
        #expect(early.hasPrefix("client certificate is not valid before 20"))
        #expect(try refusal(of: pki.expired("a")) { $0.verify.allowExpired = true } == nil)
    }

    @Test func expiredIntermediateIsNamed() throws {
        let root = try CertificateAuthority(commonName: "Old root", validity: .expired)
        var request = CertificateRequest(commonName: "a")
        request.uris = ["spiffe://td/a"]
        let leaf = try root.issue(request)
        let reason = try #require(try refusal(of: leaf) { $0.trustedCA = root.certificatePEM })
        #expect(reason.hasPrefix("client certificate: CN=Old root, which issued it, expired on "))
    }

    @Test func uriMatchers() throws {
        let b = try pki.workload("b")
        let reason = try refusal(of: b) { $0.verify.sanMatchers = [matcher(.uri, .exact("spiffe://td/a"))] }
        #expect(reason == "client certificate: SAN 'spiffe://td/b' matches none of 1 matcher")
        #expect(stats.onServer("fail_verify_san") == 1)
        #expect(stats.onServer("connection_error") == 0)
        #expect(
            try refusal(of: b) {
                $0.verify.sanMatchers = [
                    matcher(.uri, .exact("spiffe://td/a")), matcher(.uri, .prefix("spiffe://td/")),
                ]
            } == nil)
        let regex = try Regex("spiffe://[a-z]+/b")
        #expect(try refusal(of: b) { $0.verify.sanMatchers = [matcher(.uri, .regex(regex))] } == nil)
        #expect(try refusal(of: b) { $0.verify.sanMatchers = [matcher(.uri, .suffix("/b"))] } == nil)
        #expect(try refusal(of: b) { $0.verify.sanMatchers = [matcher(.uri, .contains("td"))] } == nil)
        #expect(try refusal(of: b) { $0.verify.sanMatchers = [matcher(.dns, .contains("td"))] } != nil)
    }

    @Test func everyTypeOfName() throws {
        let leaf = try pki.issue("many") {
            $0.dnsNames = ["*.example.com"]
            $0.ipAddresses = ["10.0.0.1", "2001:db8::1"]
            $0.emails = ["me@example.com"]
            $0.otherNames = [(oid: "1.3.6.1.4.1.311.20.2.3", value: "me@AD")]
        }
        func passes(_ one: SANMatcher) throws -> Bool {
            try refusal(of: leaf) { $0.verify.sanMatchers = [one] } == nil
        }
        #expect(try passes(matcher(.dns, .exact("a.example.com"))))
        #expect(try passes(matcher(.dns, .exact("*.example.com"))))
        #expect(try !passes(matcher(.dns, .exact("a.b.example.com"))))
        #expect(try !passes(matcher(.dns, .prefix("a."))))
        #expect(try passes(matcher(.ip, .exact("10.0.0.1"))))
        #expect(try passes(matcher(.ip, .exact("2001:db8::1"))))
        #expect(try passes(matcher(.email, .suffix("@example.com"))))
        #expect(try passes(matcher(.otherName(oid: "1.3.6.1.4.1.311.20.2.3"), .exact("me@AD"))))
        #expect(try !passes(matcher(.otherName(oid: "1.2.3"), .exact("me@AD"))))
        let wanted = [matcher(.uri, .any), matcher(.ip, .exact("::1"))]
        let reason = try refusal(of: leaf) { $0.verify.sanMatchers = wanted }
        let names = "'*.example.com', 'me@example.com', '10.0.0.1', '2001:db8::1', 'me@AD'"
        #expect(reason == "client certificate: SANs \(names) match none of 2 matchers")
        let bare = try refusal(of: pki.issue("bare")) { $0.verify.sanMatchers = [matcher(.uri, .any)] }
        #expect(bare == "client certificate: has no SAN, so it matches none of 1 matcher")
    }

    @Test func pins() throws {
        let a = try pki.workload("a")
        let b = try pki.workload("b")
        let certificate = try TLSMaterial.certificate(a.material, field: "")
        let fingerprint = TLSCertificate(certificate.leaf).sha256Fingerprint
        let hash = try #require(bytes(ofHex: fingerprint))
        #expect(try refusal(of: a) { $0.verify.certificateHashes = [hash] } == nil)
        let reason = try #require(try refusal(of: b) { $0.verify.certificateHashes = [hash] })
        #expect(reason.hasPrefix("client certificate: its SHA-256 "))
        #expect(reason.hasSuffix(" and its public key match none of the pins"))
        #expect(stats.onServer("fail_verify_cert_hash") == 1)
        // A pin alone is enough, without a CA.
        let stranger = try pki.stranger("s")
        let pinned = try TLSMaterial.certificate(stranger.material, field: "")
        let spki = try #require(bytes(ofHex: TLSCertificate(pinned.leaf).publicKeySHA256))
        #expect(
            try refusal(of: stranger) {
                $0.trustedCA = nil
                $0.verify.spkiHashes = [spki]
            } == nil)
        #expect(
            try refusal(of: b) {
                $0.trustedCA = nil
                $0.verify.spkiHashes = [spki]
            } != nil)
    }

    @Test func revocation() throws {
        let a = try pki.workload("a")
        let b = try pki.workload("b")
        let list = try pki.authority.revocationList(revoking: [a])
        let reason = try #require(try refusal(of: a) { $0.crl = list })
        #expect(reason.hasPrefix("client certificate is revoked (serial "))
        #expect(try refusal(of: b) { $0.crl = list } == nil)
        // Lists among the trusted CAs count too.
        #expect(try refusal(of: a) { $0.trustedCA = pki.authority.certificatePEM + list } != nil)
        let foreign = try pki.strangerAuthority.revocationList(revoking: [])
        let missing = try refusal(of: b) { $0.crl = foreign }
        #expect(missing == "client certificate: the crl has no revocation list of issuer CN=Test CA")
        let old = try pki.authority.revocationList(revoking: [], validity: .expired)
        let stale = try refusal(of: b) { $0.crl = old }
        #expect(stale == "client certificate: the revocation list of issuer CN=Test CA has expired")
    }

    @Test func leafOnlyRevocationAndDepth() throws {
        let middle = try pki.authority.makeIntermediate(commonName: "Middle CA")
        let leaf = try middle.issue(CertificateRequest(commonName: "deep"))
        let list = try middle.revocationList(revoking: [])
        #expect(try refusal(of: leaf) { $0.crl = list } != nil)
        #expect(
            try refusal(of: leaf) {
                $0.crl = list
                $0.verify.onlyVerifyLeafCRL = true
            } == nil)
        let reason = try refusal(of: leaf) { $0.verify.maxVerifyDepth = 0 }
        #expect(reason == "client certificate: the chain is longer than max_verify_depth of 0")
        #expect(try refusal(of: leaf) { $0.verify.maxVerifyDepth = 1 } == nil)
        // A CA in the middle may be the anchor.
        #expect(try refusal(of: leaf) { $0.trustedCA = middle.certificatePEM } == nil)
    }

    @Test func serverOnlyCertificateIsNoClientCertificate() throws {
        let leaf = try pki.issue("server only") { $0.usage = .server }
        let reason = try refusal(of: leaf)
        #expect(reason == "client certificate is not allowed for clients (extended key usage)")
    }

    @Test func untrustedIsAcceptedWhenTheSpecSaysSo() throws {
        var spec = pki.mutualServerSpec(server)
        spec.verify.acceptUntrusted = true
        let pair = try TLSPair(client: pki.clientSpec(pki.stranger("a")), server: spec)
        pair.handshake()
        #expect(pair.bothDone)
        #expect(pair.server.session.info?.peerPresented == true)
        #expect(pair.server.session.info?.peerValidated == false)
    }

    @Test func clientChecksTheServer() throws {
        func refusal(
            _ certificate: CertificateAuthority.Issued, serverName: String? = nil, names: [String] = [],
            _ adjust: (inout TLSContextSpec) -> Void = { _ in }
        ) throws -> String? {
            var spec = pki.clientSpec()
            adjust(&spec)
            let client = try TLSContext.client(spec, stats: stats.client)
            let server = try TLSContext.server(pki.serverSpec(certificate), stats: stats.server)
            let pair = TLSPair(
                client.makeSession(serverName: serverName, verifyNames: names), server.makeSession())
            pair.handshake()
            return pair.client.failure
        }
        #expect(try refusal(pki.server("a.example")) == nil)
        let stranger = try refusal(pki.stranger("a.example"))
        #expect(stranger == "server certificate: unknown CA: issuer CN=Stranger CA")
        #expect(stats.onClient("fail_verify_error") == 1)
        #expect(stats.onServer("connection_error") == 1)
        #expect(try refusal(pki.stranger("a")) { $0.trustedCA = nil } == nil)

        let auto = try refusal(pki.workload("w"), serverName: "b.example") { $0.autoSANValidation = true }
        #expect(auto == "server certificate: SAN 'spiffe://td/w' is not good for 'b.example'")
        let good = try pki.issue("b") { $0.dnsNames = ["b.example"] }
        #expect(try refusal(good, serverName: "b.example") { $0.autoSANValidation = true } == nil)
        let other = try refusal(good, names: ["c.example"])
        #expect(other == "server certificate: SAN 'b.example' is not good for 'c.example'")
        #expect(try refusal(pki.server("x"), names: ["127.0.0.1"]) == nil)
    }

    @Test func hostileNamesAreHarmlessInMessages() throws {
        let leaf = try pki.issue("x") { $0.uris = ["spiffe://td/\n\u{1b}[31m" + String(repeating: "y", count: 500)] }
        let reason = try #require(try refusal(of: leaf) { $0.verify.sanMatchers = [matcher(.uri, .exact("z"))] })
        #expect(reason.utf8.count < 400)
        #expect(!reason.utf8.contains { $0 < 0x20 })
    }

    private func bytes(ofHex text: String) -> [UInt8]? {
        let digits = text.utf8.compactMap(\.hexDigitValue)
        guard digits.count == 64 else { return nil }
        return stride(from: 0, to: 64, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}
