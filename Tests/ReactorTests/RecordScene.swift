// Pairs of sessions of which one side or both have taken the records over.
import COpenSSL
import TestKit
import Testing

@testable import Reactor

/// What a pair speaks, and who of the two has taken the records over.
struct RecordCase: Sendable, CustomStringConvertible {
    let version: TLSVersion
    /// OpenSSL's name.
    let suite: String
    let client: Bool
    let server: Bool
    var description: String { "\(suite), client \(client), server \(server)" }

    static let all: [RecordCase] = [
        (TLSVersion.tls12, "ECDHE-ECDSA-AES128-GCM-SHA256"), (.tls12, "ECDHE-ECDSA-AES256-GCM-SHA384"),
        (.tls12, "ECDHE-ECDSA-CHACHA20-POLY1305"), (.tls13, "TLS_AES_128_GCM_SHA256"),
        (.tls13, "TLS_AES_256_GCM_SHA384"), (.tls13, "TLS_CHACHA20_POLY1305_SHA256"),
    ].flatMap { version, suite in
        [(true, true), (true, false), (false, true)].map {
            RecordCase(version: version, suite: suite, client: $0.0, server: $0.1)
        }
    }
}

/// Certificates, counters, and pairs made with them.
struct RecordScene {
    let pki: TestCertificates
    let stats = TLSStatsPair()
    init() throws { pki = try TestCertificates() }

    /// A pair after its handshake and a byte each way.
    func connected(_ one: RecordCase, blockPadding: Int = 0) throws -> TLSPair {
        var clientSpec = pki.clientSpec()
        clientSpec.maxVersion = one.version
        clientSpec.takesOverRecords = one.client
        var serverSpec = try pki.serverSpec(pki.server())
        serverSpec.takesOverRecords = one.server
        let client = try TLSContext.client(clientSpec, stats: stats.client)
        let server = try TLSContext.server(serverSpec, stats: stats.server)
        if one.version == .tls13 {
            SSL_CTX_set_ciphersuites(server.sslContext, one.suite)
        } else {
            SSL_CTX_set_cipher_list(server.sslContext, one.suite)
        }
        for context in [client, server] where blockPadding > 0 {
            SSL_CTX_set_block_padding(context.sslContext, blockPadding)
        }
        let pair = TLSPair(client.makeSession(), server.makeSession())
        pair.handshake()
        #expect(pair.bothDone)
        #expect(pair.send([1], from: pair.client, to: pair.server) == [1])
        #expect(pair.send([2], from: pair.server, to: pair.client) == [2])
        #expect((pair.client.session.records != nil) == one.client)
        #expect((pair.server.session.records != nil) == one.server)
        #expect(pair.server.session.info?.cipherSuite == one.suite)
        return pair
    }

    func connected(
        _ version: TLSVersion, client: Bool = true, server: Bool = true
    ) throws -> TLSPair {
        let suite = version == .tls13 ? "TLS_AES_128_GCM_SHA256" : "ECDHE-ECDSA-AES128-GCM-SHA256"
        return try connected(RecordCase(version: version, suite: suite, client: client, server: server))
    }
}

/// `count` bytes that tell where one is missing.
func testBytes(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
}
