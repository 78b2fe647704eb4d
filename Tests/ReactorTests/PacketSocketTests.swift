// Packets with descriptors between processes, here between two ends of one loop.
import Glibc
import TestKit
import Testing

@testable import Reactor

@Suite struct PacketSocketTests {
    @Test func packetsStayWhole() throws {
        let loop = try EventLoop()
        let (one, other) = try PacketSocket.pair(loop: loop)
        #expect(one.peer.isSameUser && one.peer.process == getpid())
        var packets: [[UInt8]] = []
        var isEnded = false
        try other.start({ packets.append($0.bytes) }, ended: { isEnded = true })
        one.send([1, 2, 3])
        one.send([4])
        one.send([UInt8](repeating: 7, count: PacketSocket.maxPacket))
        #expect(loop.turn { packets.count == 3 })
        #expect(packets.map(\.count) == [3, 1, PacketSocket.maxPacket])
        one.close()
        #expect(loop.turn { isEnded })
        #expect(!other.isOpen)
    }

    @Test func descriptorsTravel() throws {
        let loop = try EventLoop()
        let (one, other) = try PacketSocket.pair(loop: loop)
        let socket = try ListeningSocket.bind(.v4(.loopback, port: 0), loop: loop)
        let copy = try socket.duplicateDescriptor()
        defer { close(copy) }
        one.send([1], descriptors: [Int32](repeating: copy, count: PacketSocket.maxDescriptors))
        let packet = try #require(other.receive(within: .seconds(10)))
        defer { packet.closeDescriptors() }
        #expect(packet.descriptors.count == PacketSocket.maxDescriptors)
        #expect(Set(packet.descriptors).count == PacketSocket.maxDescriptors)
        for descriptor in packet.descriptors {
            #expect(try ListeningSocket.address(of: descriptor) == socket.localAddress)
        }
    }

    @Test func whatIsTooLongEndsTheConnection() throws {
        let loop = try EventLoop()
        let (one, other) = try PacketSocket.pair(loop: loop)
        var packets = 0
        var isEnded = false
        try other.start({ _ in packets += 1 }, ended: { isEnded = true })
        one.send([UInt8](repeating: 7, count: PacketSocket.maxPacket + 1))
        #expect(loop.turn { isEnded })
        #expect(packets == 0)
    }

    @Test func aSlowReaderGetsEverythingInOrder() throws {
        let loop = try EventLoop()
        let (one, other) = try PacketSocket.pair(loop: loop)
        try one.start({ _ in }, ended: {})
        let count = 200
        for number in 0..<count { one.send([UInt8(number)] + [UInt8](repeating: 0, count: 30_000)) }
        var numbers: [UInt8] = []
        try other.start({ numbers.append($0.bytes[0]) }, ended: {})
        #expect(loop.turn { numbers.count == count })
        #expect(numbers == (0..<count).map { UInt8($0) })
    }

    @Test func nobodyAnswers() throws {
        let loop = try EventLoop()
        let (one, other) = try PacketSocket.pair(loop: loop)
        #expect(one.receive(within: .milliseconds(1)) == nil)
        other.close()
        #expect(one.receive(within: .seconds(10)) == nil)
        #expect(throws: SystemError.self) { try PacketSocket.connect(to: "@outrider-nobody-\(getpid())", loop: loop) }
    }

    @Test func listenersTakeEveryOne() throws {
        let loop = try EventLoop()
        let path = "@outrider-packets-\(getpid())"
        var accepted: [PacketSocket] = []
        let listener = try PacketListener(path, mode: 0o600, loop: loop) { accepted.append($0) }
        let clients = try (0..<3).map { _ in try PacketSocket.connect(to: path, loop: loop) }
        #expect(loop.turn { accepted.count == 3 })
        #expect(clients.allSatisfy { $0.peer.process == getpid() })
        listener.close()
        #expect(throws: SystemError.self) { try PacketSocket.connect(to: path, loop: loop) }
    }
}

@Suite struct ListenOptionsTests {
    @Test func everyOptionIsInTheSignature() {
        let plain = ListenOptions()
        var changes: [(inout ListenOptions) -> Void] = []
        changes.append { $0.backlog = 7 }
        changes.append { $0.reusePort = true }
        changes.append { $0.acceptsIPv4 = true }
        changes.append { $0.unixMode = 0o600 }
        changes.append { $0.socket.keepalive = TCPKeepalive() }
        changes.append { $0.socket.keepalive = TCPKeepalive(idleSeconds: 1) }
        changes.append { $0.socket.keepalive = TCPKeepalive(intervalSeconds: 1) }
        changes.append { $0.socket.userTimeoutMilliseconds = 1 }
        changes.append { $0.socket.noDelay = false }
        changes.append { $0.socket.mark = 1 }
        changes.append { $0.socket.transparent = true }
        changes.append { $0.socket.freebind = true }
        changes.append { $0.socket.receiveBuffer = 1 }
        changes.append { $0.socket.sendBuffer = 1 }
        changes.append { $0.socket.raw = [RawSocketOption(level: 1, name: 2, value: .int(3))] }
        changes.append { $0.socket.raw = [RawSocketOption(level: 1, name: 2, value: .bytes([3]))] }
        let signatures = changes.map { change in
            var options = plain
            change(&options)
            return options.signature
        }
        #expect(Set(signatures + [plain.signature]).count == changes.count + 1)
        #expect(ListenOptions().signature == plain.signature)
    }
}
