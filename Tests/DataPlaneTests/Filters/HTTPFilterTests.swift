// The filters before the router: order, overrides, answers, counters, and what is noted for logs.
import HTTPWire
import Matching
import Metrics
import Reactor
import Testing

@testable import DataPlane

struct HTTPFilterTests {
    private static func rules(
        _ action: RBACRulesSpec.Action = .allow, _ name: String = "one", when condition: RBACConditionSpec = .always
    ) -> RBACRulesSpec {
        RBACRulesSpec(
            action: action, policies: [RBACPolicySpec(name: name, permissions: [condition], principals: [.always])])
    }

    private static func rbac(
        _ rules: RBACRulesSpec?, shadow: RBACRulesSpec? = nil, tracks: Bool = false
    ) -> HTTPRBACSpec {
        var spec = HTTPRBACSpec()
        spec.rules = rules
        spec.shadowRules = shadow
        spec.tracksPolicies = tracks
        return spec
    }

    private static func limit(_ tokens: UInt32, _ prefix: String = "limit") -> LocalRateLimitSpec {
        var spec = LocalRateLimitSpec(statPrefix: prefix)
        spec.limiter = RateLimiter(TokenRate(capacity: tokens, tokensPerFill: 1, fillInterval: .seconds(1)))
        spec.enabled = RuntimeFraction(.always)
        spec.enforced = RuntimeFraction(.always)
        return spec
    }

    private static let path = RBACConditionSpec.urlPath(StringMatcher(.prefix("/in")))

    @Test func whoIsDeniedIsAnsweredAndNotForwarded() throws {
        let rig = try HTTPRig(filters: [HTTPFilterSpec(name: "r", kind: .rbac(Self.rbac(Self.rules(when: Self.path))))])
        rig.request("GET", "/in")
        rig.app.last?.answer()
        let exchange = rig.request("GET", "/out")
        #expect(exchange.status == 403 && exchange.body == "RBAC: access denied")
        #expect(rig.streams.last?.info.responseCodeDetails == "rbac_access_denied_matched_policy[none]")
        #expect(rig.app.tries.count == 1)
        #expect(rig.stat("http.in.rbac.allowed") == 1 && rig.stat("http.in.rbac.denied") == 1)
        #expect(rig.stat("http.in.rq_total") == 1)
    }

    @Test func theRestOfADeniedRequestIsDropped() throws {
        let rig = try HTTPRig(filters: [HTTPFilterSpec(name: "r", kind: .rbac(Self.rbac(Self.rules(.deny))))])
        let exchange = rig.request("POST", "/", ["content-length: 5"], end: false)
        #expect(exchange.status == 403)
        exchange.send("hello", end: true)
        #expect(rig.app.tries.isEmpty)
        rig.turn()
        #expect(rig.stat("http.in.downstream_rq_active") == 0)
    }

    @Test func shadowRulesAreCountedAndNotEnforced() throws {
        let spec = Self.rbac(nil, shadow: Self.rules(.deny, "no one"), tracks: true)
        let rig = try HTTPRig(filters: [HTTPFilterSpec(name: "r", kind: .rbac(spec))])
        rig.request()
        rig.app.last?.answer()
        #expect(rig.stat("http.in.rbac.shadow_denied") == 1 && rig.stat("http.in.rbac.denied") == 0)
        #expect(rig.stat("http.in.rbac.policy.no one.shadow_denied") == 1)
        #expect(rig.app.tries.count == 1)
    }

    @Test func theFirstFilterThatAnswersIsTheLast() throws {
        let rig = try HTTPRig(filters: [
            HTTPFilterSpec(name: "l", kind: .localRateLimit(Self.limit(1))),
            HTTPFilterSpec(name: "r", kind: .rbac(Self.rbac(Self.rules(.deny)))),
        ])
        #expect(rig.request().status == 403)
        #expect(rig.request().status == 429)
        #expect(rig.streams.last?.info.flags == .rateLimited)
        #expect(rig.stat("http.in.rbac.denied") == 1)
        rig.pass(.seconds(1))
        #expect(rig.request().status == 403)
    }

    @Test func theMostSpecificOverrideCounts() throws {
        var route = RouteSpec(
            match: RouteMatchSpec(path: .prefix("/")), action: .forward(ForwardSpec(target: .cluster("app"))))
        route.filterOverrides = ["r": .rbac(Self.rbac(Self.rules(.deny)))]
        var off = route
        off.match = RouteMatchSpec(path: .exact("/off"))
        off.filterOverrides = ["r": .disabled]
        var plain = route
        plain.match = RouteMatchSpec(path: .exact("/plain"))
        plain.filterOverrides = nil
        var other = route
        other.match = RouteMatchSpec(path: .exact("/other"))
        other.filterOverrides = ["r": .localRateLimit(Self.limit(1))]
        let rig = try HTTPRig(
            routes: [off, plain, other, route],
            filters: [HTTPFilterSpec(name: "r", kind: .rbac(Self.rbac(Self.rules(.deny))))],
            virtualHost: { $0.filterOverrides = ["r": .rbac(nil)] })
        for (path, tries) in [("/off", 1), ("/plain", 2), ("/other", 2), ("/else", 2)] {
            rig.request("GET", path)
            #expect(rig.app.tries.count == tries, "\(path)")
        }
    }

    @Test func aFilterThatIsOffCanBeTurnedOn() throws {
        var filter = HTTPFilterSpec(name: "r", kind: .rbac(Self.rbac(Self.rules(.deny))))
        filter.isDisabled = true
        var on = RouteSpec(
            match: RouteMatchSpec(path: .exact("/on")), action: .forward(ForwardSpec(target: .cluster("app"))))
        on.filterOverrides = ["r": .enabled]
        var off = on
        off.match = RouteMatchSpec(path: .prefix("/"))
        off.filterOverrides = nil
        let rig = try HTTPRig(routes: [on, off], filters: [filter])
        #expect(rig.request("GET", "/on").status == 403)
        rig.request("GET", "/off")
        #expect(rig.app.tries.count == 1)
    }

    @Test func aWeightedClusterHasItsOwnFilters() throws {
        var denied = ForwardSpec.WeightedRouteCluster(name: .cluster("app"), weight: 1)
        denied.filterOverrides = ["r": .rbac(Self.rbac(Self.rules(.deny)))]
        let rig = try HTTPRig(
            filters: [HTTPFilterSpec(name: "r", kind: .rbac(Self.rbac(nil)))],
            route: { $0.target = .weighted([denied]) })
        #expect(rig.request().status == 403)
        #expect(rig.streams.last?.info.upstream.clusterName == "app")
    }

    @Test func aRouteThatChangesNothingHasNoChainOfItsOwn() throws {
        let cells = StatStore().makeCells()
        let filters = try HTTPFilters(
            [HTTPFilterSpec(name: "r", kind: .rbac(Self.rbac(nil)))], statPrefix: "in", cells: cells,
            runtime: RuntimeSpec())
        let levels = HTTPFilterLevels(filters)
        #expect(try levels.adding(nil).adding([:]).chain == nil)
        let host = try levels.adding(["r": .disabled])
        #expect(try host.adding(nil).chain === host.chain && host.chain?.filters.isEmpty == true)
        #expect(try HTTPFilterLevels(nil).adding(["r": .disabled]).chain == nil)
    }

    @Test func quotasAreToldOfEachResponse() throws {
        var spec = Self.limit(1)
        spec.addsQuotaHeaders = true
        let rig = try HTTPRig(filters: [HTTPFilterSpec(name: "l", kind: .localRateLimit(spec))])
        let first = rig.request()
        rig.app.last?.answer()
        let second = rig.request()
        for (exchange, reset) in [(first, "1"), (second, "1")] {
            #expect(exchange.value("x-ratelimit-limit") == "1" && exchange.value("x-ratelimit-remaining") == "0")
            #expect(exchange.value("x-ratelimit-reset") == reset)
        }
        #expect(second.status == 429)
    }

    @Test func aConnectionsOwnBucketIsItsOwn() throws {
        var spec = Self.limit(1)
        spec.perConnection = true
        let rig = try HTTPRig(filters: [HTTPFilterSpec(name: "l", kind: .localRateLimit(spec))])
        rig.request()
        #expect(rig.request().status == 429)
        #expect(spec.limiter?.take([], now: rig.loop.now).isWithin == true)
    }

    @Test func logsFindWhatWasDecided() throws {
        let rig = try HTTPRig(filters: [
            HTTPFilterSpec(
                name: "a", kind: .rbac(Self.rbac(Self.rules(.log, "seen"), shadow: Self.rules(.deny, "dry")))),
            HTTPFilterSpec(name: "b", kind: .rbac(Self.rbac(Self.rules(.allow, "then")))),
        ])
        rig.request()
        let stream = try #require(rig.streams.last)
        func text(_ format: String) throws -> String {
            try Formatter(format).string(
                FormatContext(stream.info, request: nil, now: rig.loop.now, wallNow: rig.loop.wallNow))
        }
        #expect(
            try text("%DYNAMIC_METADATA(envoy.filters.http.rbac)%")
                == #"{"enforced_effective_policy_id":"then","enforced_engine_result":"allowed","#
                + #""shadow_effective_policy_id":"dry","shadow_engine_result":"denied"}"#)
        #expect(try text("%DYNAMIC_METADATA(envoy.filters.http.rbac:enforced_effective_policy_id)%") == "then")
        #expect(try text("%DYNAMIC_METADATA(envoy.common)%") == #"{"access_log_hint":true}"#)
        rig.app.last?.answer()
        rig.turn()
        #expect(stream.info.notes.isEmpty)
    }
}
