// gRPC calls as the statistics filter counts them.
import HTTPWire
import Reactor
import TestKit
import Testing

@testable import DataPlane

@Suite struct GRPCStatsTests {
    private static func message(_ count: Int, flags: UInt8 = 0) -> [UInt8] {
        [flags, UInt8(count >> 24), UInt8(count >> 16 & 255), UInt8(count >> 8 & 255), UInt8(count & 255)]
            + [UInt8](repeating: 7, count: count)
    }

    private static func count(_ bytes: [UInt8], parts: Int) -> UInt64 {
        let pool = SlabPool()
        var counter = GRPCMessageCounter()
        var begun: UInt64 = 0
        var rest = bytes[...]
        while !rest.isEmpty {
            var queue = ByteQueue(pool: pool)
            queue.append(Array(rest.prefix(parts)))
            rest = rest.dropFirst(parts)
            begun += counter.take(queue)
        }
        return begun
    }

    @Test(arguments: [Int.max, 1, 7, 16_384])
    func messagesAreFoundHoweverTheyCome(parts: Int) {
        let bytes = [0, 1, 40_000, 0, 5].flatMap { Self.message($0) } + Self.message(3, flags: 1)
        #expect(Self.count(bytes, parts: parts) == 6)
        // Counted when it begins, and nothing behind what is no message.
        #expect(Self.count(Self.message(2) + [0], parts: parts) == 2)
        #expect(Self.count(Self.message(2) + [2] + Self.message(1), parts: parts) == 1)
        #expect(Self.count([0, 255, 255, 255, 255, 0, 0, 0], parts: parts) == 1)
    }

    private static let call = ["content-type: application/grpc+proto"]

    private func rig(_ methods: GRPCStatsSpec.Methods) throws -> HTTPRig {
        try HTTPRig(
            settings: {
                var spec = GRPCStatsSpec()
                spec.methods = methods
                $0.grpcStats = spec
            },
            route: { $0.pathRewrite = .prefix("/elsewhere") })
    }

    @Test func aCallHasItsMethodsCounters() throws {
        let rig = try rig(.all)
        for status in ["0", "14", "99"] {
            let call = rig.request("POST", "/pkg.Echo/say?q", Self.call, end: false)
            call.send("\0\0\0\0\u{1}x\0\0\0", end: false)
            call.send("\0\u{1}y", end: true)
            let upstream = try #require(rig.app.tries.last)
            upstream.answer(200, Self.call, "\0\0\0\0\0", end: false)
            upstream.endWithTrailers("grpc-status", status)
            rig.turn()
        }
        let prefix = "cluster.app.grpc.pkg.Echo.say."
        #expect(rig.stat(prefix + "total") == 3)
        #expect(rig.stat(prefix + "success") == 1 && rig.stat(prefix + "failure") == 2)
        #expect(rig.stat(prefix + "0") == 1 && rig.stat(prefix + "14") == 1 && rig.stat(prefix + "99") == 0)
        #expect(rig.stat(prefix + "request_message_count") == 6 && rig.stat(prefix + "response_message_count") == 3)
    }

    @Test func otherRequestsAreNone() throws {
        let rig = try rig(.none)
        rig.request("POST", "/pkg.Echo/say", ["content-type: application/grpc-web"])
        rig.app.tries.last?.answer(200, ["grpc-status: 0"])
        rig.turn()
        rig.request("POST", "/pkg.Echo/say", Self.call)
        rig.app.tries.last?.answer(200, ["grpc-status: 0"])
        #expect(rig.stat("cluster.app.grpc.total") == 1)
    }

    @Test func pathsThatAreNoMethodsAreCountedTogether() throws {
        let rig = try rig(.all)
        for path in ["/", "/one", "/a/b/c", "//b", "/a/"] {
            rig.request("POST", path, Self.call)
            rig.app.tries.last?.answer(200, ["grpc-status: 0"])
            rig.turn()
        }
        #expect(rig.stat("cluster.app.grpc.total") == 5)
    }
}
