// The fault filter, and what becomes of a request that a filter holds.
import HTTPWire
import Metrics
import Reactor
import Testing

@testable import DataPlane

struct FaultTests {
    private static func fault(
        delay: TimeAmount? = nil, abort: HTTPFaultSpec.Abort.Status? = nil,
        _ change: (inout HTTPFaultSpec) -> Void = { _ in }
    ) -> HTTPFilterSpec {
        var spec = HTTPFaultSpec()
        spec.delay = delay.map { .init(time: $0, share: .always) }
        spec.abort = abort.map { .init(status: $0, share: .always) }
        change(&spec)
        return HTTPFilterSpec(name: "fault", kind: .fault(spec))
    }

    private func rig(_ filters: HTTPFilterSpec..., route: (inout ForwardSpec) -> Void = { _ in }) throws -> HTTPRig {
        try HTTPRig(filters: filters, route: route)
    }

    // MARK: - A request that is held

    @Test func aRequestWaitsAndIsThenForwarded() throws {
        let rig = try rig(Self.fault(delay: .milliseconds(100)))
        let exchange = rig.request()
        #expect(rig.app.tries.isEmpty)
        #expect(rig.stat("http.in.fault.active_faults") == 1)
        rig.pass(.milliseconds(99))
        #expect(rig.app.tries.isEmpty)
        rig.pass(.milliseconds(2))
        #expect(rig.app.last?.ended == true)
        rig.app.last?.answer()
        #expect(exchange.status == 200)
        #expect(exchange.value("x-envoy-upstream-service-time") == "0")
        #expect(rig.streams.last?.info.flags == .delayInjected)
        rig.turn()
        #expect(rig.stat("http.in.fault.delays_injected") == 1)
        #expect(rig.stat("http.in.fault.active_faults") == 0)
    }

    @Test func theBodyIsHeldMeanwhile() throws {
        let rig = try rig(Self.fault(delay: .milliseconds(100)))
        let exchange = rig.request("POST", "/", ["content-length: 8"], end: false)
        exchange.send("half")
        rig.pass(.milliseconds(101))
        #expect(rig.app.last?.body == "half")
        #expect(rig.app.last?.ended == false)
        exchange.send("rest", end: true)
        #expect(rig.app.last?.body == "halfrest")
        #expect(rig.app.last?.ended == true)
    }

    @Test func trailersAreHeldToo() throws {
        let rig = try rig(Self.fault(delay: .milliseconds(100)))
        let exchange = rig.request("POST", "/", end: false)
        exchange.send("body")
        exchange.sendTrailers("sum", "1")
        rig.pass(.milliseconds(101))
        #expect(rig.app.last?.body == "body")
        #expect(rig.app.last?.trailers == ["sum: 1"])
    }

    /// The client is not read from any more when as much is held as the stream's watermark allows.
    @Test func aLongBodyStopsTheClient() throws {
        let rig = try rig(Self.fault(delay: .milliseconds(100)))
        let exchange = rig.request("POST", "/", end: false)
        exchange.send(String(repeating: "x", count: 1 << 19))
        #expect(!exchange.isPaused)
        exchange.send(String(repeating: "x", count: 1 << 19))
        #expect(exchange.isPaused)
        rig.pass(.milliseconds(101))
        #expect(rig.app.last?.body.utf8.count == 1 << 20)
        #expect(!exchange.isPaused)
    }

    /// What was held counts as what a retry may send again, or not.
    @Test(arguments: [(10, 2), (30, 1)])
    func whatWasHeldIsSentAgain(bytes: Int, tries: Int) throws {
        var policy = RetryPolicySpec()
        policy.conditions = [.serverError]
        let rig = try HTTPRig(
            filters: [Self.fault(delay: .milliseconds(100))], route: { $0.retryPolicy = policy },
            virtualHost: { $0.perRequestBufferLimit = 20 })
        let exchange = rig.request("POST", "/", end: false)
        exchange.send(String(repeating: "x", count: bytes), end: true)
        rig.pass(.milliseconds(101))
        rig.app.last?.answer(503)
        rig.pass(.seconds(1))
        #expect(rig.app.tries.count == tries)
        #expect(rig.app.tries.allSatisfy { $0.body.utf8.count == bytes })
        #expect(rig.stat("cluster.app.retry_or_shadow_abandoned") == 2 - tries)
    }

    @Test func aClientThatLeavesEndsTheWait() throws {
        let rig = try rig(Self.fault(delay: .milliseconds(100)))
        rig.request("POST", "/", end: false)
        rig.codec.clientLeaves()
        rig.pass(.milliseconds(200))
        #expect(rig.app.tries.isEmpty)
        #expect(rig.stat("http.in.fault.active_faults") == 0)
        #expect(rig.stat("http.in.downstream_rq_active") == 0)
    }

    @Test func deadlinesRunMeanwhile() throws {
        let rig = try HTTPRig(
            filters: [Self.fault(delay: .seconds(9))], settings: { $0.streamIdleTimeout = .seconds(2) })
        let exchange = rig.request()
        rig.pass(.seconds(3))
        #expect(exchange.status == 504)
        rig.pass(.seconds(9))
        #expect(rig.app.tries.isEmpty)
    }

    /// The route's timeout is the upstream's: it begins when the request goes out.
    @Test func theRoutesTimeoutBeginsAfterwards() throws {
        let rig = try rig(Self.fault(delay: .seconds(2))) { $0.timeout = .seconds(1) }
        let exchange = rig.request()
        rig.pass(.milliseconds(2001))
        #expect(rig.app.tries.count == 1)
        rig.pass(.milliseconds(999))
        #expect(!exchange.isComplete)
        rig.pass(.milliseconds(2))
        #expect(exchange.status == 504)
    }

    @Test func theStreamServesTheNextRequest() throws {
        let rig = try rig(Self.fault(delay: .milliseconds(100)))
        for count in 1...3 {
            rig.request()
            rig.pass(.milliseconds(101))
            #expect(rig.app.tries.count == count)
            rig.app.last?.answer()
            rig.turn()
        }
        #expect(rig.streams.count == 1)
        #expect(rig.stat("http.in.fault.active_faults") == 0)
    }

    @Test func theFilterBehindItHasItsTurn() throws {
        let deny = RBACRulesSpec(
            action: .deny, policies: [RBACPolicySpec(name: "all", permissions: [.always], principals: [.always])])
        var rbac = HTTPRBACSpec()
        rbac.rules = deny
        let rig = try rig(
            Self.fault(delay: .milliseconds(100)), HTTPFilterSpec(name: "rbac", kind: .rbac(rbac)))
        let exchange = rig.request()
        #expect(exchange.status == 0)
        rig.pass(.milliseconds(101))
        #expect(exchange.status == 403)
        #expect(rig.app.tries.isEmpty)
    }

    @Test func twoDelaysAddUp() throws {
        var second = Self.fault(delay: .milliseconds(50))
        second.name = "second"
        let rig = try rig(Self.fault(delay: .milliseconds(100)), second)
        rig.request()
        rig.pass(.milliseconds(101))
        #expect(rig.app.tries.isEmpty)
        rig.pass(.milliseconds(51))
        #expect(rig.app.tries.count == 1)
        #expect(rig.stat("http.in.fault.delays_injected") == 2)
    }

    // MARK: - Aborts

    @Test func abortsAnswerAtOnceOrAfterTheDelay() throws {
        let rig = try rig(Self.fault(delay: .milliseconds(100), abort: .http(418)))
        let exchange = rig.request("POST", "/", end: false)
        exchange.send("x")
        #expect(exchange.status == 0)
        rig.pass(.milliseconds(101))
        #expect(exchange.status == 418)
        #expect(exchange.body == "fault filter abort")
        rig.turn()
        #expect(rig.stat("http.in.fault.active_faults") == 0)
        #expect(rig.app.tries.isEmpty)
    }

    @Test(
        arguments: [
            (["x-envoy-fault-abort-request: 429"], 429, nil), (["x-envoy-fault-abort-request: 600"], 0, nil),
            (["x-envoy-fault-abort-request: 199"], 0, nil), (["x-envoy-fault-abort-request: x"], 0, nil),
            (["x-envoy-fault-abort-grpc-request: 77", "content-type: application/grpc"], 200, "77"),
            (["x-envoy-fault-abort-request: 503", "x-envoy-fault-abort-request-percentage: 0"], 0, nil),
        ] as [([String], Int, String?)])
    func abortsByHeader(fields: [String], status: Int, grpc: String?) throws {
        let rig = try rig(Self.fault(abort: .header))
        let exchange = rig.request("GET", "/", fields)
        #expect(exchange.status == status)
        #expect(exchange.value("grpc-status") == grpc)
        #expect(rig.streams.last?.info.flags == (status == 0 ? [] : .faultInjected))
        #expect(rig.streams.last?.info.responseCodeDetails == (status == 0 ? "" : "fault_filter_abort"))
        #expect(rig.app.tries.count == (status == 0 ? 1 : 0))
    }

    @Test(
        arguments: [
            (["x-envoy-fault-delay-request: 50"], true), (["x-envoy-fault-delay-request: 0"], false), ([], false),
            (["x-envoy-fault-delay-request: 50", "x-envoy-fault-delay-request-percentage: 0"], false),
            (["x-envoy-fault-delay-request: 18446744073709551615"], true),
        ] as [([String], Bool)])
    func delaysByHeader(fields: [String], waits: Bool) throws {
        let rig = try rig(Self.fault { $0.delay = .init(time: nil, share: .always) })
        rig.request("GET", "/", fields)
        #expect(rig.app.tries.isEmpty == waits)
    }

    // MARK: - Who has one

    @Test func onlySoManyAtATime() throws {
        let rig = try rig(Self.fault(delay: .milliseconds(100), abort: .http(503)) { $0.maxActiveFaults = 1 })
        rig.request()
        rig.request()
        #expect(rig.app.tries.count == 1)
        // Neither its delay nor its abort.
        #expect(rig.stat("http.in.fault.faults_overflow") == 2)
        rig.pass(.milliseconds(101))
        #expect(rig.stat("http.in.fault.aborts_injected") == 1)
        rig.turn()
        rig.request()
        #expect(rig.stat("http.in.fault.delays_injected") == 2)
    }

    @Test(
        arguments: [
            ("/", ["x-on: 1", "x-envoy-downstream-service-node: b"], true),
            ("/", ["x-envoy-downstream-service-node: b"], false),
            ("/", ["x-on: 1", "x-envoy-downstream-service-node: c"], false), ("/", ["x-on: 1"], false),
        ] as [(String, [String], Bool)])
    func onlyWhomItIsFor(path: String, fields: [String], has: Bool) throws {
        let rig = try rig(
            Self.fault(abort: .http(503)) {
                $0.headers = [HeaderMatchSpec(name: "x-on", rule: .present(true))]
                $0.downstreamNodes = ["a", "b"]
                $0.upstreamCluster = "app"
            })
        rig.request("GET", path, fields)
        #expect(rig.app.tries.isEmpty == has)
    }

    @Test func otherClustersAreSpared() throws {
        let rig = try rig(Self.fault(abort: .http(503)) { $0.upstreamCluster = "other" })
        rig.request()
        #expect(rig.app.tries.count == 1)
    }

    @Test func aRouteHasAFaultOfItsOwn() throws {
        var route = RouteSpec(
            match: RouteMatchSpec(path: .prefix("/")), action: .forward(ForwardSpec(target: .cluster("app"))))
        guard case .fault(let own) = Self.fault(abort: .http(500)).kind else { return }
        route.filterOverrides = ["fault": .fault(own)]
        let rig = try HTTPRig(routes: [route], filters: [Self.fault(abort: .http(503)) { $0.maxActiveFaults = 0 }])
        #expect(rig.request().status == 500)
        #expect(rig.stat("http.in.fault.aborts_injected") == 1)
    }

    @Test func downstreamClustersHaveCountersOfTheirOwn() throws {
        let rig = try rig(Self.fault(abort: .http(503)))
        rig.request("GET", "/", ["x-envoy-downstream-service-cluster: shop"])
        #expect(rig.stat("http.in.fault.shop.aborts_injected") == 1)
        for number in 0..<600 { rig.request("GET", "/", ["x-envoy-downstream-service-cluster: c\(number)"]) }
        #expect(rig.stat("http.in.fault.c510.aborts_injected") == 1)
        #expect(rig.stat("http.in.fault.c511.aborts_injected") == 0)
        #expect(rig.stat("http.in.fault.aborts_injected") == 601)
    }

    // MARK: - The runtime

    private func rules(_ values: [String: RuntimeSpec.Value], cluster: String? = nil) -> FaultRules {
        var runtime = RuntimeSpec()
        runtime.values = values
        guard
            case .fault(let spec) = Self.fault(delay: .milliseconds(100), abort: .http(503)).kind
        else { preconditionFailure("not a fault") }
        guard let cluster else { return FaultRules(spec, runtime) }
        return FixedBytes(cluster).withView { FaultClusterRules(spec, runtime).rules(for: $0) }
    }

    @Test func theRuntimeCounts() throws {
        let rules = rules([
            "fault.http.delay.fixed_delay_percent": .number(7), "fault.http.delay.fixed_duration_ms": .number(20),
            "fault.http.abort.abort_percent": .fraction(Fraction(numerator: 1, denominator: 10_000)),
            "fault.http.abort.http_status": .number(404),
        ])
        let request = HeaderMap()
        #expect(rules.delay?.share(request) == Fraction(numerator: 7, denominator: 100))
        #expect(rules.delay?.time(request) == .milliseconds(20))
        #expect(rules.abort?.share(request) == Fraction(numerator: 1, denominator: 10_000))
        #expect(rules.abort?.status(request)?.http == 404)
    }

    /// For them the keys of percentages stand in place of the general ones, those of values before them.
    @Test func downstreamClustersHaveKeysOfTheirOwn() throws {
        let values: [String: RuntimeSpec.Value] = [
            "fault.http.shop.abort.abort_percent": .number(5), "fault.http.delay.fixed_delay_percent": .number(7),
            "fault.http.abort.abort_percent": .number(8), "fault.http.abort.http_status": .number(404),
            "fault.http.shop.delay.fixed_duration_ms": .number(3), "fault.http.abort.x": .number(1),
        ]
        let request = HeaderMap()
        let shop = rules(values, cluster: "shop")
        #expect(shop.abort?.share(request).numerator == 5)
        #expect(shop.delay?.share(request) == .always)
        #expect(shop.delay?.time(request) == .milliseconds(3))
        #expect(shop.abort?.status(request)?.http == 404)
        let other = rules(values, cluster: "other")
        #expect(other.abort?.share(request) == .always)
        #expect(other.delay?.time(request) == .milliseconds(100))
    }
}
