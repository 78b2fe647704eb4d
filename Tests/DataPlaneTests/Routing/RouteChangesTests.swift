// How routes change requests and responses: header mutations, rewrites, redirects. The outcomes are Envoy 1.40's.
import HTTPWire
import Matching
import Reactor
import Testing

@testable import DataPlane

@Suite struct RouteChangesTests {
    private func route(
        _ match: RouteMatchSpec.Path, _ action: RouteActionSpec, caseSensitive: Bool = true,
        _ change: (inout RouteSpec) -> Void = { _ in }
    ) throws -> Route {
        var matchSpec = RouteMatchSpec(path: match)
        matchSpec.caseSensitive = caseSensitive
        var spec = RouteSpec(match: matchSpec, action: action)
        change(&spec)
        return try #require(try RouteTable(routes: [spec]).routes.first)
    }

    private func forward(_ change: (inout ForwardSpec) -> Void) -> RouteActionSpec {
        var spec = ForwardSpec(target: .cluster("up"))
        change(&spec)
        return .forward(spec)
    }

    private func rewrite(
        _ match: RouteMatchSpec.Path, _ rewrite: PathRewriteSpec, _ path: String, caseSensitive: Bool = true
    ) throws -> String {
        let route = try route(match, forward { $0.pathRewrite = rewrite }, caseSensitive: caseSensitive)
        let stream = StreamFixture(path, headers: [("x-h", "V")])
        route.finalizeRequest(stream.request, keepOriginal: true, stream.context)
        let original = stream.request.value(.xEnvoyOriginalPath)?.string
        #expect(original == (stream.request.path.string == path ? nil : path))
        return stream.request.path.string
    }

    @Test func pathRewrites() throws {
        #expect(try rewrite(.prefix("/p1/"), .prefix("/"), "/p1/a?q=1/p1/") == "/a?q=1/p1/")
        #expect(try rewrite(.prefix("/p2"), .prefix("/new"), "/p2x?y") == "/newx?y")
        #expect(try rewrite(.exact("/e1"), .prefix("/exact"), "/e1?a") == "/exact?a")
        #expect(try rewrite(.regex(try Regex("/r1/.*")), .prefix("/regexed"), "/r1/abc?d=1") == "/regexed?d=1")
        #expect(try rewrite(.separatedPrefix("/s1"), .prefix("/sep"), "/s1/t?u") == "/sep/t?u")
        #expect(try rewrite(.separatedPrefix("/s1"), .prefix("/sep"), "/s1?u") == "/sep?u")
        #expect(try rewrite(.prefix("/CI"), .prefix("/x"), "/ci/t", caseSensitive: false) == "/x/t")
        let swap = PathRewriteSpec.regex(try Regex("^/rr/([^/]+)/(.*)$"), substitution: "/\\2/of/\\1")
        #expect(try rewrite(.prefix("/rr/"), swap, "/rr/one/two/three?q") == "/two/three/of/one?q")
        #expect(try rewrite(.prefix("/f1"), .literal("/fmt/%REQ(x-h)%/z"), "/f1/a?b=c") == "/fmt/V/z?b=c")
        #expect(try rewrite(.prefix("/f2"), .literal("/fmt?a=%REQ(x-h)%"), "/f2/a") == "/fmt?a=V")
        #expect(try rewrite(.prefix("/f3"), .literal("%REQ(x-none)%"), "/f3/a?b") == "/f3/a?b")
        #expect(try rewrite(.prefix("/f4"), .prefix(""), "/f4/a?b") == "/f4/a?b")
        // Envoy would send a target that is no origin-form.
        #expect(try rewrite(.prefix("/f5"), .literal("no/slash"), "/f5/x?y") == "/no/slash?y")
        #expect(try rewrite(.prefix("/"), .prefix("x"), "/y") == "/xy")
    }

    @Test func nothingIsKeptWhenSuppressed() throws {
        let route = try route(
            .prefix("/a"),
            forward {
                $0.pathRewrite = .prefix("/b")
                $0.hostRewrite = .literal("new")
            })
        let stream = StreamFixture("/a")
        route.finalizeRequest(stream.request, keepOriginal: false, stream.context)
        #expect(StreamFixture.lines(stream.request) == [])
        #expect(stream.request.authority.string == "new")
    }

    private func host(
        _ rewrite: HostRewriteSpec, _ path: String = "/", append: Bool = true, headers: [(String, String)] = []
    ) throws -> StreamFixture {
        let route = try route(
            .prefix("/"),
            forward {
                $0.hostRewrite = rewrite
                $0.appendXForwardedHost = append
            })
        let stream = StreamFixture(path, host: "orig:80", headers: headers)
        route.finalizeRequest(stream.request, keepOriginal: true, stream.context)
        if case .auto = rewrite { route.rewriteHost(stream.request, toEndpoint: "the-host", keepOriginal: true) }
        return stream
    }

    @Test func hostRewrites() throws {
        let literal = try host(.literal("new.host"))
        #expect(literal.request.authority.string == "new.host")
        #expect(
            StreamFixture.lines(literal.request) == ["x-forwarded-host: orig:80", "x-envoy-original-host: orig:80"])
        let header = try host(.header("x-h"), append: false, headers: [("x-h", "hh")])
        #expect(header.request.authority.string == "hh")
        #expect(StreamFixture.lines(header.request) == ["x-h: hh", "x-envoy-original-host: orig:80"])
        let missing = try host(.header("x-h"))
        #expect(missing.request.authority.string == "orig:80")
        #expect(missing.request.isEmpty)
        let regex = try Regex("^/h3/([^/]+).*$")
        let path = try host(.pathRegex(regex, substitution: "\\1"), "/h3/some.thing/x?y")
        #expect(path.request.authority.string == "some.thing")
        #expect(try host(.format("h-%REQ(x-h)%.x"), headers: [("x-h", "V")]).request.authority.string == "h-V.x")
        #expect(try host(.auto).request.authority.string == "the-host")
        let listed = try host(.literal("n"), headers: [("x-forwarded-host", "a, orig:80")])
        #expect(listed.request.value(.xForwardedHost)?.string == "a, orig:80")
        let other = try host(.literal("n"), headers: [("x-forwarded-host", "orig:80,b")])
        #expect(other.request.value(.xForwardedHost)?.string == "orig:80,b,orig:80")
    }

    @Test func aRetryReplacesTheEndpointsNameAlone() throws {
        let route = try route(
            .prefix("/"),
            forward {
                $0.hostRewrite = .auto
                $0.appendXForwardedHost = true
            })
        let stream = StreamFixture(host: "orig")
        route.rewriteHost(stream.request, toEndpoint: "one", keepOriginal: true)
        route.rewriteHost(stream.request, toEndpoint: "two", keepOriginal: true, isRetry: true)
        route.rewriteHost(stream.request, toEndpoint: "", keepOriginal: true, isRetry: true)
        #expect(stream.request.authority.string == "two")
        #expect(StreamFixture.lines(stream.request) == ["x-forwarded-host: orig", "x-envoy-original-host: orig"])
    }

    @Test func headerMutationsAsEnvoyDoesThem() throws {
        let route = try route(.prefix("/"), .direct(DirectResponseSpec(status: 200))) {
            $0.headers.requestAdd = [
                HeaderAddSpec(name: "X-A", value: "%PROTOCOL% 100%% %REQ(x-h)%-%REQ(none)%"),
                HeaderAddSpec(name: "x-b", value: "%REQ(none)%"),
                HeaderAddSpec(name: "x-c", value: "", keepEmpty: true),
                HeaderAddSpec(name: "x-h", value: "over", action: .overwriteIfExists),
                HeaderAddSpec(name: "x-h2", value: "over", action: .overwriteIfExists),
                HeaderAddSpec(name: "x-h", value: "%REQ(x-h)%2"),
                HeaderAddSpec(name: "x-h", value: "nope", action: .addIfAbsent),
                HeaderAddSpec(name: "user-agent", value: "UA2"),
                HeaderAddSpec(name: "x-new", value: "n", action: .overwriteIfExistsOrAdd),
                HeaderAddSpec(name: "x-r", value: "%RESPONSE_CODE%|%UPSTREAM_HOST%|%ROUTE_NAME%|%RESPONSE_FLAGS%"),
            ]
            $0.headers.requestRemove = ["x-gone"]
        }
        let stream = StreamFixture(headers: [("user-agent", "UA"), ("x-gone", "1"), ("x-h", "V"), ("X-Gone", "2")])
        route.finalizeRequest(stream.request, keepOriginal: true, stream.context)
        #expect(
            StreamFixture.lines(stream.request) == [
                "user-agent: UA,UA2", "x-h: over", "x-new: n", "X-A: HTTP/1.1 100% V-", "x-c: ", "x-h: V2",
                "x-r: 0|||-",
            ])
    }

    @Test func levelsApplyInEnvoysOrder() throws {
        func lines(mostSpecificWins: Bool) throws -> [String] {
            var spec = RouteConfigurationSpec()
            spec.mostSpecificHeaderMutationsWins = mostSpecificWins
            func level(_ name: String) -> HeaderMutationsSpec {
                var level = HeaderMutationsSpec()
                level.responseAdd = [
                    HeaderAddSpec(name: "x-all", value: name),
                    HeaderAddSpec(name: "x-last", value: name, action: .overwriteIfExistsOrAdd),
                ]
                return level
            }
            spec.headers = level("config")
            var host = VirtualHostSpec(name: "v", domains: ["*"], routes: [.named("r", .prefix("/"))])
            host.headers = level("vhost")
            host.routes[0].headers = level("route")
            spec.virtualHosts = [host]
            let stream = StreamFixture()
            let route = try #require(try RouteTable(spec).routes.first)
            route.finalizeResponse(stream.response, stream.context)
            return StreamFixture.lines(stream.response)
        }
        #expect(
            try lines(mostSpecificWins: false) == ["x-last: config", "x-all: route", "x-all: vhost", "x-all: config"])
        #expect(
            try lines(mostSpecificWins: true) == ["x-last: route", "x-all: config", "x-all: vhost", "x-all: route"])
    }

    @Test(arguments: [":path", ":status", "host", "Host", "a b", ""])
    func namesThatMustNotBeChanged(_ name: String) {
        #expect(throws: FormatError.self) {
            try HeaderMutations(add: [HeaderAddSpec(name: name, value: "v")], remove: [])
        }
        #expect(throws: FormatError.self) { try HeaderMutations(add: [], remove: [name]) }
    }

    @Test func redirects() throws {
        func location(_ path: String, _ host: String, scheme: String = "http", _ change: (inout RedirectSpec) -> Void)
            throws -> String?
        {
            var spec = RedirectSpec()
            change(&spec)
            let prefix = String(path.prefix(3))
            let route = try route(.prefix(prefix), .redirect(spec))
            let stream = StreamFixture(path, host: host)
            stream.set(stream.request, ":scheme", scheme)
            route.finalizeRequest(stream.request, keepOriginal: true, stream.context)
            route.setLocation(of: stream.response, stream.request)
            return stream.response.value(.location)?.string
        }
        #expect(try location("/a1/x?q=1", "orig:80") { $0.host = "new.h" } == "http://new.h/a1/x?q=1")
        #expect(try location("/a2/x?q", "orig:80") { $0.scheme = "https" } == "https://orig/a2/x?q")
        #expect(try location("/a2/x?q", "[::1]:80") { $0.scheme = "https" } == "https://[::1]/a2/x?q")
        #expect(try location("/a2/x?q", "h:8080") { $0.scheme = "https" } == "https://h:8080/a2/x?q")
        #expect(try location("/a2/x", "h:443", scheme: "https") { $0.scheme = "http" } == "http://h/a2/x")
        #expect(try location("/a2/x", "h:443", scheme: "https") { $0.scheme = "https" } == "https://h:443/a2/x")
        #expect(
            try location("/a3/x", "[::1]:80") {
                $0.scheme = "https"
                $0.port = 8443
            } == "https://[::1]:8443/a3/x")
        #expect(try location("/a4?q=2", "h") { $0.path = .full("/np") } == "http://h/np?q=2")
        #expect(
            try location("/a5?q", "h") {
                $0.path = .full("/np?x=1")
                $0.stripQuery = true
            } == "http://h/np?x=1")
        #expect(
            try location("/a6?q", "h") {
                $0.path = .full("/np")
                $0.stripQuery = true
            } == "http://h/np")
        #expect(try location("/a7/t?q=1", "h:8080") { $0.path = .prefix("/pre") } == "http://h:8080/pre/t?q=1")
        let regex = try Regex("^/a8/(.*)$")
        #expect(
            try location("/a8/t/u?q=1", "h") { $0.path = .regex(regex, substitution: "/\\1/z") } == "http://h/t/u/z?q=1"
        )
        #expect(
            try location("/a9/x?q", "orig:80") {
                $0.scheme = "ftp"
                $0.stripQuery = true
            } == "ftp://orig/a9/x")
        #expect(try location("/aa/x", "h:8080") { $0.port = 99 } == "http://h:99/aa/x")
        #expect(try location("/ab/x?y", "orig:80") { _ in } == "http://orig:80/ab/x?y")
        #expect(
            try location("/ac/x?y", "h") {
                $0.path = .prefix("/")
                $0.stripQuery = true
            } == "http://h//x")
    }

    @Test func directResponsesPointToThemselves() throws {
        for (status, expected) in [(201, "http://h/d?x"), (302, "http://h/d?x"), (200, nil), (404, nil)] {
            let route = try route(.prefix("/d"), .direct(DirectResponseSpec(status: status)))
            let stream = StreamFixture("/d?x")
            route.setLocation(of: stream.response, stream.request)
            #expect(stream.response.value(.location)?.string == expected)
        }
    }
}

@Suite struct ClusterChoiceTests {
    private func action(_ target: ForwardSpec.Target) throws -> ForwardAction {
        try ForwardAction(ForwardSpec(target: target), fallbackRetryPolicy: nil) { ["a": 0, "b": 1][$0] }
    }

    private func name(_ choice: ClusterChoice) -> String {
        switch choice.target {
        case .cluster(let reference): reference.name + (reference.index.map { "@\($0)" } ?? "")
        case .header(let key): "header " + key.description
        case .none: "none"
        }
    }

    @Test func namesAndHeaders() throws {
        let request = StreamFixture().request
        #expect(name(try action(.cluster("b")).choose(request, random: 5)) == "b@1")
        #expect(name(try action(.cluster("gone")).choose(request, random: 5)) == "gone")
        #expect(name(try action(.clusterHeader("x-c")).choose(request, random: 5)) == "header x-c")
    }

    @Test func weightsDecide() throws {
        let action = try action(
            .weighted([
                .init(name: .cluster("a"), weight: 1), .init(name: .cluster("none"), weight: 0),
                .init(name: .header("x-c"), weight: 3),
            ]))
        let request = StreamFixture().request
        let names = (0..<8).map { name(action.choose(request, random: $0)) }
        #expect(
            names == ["a@0", "header x-c", "header x-c", "header x-c", "a@0", "header x-c", "header x-c", "header x-c"])
        #expect(name(try self.action(.weighted([])).choose(request, random: 3)) == "none")
        let huge = try self.action(
            .weighted([
                .init(name: .cluster("a"), weight: .max), .init(name: .cluster("b"), weight: .max),
            ]))
        #expect(name(huge.choose(request, random: UInt64(UInt32.max) - 1)) == "a@0")
        #expect(name(huge.choose(request, random: UInt64(UInt32.max))) == "b@1")
    }

    @Test func weightedClustersChangeHeadersFirst() throws {
        var entry = ForwardSpec.WeightedRouteCluster(name: .cluster("a"), weight: 1)
        entry.hostRewrite = "weighted"
        entry.headers.requestAdd = [HeaderAddSpec(name: "x", value: "weighted")]
        entry.headers.responseAdd = [HeaderAddSpec(name: "y", value: "weighted")]
        var spec = RouteSpec(
            match: RouteMatchSpec(path: .prefix("/")), action: .forward(ForwardSpec(target: .weighted([entry]))))
        spec.headers.requestAdd = [HeaderAddSpec(name: "x", value: "route")]
        let route = try #require(try RouteTable(routes: [spec]).routes.first)
        guard case .forward(let action) = route.action else { return }
        let stream = StreamFixture()
        let choice = action.choose(stream.request, random: 0)
        route.finalizeRequest(stream.request, choice: choice, keepOriginal: true, stream.context)
        route.finalizeResponse(stream.response, choice: choice, stream.context)
        #expect(StreamFixture.lines(stream.request) == ["x: weighted", "x: route"])
        #expect(StreamFixture.lines(stream.response) == ["y: weighted"])
        #expect(stream.request.authority.string == "weighted")
    }

    @Test func retryPoliciesFallBackToTheVirtualHost() throws {
        var host = VirtualHostSpec(name: "v", domains: ["*"], routes: [])
        var policy = RetryPolicySpec()
        policy.numRetries = 7
        host.retryPolicy = policy
        var own = ForwardSpec(target: .cluster("a"))
        own.retryPolicy = RetryPolicySpec()
        host.routes = [ForwardSpec(target: .cluster("a")), own].map {
            RouteSpec(match: RouteMatchSpec(path: .prefix("/")), action: .forward($0))
        }
        host.perRequestBufferLimit = 9
        host.virtualClusters = [
            VirtualClusterSpec(name: "one", headers: [HeaderMatchSpec(name: "x", rule: .present(true))])
        ]
        var spec = RouteConfigurationSpec()
        spec.virtualHosts = [host]
        spec.internalOnlyHeaders = ["x-secret"]
        let table = try RouteTable(spec)
        let retries: [Int?] = table.routes.map { route in
            guard case .forward(let action) = route.action else { return nil }
            return action.retryPolicy?.spec.numRetries
        }
        #expect(retries == [7, 1])
        #expect(table.routes[0].perRequestBufferLimit == 9)
        let virtualHost = table.routes[0].virtualHost
        #expect(virtualHost.virtualClusterIndex(StreamFixture(headers: [("x", "")]).request) == 0)
        #expect(virtualHost.virtualClusterIndex(StreamFixture().request) == nil)
        #expect(virtualHost.virtualClusterNames == ["one"])
        let stream = StreamFixture(headers: [("X-Secret", "1"), ("x", "2")])
        table.removeInternalOnlyHeaders(stream.request)
        #expect(StreamFixture.lines(stream.request) == ["x: 2"])
    }
}
