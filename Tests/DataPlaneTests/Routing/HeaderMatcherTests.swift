// Conditions on headers.
import HTTPWire
import Matching
import Testing

@testable import DataPlane

@Suite struct HeaderMatcherTests {
    private func matches(
        _ rule: HeaderMatchSpec.Rule, _ values: [String], invert: Bool = false, missingAsEmpty: Bool = false
    ) -> Bool {
        var spec = HeaderMatchSpec(name: "x-h", rule: rule)
        spec.invert = invert
        spec.treatMissingAsEmpty = missingAsEmpty
        return HeaderMatcher(spec).matches(StreamFixture(headers: values.map { ("X-H", $0) }).request)
    }

    @Test func presence() {
        for (wanted, there, invert, expected) in [
            (true, true, false, true), (true, false, false, false), (false, true, false, false),
            (false, false, false, true), (true, true, true, false), (true, false, true, true),
            (false, true, true, true),
            (false, false, true, false),
        ] {
            #expect(matches(.present(wanted), there ? ["v"] : [], invert: invert) == expected)
        }
    }

    @Test func missingHeadersFailEvenInverted() {
        let exact = HeaderMatchSpec.Rule.string(StringMatcher(.exact("v")))
        #expect(matches(exact, ["v"]))
        #expect(!matches(exact, ["w"]))
        #expect(matches(exact, ["w"], invert: true))
        #expect(!matches(exact, []))
        #expect(!matches(exact, [], invert: true))
        #expect(matches(exact, [], invert: true, missingAsEmpty: true))
        #expect(matches(.string(StringMatcher(.exact(""))), [], missingAsEmpty: true))
    }

    @Test func oneOfSeveralLinesIsEnough() {
        #expect(!matches(.string(StringMatcher(.exact("a,b,c"))), ["a", "b", "c"]))
        #expect(matches(.string(StringMatcher(.exact("b"))), ["a", "b"]))
        #expect(!matches(.string(StringMatcher(.contains(","))), ["a", "b"]))
        #expect(!matches(.string(StringMatcher(.exact("b"))), ["a", "b"], invert: true))
    }

    @Test func everyStringMatcher() throws {
        #expect(matches(.string(StringMatcher(.prefix("AB"), ignoreCase: true)), ["abc"]))
        #expect(matches(.string(StringMatcher(.suffix("c"))), ["abc"]))
        #expect(matches(.string(StringMatcher(.regex(try Regex("a.c")))), ["abc"]))
        #expect(!matches(.string(StringMatcher(.regex(try Regex("a.")))), ["abc"]))
    }

    @Test func ranges() {
        let rule = HeaderMatchSpec.Rule.range(-10, 10)
        let cases = [
            "-10": true, "9": true, "10": false, "-11": false, "+5": true, " 3 ": true, "": false, "3x": false,
            "1,2": false,
            "99999999999999999999": false, "-9223372036854775808": false, "-": false,
        ]
        for (value, expected) in cases { #expect(matches(rule, [value]) == expected, "\(value)") }
        #expect(matches(rule, ["100", "2"]))
        #expect(matches(.range(.min, 0), ["-9223372036854775808"]))
        #expect(matches(rule, ["50"], invert: true))
    }

    @Test func pseudoHeadersAndHost() {
        let stream = StreamFixture("/p", host: "H")
        for (name, value) in [
            (":method", "GET"), (":path", "/p"), (":authority", "H"), ("host", "H"), (":scheme", "http"),
        ] {
            let spec = HeaderMatchSpec(name: name, rule: .string(StringMatcher(.exact(value))))
            #expect(HeaderMatcher(spec).matches(stream.request), "\(name)")
        }
        #expect(!HeaderMatcher(HeaderMatchSpec(name: "no name", rule: .present(true))).matches(stream.request))
    }
}
