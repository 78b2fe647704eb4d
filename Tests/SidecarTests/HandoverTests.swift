// What two processes say to each other at a hot restart, and the stats that go over.
import DataPlane
import Metrics
import Reactor
import TestKit
import Testing

@testable import Sidecar

@Suite struct HandoverMessageTests {
    private static let all: [HandoverMessage] = [
        .hello(version: 1), .listener(SocketIdentity(name: "", address: "127.0.0.1:80", options: "backlog=1")),
        .admin(SocketIdentity(name: "admin", address: "ü", options: "")), .offered(epoch: .max, began: -1), .taken,
        .counters([]), .counters([.init(name: "a.b", value: 1), .init(name: "", value: .max)]),
        .gauges([.init(name: "a", value: .min)]), .statsComplete, .drained,
    ]

    @Test(arguments: all) func saysWhatItMeans(message: HandoverMessage) {
        #expect(HandoverMessage(message.bytes) == message)
    }

    @Test(arguments: all) func isReadWholeOrNotAtAll(message: HandoverMessage) {
        let bytes = message.bytes
        for count in 0..<bytes.count { #expect(HandoverMessage(Array(bytes.prefix(count))) == nil) }
        #expect(HandoverMessage(bytes + [0]) == nil)
    }

    @Test func garbageIsNoMessage() {
        var random = SystemRandomNumberGenerator()
        for kind in UInt8.min...UInt8.max {
            for count in [0, 1, 7, 8, 9, 16, 40] {
                let bytes = [kind] + (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
                _ = HandoverMessage(bytes)
                _ = HandoverMessage([kind] + [UInt8](repeating: 0xff, count: count))
                _ = HandoverMessage([kind] + [UInt8](repeating: 0, count: count))
            }
        }
    }

    @Test func manyStatsAreCutIntoPackets() {
        let values = (0..<5000).map {
            HandoverMessage.StatValue(name: "cluster.service_\($0).upstream_rq_total", value: 1)
        }
        let tooLong = HandoverMessage.StatValue(name: String(repeating: "x", count: 5000), value: 1)
        let pieces = HandoverMessage.pieces(values + [tooLong])
        #expect(pieces.flatMap { $0 } == values)
        #expect(pieces.allSatisfy { HandoverMessage.counters($0).bytes.count <= PacketSocket.maxPacket })
        #expect(HandoverMessage.pieces([]).isEmpty)
    }
}

@Suite struct CarriedStatsTests {
    private let old = StatStore()
    private let new = StatStore()

    private func carry(_ carried: inout CarriedStats, to inherited: inout InheritedStats) {
        let changes = carried.changes(in: old.snapshot())
        inherited.add(counters: changes.counters)
        inherited.set(gauges: changes.gauges)
    }

    @Test func countersGoOnWhereTheyWere() {
        let cells = old.makeCells()
        let counter = cells.counter("http.ingress.downstream_rq_total")
        let own = new.makeCells()
        var carried = CarriedStats()
        var inherited = InheritedStats(own)
        counter.add(100)
        carry(&carried, to: &inherited)
        own.counter("http.ingress.downstream_rq_total").add(5)
        #expect(new.snapshot().value("http.ingress.downstream_rq_total") == 105)
        counter.add(7)
        carry(&carried, to: &inherited)
        carry(&carried, to: &inherited)
        #expect(new.snapshot().value("http.ingress.downstream_rq_total") == 112)
        old.resetCounters()
        counter.add(2)
        carry(&carried, to: &inherited)
        #expect(new.snapshot().value("http.ingress.downstream_rq_total") == 114)
    }

    @Test func connectionsAreOneSum() {
        let cells = old.makeCells()
        let own = new.makeCells()
        var carried = CarriedStats()
        var inherited = InheritedStats(own)
        let active = cells.gauge("http.ingress.downstream_cx_active")
        active.set(3)
        cells.gauge("server.total_connections").set(3)
        cells.gauge("server.uptime").set(1000)
        cells.gauge("listener_manager.total_listeners_active").set(9)
        own.gauge("http.ingress.downstream_cx_active").set(0)
        carry(&carried, to: &inherited)
        own.gauge("http.ingress.downstream_cx_active").add(4)
        #expect(new.snapshot().value("http.ingress.downstream_cx_active") == 7)
        #expect(new.snapshot().value("server.parent_connections") == 3)
        #expect(new.snapshot().value("server.total_connections") == 3)
        #expect(new.snapshot().value("server.uptime") == 0)
        #expect(new.snapshot().value("listener_manager.total_listeners_active") == 0)
        active.set(1)
        carry(&carried, to: &inherited)
        #expect(new.snapshot().value("http.ingress.downstream_cx_active") == 5)
        inherited.dropGauges()
        #expect(new.snapshot().value("http.ingress.downstream_cx_active") == 4)
        #expect(new.snapshot().value("server.parent_connections") == 0)
    }

    @Test func nonsenseIsNotCounted() {
        let own = new.makeCells()
        var inherited = InheritedStats(own)
        inherited.add(counters: [.init(name: "a", value: -5), .init(name: "", value: 5)])
        inherited.set(gauges: [.init(name: "cluster.a.upstream_cx_active", value: .min), .init(name: "b", value: 1)])
        #expect(new.snapshot().value("a") == 0 && new.snapshot().value("b") == 0)
        #expect(new.snapshot().value("cluster.a.upstream_cx_active") == 0)
    }
}

@Suite struct SuccessionTests {
    /// A process that can be taken over from, on the test's own loop.
    private final class Rig {
        let loop: EventLoop
        let path = "@outrider-test-\(ChildProcess.ownID)-\(UInt64.random(in: 0 ... .max))"
        let socket: ListeningSocket
        var succession: Succession?
        var successors: [Successor] = []

        init() throws {
            loop = try EventLoop()
            socket = try ListeningSocket.bind(.v4(.loopback, port: 0), loop: loop)
            let descriptor = try socket.duplicateDescriptor()
            let identity = SocketIdentity(name: "main/0", address: "127.0.0.1:0", options: "")
            succession = try Succession(
                HotRestartOptions(path: path), loop: loop, log: .init(label: "main"),
                offer: {
                    Succession.Offer(
                        listeners: [(identity, [descriptor, descriptor])], admin: [], epoch: 3, began: 42)
                }, replaced: { [unowned self] in successors.append($0) })
        }

        func connect() throws -> PacketSocket { try PacketSocket.connect(to: path, loop: loop) }

        /// What comes until the offer is whole.
        func packets(of socket: PacketSocket) throws -> [PacketSocket.Packet] {
            var found: [PacketSocket.Packet] = []
            var isOver = false
            try socket.start(
                {
                    found.append($0)
                    if case .offered = HandoverMessage($0.bytes) { isOver = true }
                }, ended: { isOver = true })
            #expect(loop.turn { isOver })
            return found
        }
    }

    @Test func offersItsSocketsAndIsReplaced() throws {
        let rig = try Rig()
        let peer = try rig.connect()
        peer.send(HandoverMessage.hello(version: 1).bytes)
        let packets = try rig.packets(of: peer)
        #expect(packets.map(\.descriptors.count) == [2, 0])
        #expect(HandoverMessage(packets[1].bytes) == .offered(epoch: 3, began: 42))
        let addresses = try packets[0].descriptors.map { try ListeningSocket.address(of: $0) }
        #expect(addresses == [rig.socket.localAddress, rig.socket.localAddress])
        packets[0].closeDescriptors()
        #expect(rig.successors.isEmpty)
        peer.send(HandoverMessage.taken.bytes)
        #expect(rig.loop.turn { !rig.successors.isEmpty })
        #expect(throws: SystemError.self) { try rig.connect() }
    }

    @Test(
        arguments: [
            [], [0], [255, 1, 2], HandoverMessage.taken.bytes, HandoverMessage.hello(version: 2).bytes,
            HandoverMessage.counters([.init(name: "a", value: 1)]).bytes, [UInt8](repeating: 1, count: 30_000),
        ] as [[UInt8]])
    func whoDoesNotKeepToTheProtocolGetsNothing(bytes: [UInt8]) throws {
        let rig = try Rig()
        let peer = try rig.connect()
        if bytes.isEmpty { peer.send([9]) } else { peer.send(bytes) }
        #expect(try rig.packets(of: peer).isEmpty)
        // The next one does.
        let other = try rig.connect()
        other.send(HandoverMessage.hello(version: 1).bytes)
        let packets = try rig.packets(of: other)
        #expect(packets.count == 2)
        packets.first?.closeDescriptors()
        #expect(rig.successors.isEmpty)
    }

    @Test func silentPeersAreNotInTheWay() throws {
        let rig = try Rig()
        let silent = try (0..<6).map { _ in try rig.connect() }
        let peer = try rig.connect()
        peer.send(HandoverMessage.hello(version: 1).bytes)
        let packets = try rig.packets(of: peer)
        #expect(packets.count == 2)
        packets.first?.closeDescriptors()
        withExtendedLifetime(silent) {}
    }
}
