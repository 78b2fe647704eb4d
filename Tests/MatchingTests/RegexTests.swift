// Tests of Regex: full matches, groups, substitution, and what is refused.
import Testing

@testable import Matching

@Suite struct RegexTests {
    @Test func matchesTheWholeTextOnly() throws {
        let regex = try Regex("/api/v[0-9]+")
        #expect(regex.matches("/api/v12"))
        #expect(!regex.matches("/api/v12/x"))
        #expect(!regex.matches("x/api/v1"))
        #expect(!regex.matches(""))
        #expect(try Regex("a|ab").matches("ab"))
        #expect(try Regex("").matches(""))
        #expect(!(try Regex("").matches("a")))
    }

    @Test func matchesAnEmptyBufferWithoutMemory() throws {
        #expect(try Regex(".*").matches(UnsafeRawBufferPointer(start: nil, count: 0)))
        #expect(try !Regex(".+").containsMatch(in: UnsafeRawBufferPointer(start: nil, count: 0)))
    }

    @Test func findsAPartOfTheText() throws {
        #expect(try Regex("rq_time$").containsMatch(in: "cluster.web.upstream_rq_time"))
        #expect(try !Regex("^rq_time").containsMatch(in: "cluster.web.upstream_rq_time"))
    }

    @Test func takesUTF8AndBytesThatAreNot() throws {
        #expect(try Regex("caf.").matches("café"))
        let bytes: [UInt8] = [0xFF, 0xFE, 0x00]
        bytes.withUnsafeBytes { buffer in
            #expect((try? Regex("a"))?.matches(buffer) == false)
        }
    }

    @Test func givesTheGroups() throws {
        let regex = try Regex("^cluster\\.((a|b)?(web)\\.)")
        #expect(regex.groupCount == 3)
        #expect(regex.find(in: "cluster.web.x") == [0..<12, 8..<12, nil, 8..<11])
        #expect(regex.find(in: "listener.web.x") == nil)
    }

    @Test func saysWhatIsWrongWithAPattern() {
        #expect(throws: RegexError("invalid regex '(': missing ): (")) { try Regex("(") }
        #expect(throws: RegexError("invalid regex '*': no argument for repetition operator: *")) { try Regex("*") }
        // RE2 has no back references and no look-around: what it takes is linear.
        #expect(throws: RegexError("invalid regex '(a)\\1': invalid escape sequence: \\1")) { try Regex("(a)\\1") }
        #expect(throws: RegexError("invalid regex '(?=a)': invalid perl operator: (?=")) { try Regex("(?=a)") }
    }

    @Test func boundsTheProgram() throws {
        #expect(throws: RegexError.self) { try Regex("((((a{100}){10}){10}){10})") }
        do {
            _ = try Regex("(\\pL{100}x){1,9}")
            Issue.record("compiled")
        } catch {
            #expect(error.description.contains("instructions") || error.description.contains("too large"))
        }
        #expect(try Regex("/(users|orders)/[^/]+/items").programSize < 200)
    }

    @Test func isLinearWhereBacktrackingIsNot() throws {
        let regex = try Regex("(a*)*b")
        #expect(!regex.matches(String(repeating: "a", count: 20_000)))
    }

    @Test(arguments: [
        ("/xx", "/yy", "/one/xx/two/xx", "/one/yy/two/yy"),
        ("^/service/([^/]+)(/.*)$", "\\2/instance/\\1", "/service/foo/v1/api", "/v1/api/instance/foo"),
        ("one", "two", "/xxx/one/yyy/one/zzz", "/xxx/two/yyy/two/zzz"),
        ("^(.*?)one(.*)$", "\\1two\\2", "/xxx/one/yyy/one/zzz", "/xxx/two/yyy/one/zzz"),
        ("(?i)/xxx/", "/yyy/", "/aaa/XxX/bbb", "/aaa/yyy/bbb"),
        ("b*", "-", "abc", "-a-c-"),
        ("", "-", "aé", "-a-é-"),
        ("a", "\\0\\0\\\\", "cat", "caa\\t"),
        ("x", "y", "", ""),
        ("(a)|(b)", "[\\1\\2]", "ab", "[a][b]"),
        ("b$", "", "ab", "a"),
    ])
    func substitutes(pattern: String, substitution: String, text: String, expected: String) throws {
        let regex = try Regex(pattern)
        try regex.check(substitution: substitution)
        #expect(regex.replaceAll(text, with: substitution) == expected)
    }

    @Test func refusesASubstitutionWithGroupsThatAreNotThere() throws {
        let regex = try Regex("(a)")
        #expect(throws: RegexError.self) { try regex.check(substitution: "\\2") }
        #expect(throws: RegexError.self) { try regex.check(substitution: "x\\") }
        #expect(throws: RegexError.self) { try regex.check(substitution: "\\n") }
        #expect(regex.replaceAll("a", with: "\\2") == "a")
    }
}
