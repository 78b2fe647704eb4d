// Records: big transfers, limits, ends, garbage, and no memory left behind.
import TestKit
import Testing

@testable import Reactor

@Suite struct TLSTransferTests {
    let pki: TestCertificates
    init() throws { pki = try TestCertificates() }

    /// - Parameter byLibrary: OpenSSL keeps the records of both sides.
    private func connected(
        _ version: TLSVersion = .tls13, stats: TLSStatsPair? = nil, byLibrary: Bool = false
    ) throws -> TLSPair {
        var client = pki.clientSpec()
        client.maxVersion = version
        client.takesOverRecords = !byLibrary
        var server = try pki.serverSpec(pki.server())
        server.takesOverRecords = !byLibrary
        let pair = try TLSPair(client: client, server: server, stats: stats)
        pair.handshake()
        #expect(pair.bothDone)
        return pair
    }

    @Test func bigTransfersBothWays() throws {
        for version in [TLSVersion.tls12, .tls13] {
            let pair = try connected(version)
            let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
            #expect(pair.send(bytes, from: pair.client, to: pair.server) == bytes)
            #expect(pair.send(bytes, from: pair.server, to: pair.client, step: 5000) == bytes)
            #expect(pair.pool.slabsInUse == 0)
        }
    }

    @Test func manyRecordsInOneCallAndLimits() throws {
        let pair = try connected(byLibrary: true)
        let bytes = [UInt8](repeating: 7, count: 200_000)
        pair.client.toSend.append(bytes)
        #expect(pair.client.write(limit: 50_000) == .data(4 * 16384))
        #expect(pair.client.write() == .data(200_000 - 4 * 16384))
        #expect(pair.client.toSend.count == 0)
        pair.carry()
        let server = pair.server
        func read(_ limit: Int) -> TLSSession.ReadResult {
            server.session.decrypt(
                rawInput: &server.rawInput, rawOutput: &server.rawOutput, into: &server.received, limit: limit)
        }
        #expect(read(10) == .data(10))
        #expect(server.session.hasPlaintext)
        #expect(read(100_000) == .data(100_000))
        #expect(read(.max) == .data(99_990))
        #expect(!server.session.hasPlaintext)
        #expect(read(.max) == .needsInput)
        #expect(server.received.array == bytes)
    }

    @Test func smallPartsShareARecord() throws {
        let pair = try connected(byLibrary: true)
        // A head, and a body in a slab of its own behind it.
        pair.client.toSend.append("HEAD")
        var body = ByteQueue(pool: pair.pool)
        body.append([UInt8](repeating: 1, count: 10_000))
        body.moveAll(to: &pair.client.toSend)
        pair.client.write()
        // 22 bytes each of header, type and tag in TLS 1.3: two records for the 10,004 bytes.
        #expect(pair.client.rawOutput.count == 10_004 + 2 * 22)
        pair.carry()
        pair.server.read()
        #expect(pair.server.received.count == 10_004)
    }

    @Test func closeNotifyIsACleanEnd() throws {
        for version in [TLSVersion.tls12, .tls13] {
            let pair = try connected(version)
            pair.client.toSend.append("bye")
            pair.client.write()
            pair.client.session.closeNotify(rawOutput: &pair.client.rawOutput)
            let once = pair.client.rawOutput.count
            pair.client.session.closeNotify(rawOutput: &pair.client.rawOutput)
            #expect(pair.client.rawOutput.count == once)
            pair.carry()
            pair.server.read()
            #expect(pair.server.received.string == "bye")
            #expect(pair.server.readResult == .end)
            // The other direction is still open.
            #expect(pair.send(Array("late".utf8), from: pair.server, to: pair.client) == Array("late".utf8))
            pair.server.session.closeNotify(rawOutput: &pair.server.rawOutput)
            pair.carry()
            pair.client.read()
            #expect(pair.client.readResult == .end)
        }
    }

    @Test func idleSessionsHoldNoSlab() throws {
        let pair = try connected()
        pair.client.read()
        pair.server.read()
        _ = pair.send([UInt8](repeating: 1, count: 100_000), from: pair.client, to: pair.server)
        #expect(pair.pool.slabsInUse == 0)
        #expect(pair.pool.oversizeInUse == 0)
    }

    @Test func plainHTTPIsRecognised() throws {
        let stats = TLSStatsPair()
        let server = try TLSContext.server(pki.serverSpec(pki.server()), stats: stats.server)
        for step in [1, 1000] {
            let side = TLSSide(server.makeSession(), pool: SlabPool())
            var wire = ByteQueue(pool: side.rawInput.pool)
            wire.append("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            while !wire.isEmpty {
                wire.move(step, to: &side.rawInput)
                side.handshake()
            }
            #expect(side.failure == "peer does not speak TLS (got 'GET /\(step == 1 ? "" : " HT")')")
            #expect(side.session.failure?.kind == .notTLS)
        }
        #expect(stats.onServer("connection_error") == 2)
    }

    @Test func garbageNeverGetsAnywhere() throws {
        let server = try TLSContext.server(pki.serverSpec(pki.server()))
        let client = try TLSContext.client(pki.clientSpec())
        var seed: UInt64 = 0x9e37_79b9_7f4a_7c15
        func random() -> UInt8 {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: seed >> 56)
        }
        for round in 0..<300 {
            let side = TLSSide(round % 2 == 0 ? server.makeSession() : client.makeSession(), pool: SlabPool())
            side.handshake()
            // Half of the rounds begin like a handshake record.
            var bytes: [UInt8] = round % 4 < 2 ? [22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3] : []
            bytes += (0..<2000).map { _ in random() }
            side.rawInput.append(bytes)
            side.handshake()
            #expect(side.handshakeResult != .done)
            #expect(!(side.failure ?? "none").isEmpty)
        }
    }

    @Test func damagedRecordsAreRefused() throws {
        let stats = TLSStatsPair()
        let pair = try connected(stats: stats)
        pair.client.toSend.append([UInt8](repeating: 1, count: 100))
        pair.client.write()
        var bytes = pair.client.rawOutput.array
        bytes[50] ^= 1
        pair.server.rawInput.append(bytes)
        pair.server.read()
        #expect(pair.server.failure == "a record of the client was damaged on its way (bad MAC)")
        #expect(pair.server.received.count == 0)
        #expect(pair.server.rawOutput.count > 0)
        #expect(stats.onServer("connection_error") == 1)
        // It stays failed.
        pair.server.read()
        #expect(pair.server.readResult == .failed(try #require(pair.server.session.failure)))
        #expect(pair.server.write() == .failed(try #require(pair.server.session.failure)))
    }

    @Test func whatCameBeforeTheDamageIsDelivered() throws {
        let pair = try connected()
        pair.client.toSend.append("good")
        pair.client.write()
        pair.carry()
        pair.server.rawInput.append([UInt8](repeating: 23, count: 40))
        let server = pair.server
        let result = server.session.decrypt(
            rawInput: &server.rawInput, rawOutput: &server.rawOutput, into: &server.received, limit: .max)
        #expect(result == .data(4))
        server.read()
        #expect(server.failure != nil)
    }

    @Test func truncatedRecordWaits() throws {
        let pair = try connected()
        pair.client.toSend.append([UInt8](repeating: 1, count: 1000))
        pair.client.write()
        pair.client.rawOutput.move(500, to: &pair.server.rawInput)
        pair.server.read()
        #expect(pair.server.readResult == .needsInput)
        #expect(pair.server.received.count == 0)
        pair.carry()
        pair.server.read()
        #expect(pair.server.received.count == 1000)
    }

    @Test func connectionThatEndsInTheHandshake() throws {
        let server = try TLSContext.server(pki.serverSpec(pki.server()))
        let silent = TLSSide(server.makeSession(), pool: SlabPool())
        silent.handshake()
        #expect(silent.session.connectionEnded().reason == "peer closed the connection before the TLS handshake began")
        let half = TLSPair(try TLSContext.client(pki.clientSpec()).makeSession(), server.makeSession())
        half.client.handshake()
        half.client.rawOutput.move(50, to: &half.server.rawInput)
        half.server.handshake()
        #expect(half.server.session.connectionEnded().reason == "peer closed the connection during the TLS handshake")
        #expect(half.server.session.connectionEnded().kind == .closed)
    }
}
