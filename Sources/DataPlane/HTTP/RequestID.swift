// x-request-id: random UUIDs, written without allocating.
import HTTPWire
import Reactor

/// Makes version 4 UUIDs (RFC 9562). One a worker; not thread-safe.
struct RequestIDGenerator {
    private static let hexDigits = Array("0123456789abcdef".utf8)
    /// Where the 32 digits go in the text.
    private static let positions: [Int] = (0..<36).filter { ![8, 13, 18, 23].contains($0) }

    private var text = Array("00000000-0000-4000-8000-000000000000".utf8)

    /// Makes an id and hands its 36 characters to `body`. The 15th character, which Envoy's tracing looks at, is the
    /// version "4": not traced.
    mutating func make(_ random: inout FastRandom, _ body: (ByteView) -> Void) {
        var high = random.next()
        var low = random.next()
        for index in 0..<32 {
            var digit: Int
            if index < 16 {
                digit = Int(high & 0xf)
                high >>= 4
            } else {
                digit = Int(low & 0xf)
                low >>= 4
            }
            if index == 12 { digit = 4 }
            if index == 16 { digit = digit & 0x3 | 0x8 }
            text[RequestIDGenerator.positions[index]] = RequestIDGenerator.hexDigits[digit]
        }
        text.withUnsafeBytes { body(ByteView($0)) }
    }
}
