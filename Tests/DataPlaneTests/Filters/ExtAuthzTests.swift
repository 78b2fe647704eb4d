// External authorization: what is asked, when, and what becomes of the request.
import HTTPWire
import Matching
import Metrics
import Reactor
import Testing

@testable import DataPlane

struct ExtAuthzTests {
    /// A connection manager whose filter asks the cluster "authz".
    private func rig(
        _ change: (inout ExtAuthzSpec) -> Void = { _ in }, before: [HTTPFilterSpec] = [], after: [HTTPFilterSpec] = [],
        routes: [RouteSpec]? = nil, overrides: HTTPFilterOverrides? = nil
    ) throws -> HTTPRig {
        var http = HTTPAuthorizationSpec(cluster: "authz", timeout: .milliseconds(200))
        http.upstreamHeaders = [StringMatcher(.exact("x-user"))]
        http.clientHeadersOnSuccess = [StringMatcher(.exact("x-client"))]
        var spec = ExtAuthzSpec(service: .http(http))
        spec.allowedHeaders = []
        change(&spec)
        return try HTTPRig(
            routes: routes, filters: before + [HTTPFilterSpec(name: "authz", kind: .extAuthz(spec))] + after,
            virtualHost: { $0.filterOverrides = overrides })
    }

    private func question(_ rig: HTTPRig) throws -> ScriptedTry { try #require(rig.authz.last) }

    @Test func aRequestWaitsForTheAnswer() throws {
        let rig = try rig()
        let exchange = rig.request("GET", "/a?b", ["authorization: me", "x-hidden: 1"])
        let asked = try question(rig)
        #expect(asked.method == "GET" && asked.path == "/a?b" && asked.authority == "a")
        #expect(asked.value("authorization") == "me")
        #expect(asked.value("x-hidden") == nil)
        #expect(asked.value("x-envoy-expected-rq-timeout-ms") == "200")
        #expect(rig.app.tries.isEmpty)
        asked.answer(200, ["x-user: joe", "x-client: told", "x-other: 1"])
        #expect(rig.app.last?.value("x-user") == "joe")
        #expect(rig.app.last?.value("x-other") == nil)
        rig.app.last?.answer()
        #expect(exchange.status == 200)
        #expect(exchange.value("x-client") == "told")
        #expect(rig.stat("http.in.ext_authz.ok") == 1)
        #expect(rig.stat("cluster.app.ext_authz.ok") == 1)
    }

    @Test func aRefusalIsPassedOn() throws {
        let rig = try rig()
        let exchange = rig.request()
        try question(rig).answer(401, ["www-authenticate: Basic", "connection: x"], "who?")
        #expect(exchange.status == 401)
        #expect(exchange.body == "who?")
        #expect(exchange.value("www-authenticate") == "Basic")
        #expect(exchange.value("connection") == nil)
        #expect(rig.app.tries.isEmpty)
        #expect(rig.streams.last?.info.flags == .unauthorizedExternalService)
        #expect(rig.streams.last?.info.responseCodeDetails == "ext_authz_denied")
        #expect(rig.stat("http.in.ext_authz.denied") == 1)
        #expect(rig.stat("cluster.app.upstream_rq_401") == 1)
    }

    @Test(arguments: [false, true])
    func withoutAnAnswer(allows: Bool) throws {
        let rig = try rig {
            $0.failureModeAllow = allows
            $0.marksAllowedFailures = true
            $0.statusOnError = 503
        }
        let exchange = rig.request()
        try question(rig).reset(.connectionTermination)
        #expect(exchange.status == (allows ? 0 : 503))
        #expect(rig.app.tries.count == (allows ? 1 : 0))
        #expect(rig.app.last?.value("x-envoy-auth-failure-mode-allowed") == (allows ? "true" : nil))
        #expect(rig.stat("http.in.ext_authz.error") == 1)
        #expect(rig.stat("http.in.ext_authz.failure_mode_allowed") == (allows ? 1 : 0))
    }

    @Test func theTimeRunsOut() throws {
        let rig = try rig()
        let exchange = rig.request()
        rig.pass(.milliseconds(201))
        #expect(exchange.status == 403)
        #expect(try question(rig).cancelled)
    }

    @Test func aClientThatLeavesTakesTheQuestionBack() throws {
        let rig = try rig()
        rig.request("POST", "/", end: false)
        let asked = try question(rig)
        rig.codec.clientLeaves()
        #expect(asked.cancelled)
        rig.turn()
        #expect(rig.stat("http.in.downstream_rq_active") == 0)
        #expect(rig.stat("http.in.ext_authz.error") == 0)
    }

    // MARK: - Bodies

    @Test func theBodyIsHeldWhileTheServiceThinks() throws {
        let rig = try rig()
        let exchange = rig.request("POST", "/", end: false)
        exchange.send("half")
        try question(rig).answer(200)
        exchange.send("rest", end: true)
        #expect(rig.app.last?.body == "halfrest")
        #expect(try question(rig).body.isEmpty)
    }

    @Test func theServiceSeesTheBody() throws {
        let rig = try rig { $0.body = .init(maxBytes: 8) }
        let exchange = rig.request("POST", "/", end: false)
        exchange.send("half")
        #expect(rig.authz.tries.isEmpty)
        exchange.send("rest", end: true)
        #expect(try question(rig).body == "halfrest")
        #expect(try question(rig).value("x-envoy-auth-partial-body") == "false")
        try question(rig).answer(200)
        #expect(rig.app.last?.body == "halfrest")
    }

    @Test func trailersEndTheBody() throws {
        let rig = try rig { $0.body = .init(maxBytes: 8) }
        let exchange = rig.request("POST", "/", end: false)
        exchange.send("body")
        exchange.sendTrailers("sum", "1")
        try question(rig).answer(200)
        #expect(rig.app.last?.trailers == ["sum: 1"])
    }

    @Test func aBodyThatIsTooLong() throws {
        let rig = try rig { $0.body = .init(maxBytes: 8) }
        let exchange = rig.request("POST", "/", end: false)
        exchange.send("123456789")
        #expect(exchange.status == 413)
        #expect(rig.authz.tries.isEmpty)
        #expect(rig.stat("http.in.downstream_rq_too_large") == 1)
    }

    @Test func aPartOfTheBodyMayDo() throws {
        let rig = try rig { $0.body = .init(maxBytes: 4, allowsPartial: true) }
        let exchange = rig.request("POST", "/", end: false)
        exchange.send("123456")
        #expect(try question(rig).body == "1234")
        #expect(try question(rig).value("x-envoy-auth-partial-body") == "true")
        exchange.send("789", end: true)
        try question(rig).answer(200)
        #expect(rig.app.last?.body == "123456789")
    }

    /// The service may want more than the watermark: the client is read from until it is there.
    @Test func moreThanTheWatermarkIsHeldForIt() throws {
        let rig = try rig { $0.body = .init(maxBytes: 2 << 20) }
        let exchange = rig.request("POST", "/", end: false)
        exchange.send(String(repeating: "x", count: 2 << 20))
        #expect(!exchange.isPaused)
        exchange.send("", end: true)
        #expect(try question(rig).body.utf8.count == 2 << 20)
    }

    @Test func aFilterBeforeItMayHaveHeldTheBody() throws {
        var fault = HTTPFaultSpec()
        fault.delay = .init(time: .milliseconds(100), share: .always)
        let rig = try rig(
            { $0.body = .init(maxBytes: 8) }, before: [HTTPFilterSpec(name: "fault", kind: .fault(fault))])
        let exchange = rig.request("POST", "/", end: false)
        exchange.send("body", end: true)
        rig.pass(.milliseconds(101))
        #expect(try question(rig).body == "body")
        let long = rig.request("POST", "/", end: false)
        long.send("123456789", end: true)
        rig.pass(.milliseconds(101))
        #expect(long.status == 413)
        #expect(rig.authz.tries.count == 1)
    }

    // MARK: - Routes

    @Test func anotherRouteHasOtherFilters() throws {
        let forward = RouteActionSpec.forward(ForwardSpec(target: .cluster("app")))
        var user = RouteSpec(match: RouteMatchSpec(path: .prefix("/")), action: forward)
        user.match.headers = [HeaderMatchSpec(name: "x-user", rule: .present(true))]
        let deny = RBACRulesSpec(
            action: .deny, policies: [RBACPolicySpec(name: "all", permissions: [.always], principals: [.always])])
        var rbac = HTTPRBACSpec()
        rbac.rules = deny
        user.filterOverrides = ["rbac": .rbac(rbac), "authz": .disabled]
        let rest = RouteSpec(match: RouteMatchSpec(path: .prefix("/")), action: forward)
        for (clears, status) in [(true, 403), (false, 0)] {
            let rig = try rig(
                { $0.clearsRoute = clears }, after: [HTTPFilterSpec(name: "rbac", kind: .rbac(HTTPRBACSpec()))],
                routes: [user, rest])
            let exchange = rig.request()
            try question(rig).answer(200, ["x-user: joe"])
            #expect(exchange.status == status)
            #expect(rig.app.tries.count == (clears ? 0 : 1))
        }
    }

    @Test func whatIsOff() throws {
        let off = RuntimeFraction(Fraction(numerator: 0, denominator: 100))
        for (denies, status) in [(false, 0), (true, 403)] {
            let rig = try rig {
                $0.enabled = off
                $0.deniesWhenDisabled = denies
            }
            #expect(rig.request().status == status)
            #expect(rig.authz.tries.isEmpty)
            #expect(rig.stat("http.in.ext_authz.disabled") == 1)
        }
        let spared = try rig(overrides: ["authz": .disabled])
        spared.request()
        #expect(spared.authz.tries.isEmpty && spared.app.tries.count == 1)
    }

    // MARK: - gRPC

    @Test func aGRPCServiceIsAsked() throws {
        let rig = try rig {
            $0.service = .grpc(GRPCServiceSpec(cluster: "authz", authority: "x", timeout: .seconds(1)))
            $0.allowedHeaders = nil
        }
        let exchange = rig.request("GET", "/", ["x-a: 1", "x-b: 2", "X-A: 3"])
        let asked = try question(rig)
        #expect(asked.path == "/envoy.service.auth.v3.Authorization/Check" && asked.authority == "x")
        #expect(asked.body.contains("x-a\u{12}\u{3}1,3"))
        asked.answer(200, ["content-type: application/grpc"], "\u{0}\u{0}\u{0}\u{0}\u{0}", end: false)
        asked.endWithTrailers("grpc-status", "0")
        #expect(rig.app.tries.count == 1)
        rig.app.last?.answer()
        #expect(exchange.status == 200)
    }
}
