// The bytes of grpc.health.v1.Health/Check.
import Reactor
import Testing

@testable import DataPlane

@Suite struct GRPCHealthAnswerTests {
    private func answer(_ bytes: [UInt8], pieces size: Int = 1) -> GRPCHealthAnswer {
        var answer = GRPCHealthAnswer()
        for start in stride(from: 0, to: bytes.count, by: size) {
            bytes[start..<min(start + size, bytes.count)].withUnsafeBytes { answer.feed(ByteView($0)) }
        }
        return answer
    }

    @Test func requestsNameTheService() {
        #expect(GRPCHealthAnswer.request(service: "") == [0, 0, 0, 0, 0])
        #expect(GRPCHealthAnswer.request(service: "svc") == [0, 0, 0, 0, 5, 0x0a, 3] + Array("svc".utf8))
        let long = GRPCHealthAnswer.request(service: String(repeating: "s", count: 300))
        #expect(long.prefix(8) == [0, 0, 0, 1, 47, 0x0a, 0xac, 0x02])
    }

    @Test(arguments: [1, 4, 100])
    func readsTheStatus(_ size: Int) {
        #expect(answer([0, 0, 0, 0, 2, 0x08, 1], pieces: size).serving == 1)
        #expect(answer([0, 0, 0, 0, 2, 0x08, 2], pieces: size).serving == 2)
        // The default is not sent.
        #expect(answer([0, 0, 0, 0, 0], pieces: size).serving == 0)
    }

    @Test func skipsFieldsThatNobodyKnows() {
        let other: [UInt8] = [0x12, 2, 9, 9, 0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x25, 1, 2, 3, 4, 0x28, 0x80, 0x01]
        #expect(answer([0, 0, 0, 0, UInt8(other.count + 2)] + other + [0x08, 1]).serving == 1)
    }

    @Test(arguments: [
        [], [0, 0, 0, 0], [0, 0, 0, 0, 2, 0x08], [0, 0, 0, 0, 1, 0x08], [0, 0, 0, 0, 2, 0x08, 1, 0],
        [0, 0, 0, 0, 2, 0x08, 0x80], [0, 0, 0, 0, 3, 0x12, 9, 0], [0, 0, 0, 0, 1, 0x0f],
        [0, 0xff, 0xff, 0xff, 0xff, 0x08, 1], [0, 0, 0, 0, 12] + Array(repeating: 0xff, count: 12),
    ])
    func malformedAnswersHaveNone(_ bytes: [UInt8]) { #expect(answer(bytes).serving == nil) }

    /// Whatever a server sends: no trap, and SERVING only where it says so.
    @Test func randomAnswersAreRead() {
        var random = FastRandom(seed: (5, 6, 7, 8))
        for _ in 0..<20_000 {
            let message = (0..<random.below(12)).map { _ in UInt8(truncatingIfNeeded: random.next() & 0x9f) }
            _ = answer([0, 0, 0, 0, UInt8(message.count)] + message).serving
        }
    }

    @Test func whatIsTooLongOrCompressedIsNamed() {
        #expect(answer(Array(repeating: 0, count: 5000)).problem == "the answer's message is over 4096 bytes")
        #expect(answer([1, 0, 0, 0, 2, 8, 1]).problem == "the answer's message is compressed")
    }
}
