// Filters that change messages or answer for the app: other origins, header mutation, health checks of clients.
import HTTPWire
import Matching
import Reactor
import Testing

@testable import DataPlane

struct ChangingFilterTests {
    // MARK: - Other origins

    private func route(_ path: String = "/", _ change: (inout RouteSpec) -> Void = { _ in }) -> RouteSpec {
        var route = RouteSpec(
            match: RouteMatchSpec(path: .prefix(path)), action: .forward(ForwardSpec(target: .cluster("app"))))
        change(&route)
        return route
    }

    private func policy(_ change: (inout CORSPolicySpec) -> Void = { _ in }) -> CORSPolicySpec {
        var policy = CORSPolicySpec()
        policy.allowedOrigins = [StringMatcher(.exact("here"))]
        change(&policy)
        return policy
    }

    private static let cors = [HTTPFilterSpec(name: "cors", kind: .cors)]
    private static let preflight = ["origin: here", "access-control-request-method: PUT"]

    @Test func preflightsAreAnsweredAndAreNoFailures() throws {
        let log = FlightLog(ExplainSpec(), worker: 0)
        let rig = try HTTPRig(
            routes: [route { $0.filterOverrides = ["cors": .cors(self.policy { $0.allowedMethods = "*" })] }],
            filters: Self.cors, flightLog: log)
        let exchange = rig.request("OPTIONS", "/", Self.preflight)
        #expect(exchange.status == 200 && exchange.headWasEnd && rig.app.tries.isEmpty)
        #expect(exchange.value("access-control-allow-methods") == "PUT")
        #expect(rig.streams.last?.info.responseCodeDetails == "cors_response")
        #expect(rig.streams.last?.wentWrong == false)
        #expect(rig.stat("http.in.cors.origin_valid") == 1)
    }

    @Test func theOriginIsKeptThoughTheRequestIsChanged() throws {
        let rig = try HTTPRig(
            routes: [
                route {
                    $0.filterOverrides = ["cors": .cors(self.policy { $0.exposedHeaders = "x-a" })]
                    $0.headers.requestRemove = ["origin"]
                }
            ], filters: Self.cors)
        let exchange = rig.request("GET", "/", ["origin: here"])
        #expect(rig.app.last?.value("origin") == nil)
        rig.app.last?.answer(200, ["access-control-allow-origin: *"])
        #expect(exchange.value("access-control-allow-origin") == "here")
        #expect(exchange.value("access-control-expose-headers") == "x-a")
        // The next request on the stream has no origin of its own.
        let next = rig.request("GET", "/")
        rig.app.last?.answer(200, ["access-control-allow-origin: *"])
        #expect(next.value("access-control-allow-origin") == "*")
    }

    @Test func theOlderFieldCountsWhereThereIsNoOther() throws {
        let old = policy { $0.maxAge = "1" }
        func rig(_ newer: HTTPFilterOverrides?) throws -> HTTPRig {
            try HTTPRig(
                routes: [
                    route {
                        if case .forward(var forward) = $0.action {
                            forward.cors = old
                            $0.action = .forward(forward)
                        }
                    }
                ], filters: Self.cors, virtualHost: { $0.filterOverrides = newer })
        }
        #expect(try rig(nil).request("OPTIONS", "/", Self.preflight).value("access-control-max-age") == "1")
        let newer = try rig(["cors": .cors(policy { $0.maxAge = "2" })])
        #expect(newer.request("OPTIONS", "/", Self.preflight).value("access-control-max-age") == "2")
    }

    @Test func aFilterWithoutAPolicyIsNotInTheChain() throws {
        let rig = try HTTPRig(routes: [route()], filters: Self.cors)
        rig.request("OPTIONS", "/", Self.preflight)
        #expect(rig.app.tries.count == 1 && rig.stat("http.in.cors.origin_invalid") == 0)
    }

    // MARK: - Header mutation

    private func mutation(
        request: [HeaderStepSpec] = [], response: [HeaderStepSpec] = [], parameters: [ParameterStepSpec] = []
    ) -> HeaderMutationFilterSpec {
        var spec = HeaderMutationFilterSpec()
        spec.request = request
        spec.response = response
        spec.parameters = parameters
        return spec
    }

    private func add(
        _ name: String, _ value: String, _ action: HeaderAddSpec.Action = .appendIfExistsOrAdd
    ) -> HeaderStepSpec { .append(HeaderAddSpec(name: name, value: value, action: action)) }

    @Test func stepsFollowEachOther() throws {
        let steps = [
            add("x-a", "1"), add("x-b", "%REQ(x-a)%"), .remove("x-a"), add("x-c", "[%REQ(x-a)%]"),
            .removeMatching(StringMatcher(.prefix("y-"))), add("accept", "b"), add("x-b", "2", .addIfAbsent),
            add("x-d", "3", .overwriteIfExists),
        ]
        let rig = try HTTPRig(filters: [HTTPFilterSpec(name: "m", kind: .headerMutation(mutation(request: steps)))])
        rig.request("GET", "/", ["Y-One: 1", "accept: a"])
        let tried = try #require(rig.app.last)
        #expect(tried.value("x-a") == nil && tried.value("x-b") == "1" && tried.value("x-c") == "[]")
        #expect(tried.value("Y-One") == nil && tried.value("accept") == "a,b" && tried.value("x-d") == nil)
    }

    @Test func queriesKeepWhatNoStepIsAbout() throws {
        let steps: [ParameterStepSpec] = [
            .remove("a b"), .append(name: "n", value: "%REQ(x)%&", .appendIfExistsOrAdd),
            .append(name: "k", value: "9", .overwriteIfExists), .append(name: "z", value: "9", .overwriteIfExists),
            .append(name: "k", value: "8", .addIfAbsent),
        ]
        let rig = try HTTPRig(filters: [HTTPFilterSpec(name: "m", kind: .headerMutation(mutation(parameters: steps)))])
        rig.request("GET", "/p?q=%2F&a%20b=1&k=1&e=&k=2&f", ["x: 1 2"])
        #expect(rig.app.last?.path == "/p?q=%2F&k=9&e=&f&n=1%202%26")
        rig.request("GET", "/p")
        #expect(rig.app.last?.path == "/p?n=%26&k=8")
    }

    @Test func ownAnswersAreChangedBeforeAnyRoute() throws {
        let spec = mutation(response: [add("x-code", "%RESPONSE_CODE%")])
        let rig = try HTTPRig(filters: [HTTPFilterSpec(name: "m", kind: .headerMutation(spec))])
        #expect(rig.request("GET", "/", host: nil).value("x-code") == "400")
        let exchange = rig.request()
        rig.app.last?.answer(204)
        #expect(exchange.value("x-code") == "204")
    }

    // MARK: - Health checks

    private func checks(passes: Bool = false, _ change: (inout HealthCheckFilterSpec) -> Void = { _ in })
        -> HTTPFilterSpec
    {
        var spec = HealthCheckFilterSpec(passesThrough: passes)
        spec.headers = [HeaderMatchSpec(name: ":path", rule: .string(StringMatcher(.exact("/hc"))))]
        change(&spec)
        return HTTPFilterSpec(name: "h", kind: .healthCheck(spec))
    }

    @Test func checksAreAnsweredAndAreNoFailures() throws {
        let rig = try HTTPRig(filters: [checks()], flightLog: FlightLog(ExplainSpec(), worker: 0))
        let exchange = rig.request("GET", "/hc")
        #expect(exchange.status == 200 && rig.app.tries.isEmpty && rig.streams.last?.wentWrong == false)
        #expect(rig.stat("http.in.downstream_rq_completed") == 0 && rig.stat("http.in.downstream_rq_total") == 1)
        rig.turn()
        rig.health.failsChecks = true
        let failed = rig.request("GET", "/hc")
        #expect(failed.status == 503 && failed.value("x-envoy-immediate-health-check-fail") == "true")
        #expect(rig.streams.last?.info.flags == .failedLocalHealthCheck && rig.streams.last?.wentWrong == true)
        let other = rig.request("GET", "/x")
        rig.app.last?.answer()
        #expect(other.status == 200 && other.value("x-envoy-immediate-health-check-fail") == "true")
        #expect(rig.stat("http.in.downstream_rq_completed") == 1)
    }

    @Test func answersOfTheAppAreKeptForATime() throws {
        let cache = CheckCache(time: .seconds(10))
        let rig = try HTTPRig(filters: [checks(passes: true) { $0.cache = cache }])
        rig.request("GET", "/hc")
        rig.app.last?.answer(500, ["x-envoy-degraded: true"])
        let known = rig.request("GET", "/hc")
        #expect(known.status == 500 && known.value("x-envoy-degraded") == "" && rig.app.tries.count == 1)
        rig.pass(.seconds(9))
        // What is answered from the cache does not make it last longer.
        #expect(rig.request("GET", "/hc").status == 500)
        rig.pass(.seconds(1))
        rig.request("GET", "/hc")
        #expect(rig.app.tries.count == 2)
        #expect(rig.stat("http.in.health_check.cached_response") == 2 && rig.stat("http.in.health_check.degraded") == 2)
    }

    @Test(arguments: [
        (50.0, 4, 2, 200), (51, 4, 2, 503), (0, 0, 0, 200), (0.1, 0, 0, 503), (100, 4, 4, 200),
    ])
    func healthyHostsDecide(percent: Double, total: Int, healthy: Int, status: Int) throws {
        let rig = try HTTPRig(filters: [checks { $0.minHealthy = [("app", percent)] }])
        rig.app.membership = (total, healthy)
        #expect(rig.request("GET", "/hc").status == status)
    }

    @Test func aClusterThatIsNotThereFailsChecks() throws {
        let rig = try HTTPRig(filters: [checks { $0.minHealthy = [("nobody", 0)] }])
        #expect(rig.request("GET", "/hc").status == 503)
        #expect(rig.stat("http.in.health_check.failed_cluster_not_found") == 1)
    }
}
