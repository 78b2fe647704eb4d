// What gRPC calls of the main thread are made with, and how their messages are cut out of a body.
import Metrics
import Reactor
import Testing

@testable import DataPlane

@Suite struct GRPCUpstreamTests {
    private func options(_ change: (inout ClusterSpec) -> Void = { _ in }) throws -> SocketOptions {
        let fixture = try UpstreamFixture([UpstreamFixture.spec([.v4(.loopback, port: 1)], change)], workers: 1)
        return try #require(fixture.directory.grpcUpstream("c")).connector.socketOptions
    }

    @Test func aPeerThatIsGoneIsFoundWithinHalfAMinute() throws {
        let options = try options()
        let keepalive = try #require(options.keepalive)
        #expect((keepalive.idleSeconds ?? 0) + (keepalive.intervalSeconds ?? 0) * (keepalive.probes ?? 0) == 30)
        #expect(options.userTimeoutMilliseconds == 30_000)
    }

    @Test func theFilesWordCounts() throws {
        let own = TCPKeepalive(idleSeconds: 100)
        #expect(try options { $0.socketOptions.keepalive = own }.keepalive == own)
        #expect(try options { $0.detectsDeadPeers = false }.keepalive == nil)
    }

    @Test func thereIsNoneForUnknownClusters() throws {
        let fixture = try UpstreamFixture([UpstreamFixture.spec([.v4(.loopback, port: 1)])], workers: 1)
        #expect(fixture.directory.grpcUpstream("x") == nil)
    }

    /// Messages of a body that comes in pieces of `size` bytes, and what is wrong with it.
    private func read(_ body: [UInt8], pieces size: Int, limit: Int = 0) -> (messages: [[UInt8]], problem: String?) {
        var reader = GRPCMessageReader(limit: limit)
        var messages: [[UInt8]] = []
        for start in stride(from: 0, to: body.count, by: size) {
            body[start..<min(start + size, body.count)].withUnsafeBytes { reader.feed(ByteView($0)) }
            while let message = reader.next() { messages.append(message) }
        }
        return (messages, reader.problem)
    }

    @Test(arguments: [1, 2, 7, 1000])
    func messagesInPieces(_ size: Int) {
        let sent: [[UInt8]] = [[1, 2, 3], [], Array(repeating: 7, count: 300), [9]]
        let result = read(sent.flatMap(GRPCMessageReader.frame), pieces: size)
        #expect(result.messages == sent)
        #expect(result.problem == nil)
        let limited = read(sent.flatMap(GRPCMessageReader.frame), pieces: size, limit: 299)
        #expect(limited.messages == Array(sent.prefix(2)))
        #expect(limited.problem == "a message of the answer is 300 bytes long, and 299 is the limit")
        #expect(read([1, 0, 0, 0, 0], pieces: size).problem != nil)
    }

    /// Whatever a server sends: no trap, and nothing is held that has not come.
    @Test func randomBodiesAreRead() {
        var random = FastRandom(seed: (1, 2, 3, 4))
        for _ in 0..<5_000 {
            let body = (0..<random.below(40)).map { _ in UInt8(truncatingIfNeeded: random.next() & 0x83) }
            _ = read(body, pieces: Int(random.below(9)) + 1, limit: 20)
        }
    }
}
