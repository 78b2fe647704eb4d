// Bytes that have to come: in order, in any pieces, with anything between them.
import Reactor
import Testing

@testable import DataPlane

@Suite struct PayloadMatcherTests {
    private func matches(_ segments: [String], _ text: String, pieces size: Int) -> Bool {
        var matcher = PayloadMatcher(segments.map { Array($0.utf8) })
        let bytes = Array(text.utf8)
        for start in stride(from: 0, to: bytes.count, by: size) {
            bytes[start..<min(start + size, bytes.count)].withUnsafeBytes { matcher.feed(ByteView($0)) }
        }
        return matcher.isComplete
    }

    @Test(arguments: [1, 2, 3, 5, 100])
    func findsSegmentsInAnyPieces(_ size: Int) {
        #expect(matches(["PONG"], "+PONG\r\n", pieces: size))
        #expect(matches(["ab", "ab"], "abab", pieces: size))
        #expect(matches(["aab"], "aaaab", pieces: size))
        #expect(matches(["one", "two"], "xx one yy two zz", pieces: size))
        #expect(!matches(["one", "two"], "two one", pieces: size))
        #expect(!matches(["aba", "bab"], "abab", pieces: size))
        #expect(!matches(["PONG"], "+PON", pieces: size))
        #expect(matches(["", "a", ""], "a", pieces: size))
    }

    @Test func nothingToFindIsFound() {
        #expect(PayloadMatcher([]).isComplete)
        #expect(PayloadMatcher([[]]).isComplete)
    }
}
