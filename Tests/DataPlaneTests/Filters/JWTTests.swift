// The filter that asks for JSON Web Tokens: requests, and keys that are fetched.
import HTTPWire
import Reactor
import Testing

@testable import DataPlane

struct JWTTests {
    private static func keySet(_ algorithms: [String]) -> String {
        "{\"keys\": [\(algorithms.map { TokenVectors.vector($0).key }.joined(separator: ","))]}"
    }

    private static func token(_ algorithm: String) -> String { TokenVectors.vector(algorithm).token }

    private func rig(
        _ keys: JWTProviderSpec.Keys = .local(Array(JWTTests.keySet(["HS256"]).utf8)),
        requirement: JWTRequirementSpec? = .provider("p", audiences: []),
        routes: [RouteSpec]? = nil, change: (inout JWTProviderSpec) -> Void = { _ in }
    ) throws -> HTTPRig {
        var provider = JWTProviderSpec(name: "p", keys: keys)
        provider.issuer = "issuer"
        change(&provider)
        var spec = JWTAuthnSpec()
        spec.providers = [provider]
        spec.rules = [(RouteMatchSpec(path: .prefix("/")), requirement)]
        spec.requirements = ["named": .provider("p", audiences: ["nobody"])]
        return try HTTPRig(routes: routes, filters: [HTTPFilterSpec(name: "jwt", kind: .jwt(spec))])
    }

    private func remote(_ change: (inout RemoteKeysSpec) -> Void = { _ in }) -> JWTProviderSpec.Keys {
        var spec = RemoteKeysSpec(cluster: "authz", authority: "keys.example", path: "/jwks?x")
        spec.timeout = .seconds(1)
        change(&spec)
        return .remote(spec)
    }

    private static let bearer = "authorization: Bearer \(JWTTests.token("HS256"))"

    @Test func aGoodTokenIsTakenOutOfTheRequest() throws {
        let rig = try rig {
            $0.payloadHeader = "x-payload"
            $0.claims = [("x-sub", "sub"), ("x-none", "none")]
        }
        rig.request("GET", "/a", [JWTTests.bearer, "x-none: fake", "x-payload: fake"])
        let tried = try #require(rig.app.last)
        #expect(tried.value("authorization") == nil && tried.value("x-sub") == "me" && tried.value("x-none") == nil)
        #expect(tried.value("x-payload") == JWTTests.token("HS256").split(separator: ".")[1].description)
        #expect(rig.stat("http.in.jwt_authn.allowed") == 1)
    }

    @Test func aRequestWithoutOneIsRefused() throws {
        let rig = try rig()
        let exchange = rig.request("GET", "/a")
        #expect(exchange.status == 401 && exchange.body == "Jwt is missing" && rig.app.tries.isEmpty)
        #expect(exchange.value("www-authenticate")?.hasSuffix("://a/a\"") == true)
        #expect(rig.streams.last?.info.responseCodeDetails == "jwt_authn_access_denied{Jwt_is_missing}")
        #expect(
            rig.request("GET", "/a", ["authorization: Bearer x.y.z"]).value("www-authenticate")?.hasSuffix(
                ", error=\"invalid_token\"") == true)
        #expect(rig.stat("http.in.jwt_authn.denied") == 2)
    }

    @Test func routesChangeWhatIsNeeded() throws {
        func route(_ path: String, _ jwt: JWTRouteSpec) -> RouteSpec {
            var route = RouteSpec(
                match: RouteMatchSpec(path: .exact(path)), action: .forward(ForwardSpec(target: .cluster("app"))))
            route.filterOverrides = ["jwt": .jwt(jwt)]
            return route
        }
        let rig = try rig(routes: [
            route("/off", .disabled), route("/named", .requirement("named")), route("/unknown", .requirement("x")),
        ])
        rig.request("GET", "/off")
        #expect(rig.app.tries.count == 1)
        #expect(rig.request("GET", "/named", [JWTTests.bearer]).status == 403)
        #expect(rig.request("GET", "/unknown", [JWTTests.bearer]).body.contains("It should be one of [named]"))
    }

    @Test func keysOfAFileChange() throws {
        let file = KeySetFile("keys", stamp: FileStamp("/nonexistent"), text: Array(Self.keySet(["HS256"]).utf8))
        let rig = try rig(.file(file)) { $0.cache = .init(tokens: 5, maxTokenBytes: 4096) }
        for _ in 0..<2 { rig.request("GET", "/", [JWTTests.bearer]) }
        #expect(rig.app.tries.count == 2 && rig.stat("http.in.jwt_authn.jwt_cache_hit") == 1)
        file.replace(with: Array(Self.keySet(["HS384"]).utf8))
        #expect(rig.request("GET", "/", [JWTTests.bearer]).status == 401)
        rig.request("GET", "/", ["authorization: Bearer \(JWTTests.token("HS384"))"])
        #expect(rig.app.tries.count == 3)
    }

    // MARK: - Keys that are fetched

    @Test func requestsWaitForOneFetch() throws {
        let rig = try rig(remote())
        let first = rig.request("POST", "/", [JWTTests.bearer, "content-length: 3"], end: false)
        let second = rig.request("GET", "/", [JWTTests.bearer])
        first.send("abc", end: true)
        let asked = try #require(rig.authz.last)
        #expect(rig.authz.tries.count == 1 && asked.method == "GET" && asked.path == "/jwks?x")
        #expect(asked.authority == "keys.example" && rig.app.tries.isEmpty)
        asked.answer(200, [], JWTTests.keySet(["HS256"]))
        #expect(rig.app.tries.map(\.body) == ["abc", ""])
        for tried in rig.app.tries { tried.answer() }
        #expect(first.status == 200 && second.status == 200)
        rig.request("GET", "/", [JWTTests.bearer])
        #expect(rig.authz.tries.count == 1 && rig.stat("http.in.jwt_authn.jwks_fetch_success") == 1)
    }

    @Test func whoGoesAwayWaitsNoMore() throws {
        let rig = try rig(remote())
        let gone = rig.request("GET", "/", [JWTTests.bearer])
        gone.cutOff(.remoteReset)
        rig.turn()
        try #require(rig.authz.last).answer(200, [], JWTTests.keySet(["HS256"]))
        #expect(rig.app.tries.isEmpty && rig.stat("http.in.downstream_rq_active") == 0)
    }

    @Test func aFetchThatFailedIsNotTriedForEachRequest() throws {
        let rig = try rig(remote())
        let exchange = rig.request("GET", "/", [JWTTests.bearer])
        try #require(rig.authz.last).answer(503)
        #expect(exchange.status == 401 && exchange.body == "Jwks remote fetch is failed")
        #expect(rig.request("GET", "/", [JWTTests.bearer]).status == 401)
        #expect(rig.authz.tries.count == 1)
        rig.pass(.seconds(1))
        rig.request("GET", "/", [JWTTests.bearer])
        #expect(rig.authz.tries.count == 2)
        try #require(rig.authz.last).answer(200, [], JWTTests.keySet(["HS256"]))
        #expect(rig.app.tries.count == 1 && rig.stat("http.in.jwt_authn.jwks_fetch_failed") == 1)
    }

    @Test func keysEnd() throws {
        let rig = try rig(remote { $0.duration = .seconds(10) })
        rig.request("GET", "/", [JWTTests.bearer])
        try #require(rig.authz.last).answer(200, [], JWTTests.keySet(["HS256"]))
        rig.pass(.seconds(10))
        let exchange = rig.request("GET", "/", [JWTTests.bearer])
        #expect(rig.authz.tries.count == 2)
        try #require(rig.authz.last).answer(200, [], JWTTests.keySet(["ES256"]))
        #expect(exchange.status == 401 && exchange.body.contains("match kid or alg"))
    }

    @Test func keysOfNoTimeAreGoodForThoseWhoWaited() throws {
        let rig = try rig(remote { $0.duration = .zero })
        for count in 1...2 {
            rig.request("GET", "/", [JWTTests.bearer])
            try #require(rig.authz.last).answer(200, [], JWTTests.keySet(["HS256"]))
            #expect(rig.app.tries.count == count && rig.authz.tries.count == count)
        }
    }

    @Test func keysComeAheadAndAreFetchedAgainBeforeTheyEnd() throws {
        let rig = try rig(
            remote {
                $0.isAhead = true
                $0.duration = .seconds(60)
                $0.failedPause = .seconds(3)
            })
        rig.pass(.milliseconds(5))
        try #require(rig.authz.last).answer(500)
        rig.pass(.seconds(3))
        #expect(rig.authz.tries.count == 2)
        try #require(rig.authz.last).answer(200, [], JWTTests.keySet(["HS256"]))
        rig.pass(.seconds(54))
        #expect(rig.authz.tries.count == 2)
        rig.pass(.seconds(2))
        #expect(rig.authz.tries.count == 3)
        // What is there is used until there is something else.
        try #require(rig.authz.last).answer(500)
        rig.pass(.seconds(600))
        rig.request("GET", "/", [JWTTests.bearer])
        #expect(rig.app.tries.count == 1)
    }

    @Test func rememberedTokensGoWithTheirKeys() throws {
        let rig = try rig(remote { $0.duration = .seconds(10) }) { $0.cache = .init(tokens: 5, maxTokenBytes: 4096) }
        rig.request("GET", "/", [JWTTests.bearer])
        try #require(rig.authz.last).answer(200, [], JWTTests.keySet(["HS256"]))
        rig.request("GET", "/", [JWTTests.bearer])
        #expect(rig.stat("http.in.jwt_authn.jwt_cache_hit") == 1)
        rig.pass(.seconds(11))
        // As in Envoy, a remembered token needs no key.
        rig.request("GET", "/", [JWTTests.bearer])
        #expect(rig.app.tries.count == 3)
        rig.request("GET", "/", ["authorization: Bearer \(JWTTests.token("HS384"))"])
        try #require(rig.authz.last).answer(200, [], JWTTests.keySet(["HS384"]))
        #expect(rig.request("GET", "/", [JWTTests.bearer]).status == 401)
    }
}
