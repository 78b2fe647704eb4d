// Peers whose records break the rules, and what is told them.
import TestKit
import Testing

@testable import Reactor

@Suite struct RecordFaultTests {
    let scene: RecordScene
    init() throws { scene = try RecordScene() }

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
            let pair = try scene.connected(version)
            pair.client.toSend.append(testBytes(length))
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
        #expect(scene.stats.onServer("connection_error") == UInt64(length + (version == .tls13 ? 22 : 29)))
    }

    @Test func recordsOutOfTurnAreRefused() throws {
        for version in [TLSVersion.tls12, .tls13] {
            let pair = try scene.connected(version)
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
            let pair = try scene.connected(version)
            pair.server.rawInput.append(wire)
            pair.server.read()
            #expect(pair.server.failure?.hasSuffix(words) == true, "\(wire): \(pair.server.failure ?? "none")")
        }
    }

    @Test func recordsThatSayNothingAreBounded() throws {
        let userCancelled: [UInt8] = [1, 90]
        let keyUpdate: [UInt8] = [24, 0, 0, 1, 1]
        for (type, content) in [(RecordType.applicationData, []), (RecordType.alert, userCancelled)] {
            let pair = try scene.connected(.tls13)
            for _ in 0..<32 { try send(type, content, pair) }
            #expect(pair.server.failure == nil)
            try send(RecordType.applicationData, [7], pair)
            for _ in 0..<33 { try send(type, content, pair) }
            #expect(pair.server.failure != nil)
            #expect(pair.server.received.array == [7])
        }
        // The keys of a flood of updates cannot be told ahead: each is sealed with the next one's.
        let pair = try scene.connected(.tls13)
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
        let cases: [(Record, String)] = [
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
            let pair = try scene.connected(.tls13)
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
        let pair = try scene.connected(.tls13)
        try send(RecordType.handshake, [24, 0, 0], pair)
        try send(RecordType.handshake, [1, 0], pair)
        #expect(pair.server.failure == nil)
        // The server now reads with the next key, which the client did not take.
        try send(RecordType.applicationData, [1], pair)
        #expect(pair.server.failure?.contains("bad MAC") == true)
        let mixed = try scene.connected(.tls13)
        try send(RecordType.handshake, [24, 0, 0], mixed)
        try send(RecordType.applicationData, [1], mixed)
        #expect(mixed.server.failure?.contains("unexpected record") == true)
    }

    @Test func ticketsAreSkipped() throws {
        let pair = try scene.connected(.tls13)
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
            let pair = try scene.connected(version)
            try send(RecordType.alert, [2, 40], pair)
            #expect(pair.server.session.failure?.kind == .alert)
            #expect(pair.server.failure?.contains("handshake failure") == true)
            // Who ended it is not told so.
            #expect(pair.server.rawOutput.count == 0)
        }
        // A warning means nothing in TLS 1.2, and is no less than an error in TLS 1.3.
        let old = try scene.connected(.tls12)
        try send(RecordType.alert, [1, 112], old)
        #expect(old.server.failure == nil)
        let new = try scene.connected(.tls13)
        try send(RecordType.alert, [1, 112], new)
        #expect(new.server.session.failure?.kind == .alert)
    }

    @Test func aHelloRequestIsTurnedDown() throws {
        let pair = try scene.connected(.tls12)
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
            let pair = try scene.connected(version, client: false, server: true)
            pair.server.rawInput.append([UInt8(23), 3, 3, 0, 60] + [UInt8](repeating: 1, count: 60))
            pair.server.read()
            pair.carry()
            pair.client.read()
            #expect(pair.client.session.failure?.kind == .alert)
            #expect(pair.client.failure?.contains("(alert 20)") == true)
        }
    }
}
