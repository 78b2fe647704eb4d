// x-request-id: random UUIDs, written without allocating.
import HTTPWire
import Reactor

/// Version 4 UUIDs (RFC 9562).
enum RequestID {
    /// Makes an id and hands its 36 characters to `body`. The 15th character, which Envoy's tracing looks at, is the
    /// version "4": not traced.
    static func make(_ random: inout FastRandom, _ body: (ByteView) -> Void) {
        var text = InlineArray<36, UInt8>(repeating: 0x2d)
        // Version 4 and variant 0b10 (RFC 9562, section 5.4).
        let high = random.next() & ~0xf000 | 0x4000
        let low = random.next() & ~(0xc << 60) | 0x8 << 60
        var place = 0
        for index in 0..<32 {
            if index == 8 || index == 12 || index == 16 || index == 20 { place &+= 1 }
            let word = index < 16 ? high : low
            let nibble = UInt8(truncatingIfNeeded: word &>> UInt64(60 &- 4 &* (index & 15))) & 0xf
            text[place] = nibble < 10 ? 0x30 &+ nibble : 0x57 &+ nibble
            place &+= 1
        }
        text.span.withUnsafeBytes { body(ByteView($0)) }
    }
}
