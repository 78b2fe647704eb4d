// Who is traced, and what the request id says of it.
import HTTPWire
import Reactor
import Testing

@testable import DataPlane

struct TraceSamplingTests {
    private func decide(
        _ id: String?, _ fields: [HeaderName] = [], runtime: [String: RuntimeSpec.Value] = [:], roll: UInt64 = 0,
        _ change: (inout SamplingSpec) -> Void = { _ in }
    ) -> (reason: TraceReason, id: String?) {
        var spec = SamplingSpec()
        change(&spec)
        var values = RuntimeSpec()
        values.values = runtime
        let request = HeaderMap()
        if let id { id.bytes { request.append(.xRequestID, $0) } }
        for field in fields { request.append(field, "1") }
        let reason = TraceSampling(spec, values).decide(request, roll: roll)
        return (reason, request.value(.xRequestID)?.string)
    }

    /// The id whose first digits make this number, and which has this digit.
    private func id(_ number: UInt32, _ digit: Character = "4") -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits + "-0000-\(digit)000-8000-000000000000"
    }

    @Test func theFirstDigitsAreTheRoll() {
        let half = Fraction(numerator: 5000, denominator: 10_000)
        #expect(decide(id(4999)) { $0.random = half } == (.sampled, id(4999, "9")))
        #expect(decide(id(5000)) { $0.random = half } == (.notTraceable, id(5000)))
        #expect(decide(id(14_999)) { $0.random = half } == (.sampled, id(14_999, "9")))
    }

    @Test(
        arguments: [
            ("9", .sampled), ("a", .forced), ("b", .client), ("4", .notTraceable), ("c", .notTraceable),
        ] as [(Character, TraceReason)])
    func whatTheHopBeforeHasDecided(_ digit: Character, _ reason: TraceReason) {
        #expect(decide(id(1, digit)) { $0.random.numerator = 0 } == (reason, id(1, digit)))
    }

    @Test func headersThatAsk() {
        let none: (inout SamplingSpec) -> Void = { $0.random.numerator = 0 }
        #expect(decide(id(1), [.xEnvoyForceTrace], none) == (.forced, id(1, "a")))
        #expect(decide(id(1), [.xClientTraceID], none) == (.client, id(1, "b")))
        #expect(decide(id(1), [.xClientTraceID, .xEnvoyForceTrace], none) == (.client, id(1, "b")))
        let few: (inout SamplingSpec) -> Void = {
            $0.random.numerator = 0
            $0.client = Fraction(numerator: 10, denominator: 100)
        }
        #expect(decide(id(1), [.xClientTraceID], roll: 9, few).reason == .client)
        #expect(decide(id(1), [.xClientTraceID], roll: 10, few).reason == .notTraceable)
    }

    @Test func theOverallFractionHasTheLastWord() {
        #expect(decide(id(50, "a")) { $0.overall.numerator = 50 } == (.notTraceable, id(50, "4")))
        #expect(decide(id(49, "a")) { $0.overall.numerator = 50 } == (.forced, id(49, "a")))
    }

    @Test func theRuntimeOverrides() {
        #expect(decide(id(1), runtime: ["tracing.random_sampling": .number(0)]).reason == .notTraceable)
        #expect(decide(id(1), runtime: ["tracing.global_enabled": .number(0)]).reason == .notTraceable)
        #expect(
            decide(id(1), [.xClientTraceID], runtime: ["tracing.client_enabled": .number(0)]).reason == .sampled)
    }

    @Test(arguments: [nil, "", "0", "zzzzzzzz-0000-4000-8000-000000000000"])
    func withoutAnIDNothingIsTraced(_ value: String?) {
        #expect(decide(value, [.xEnvoyForceTrace]) == (.notTraceable, value))
    }

    @Test func anIDOfAnotherKindIsLeftAlone() {
        #expect(decide("00000001-and-so-on") == (.sampled, "00000001-and-so-on"))
    }
}
