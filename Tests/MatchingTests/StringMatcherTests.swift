// Tests of StringMatcher: every pattern, with and without case.
import Testing

@testable import Matching

@Suite struct StringMatcherTests {
    @Test(arguments: [
        (StringMatcher.Pattern.exact("Abc"), ["Abc"], ["abc", "Abcd", "Ab", ""]),
        (.prefix("/Api"), ["/Api", "/Api/x"], ["/api", "x/Api", "/Ap", ""]),
        (.suffix(".Com"), [".Com", "a.Com"], [".com", "a.Com.", "om", ""]),
        (.contains("iS"), ["iS", "thiS", "thiSx", "iiS"], ["is", "i", "", "iXS"]),
        (.any, ["", "x"], []),
    ])
    func comparesWithCase(pattern: StringMatcher.Pattern, matching: [String], failing: [String]) {
        let matcher = StringMatcher(pattern)
        for text in matching { #expect(matcher.matches(text), "\(matcher) should match \(text)") }
        for text in failing { #expect(!matcher.matches(text), "\(matcher) should not match \(text)") }
    }

    @Test(arguments: [
        (StringMatcher.Pattern.exact("Abc"), ["Abc", "aBC"], ["Abcd", "@bc"]),
        (.prefix("/Api"), ["/aPI/x"], ["/ap"]),
        (.suffix(".Com"), ["a.cOM"], ["a.co"]),
        (.contains("iS"), ["tHIs", "Is"], ["i", "ip", ""]),
    ])
    func comparesWithoutCase(pattern: StringMatcher.Pattern, matching: [String], failing: [String]) {
        let matcher = StringMatcher(pattern, ignoreCase: true)
        for text in matching { #expect(matcher.matches(text), "\(matcher) should match \(text)") }
        for text in failing { #expect(!matcher.matches(text), "\(matcher) should not match \(text)") }
    }

    @Test func foldsASCIIOnly() {
        let matcher = StringMatcher(.exact("É[{@"), ignoreCase: true)
        #expect(matcher.matches("É[{@"))
        #expect(!matcher.matches("é[{@"))
        #expect(!StringMatcher(.exact("["), ignoreCase: true).matches("{"))
        #expect(!StringMatcher(.exact("@"), ignoreCase: true).matches("`"))
    }

    @Test func emptyPatterns() {
        #expect(StringMatcher(.exact("")).matches(""))
        #expect(!StringMatcher(.exact("")).matches("a"))
        #expect(StringMatcher(.prefix("")).matches("a"))
        #expect(StringMatcher(.suffix("")).matches(""))
        #expect(StringMatcher(.contains("")).matches("a"))
        #expect(StringMatcher(.contains(""), ignoreCase: true).matches(""))
        #expect(StringMatcher(.contains("a")).matches(UnsafeRawBufferPointer(start: nil, count: 0)) == false)
    }

    @Test func regexIgnoresTheCaseSwitch() throws {
        let matcher = StringMatcher(.regex(try Regex("a+")), ignoreCase: true)
        #expect(matcher.matches("aaa"))
        #expect(!matcher.matches("AAA"))
        #expect(!matcher.matches("aab"))
    }

    @Test func describesItself() throws {
        #expect(StringMatcher(.exact("a")).description == "exact \"a\"")
        #expect(StringMatcher(.prefix("s"), ignoreCase: true).description == "prefix \"s\" (ignoring case)")
        #expect(StringMatcher(.regex(try Regex("a+")), ignoreCase: true).description == "regex \"a+\"")
    }

    @Test func comparesByWhatWasWritten() throws {
        #expect(StringMatcher(.exact("a")) == StringMatcher(.exact("a")))
        #expect(StringMatcher(.exact("a")) != StringMatcher(.exact("a"), ignoreCase: true))
        #expect(StringMatcher(.exact("a")) != StringMatcher(.prefix("a")))
        #expect(StringMatcher(.regex(try Regex("a"))) == StringMatcher(.regex(try Regex("a"))))
    }
}
