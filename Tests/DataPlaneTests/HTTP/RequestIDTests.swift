// x-request-id: UUIDs of version 4, digit by digit.
import Testing

@testable import DataPlane

@Suite struct RequestIDTests {
    /// The same two words as text, the plain way.
    private func expected(_ random: inout FastRandom) -> String {
        let words = [random.next() & ~0xf000 | 0x4000, random.next() & ~(0xc << 60) | 0x8 << 60]
        var text = ""
        for place in 0..<32 {
            if [8, 12, 16, 20].contains(place) { text += "-" }
            text += String(words[place / 16] >> UInt64(60 - 4 * (place % 16)) & 0xf, radix: 16)
        }
        return text
    }

    @Test func everyDigitIsInItsPlace() {
        var random = FastRandom(seed: (1, 2, 3, 4))
        var same = FastRandom(seed: (1, 2, 3, 4))
        for _ in 0..<1000 {
            var made = ""
            RequestID.make(&random) { made = $0.string }
            #expect(made == expected(&same))
        }
    }
}
