// Records without OpenSSL's session, against sessions of OpenSSL's and against each other.
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

@Suite struct RecordLayerTests {
    let pki: TestCertificates
    let stats = TLSStatsPair()
    init() throws { pki = try TestCertificates() }

    /// A pair after its handshake and a byte each way.
    private func connected(_ one: RecordCase, blockPadding: Int = 0) throws -> TLSPair {
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

    private func connected(
        _ version: TLSVersion, client: Bool = true, server: Bool = true
    ) throws -> TLSPair {
        let suite = version == .tls13 ? "TLS_AES_128_GCM_SHA256" : "ECDHE-ECDSA-AES128-GCM-SHA256"
        return try connected(RecordCase(version: version, suite: suite, client: client, server: server))
    }

    private func mayHavePlaintext(_ side: TLSSide) -> Bool { side.session.mayHavePlaintext(in: side.rawInput) }

    private func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    }

    // MARK: Bytes

    @Test(arguments: RecordCase.all) func bytesArrive(_ one: RecordCase) throws {
        let pair = try connected(one)
        for (count, step) in [(1, 1), (100, 7), (16_361, .max), (16_384, 5000), (16_385, 16_384), (300_000, 4099)] {
            let sent = bytes(count)
            #expect(pair.send(sent, from: pair.client, to: pair.server, step: step) == sent)
            #expect(pair.send(sent, from: pair.server, to: pair.client, step: step) == sent)
        }
        #expect(pair.pool.slabsInUse == 0)
        #expect(pair.pool.oversizeInUse == 0)
    }

    @Test(arguments: RecordCase.all) func bothDirectionsEndCleanly(_ one: RecordCase) throws {
        let pair = try connected(one)
        pair.client.session.closeNotify(rawOutput: &pair.client.rawOutput)
        pair.carry()
        pair.server.read()
        #expect(pair.server.readResult == .end)
        // It stays at that, and the other direction is open.
        pair.server.read()
        #expect(pair.server.readResult == .end)
        #expect(pair.send(bytes(50), from: pair.server, to: pair.client) == bytes(50))
        pair.server.session.closeNotify(rawOutput: &pair.server.rawOutput)
        pair.carry()
        pair.client.read()
        #expect(pair.client.readResult == .end)
        #expect(stats.onServer("connection_error") == 0)
    }

    @Test(arguments: [100, 4096, 16_384]) func paddingIsTakenOff(_ block: Int) throws {
        for isServer in [true, false] {
            let pair = try connected(
                RecordCase(
                    version: .tls13, suite: "TLS_AES_128_GCM_SHA256", client: !isServer, server: isServer),
                blockPadding: block)
            for count in [1, 99, 100, 4096, 16_000, 16_384, 40_000] {
                let sent = bytes(count)
                let (sender, receiver) = isServer ? (pair.client, pair.server) : (pair.server, pair.client)
                #expect(pair.send(sent, from: sender, to: receiver) == sent)
            }
        }
    }

    @Test func manyPartsShareARecord() throws {
        let pair = try connected(.tls13)
        pair.client.toSend.append("HEAD")
        var body = ByteQueue(pool: pair.pool)
        body.append(bytes(10_000))
        body.moveAll(to: &pair.client.toSend)
        pair.client.write()
        #expect(pair.client.rawOutput.count == 10_004 + 22)
        pair.carry()
        pair.server.read()
        #expect(pair.server.received.array == Array("HEAD".utf8) + bytes(10_000))
    }

    @Test func limitsAreKeptToARecord() throws {
        let pair = try connected(.tls13)
        let most = SlabPool.slabSize - 22
        pair.client.toSend.append(bytes(200_000))
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
        #expect(server.received.array == bytes(200_000))
    }

    @Test func othersStayWithTheLibrary() throws {
        var client = pki.clientSpec()
        client.maxVersion = .tls12
        var server = try pki.serverSpec(pki.server())
        server.cipherSuites = ["ECDHE-ECDSA-AES128-SHA"]
        client.cipherSuites = ["ECDHE-ECDSA-AES128-SHA"]
        let pair = try TLSPair(client: client, server: server)
        pair.handshake()
        #expect(pair.bothDone)
        #expect(pair.send(bytes(50_000), from: pair.client, to: pair.server) == bytes(50_000))
        #expect(pair.send(bytes(50_000), from: pair.server, to: pair.client) == bytes(50_000))
        #expect(pair.client.session.records == nil && pair.server.session.records == nil)
    }

    @Test func aClientThatMayRenegotiateStaysWithTheLibrary() throws {
        var client = pki.clientSpec()
        client.allowRenegotiation = true
        let pair = try TLSPair(client: client, server: pki.serverSpec(pki.server()))
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
            let pair = try connected(.tls13, client: !isServer, server: isServer)
            let (ours, theirs) = isServer ? (pair.server, pair.client) : (pair.client, pair.server)
            for round in 0..<40 {
                let request = round % 2 == 0 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED
                #expect(SSL_key_update(theirs.session.ssl, request) == 1)
                #expect(pair.send(bytes(20_000), from: theirs, to: ours) == bytes(20_000))
                #expect(pair.send(bytes(20_000), from: ours, to: theirs) == bytes(20_000))
            }
        }
    }

    @Test func weChangeKeysInTime() throws {
        for isServer in [true, false] {
            let pair = try connected(.tls13, client: !isServer, server: isServer)
            let (ours, theirs) = isServer ? (pair.server, pair.client) : (pair.client, pair.server)
            ours.session.records?.recordsForOneKey = 3
            for _ in 0..<10 {
                #expect(pair.send(bytes(60_000), from: ours, to: theirs) == bytes(60_000))
                #expect(pair.send(bytes(60_000), from: theirs, to: ours) == bytes(60_000))
            }
        }
    }

    @Test func keysThatChangeBeforeTheFirstDataStayWithTheLibrary() throws {
        var server = try pki.serverSpec(pki.server())
        server.takesOverRecords = false
        var client = pki.clientSpec()
        client.maxVersion = .tls13
        let pair = try TLSPair(client: client, server: server)
        pair.handshake()
        #expect(SSL_key_update(pair.server.session.ssl, SSL_KEY_UPDATE_REQUESTED) == 1)
        for _ in 0..<5 {
            #expect(pair.send(bytes(30_000), from: pair.server, to: pair.client) == bytes(30_000))
            #expect(pair.send(bytes(30_000), from: pair.client, to: pair.server) == bytes(30_000))
        }
        #expect(pair.client.session.records == nil)
    }

    // MARK: Peers that break the rules

    /// Sends a record from the client and lets the server read; both have taken over.
    private func send(_ type: UInt8, _ content: [UInt8], _ pair: TLSPair) throws {
        let records = try #require(pair.client.session.records)
        #expect(records.seal(type, content, &pair.client.rawOutput))
        pair.carry()
        pair.server.read()
    }

    @Test(arguments: [TLSVersion.tls12, .tls13]) func everyDamagedByteIsSeen(_ version: TLSVersion) throws {
        let length = 40
        for place in 0..<(length + (version == .tls13 ? 22 : 29)) {
            let pair = try connected(version)
            pair.client.toSend.append(bytes(length))
            pair.client.write()
            var wire = pair.client.rawOutput.array
            wire[place] ^= 0x41
            pair.server.rawInput.append(wire)
            pair.server.read()
            // A length that says more lets us wait.
            if pair.server.failure == nil { pair.server.rawInput.append([UInt8](repeating: 0, count: 20_000)) }
            pair.server.read()
            #expect(pair.server.failure != nil)
            #expect(pair.server.received.count == 0)
            #expect(pair.server.rawOutput.count > 0)
        }
        #expect(stats.onServer("connection_error") == UInt64(length + (version == .tls13 ? 22 : 29)))
    }

    @Test func recordsOutOfTurnAreRefused() throws {
        for version in [TLSVersion.tls12, .tls13] {
            let pair = try connected(version)
            pair.client.toSend.append("one")
            pair.client.write()
            let one = pair.client.rawOutput.array
            pair.carry()
            pair.server.rawInput.append(one)
            pair.server.read()
            #expect(pair.server.received.string == "one")
            #expect(pair.server.failure == "a record of the client was damaged on its way (bad MAC)")
        }
    }

    @Test func headersThatCannotBe() throws {
        let cases: [(TLSVersion, [UInt8], String)] = [
            (.tls13, [23, 3, 3, 0x41, 0x01], "data length too long"),
            (.tls12, [23, 3, 3, 0x44, 0x01], "data length too long"),
            (.tls13, [23, 3, 3, 0, 16], "length too short"),
            (.tls12, [23, 3, 3, 0, 23], "length too short"),
            (.tls13, [21, 3, 3, 0, 2, 1, 0], "unexpected record"),
            (.tls13, [20, 3, 3, 0, 1, 1], "unexpected record"),
            (.tls13, [23, 3, 1, 0, 40], "no TLS version in common with the client, or a broken record"),
        ]
        for (version, wire, words) in cases {
            let pair = try connected(version)
            pair.server.rawInput.append(wire)
            pair.server.read()
            #expect(pair.server.failure?.hasSuffix(words) == true, "\(wire): \(pair.server.failure ?? "none")")
        }
    }

    @Test func recordsThatSayNothingAreBounded() throws {
        let userCancelled: [UInt8] = [1, 90]
        let keyUpdate: [UInt8] = [24, 0, 0, 1, 1]
        for (type, content) in [(RecordType.applicationData, []), (RecordType.alert, userCancelled)] {
            let pair = try connected(.tls13)
            for _ in 0..<32 { try send(type, content, pair) }
            #expect(pair.server.failure == nil)
            try send(RecordType.applicationData, [7], pair)
            for _ in 0..<33 { try send(type, content, pair) }
            #expect(pair.server.failure != nil)
            #expect(pair.server.received.array == [7])
        }
        // The keys of a flood of updates cannot be told ahead: each is sealed with the next one's.
        let pair = try connected(.tls13)
        let records = try #require(pair.client.session.records)
        records.recordsForOneKey = 0
        for _ in 0..<3 {
            pair.client.toSend.append("x")
            pair.client.write()
        }
        try send(RecordType.handshake, keyUpdate, pair)
        #expect(pair.server.received.string == "xxx")
        #expect(pair.server.failure == nil)
        // What it asked for comes once, with the next data.
        #expect(pair.server.rawOutput.count == 0)
        pair.server.toSend.append("y")
        pair.server.write()
        #expect(pair.server.rawOutput.count == 27 + 23)
    }

    @Test func messagesThatMayNotCome() throws {
        let cases: [(RecordLayerTests.Record, String)] = [
            (Record(22, []), "unexpected message"),
            (Record(22, [1, 0, 0, 0]), "unexpected message"),
            // A ticket for a server.
            (Record(22, [4, 0, 0, 1, 0]), "unexpected message"),
            (Record(22, [24, 0, 0, 2, 0, 0]), "bad key update"),
            (Record(22, [24, 0, 0, 1, 2]), "bad key update"),
            (Record(22, [24, 0, 0, 1, 0, 24]), "not on record boundary"),
            (Record(20, [1]), "unexpected record"),
            (Record(99, [1]), "unexpected record"),
            (Record(21, [1]), "invalid alert"),
            (Record(21, [1, 0, 0]), "invalid alert"),
        ]
        for (record, words) in cases {
            let pair = try connected(.tls13)
            try send(record.type, record.content, pair)
            #expect(pair.server.failure?.contains(words) == true, "\(record): \(pair.server.failure ?? "none")")
        }
    }

    struct Record {
        let type: UInt8
        let content: [UInt8]
        init(_ type: UInt8, _ content: [UInt8]) { (self.type, self.content) = (type, content) }
    }

    @Test func messagesMayBeCutButNotMixed() throws {
        // A key update in two records.
        let pair = try connected(.tls13)
        try send(RecordType.handshake, [24, 0, 0], pair)
        try send(RecordType.handshake, [1, 0], pair)
        #expect(pair.server.failure == nil)
        // The server now reads with the next key, which the client did not take.
        try send(RecordType.applicationData, [1], pair)
        #expect(pair.server.failure?.contains("bad MAC") == true)
        let mixed = try connected(.tls13)
        try send(RecordType.handshake, [24, 0, 0], mixed)
        try send(RecordType.applicationData, [1], mixed)
        #expect(mixed.server.failure?.contains("unexpected record") == true)
    }

    @Test func ticketsAreSkipped() throws {
        let pair = try connected(.tls13)
        let records = try #require(pair.server.session.records)
        let ticket: [UInt8] = [4, 0, 1, 0] + [UInt8](repeating: 9, count: 256)
        #expect(records.seal(RecordType.handshake, Array(ticket.prefix(100)), &pair.server.rawOutput))
        #expect(records.seal(RecordType.handshake, Array(ticket.dropFirst(100)) + ticket, &pair.server.rawOutput))
        pair.server.toSend.append("after")
        pair.server.write()
        pair.carry()
        pair.client.read()
        #expect(pair.client.failure == nil)
        #expect(pair.client.received.string == "after")
    }

    @Test func alertsEndASession() throws {
        for version in [TLSVersion.tls12, .tls13] {
            let pair = try connected(version)
            try send(RecordType.alert, [2, 40], pair)
            #expect(pair.server.session.failure?.kind == .alert)
            #expect(pair.server.failure?.contains("handshake failure") == true)
            // Who ended it is not told so.
            #expect(pair.server.rawOutput.count == 0)
        }
        // A warning means nothing in TLS 1.2, and is no less than an error in TLS 1.3.
        let old = try connected(.tls12)
        try send(RecordType.alert, [1, 112], old)
        #expect(old.server.failure == nil)
        let new = try connected(.tls13)
        try send(RecordType.alert, [1, 112], new)
        #expect(new.server.session.failure?.kind == .alert)
    }

    @Test func aHelloRequestIsTurnedDown() throws {
        let pair = try connected(.tls12)
        let records = try #require(pair.server.session.records)
        #expect(records.seal(RecordType.handshake, [0, 0, 0, 0], &pair.server.rawOutput))
        pair.carry()
        pair.client.read()
        #expect(pair.client.failure == nil)
        #expect(pair.client.rawOutput.count == 2 + 29)
        pair.carry()
        pair.server.read()
        // A warning, which nobody heeds.
        #expect(pair.server.failure == nil)
        #expect(pair.send([5], from: pair.server, to: pair.client) == [5])
    }

    @Test func theLibrarySeesOurEndAsItsOwn() throws {
        for version in [TLSVersion.tls12, .tls13] {
            let pair = try connected(version, client: false, server: true)
            pair.server.rawInput.append([UInt8(23), 3, 3, 0, 60] + [UInt8](repeating: 1, count: 60))
            pair.server.read()
            pair.carry()
            pair.client.read()
            #expect(pair.client.session.failure?.kind == .alert)
            #expect(pair.client.failure?.contains("(alert 20)") == true)
        }
    }

    // MARK: Whether it is worth it

    @Test func shortConnectionsAreLeftAlone() throws {
        var spec = pki.clientSpec()
        spec.maxVersion = .tls13
        let client = try TLSContext.client(spec)
        let server = try TLSContext.server(pki.serverSpec(pki.server()))
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
