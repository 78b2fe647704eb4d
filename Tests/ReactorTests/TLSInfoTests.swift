// The facts of a session for access logs and x-forwarded-client-cert, and a peer that renegotiates.
import COpenSSL
import TestKit
import Testing

@testable import Reactor

@Suite struct TLSInfoTests {
    let pki: TestCertificates
    init() throws { pki = try TestCertificates() }

    @Test func factsOfThePeer() throws {
        let middle = try pki.authority.makeIntermediate(commonName: "Middle CA")
        var request = CertificateRequest(commonName: "Alice, Bob")
        request.organization = "Example"
        request.uris = ["spiffe://td/a", "spiffe://td/b"]
        request.dnsNames = ["a.example"]
        request.ipAddresses = ["10.1.2.3"]
        request.emails = ["a@example"]
        let leaf = try middle.issue(request)
        let pair = try TLSPair(
            client: pki.clientSpec(leaf), server: pki.mutualServerSpec(pki.server()), serverName: "localhost")
        pair.handshake()
        let info = try #require(pair.server.session.info)
        let peer = try #require(info.peer)
        #expect(info.peerValidated)
        #expect(info.serverName == "localhost")
        #expect(peer.subject == "CN=Alice\\, Bob,O=Example")
        #expect(peer.issuer == "CN=Middle CA")
        #expect(peer.uriNames == ["spiffe://td/a", "spiffe://td/b"])
        #expect(peer.dnsNames == ["a.example"])
        #expect(peer.ipNames == ["10.1.2.3"])
        #expect(peer.emailNames == ["a@example"])
        #expect(peer.otherNames == [])
        #expect(peer.serialNumber.utf8.count == 32)
        #expect(peer.sha256Fingerprint.utf8.count == 64)
        #expect(peer.sha1Fingerprint.utf8.count == 40)
        #expect(peer.notAfter - peer.notBefore == 365 * 86_400 + 300)
        #expect(peer.extensionOIDs.contains("2.5.29.17"))
        #expect(peer.pem == String(decoding: leaf.certificatePEM, as: UTF8.self))
        #expect(info.local?.subject == "CN=localhost")
        #expect(pair.client.session.info?.local?.subject == peer.subject)

        let encoded = peer.urlEncodedPEM
        #expect(encoded.hasPrefix("-----BEGIN%20CERTIFICATE-----%0AMII"))
        #expect(encoded.hasSuffix("-----END%20CERTIFICATE-----%0A"))
        #expect(!encoded.utf8.contains { [UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "="), 10].contains($0) })
        #expect(info.urlEncodedPEMChain.hasPrefix(encoded))
        #expect(info.chainFingerprints.count == 2)
        #expect(info.chainSerialNumbers.first == peer.serialNumber)
        // The client's view of the server's chain has the leaf once.
        #expect(pair.client.session.info?.chainFingerprints.count == 1)
    }

    @Test func infoOutlivesTheSession() throws {
        var kept: TLSConnectionInfo?
        do {
            let pair = try TLSPair(
                client: pki.clientSpec(pki.workload("a")), server: pki.mutualServerSpec(pki.server()))
            pair.handshake()
            kept = pair.server.session.info
        }
        #expect(kept?.peer?.uriNames == ["spiffe://td/a"])
        #expect(kept?.version == "TLSv1.3")
    }

    @Test func noInfoBeforeTheHandshake() throws {
        let pair = try TLSPair(client: pki.clientSpec(), server: pki.serverSpec(pki.server()))
        #expect(pair.client.session.info == nil)
    }

    @Test func renegotiationIsRefused() throws {
        var spec = pki.clientSpec()
        spec.maxVersion = .tls12
        spec.takesOverRecords = false
        // The client allows itself to ask; the server must not go along.
        let client = try TLSContext.client(spec)
        SSL_CTX_clear_options(client.sslContext, cossl_op_no_renegotiation)
        let pair = TLSPair(
            client.makeSession(), try TLSContext.server(pki.serverSpec(pki.server())).makeSession())
        pair.handshake()
        #expect(pair.bothDone)
        #expect(SSL_renegotiate(pair.client.session.ssl) == 1)
        pair.client.toSend.append("x")
        pair.client.write()
        pair.carry()
        pair.server.read()
        pair.carry()
        pair.client.read()
        // A warning alert, RFC 5246 §7.2.2; the asker gives up.
        #expect(pair.client.session.failure != nil)
        #expect(pair.server.received.count == 0)
        #expect(pair.server.failure == nil)
    }

    @Test func namesThatCover() {
        #expect(DNSNameMatch.covers("a.example", "A.EXAMPLE"))
        #expect(DNSNameMatch.covers("*.example.com", "x.example.com"))
        #expect(DNSNameMatch.covers("a*z.example.com", "abcz.example.com"))
        #expect(!DNSNameMatch.covers("*.example.com", "example.com"))
        #expect(!DNSNameMatch.covers("*.example.com", "x.y.example.com"))
        #expect(!DNSNameMatch.covers("*.example.com", ".example.com"))
        #expect(!DNSNameMatch.covers("*.*.com", "a.b.com"))
        #expect(!DNSNameMatch.covers("xn--*.example.com", "xn--a.example.com"))
        #expect(!DNSNameMatch.covers("*", "localhost"))
        #expect(!DNSNameMatch.covers("", "x"))
    }
}
