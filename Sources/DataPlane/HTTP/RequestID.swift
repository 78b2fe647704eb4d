// x-request-id: random UUIDs, written without allocating.
import HTTPWire
import Reactor

/// Version 4 UUIDs (RFC 9562).
enum RequestID {
    /// Makes an id and hands its 36 characters to `body`. The 15th character, which Envoy's tracing looks at, is the
    /// version "4": not traced.
    static func make(_ random: inout FastRandom, _ body: (ByteView) -> Void) {
        // Version 4 and variant 0b10 (RFC 9562, section 5.4).
        let high = random.next() & ~0xf000 | 0x4000
        let low = random.next() & ~(0xc << 60) | 0x8 << 60
        let (first, second, third, fourth) = (digits(high &>> 32), digits(high), digits(low &>> 32), digits(low))
        // Eight characters a word; hyphens stand at 8, 13, 18 and 23.
        let text: InlineArray<5, UInt64> = [
            first,
            hyphen | (second & 0xffff_ffff) &<< 8 | hyphen &<< 40 | (second &>> 32) &<< 48,
            second &>> 48 | hyphen &<< 16 | (third & 0xffff_ffff) &<< 24 | hyphen &<< 56,
            third &>> 32 | fourth &<< 32,
            fourth &>> 32,
        ]
        text.span.withUnsafeBytes { body(ByteView($0).prefix(36)) }
    }

    private static var hyphen: UInt64 { 0x2d }

    /// The eight hexadecimal digits of a word's lower half as text, the first in the lowest byte.
    private static func digits(_ value: UInt64) -> UInt64 {
        // One nibble to each byte.
        var nibbles = value & 0xffff_ffff
        nibbles = (nibbles | nibbles &<< 16) & 0x0000_ffff_0000_ffff
        nibbles = (nibbles | nibbles &<< 8) & 0x00ff_00ff_00ff_00ff
        nibbles = (nibbles | nibbles &<< 4) & 0x0f0f_0f0f_0f0f_0f0f
        // 1 in each byte that is a letter.
        let letters = (nibbles &+ 0x0606_0606_0606_0606) &>> 4 & 0x0101_0101_0101_0101
        return (nibbles &+ 0x3030_3030_3030_3030 &+ letters &* 0x27).byteSwapped
    }
}
