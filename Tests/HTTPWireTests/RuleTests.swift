// Paths, authorities, queries, cookies, dates and percent-encoding.
import Reactor
import Testing

@testable import HTTPWire

@Suite struct RuleTests {
    /// path, normalised, merged, slashes unescaped, all three: as Envoy 1.40 answers; "!" is a refusal.
    @Test(arguments: [
        ("/", "/", "/", "/", "/"),
        ("/a/./b", "/a/b", "/a/./b", "/a/./b", "/a/b"),
        ("/../a", "/a", "/../a", "/../a", "/a"),
        ("/a/..", "/", "/a/..", "/a/..", "/"),
        ("/a/.", "/a/", "/a/.", "/a/.", "/a/"),
        ("/.", "/", "/.", "/.", "/"),
        ("/..", "/", "/..", "/..", "/"),
        ("/a/b/../../..", "/", "/a/b/../../..", "/a/b/../../..", "/"),
        ("/a//b", "/a//b", "/a/b", "/a//b", "/a/b"),
        ("/a//../b", "/a/b", "/a/../b", "/a//../b", "/a/b"),
        ("//a", "//a", "/a", "//a", "/a"),
        ("/a/%2e/b", "/a/b", "/a/%2e/b", "/a/%2e/b", "/a/b"),
        ("/a/%2E./b", "/b", "/a/%2E./b", "/a/%2E./b", "/b"),
        ("/a/.%2e", "/", "/a/.%2e", "/a/.%2e", "/"),
        ("/a%2Fb", "/a%2Fb", "/a%2Fb", "/a/b", "/a/b"),
        ("/a%5cb", "/a%5cb", "/a%5cb", "/a\\b", "/a/b"),
        ("/a\\..\\b", "/b", "/a\\..\\b", "/a\\..\\b", "/b"),
        ("/%41%7a", "/Az", "/%41%7a", "/%41%7a", "/Az"),
        ("/%2d%2e%5f%7e", "/-._~", "/%2d%2e%5f%7e", "/%2d%2e%5f%7e", "/-._~"),
        ("/a%", "/a%", "/a%", "/a%", "/a%"),
        ("/a%zz", "/a%zz", "/a%zz", "/a%zz", "/a%zz"),
        ("/a%00b", "!", "/a%00b", "/a%00b", "!"),
        ("/%c3%a9", "/%c3%a9", "/%c3%a9", "/%c3%a9", "/%c3%a9"),
        ("/a?b/../c", "/a?b/../c", "/a?b/../c", "/a?b/../c", "/a?b/../c"),
        ("/a?b//c%2f", "/a?b//c%2f", "/a?b//c%2f", "/a?b//c%2f", "/a?b//c%2f"),
        ("/a/..?x", "/?x", "/a/..?x", "/a/..?x", "/?x"),
        ("/a;p/../b", "/b", "/a;p/../b", "/a;p/../b", "/b"),
        ("/a/...", "/a/...", "/a/...", "/a/...", "/a/..."),
        ("/a/..b", "/a/..b", "/a/..b", "/a/..b", "/a/..b"),
        ("/%25", "/%25", "/%25", "/%25", "/%25"),
        ("/a/%2e%2e%2fb", "/a/..%2fb", "/a/%2e%2e%2fb", "/a/%2e%2e/b", "/b"),
        ("/a///b///", "/a///b///", "/a/b/", "/a///b///", "/a/b/"),
        ("/%2f%2fa", "/%2f%2fa", "/%2f%2fa", "///a", "/a"),
        ("/a%2f?%2f", "/a%2f?%2f", "/a%2f?%2f", "/a/?%2f", "/a/?%2f"),
        ("/%5c..%5ca", "/%5c..%5ca", "/%5c..%5ca", "/\\..\\a", "/a"),
        ("/.//a", "//a", "/./a", "/.//a", "/a"),
        ("/a/.//..//b", "/a//b", "/a/./../b", "/a/.//..//b", "/a/b"),
        ("/x/y/%2e%2e%2e", "/x/y/...", "/x/y/%2e%2e%2e", "/x/y/%2e%2e%2e", "/x/y/..."),
        ("/\"<>^`{|}", "/%22%3C%3E%5E%60%7B%7C%7D", "/\"<>^`{|}", "/\"<>^`{|}", "/%22%3C%3E%5E%60%7B%7C%7D"),
        (
            "/!$&'()*+,-.:;=@[]_~", "/!$&'()*+,-.:;=@[]_~", "/!$&'()*+,-.:;=@[]_~", "/!$&'()*+,-.:;=@[]_~",
            "/!$&'()*+,-.:;=@[]_~"
        ),
        ("*", "*", "*", "*", "*"),
        ("/%2%65", "!", "/%2%65", "/%2%65", "!"),
        ("/%%32%65", "!", "/%%32%65", "/%%32%65", "!"),
        ("/%%41", "/%A", "/%%41", "/%%41", "/%A"),
    ])
    func paths(path: String, normalized: String, merged: String, unescaped: String, all: String) {
        #expect(apply(PathRules(normalize: true), path) == normalized)
        #expect(apply(PathRules(mergeSlashes: true), path) == merged)
        #expect(apply(PathRules(escapedSlashes: .unescape), path) == unescaped)
        #expect(apply(PathRules(normalize: true, mergeSlashes: true, escapedSlashes: .unescape), path) == all)
        #expect(apply(PathRules(), path) == path)
    }

    private func apply(_ rules: PathRules, _ path: String) -> String {
        let map = HeaderMap()
        let bytes = FixedBytes(path)
        map.setPath(bytes.view)
        switch rules.apply(to: map) {
        case .reject: return "!"
        case .redirect: return "> \(map.path)"
        case .unchanged:
            #expect(map.path.string == path)
            return map.path.string
        case .changed:
            #expect(map.path.string != path)
            return map.path.string
        }
    }

    @Test func escapedSlashActions() {
        #expect(apply(PathRules(escapedSlashes: .reject), "/a%2fb") == "!")
        #expect(apply(PathRules(escapedSlashes: .reject), "/a%5Cb") == "!")
        #expect(apply(PathRules(escapedSlashes: .reject), "/a%41b") == "/a%41b")
        #expect(apply(PathRules(escapedSlashes: .reject), "/a?%2f") == "/a?%2f")
        #expect(apply(PathRules(normalize: true, escapedSlashes: .redirect), "/a/..%2fb") == "> /b")
        #expect(apply(PathRules(normalize: true, escapedSlashes: .redirect), "/a/../b") == "/b")
    }

    @Test func separatedPrefixes() {
        #expect(PathRules.hasSeparatedPrefix(ByteView("/api"), ByteView("/api")))
        #expect(PathRules.hasSeparatedPrefix(ByteView("/api/x"), ByteView("/api")))
        #expect(!PathRules.hasSeparatedPrefix(ByteView("/apix"), ByteView("/api")))
        #expect(!PathRules.hasSeparatedPrefix(ByteView("/ap"), ByteView("/api")))
    }

    @Test(
        arguments: [
            ("a", "a", nil, false), ("a:80", "a", "80", false), ("a:", "a", "", false),
            ("1.2.3.4:5", "1.2.3.4", "5", false),
            ("[::1]", "::1", nil, true), ("[::1]:443", "::1", "443", true),
            ("[fe80::1%25eth0]", "fe80::1%25eth0", nil, true),
            ("[v1.x:y]", "v1.x:y", nil, true), ("", "", nil, false), ("a%20b", "a%20b", nil, false),
        ] as [(String, String, String?, Bool)])
    func authorities(text: String, host: String, port: String?, bracketed: Bool) throws {
        let bytes = FixedBytes(text)
        let parts = try #require(AuthorityRules.split(bytes.view))
        #expect(parts.host.string == host)
        #expect(parts.portText?.string == port)
        #expect(parts.port == port.flatMap { UInt16($0) })
        #expect(parts.isBracketed == bracketed)
    }

    @Test(arguments: [
        "a:b", "a:80:80", ":80", "[", "[]", "[a]", "[::1]80", "[::1", "a@b", "a/b", "a b", "a%", "a%2", "a:65536",
        "\u{e9}", "a\"b", "[::1%25]x", "[:/:]",
    ])
    func malformedAuthorities(text: String) {
        let bytes = FixedBytes(text)
        #expect(!AuthorityRules.isValid(bytes.view))
    }

    @Test func portsAndDots() {
        #expect(AuthorityRules.withoutPort(ByteView("a:80")).string == "a")
        #expect(AuthorityRules.withoutPort(ByteView("[::1]:80")).string == "[::1]")
        #expect(AuthorityRules.withoutPort(ByteView("[::1]")).string == "[::1]")
        #expect(AuthorityRules.withoutPort(ByteView("::1")).string == "::1")
        #expect(AuthorityRules.withoutPort(ByteView("a:b")).string == "a:b")
        #expect(AuthorityRules.withoutPort(ByteView("a:80"), ifEqual: 80).string == "a")
        #expect(AuthorityRules.withoutPort(ByteView("a:80"), ifEqual: 81).string == "a:80")
        #expect(AuthorityRules.port(ByteView("a:80")) == 80)
        #expect(AuthorityRules.port(ByteView("a")) == nil)
        #expect(AuthorityRules.port(ByteView("a:99999")) == nil)
        #expect(AuthorityRules.withoutTrailingDot(ByteView("a.b.:80")) == Array("a.b:80".utf8))
        #expect(AuthorityRules.withoutTrailingDot(ByteView("a.b.")) == Array("a.b".utf8))
        #expect(AuthorityRules.withoutTrailingDot(ByteView("a.b")) == nil)
    }

    @Test func queries() {
        let query = QueryParameters(path: ByteView("/p?a=1&b&&c=%41=2&a=3&=x#f?d=1"))
        #expect(query.value("a")?.string == "1")
        #expect(query.value("b")?.string == "")
        #expect(query.value("c")?.string == "%41=2")
        #expect(query.value("d") == nil)
        #expect(query.value("")?.string == "x")
        var count = 0
        query.forEachParameter { _, _ in count += 1 }
        #expect(count == 5)
        #expect(QueryParameters(path: ByteView("/p")).value("a") == nil)
        #expect(QueryParameters(path: ByteView("/p?")).value("a") == nil)
    }

    @Test func cookies() {
        let map = HeaderMap()
        map.append(.cookie, "a=1; b=\"two\";c; d = 4")
        map.append(.cookie, "e=5;a=6;f=")
        func value(_ name: StaticString) -> String? { Cookies.value(ByteView(name), in: map)?.string }
        #expect(value("a") == "1")
        #expect(value("b") == "two")
        #expect(value("c") == nil)
        #expect(value("e") == "5")
        #expect(value("f") == "")
    }

    @Test func percentCoding() {
        #expect(PercentCoding.decoded(ByteView("%41b%2g%")) == Array("Ab%2g%".utf8))
        #expect(PercentCoding.decoded(ByteView("%e9%00")) == [0xe9, 0])
        #expect(PercentCoding.encoded(ByteView("a-b c/\u{e9}")) == Array("a-b%20c%2F%C3%A9".utf8))
        #expect(PercentCoding.escape(in: ByteView("x%4a"), at: 1) == 0x4a)
        #expect(PercentCoding.escape(in: ByteView("x%4"), at: 1) == nil)
        #expect(PercentCoding.escape(in: ByteView(), at: 0) == nil)
    }

    @Test(
        arguments: [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"), (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"), (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] as [(Int64, String)])
    func dates(seconds: Int64, text: String) {
        #expect(HTTPDate(unixSeconds: seconds).text == text)
        let bytes = FixedBytes(text)
        #expect(HTTPDate(bytes.view)?.unixSeconds == seconds)
        var cache = HTTPDateCache()
        for _ in 0..<2 {
            let shown = cache.view(unixSeconds: seconds).string
            #expect(shown == text)
        }
    }

    @Test func timesOutOfRange() {
        #expect(HTTPDate(unixSeconds: .max).text == "Fri, 31 Dec 9999 23:59:59 GMT")
        #expect(HTTPDate(unixSeconds: .min).text == "Mon, 01 Jan 0001 00:00:00 GMT")
    }

    @Test func dayByDayThroughFourCenturies() {
        var last = HTTPDate(unixSeconds: -86400)
        for day in Int64(0)..<146_097 {
            let date = HTTPDate(unixSeconds: day * 86400 + 86399)
            #expect(date.unixSeconds == day * 86400 + 86399)
            let follows =
                (date.year == last.year && date.month == last.month && date.day == last.day + 1)
                || (date.day == 1 && (date.month == last.month + 1 || (date.month == 1 && date.year == last.year + 1)))
            if !follows { Issue.record("\(last.text) is followed by \(date.text)") }
            last = date
        }
    }

    @Test func otherDateFormats() {
        #expect(HTTPDate(ByteView("Sunday, 06-Nov-94 08:49:37 GMT"), nowYear: 1995)?.unixSeconds == 784_111_777)
        #expect(HTTPDate(ByteView("Sun Nov  6 08:49:37 1994"))?.unixSeconds == 784_111_777)
        #expect(HTTPDate(ByteView("Sunday, 06-Nov-94 08:49:37 GMT"), nowYear: 2020)?.year == 1994)
        #expect(HTTPDate(ByteView("Sunday, 06-Nov-34 08:49:37 GMT"), nowYear: 2020)?.year == 2034)
    }

    @Test(arguments: [
        "", "x", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 199x 08:49:37 GMT", "Sunday, 06-Nov", "Sun Nov  6 08:49:37 199x",
        ",", ", ", "Sun, 06 Nov 1994 08:49:37 GMTx", "Sunday, xx-Nov-94 08:49:37 GMT",
    ])
    func malformedDates(text: String) {
        let bytes = FixedBytes(text)
        #expect(HTTPDate(bytes.view) == nil)
    }

    @Test func delays() {
        #expect(RetryAfter.seconds(ByteView("120"), nowUnixSeconds: 0) == 120)
        #expect(RetryAfter.seconds(ByteView("-1"), nowUnixSeconds: 0) == nil)
        let date = ByteView("Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(RetryAfter.seconds(date, nowUnixSeconds: 784_111_770) == 7)
        #expect(RetryAfter.seconds(date, nowUnixSeconds: 784_111_999) == 0)
        #expect(RetryAfter.secondsUntil(ByteView("110"), nowUnixSeconds: 100) == 10)
        #expect(RetryAfter.secondsUntil(ByteView("99"), nowUnixSeconds: 100) == nil)
        #expect(RetryAfter.secondsUntil(ByteView("99999999999999999999"), nowUnixSeconds: 100) == nil)
        #expect(RetryAfter.keepAliveTimeout(ByteView("max=5, Timeout=15")) == 15)
        #expect(RetryAfter.keepAliveTimeout(ByteView("timeout=x, max=5")) == nil)
        #expect(RetryAfter.keepAliveTimeout(ByteView("")) == nil)
    }

    @Test func methods() {
        #expect(HTTPMethod(ByteView("GET")) == .get)
        #expect(HTTPMethod(ByteView("get")) == .other)
        #expect(HTTPMethod(ByteView("M-SEARCH")) == .registered)
        #expect(HTTPMethod.put.isIdempotent && !HTTPMethod.post.isIdempotent && !HTTPMethod.put.isSafe)
        #expect(HTTPVersion.http2.text.description == "HTTP/2")
    }

    @Test func characterClasses() {
        let alphanumerics = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
        func expect(_ set: ByteClass, _ characters: String) {
            for byte in UInt8.min...UInt8.max {
                #expect(set.contains(byte) == characters.utf8.contains(byte), "byte \(byte)")
            }
        }
        expect(.token, alphanumerics + "!#$%&'*+-.^_`|~")
        expect(.unreserved, alphanumerics + "-._~")
        expect(.registeredName, alphanumerics + "-._~!$&'()*+,;=")
        expect(.path, alphanumerics + "-._~!$&'()*+,;=%/:@[]")
    }

    @Test func wordTests() {
        for place in 0..<8 {
            for byte in UInt8.min...UInt8.max {
                var bytes = [UInt8](repeating: 0x61, count: 8)
                bytes[place] = byte
                bytes.withUnsafeBytes { raw in
                    let word = ByteView(raw).word(at: 0)
                    let isControl = byte < 0x20 || byte == 0x7f
                    #expect((Words.firstMark(Words.controls(word)) == place) == isControl)
                    #expect((Words.controls(word) == 0) == !isControl)
                    let isName = ByteClass.token.contains(byte) && !"!#$%&'*+.^_`|~".utf8.contains(byte)
                    #expect(Words.outsideName(word) == (isName ? 0 : 0x80 << UInt64(place * 8)))
                    #expect(Words.isPrintable(word) == (byte >= 0x20 && byte < 0x7f))
                    #expect(Words.isVisible(word) == (byte >= 0x21 && byte < 0x7f))
                    let isOutside = byte < 0x21 || byte >= 0x7f
                    #expect((Words.firstMark(Words.outsideTarget(word)) == place) == isOutside)
                }
            }
        }
    }
}
