// Choosing virtual hosts and routes.
import HTTPWire
import Matching
import Reactor
import Testing

@testable import DataPlane

extension RouteSpec {
    /// A route that answers by itself, told by its name.
    static func named(_ name: String, _ match: RouteMatchSpec) -> RouteSpec {
        var route = RouteSpec(match: match, action: .direct(DirectResponseSpec(status: 200)))
        route.name = name
        return route
    }

    static func named(
        _ name: String, _ path: RouteMatchSpec.Path, _ change: (inout RouteMatchSpec) -> Void = { _ in }
    ) -> RouteSpec {
        var match = RouteMatchSpec(path: path)
        change(&match)
        return named(name, match)
    }
}

extension RouteTable {
    /// The name of the chosen route; "tls" for a redirect to TLS.
    func name(_ stream: StreamFixture, random: UInt64 = 0) -> String? {
        switch route(stream.request, random: random) {
        case .route(let route): route.name
        case .tlsRedirect: "tls"
        case .none: nil
        }
    }

    convenience init(routes: [RouteSpec], _ change: (inout RouteConfigurationSpec) -> Void = { _ in }) throws {
        var spec = RouteConfigurationSpec()
        spec.virtualHosts = [VirtualHostSpec(name: "v", domains: ["*"], routes: routes)]
        change(&spec)
        try self.init(spec)
    }
}

@Suite struct VirtualHostTests {
    private func table(_ domains: [[String]], _ change: (inout RouteConfigurationSpec) -> Void = { _ in }) throws
        -> RouteTable
    {
        var spec = RouteConfigurationSpec()
        spec.virtualHosts = domains.map { domains in
            VirtualHostSpec(name: domains[0], domains: domains, routes: [.named(domains[0], .prefix("/"))])
        }
        change(&spec)
        return try RouteTable(spec)
    }

    @Test func precedenceIsExactSuffixPrefixAny() throws {
        let table = try table([
            ["*"], ["*.com"], ["*.example.com"], ["*-bar.example.com"], ["www.*"], ["www.example.*"],
            ["www.Example.com", "other"], ["exact.com:8080"],
        ])
        let cases: [(String, String)] = [
            ("www.example.com", "www.Example.com"), ("WWW.EXAMPLE.COM", "www.Example.com"),
            ("other", "www.Example.com"),
            ("foo-bar.example.com", "*-bar.example.com"), ("a.example.com", "*.example.com"), ("a.com", "*.com"),
            (".com", "*"), ("example.com", "*.com"), ("www.example.org", "www.example.*"), ("www.x.org", "www.*"),
            ("www.", "*"), ("nothing.org", "*"), ("exact.com", "*.com"), ("exact.com:8080", "exact.com:8080"),
            ("other:80", "*"), ("", "*"),
        ]
        for (host, expected) in cases {
            #expect(table.name(StreamFixture(host: host)) == expected, "\(host)")
        }
    }

    @Test func portsAreIgnoredWhenAsked() throws {
        let table = try table([["a.com"], ["[::1]"]]) { $0.ignorePortInHostMatching = true }
        #expect(table.name(StreamFixture(host: "a.com:8443")) == "a.com")
        #expect(table.name(StreamFixture(host: "[::1]:80")) == "[::1]")
        #expect(table.name(StreamFixture(host: "[::1]")) == "[::1]")
        #expect(table.name(StreamFixture(host: "b.com")) == nil)
    }

    @Test func requestsWithoutAHost() throws {
        let request = HeaderMap()
        request.setMethod(ByteView("GET"))
        request.setPath(ByteView("/"))
        let only = try table([["*"]])
        let several = try table([["*"], ["a"]])
        if case .none = only.route(request, random: 0) { Issue.record("a lone * takes everything") }
        guard case .none = several.route(request, random: 0) else {
            Issue.record("without a host there is none to choose by")
            return
        }
    }

    @Test func tlsIsRequired() throws {
        var spec = RouteConfigurationSpec()
        var all = VirtualHostSpec(name: "all", domains: ["all"], routes: [.named("r", .prefix("/"))])
        all.requireTLS = .all
        var external = VirtualHostSpec(name: "ext", domains: ["ext"], routes: [.named("r", .prefix("/"))])
        external.requireTLS = .externalOnly
        spec.virtualHosts = [all, external]
        let table = try RouteTable(spec)
        let http = [("x-forwarded-proto", "http")]
        #expect(table.name(StreamFixture(host: "all", headers: http)) == "tls")
        #expect(table.name(StreamFixture(host: "all", headers: [("x-forwarded-proto", "https")])) == "r")
        #expect(table.name(StreamFixture(host: "all")) == "tls")
        #expect(table.name(StreamFixture(host: "ext", headers: http)) == "tls")
        #expect(table.name(StreamFixture(host: "ext", headers: http + [("x-envoy-internal", "true")])) == "r")
        let stream = StreamFixture("/x?y", host: "TLS.only")
        table.setTLSLocation(of: stream.response, stream.request)
        #expect(StreamFixture.lines(stream.response) == ["location: https://TLS.only/x?y"])
    }
}

@Suite struct RouteMatchTests {
    @Test func pathsOfEveryKind() throws {
        let table = try RouteTable(routes: [
            .named("exact", .exact("/e")),
            .named("folded", .exact("/Fold")) { $0.caseSensitive = false },
            .named("separated", .separatedPrefix("/s")),
            .named("regex", .regex(try Regex("/r/[0-9]+"))),
            .named("foldedPrefix", .prefix("/CI/")) { $0.caseSensitive = false },
            .named("connect", .connect),
            .named("prefix", .prefix("/p")),
        ])
        let cases: [(String, String?)] = [
            ("/e", "exact"), ("/e?x", "exact"), ("/E", nil), ("/e/", nil), ("/fOLD?q", "folded"), ("/s", "separated"),
            ("/s/x", "separated"), ("/s?x", "separated"), ("/sx", nil), ("/r/12", "regex"), ("/r/12?x=/", "regex"),
            ("/r/12/", nil), ("/ci/x", "foldedPrefix"), ("/ci", nil), ("/p", "prefix"), ("/pq", "prefix"), ("/", nil),
            ("/p?/e", "prefix"), ("*", nil),
        ]
        for (path, expected) in cases { #expect(table.name(StreamFixture(path)) == expected, "\(path)") }
        let connect = HeaderMap()
        connect.setMethod(ByteView("CONNECT"))
        connect.setAuthority(ByteView("h:443"))
        guard case .route(let route) = table.route(connect, random: 0) else {
            Issue.record("CONNECT has a route")
            return
        }
        #expect(route.name == "connect")
    }

    @Test func theFirstThatMatchesWins() throws {
        let table = try RouteTable(routes: [
            .named("post", .prefix("/a")) {
                $0.headers = [HeaderMatchSpec(name: ":method", rule: .string(StringMatcher(.exact("POST"))))]
            },
            .named("prefix", .prefix("/a/b")),
            .named("exact after its prefix", .exact("/a/b/c")),
            .named("shorter prefix", .prefix("/a")),
            .named("regex", .regex(try Regex("/.*"))),
            .named("rest", .prefix("/")),
        ])
        #expect(table.name(StreamFixture("/a/b/c")) == "prefix")
        #expect(table.name(StreamFixture("/a/c")) == "shorter prefix")
        #expect(table.name(StreamFixture("/x")) == "regex")
        let post = StreamFixture("/a/b/c")
        post.set(post.request, ":method", "POST")
        #expect(table.name(post) == "post")
    }

    @Test func pathParametersAreIgnoredWhenAsked() throws {
        let routes: [RouteSpec] = [.named("e", .exact("/a")), .named("s", .separatedPrefix("/b"))]
        let plain = try RouteTable(routes: routes)
        let table = try RouteTable(routes: routes) { $0.ignorePathParametersInPathMatching = true }
        #expect(plain.name(StreamFixture("/a;x=1?q")) == nil)
        #expect(table.name(StreamFixture("/a;x=1?q")) == "e")
        #expect(table.name(StreamFixture("/b;x/c")) == "s")
    }

    @Test func queryParametersAreComparedAsSent() throws {
        func exact(_ value: String) -> QueryMatchSpec.Rule { .string(StringMatcher(.exact(value))) }
        // The outcomes are Envoy's.
        let table = try RouteTable(routes: [
            .named("decoded", .prefix("/")) { $0.queryParameters = [QueryMatchSpec(name: "a", rule: exact("A b+c"))] },
            .named("raw", .prefix("/")) { $0.queryParameters = [QueryMatchSpec(name: "a", rule: exact("%41%20b+c"))] },
            .named("b2", .prefix("/")) { $0.queryParameters = [QueryMatchSpec(name: "b", rule: exact("2"))] },
            .named("b1", .prefix("/")) { $0.queryParameters = [QueryMatchSpec(name: "b", rule: exact("1"))] },
            .named("nof", .prefix("/")) { $0.queryParameters = [QueryMatchSpec(name: "f", rule: .present(false))] },
            .named("rest", .prefix("/")),
        ])
        let cases = [
            "/direct?a=%41%20b+c&b%20c=1": "raw", "/direct?&&b+c=2&a": "nof", "/x?b=1&b=2": "b1", "/x?b=2&b=1": "b2",
            "/x?f": "rest", "/x?b": "nof", "/x?xb=2&f=": "rest", "/x": "nof",
        ]
        for (path, expected) in cases { #expect(table.name(StreamFixture(path)) == expected, "\(path)") }
    }

    @Test func runtimeFractions() throws {
        let routes: [RouteSpec] = [
            .named("some", .prefix("/")) {
                $0.runtimeFraction = RuntimeFraction(Fraction(numerator: 25, denominator: 100), key: "k")
            },
            .named("rest", .prefix("/")),
        ]
        var spec = RouteConfigurationSpec()
        spec.virtualHosts = [VirtualHostSpec(name: "v", domains: ["*"], routes: routes)]
        func share(_ runtime: RuntimeSpec) throws -> Int {
            let table = try RouteTable(spec, runtime: runtime)
            return (0..<10_000).count { table.name(StreamFixture(), random: UInt64($0)) == "some" }
        }
        var runtime = RuntimeSpec()
        #expect(try share(runtime) == 2500)
        runtime.values["k"] = .number(60)
        #expect(try share(runtime) == 6000)
        runtime.values["k"] = .fraction(Fraction(numerator: 1, denominator: 10_000))
        #expect(try share(runtime) == 1)
        runtime.values["k"] = .number(1e300)
        #expect(try share(runtime) == 10_000)
        runtime.values["k"] = .text("x")
        #expect(try share(runtime) == 2500)
    }

    @Test func grpcAndTLSConditions() throws {
        let table = try RouteTable(routes: [
            .named("grpc", .prefix("/")) { $0.grpcOnly = true },
            .named("presented", .prefix("/")) { $0.tlsPresented = true },
            .named("unvalidated", .prefix("/")) { $0.tlsValidated = false },
        ])
        #expect(table.name(StreamFixture()) == "unvalidated")
        #expect(table.name(StreamFixture(headers: [("content-type", "application/grpc")])) == "grpc")
        #expect(table.name(StreamFixture(headers: [("content-type", "application/grpc-web")])) == "unvalidated")
    }

    /// Joining the lines of a header moves the request's memory while the path is being looked at.
    @Test func headersOfManyLinesDoNotMoveThePathAway() throws {
        let table = try RouteTable(routes: [
            .named("all", .prefix("/path")) {
                $0.headers = [HeaderMatchSpec(name: "x", rule: .string(StringMatcher(.exact("no"))))]
            },
            .named("rest", .prefix("/path/to")),
            .named("last", .regex(try Regex("/path.*"))),
        ])
        let stream = StreamFixture("/path/to/something")
        for _ in 0..<400 { stream.add(stream.request, "x", "a value that is long enough to grow the arena") }
        #expect(table.name(stream) == "rest")
    }
}

@Suite struct RouteIndexTests {
    /// What the index finds must be what trying each route in turn finds.
    @Test func indexAgreesWithTryingInTurn() throws {
        var random = FastRandom(seed: (1, 2, 3, 4))
        let parts = ["a", "b", "ab", "A", "aB", "/", "//", "ba", ""]
        func path() -> String {
            var text = "/"
            for _ in 0..<Int(random.below(6)) { text += parts[Int(random.below(UInt64(parts.count)))] }
            return text
        }
        for _ in 0..<300 {
            var matches: [RouteMatchSpec] = []
            for _ in 0..<Int(1 + random.below(40)) {
                let text = path()
                var match: RouteMatchSpec
                switch random.below(5) {
                case 0: match = RouteMatchSpec(path: .exact(text))
                case 1: match = RouteMatchSpec(path: .separatedPrefix(text))
                case 2: match = RouteMatchSpec(path: .regex(try Regex("\(text).*a")))
                default: match = RouteMatchSpec(path: .prefix(text))
                }
                match.caseSensitive = random.below(3) > 0
                if random.below(3) == 0 {
                    match.runtimeFraction = RuntimeFraction(Fraction(numerator: 50, denominator: 100))
                }
                matches.append(match)
            }
            let index = RouteIndex(matches, runtime: RuntimeSpec())
            for _ in 0..<50 {
                let text = path()
                let stream = StreamFixture(text)
                let roll = random.next()
                let expected = matches.firstIndex { RouteIndexTests.matches($0, text, roll) }
                let found = withView(text) {
                    index.firstMatch(RouteQuestion(request: stream.request, path: $0, tls: nil, random: roll))
                }
                try #require(found == expected, "\(text) in \(matches)")
            }
        }
    }

    private static func matches(_ spec: RouteMatchSpec, _ path: String, _ random: UInt64) -> Bool {
        if let fraction = spec.runtimeFraction, random % 100 >= fraction.fraction.numerator { return false }
        func fold(_ text: String) -> String { spec.caseSensitive ? text : text.lowercased() }
        switch spec.path {
        case .exact(let text): return fold(path) == fold(text)
        case .prefix(let text): return fold(path).hasPrefix(fold(text))
        case .separatedPrefix(let text):
            guard fold(path).hasPrefix(fold(text)) else { return false }
            let rest = path.dropFirst(text.count)
            return rest.isEmpty || rest.hasPrefix("/")
        case .regex(let regex): return regex.matches(path)
        case .connect: return false
        }
    }

    @Test func thousandsOfRoutes() throws {
        var routes: [RouteSpec] = []
        for number in 0..<5_000 {
            routes.append(.named("e\(number)", .exact("/exact/\(number)")))
            routes.append(.named("p\(number)", .prefix("/prefix/\(number)/")))
        }
        routes.append(.named("rest", .prefix("/")))
        let table = try RouteTable(routes: routes)
        for number in stride(from: 0, to: 5_000, by: 37) {
            #expect(table.name(StreamFixture("/exact/\(number)")) == "e\(number)")
            #expect(table.name(StreamFixture("/prefix/\(number)/x")) == "p\(number)")
            #expect(table.name(StreamFixture("/prefix/\(number)x")) == "rest")
        }
    }

    @Test func treeFindsNestedPrefixesShortestFirst() {
        let keys = ["", "/", "/a", "/ab", "/abc/d", "/b", "/abc/d/e", "/abx"]
        let tree = PrefixTree(keys.enumerated().map { ($0.element, $0.offset) }, ignoreCase: false)
        func found(_ path: String) -> [String] {
            var result: [String] = []
            withView(path) { path in
                var walk = tree.start
                var value = tree.next(&walk, path)
                while value >= 0 {
                    result.append(keys[value])
                    value = tree.next(&walk, path)
                }
            }
            return result
        }
        #expect(found("/abc/d/e/f") == ["", "/", "/a", "/ab", "/abc/d", "/abc/d/e"])
        #expect(found("/abc/") == ["", "/", "/a", "/ab"])
        #expect(found("/b") == ["", "/", "/b"])
        #expect(found("x") == [""])
        #expect(found("") == [""])
        #expect(PrefixTree([], ignoreCase: false).isEmpty)
    }
}
