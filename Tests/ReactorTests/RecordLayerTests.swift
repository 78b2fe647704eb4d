// Records without OpenSSL's session, against sessions of OpenSSL's and against each other.
import COpenSSL
import TestKit
import Testing

@testable import Reactor

@Suite struct RecordLayerTests {
    let scene: RecordScene
    init() throws { scene = try RecordScene() }

    private func mayHavePlaintext(_ side: TLSSide) -> Bool { side.session.mayHavePlaintext(in: side.rawInput) }

    // MARK: Bytes

    @Test(arguments: RecordCase.all) func bytesArrive(_ one: RecordCase) throws {
        let pair = try scene.connected(one)
        for (count, step) in [(1, 1), (100, 7), (16_361, .max), (16_384, 5000), (16_385, 16_384), (300_000, 4099)] {
            let sent = testBytes(count)
            #expect(pair.send(sent, from: pair.client, to: pair.server, step: step) == sent)
            #expect(pair.send(sent, from: pair.server, to: pair.client, step: step) == sent)
        }
        #expect(pair.pool.slabsInUse == 0)
        #expect(pair.pool.oversizeInUse == 0)
    }

    @Test(arguments: RecordCase.all) func bothDirectionsEndCleanly(_ one: RecordCase) throws {
        let pair = try scene.connected(one)
        pair.client.session.closeNotify(rawOutput: &pair.client.rawOutput)
        pair.carry()
        pair.server.read()
        #expect(pair.server.readResult == .end)
        // It stays at that, and the other direction is open.
        pair.server.read()
        #expect(pair.server.readResult == .end)
        #expect(pair.send(testBytes(50), from: pair.server, to: pair.client) == testBytes(50))
        pair.server.session.closeNotify(rawOutput: &pair.server.rawOutput)
        pair.carry()
        pair.client.read()
        #expect(pair.client.readResult == .end)
        #expect(scene.stats.onServer("connection_error") == 0)
    }

    @Test(arguments: [100, 4096, 16_384]) func paddingIsTakenOff(_ block: Int) throws {
        for isServer in [true, false] {
            let pair = try scene.connected(
                RecordCase(
                    version: .tls13, suite: "TLS_AES_128_GCM_SHA256", client: !isServer, server: isServer),
                blockPadding: block)
            for count in [1, 99, 100, 4096, 16_000, 16_384, 40_000] {
                let sent = testBytes(count)
                let (sender, receiver) = isServer ? (pair.client, pair.server) : (pair.server, pair.client)
                #expect(pair.send(sent, from: sender, to: receiver) == sent)
            }
        }
    }

    @Test func manyPartsShareARecord() throws {
        let pair = try scene.connected(.tls13)
        pair.client.toSend.append("HEAD")
        var body = ByteQueue(pool: pair.pool)
        body.append(testBytes(10_000))
        body.moveAll(to: &pair.client.toSend)
        pair.client.write()
        #expect(pair.client.rawOutput.count == 10_004 + 22)
        pair.carry()
        pair.server.read()
        #expect(pair.server.received.array == Array("HEAD".utf8) + testBytes(10_000))
    }

    @Test func limitsAreKeptToARecord() throws {
        let pair = try scene.connected(.tls13)
        let most = SlabPool.slabSize - 22
        pair.client.toSend.append(testBytes(200_000))
        #expect(pair.client.write(limit: 50_000) == .data(4 * most))
        #expect(pair.client.write() == .data(200_000 - 4 * most))
        pair.carry()
        let server = pair.server
        func read(_ limit: Int) -> TLSSession.ReadResult {
            server.session.decrypt(
                rawInput: &server.rawInput, rawOutput: &server.rawOutput, into: &server.received, limit: limit)
        }
        #expect(read(10) == .data(most))
        #expect(mayHavePlaintext(server))
        #expect(read(most + 1) == .data(2 * most))
        #expect(read(.max) == .data(200_000 - 3 * most))
        #expect(!mayHavePlaintext(server))
        #expect(read(.max) == .needsInput)
        #expect(server.received.array == testBytes(200_000))
    }

    @Test func othersStayWithTheLibrary() throws {
        var client = scene.pki.clientSpec()
        client.maxVersion = .tls12
        var server = try scene.pki.serverSpec(scene.pki.server())
        server.cipherSuites = ["ECDHE-ECDSA-AES128-SHA"]
        client.cipherSuites = ["ECDHE-ECDSA-AES128-SHA"]
        let pair = try TLSPair(client: client, server: server)
        pair.handshake()
        #expect(pair.bothDone)
        #expect(pair.send(testBytes(50_000), from: pair.client, to: pair.server) == testBytes(50_000))
        #expect(pair.send(testBytes(50_000), from: pair.server, to: pair.client) == testBytes(50_000))
        #expect(pair.client.session.records == nil && pair.server.session.records == nil)
    }

    @Test func aClientThatMayRenegotiateStaysWithTheLibrary() throws {
        var client = scene.pki.clientSpec()
        client.allowRenegotiation = true
        let pair = try TLSPair(client: client, server: scene.pki.serverSpec(scene.pki.server()))
        pair.handshake()
        #expect(pair.send([1], from: pair.server, to: pair.client) == [1])
        #expect(pair.client.session.records == nil)
    }

    // MARK: Keys

    /// RFC 8448, section 3.
    @Test func keysFollowFromTheSecret() throws {
        let cipher = try #require(EVP_CIPHER_fetch(nil, "AES-128-GCM", nil))
        defer { EVP_CIPHER_free(cipher) }
        try "SHA256".withCString { digest in
            let suite = RecordSuite(cipher: cipher, keyLength: 16, isChaCha: false, digest: digest)
            func check(_ secret: String, _ label: String, _ expected: String) throws {
                let secret = try #require(TrafficSecret(hexadecimal: secret))
                var out = [UInt8](repeating: 0, count: expected.utf8.count / 2)
                #expect(out.withUnsafeMutableBytes { secret.expand(label, suite, $0) })
                #expect(X509Text.hex(out) == expected)
            }
            let server = "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643"
            try check(server, "key", "9f02283b6c9c07efc26bb9f2ac92e356")
            try check(server, "iv", "cf782b88dd83549aadf1e984")
            let client = "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5"
            try check(client, "key", "17422dda596ed5d9acd890e3c63f5051")
            try check(client, "iv", "5b78923dee08579033e523d9")
        }
    }

    @Test func secretsThatAreNone() {
        for text in ["", "0", "0g", String(repeating: "00", count: 49)] {
            #expect(TrafficSecret(hexadecimal: text) == nil)
        }
        #expect(TrafficSecret(hexadecimal: String(repeating: "aF", count: 48)) != nil)
    }

    @Test func theLibraryChangesKeys() throws {
        for isServer in [true, false] {
            let pair = try scene.connected(.tls13, client: !isServer, server: isServer)
            let (ours, theirs) = isServer ? (pair.server, pair.client) : (pair.client, pair.server)
            for round in 0..<40 {
                let request = round % 2 == 0 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED
                #expect(SSL_key_update(theirs.session.ssl, request) == 1)
                #expect(pair.send(testBytes(20_000), from: theirs, to: ours) == testBytes(20_000))
                #expect(pair.send(testBytes(20_000), from: ours, to: theirs) == testBytes(20_000))
            }
        }
    }

    @Test func weChangeKeysInTime() throws {
        for isServer in [true, false] {
            let pair = try scene.connected(.tls13, client: !isServer, server: isServer)
            let (ours, theirs) = isServer ? (pair.server, pair.client) : (pair.client, pair.server)
            ours.session.records?.recordsForOneKey = 3
            for _ in 0..<10 {
                #expect(pair.send(testBytes(60_000), from: ours, to: theirs) == testBytes(60_000))
                #expect(pair.send(testBytes(60_000), from: theirs, to: ours) == testBytes(60_000))
            }
        }
    }

    @Test func keysThatChangeBeforeTheFirstDataStayWithTheLibrary() throws {
        var server = try scene.pki.serverSpec(scene.pki.server())
        server.takesOverRecords = false
        var client = scene.pki.clientSpec()
        client.maxVersion = .tls13
        let pair = try TLSPair(client: client, server: server)
        pair.handshake()
        #expect(SSL_key_update(pair.server.session.ssl, SSL_KEY_UPDATE_REQUESTED) == 1)
        for _ in 0..<5 {
            #expect(pair.send(testBytes(30_000), from: pair.server, to: pair.client) == testBytes(30_000))
            #expect(pair.send(testBytes(30_000), from: pair.client, to: pair.server) == testBytes(30_000))
        }
        #expect(pair.client.session.records == nil)
    }

    // MARK: Whether it is worth it

    @Test func shortConnectionsAreLeftAlone() throws {
        var spec = scene.pki.clientSpec()
        spec.maxVersion = .tls13
        let client = try TLSContext.client(spec)
        let server = try TLSContext.server(scene.pki.serverSpec(scene.pki.server()))
        var takenOver: [Bool] = []
        for _ in 0..<400 {
            let pair = TLSPair(client.makeSession(), server.makeSession())
            pair.handshake()
            takenOver.append(pair.server.session.records != nil)
        }
        #expect(takenOver[..<256].allSatisfy { $0 })
        #expect(takenOver[256...].count { $0 } == 9)
        // One that goes on brings the others with it.
        for _ in 0..<16 {
            let pair = TLSPair(client.makeSession(), server.makeSession())
            pair.handshake()
            for _ in 0..<8 { _ = pair.send([1], from: pair.client, to: pair.server) }
        }
        let pair = TLSPair(client.makeSession(), server.makeSession())
        pair.handshake()
        #expect(pair.server.session.records != nil)
    }
}
