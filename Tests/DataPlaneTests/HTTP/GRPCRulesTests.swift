// gRPC's timeouts and messages.
import HTTPWire
import Reactor
import Testing

@testable import DataPlane

struct GRPCRulesTests {
    @Test(arguments: [
        ("1H", 3_600_000), ("2M", 120_000), ("3S", 3000), ("4m", 4), ("5u", 1), ("1500u", 2), ("7n", 1),
        ("99999999m", 99_999_999),
    ])
    func timeoutsAreRead(_ text: String, _ milliseconds: Int64) {
        let headers = HeaderMap()
        text.bytes { headers.append(.grpcTimeout, $0) }
        #expect(GRPCRules.timeout(headers) == .milliseconds(milliseconds))
    }

    @Test(arguments: ["", "1", "m", "123456789m", "-1S", "1.5S", "1x"])
    func malformedTimeoutsAreNone(_ text: String) {
        let headers = HeaderMap()
        text.bytes { headers.append(.grpcTimeout, $0) }
        #expect(GRPCRules.timeout(headers) == nil)
    }

    @Test func timeoutsAreWrittenInAUnitThatFits() {
        var scratch = ByteArena()
        let headers = HeaderMap()
        for (amount, text) in [(TimeAmount.milliseconds(1500), "1500m"), (.hours(100_000), "360000000S")] {
            GRPCRules.setTimeout(amount, headers, &scratch)
            let written = headers.value(.grpcTimeout)?.string
            if text.utf8.count <= 9 { #expect(written == text) } else { #expect(written == "6000000M") }
        }
    }

    @Test func messagesAreEncoded() {
        var arena = ByteArena()
        "a%b\u{e9}\n".bytes { GRPCRules.encodeMessage($0, into: &arena) }
        #expect(arena.view.string == "a%25b%C3%A9%0A")
    }
}
