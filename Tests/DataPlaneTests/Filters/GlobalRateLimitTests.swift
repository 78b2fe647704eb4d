// A rate limit service that is asked about requests: what it is told, and what becomes of its answers.
import HTTPWire
import Metrics
import Reactor
import Testing

@testable import DataPlane

struct GlobalRateLimitTests {
    private static let rule = RateLimitRuleSpec(actions: [.genericKey(key: "k", value: "route")])

    /// A connection manager whose filter asks the cluster "authz".
    private func rig(
        rules: [RateLimitRuleSpec] = [rule], overrides: HTTPFilterOverrides? = nil, before: [HTTPFilterSpec] = [],
        _ change: (inout GlobalRateLimitSpec) -> Void = { _ in }
    ) throws -> HTTPRig {
        var spec = GlobalRateLimitSpec(
            service: GRPCServiceSpec(cluster: "authz", authority: "x", timeout: .milliseconds(20)), domain: "shop")
        change(&spec)
        return try HTTPRig(
            filters: before + [HTTPFilterSpec(name: "limit", kind: .globalRateLimit(spec))],
            route: { $0.rateLimits = rules }, virtualHost: { $0.filterOverrides = overrides })
    }

    private func question(_ rig: HTTPRig) throws -> ScriptedTry { try #require(rig.authz.last) }

    private func answer(_ rig: HTTPRig, _ code: UInt64, _ fill: (inout ProtobufWriter) -> Void = { _ in }) throws {
        var writer = ProtobufWriter()
        writer.append(1, code)
        fill(&writer)
        let asked = try question(rig)
        asked.answer(
            200, ["content-type: application/grpc"],
            String(decoding: GRPCMessageReader.frame(writer.bytes), as: UTF8.self), end: false)
        asked.endWithTrailers("grpc-status", "0")
    }

    @Test func aRequestWaitsForTheAnswer() throws {
        let rig = try rig()
        let exchange = rig.request("POST", "/", end: false)
        let asked = try question(rig)
        #expect(asked.path == "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit")
        #expect(asked.authority == "x")
        #expect(asked.value("grpc-timeout") == "20m" && asked.value("x-envoy-expected-rq-timeout-ms") == "20")
        #expect(asked.body.hasSuffix("\u{a}\u{4}shop\u{12}\u{c}\u{a}\u{a}\u{a}\u{1}k\u{12}\u{5}route"))
        exchange.send("body", end: true)
        #expect(rig.app.tries.isEmpty)
        try answer(rig, 1)
        #expect(rig.app.last?.body == "body")
        #expect(rig.stat("cluster.app.ratelimit.ok") == 1)
    }

    @Test func overTheLimit() throws {
        let rig = try rig()
        let exchange = rig.request()
        try answer(rig, 2) { $0.append(5, "slower") }
        #expect(exchange.status == 429 && exchange.body == "slower")
        #expect(exchange.value("x-envoy-ratelimited") == "true")
        #expect(rig.app.tries.isEmpty)
        let info = try #require(rig.streams.last?.info)
        #expect(info.flags == .rateLimited && info.responseCodeDetails == "request_rate_limited")
        #expect(rig.stat("cluster.app.ratelimit.over_limit") == 1 && rig.stat("cluster.app.upstream_rq_429") == 1)
    }

    @Test(arguments: [false, true])
    func withoutAnAnswer(refuses: Bool) throws {
        let rig = try rig {
            if refuses { $0.refusedOnError = RuntimeFraction(.always) }
            $0.statusOnError = 503
            $0.statPrefix = "mine"
        }
        let exchange = rig.request()
        try question(rig).reset(.connectionTermination)
        #expect(exchange.status == (refuses ? 503 : 0))
        #expect(rig.app.tries.count == (refuses ? 0 : 1))
        #expect(rig.stat("cluster.app.ratelimit.mine.error") == 1)
        #expect(rig.stat("cluster.app.ratelimit.mine.failure_mode_allowed") == (refuses ? 0 : 1))
        #expect(rig.streams.last?.info.flags == (refuses ? .rateLimitServiceError : []))
    }

    @Test func theTimeRunsOut() throws {
        let rig = try rig { $0.refusedOnError = RuntimeFraction(.always) }
        let exchange = rig.request()
        rig.pass(.milliseconds(21))
        #expect(exchange.status == 500)
        #expect(try question(rig).cancelled)
    }

    @Test func whatIsNoAnswer() throws {
        let rig = try rig { $0.refusedOnError = RuntimeFraction(.always) }
        let exchange = rig.request()
        try question(rig).answer(
            200, ["content-type: application/grpc"], "\u{0}\u{0}\u{0}\u{0}\u{2}\u{12}\u{7f}", end: false)
        try question(rig).endWithTrailers("grpc-status", "0")
        #expect(exchange.status == 500 && rig.stat("cluster.app.ratelimit.error") == 1)
    }

    @Test func aClientThatLeavesTakesTheQuestionBack() throws {
        let rig = try rig(rules: [Self.rule, ended])
        rig.request("POST", "/", end: false)
        rig.codec.clientLeaves()
        #expect(try question(rig).cancelled)
        rig.turn()
        // And nothing is told of it at the end.
        #expect(rig.authz.tries.count == 1 && rig.stat("cluster.app.ratelimit.error") == 0)
    }

    @Test func withoutADescriptorNobodyIsAsked() throws {
        let header = RateLimitRuleSpec(actions: [.requestHeader(name: "x-user", key: "u", skipsAbsent: false)])
        let rig = try rig(rules: [header])
        rig.request()
        #expect(rig.authz.tries.isEmpty && rig.app.tries.count == 1)
        rig.request("GET", "/", ["x-user: joe"])
        #expect(rig.authz.tries.count == 1 && rig.app.tries.count == 1)
    }

    @Test func whoIsAskedAbout() throws {
        for (requests, count) in [(GlobalRateLimitSpec.Requests.all, 1), (.internal, 0), (.external, 1)] {
            let rig = try rig { $0.requests = requests }
            rig.request()
            #expect(rig.authz.tries.count == count, "\(requests)")
        }
    }

    @Test func aStreamIsUsedAgain() throws {
        let rig = try rig()
        for code: UInt64 in [1, 2, 1] {
            let exchange = rig.request()
            try answer(rig, code) { writer in
                writer.append(3) { header in
                    header.append(1, "x-told")
                    header.append(2, "\(code)")
                }
            }
            if code == 1 { rig.app.last?.answer() }
            #expect(exchange.status == (code == 1 ? 200 : 429) && exchange.value("x-told") == "\(code)")
            rig.turn()
        }
    }

    // MARK: - Routes

    @Test func routesChangeIt() throws {
        var own = GlobalRateLimitOverrideSpec()
        own.domain = "other"
        own.rules = [RateLimitRuleSpec(actions: [.genericKey(key: "k", value: "own")])]
        let rig = try rig(overrides: ["limit": .globalRateLimit(own)])
        rig.request()
        #expect(try question(rig).body.contains("other") && question(rig).body.hasSuffix("own"))
        let off = try self.rig(overrides: ["limit": .disabled])
        off.request()
        #expect(off.authz.tries.isEmpty)
    }

    // MARK: - The end of a request

    private var ended: RateLimitRuleSpec {
        var rule = RateLimitRuleSpec(actions: [.genericKey(key: "k", value: "end")])
        rule.appliesAtEnd = true
        return rule
    }

    @Test func theServiceIsToldOfTheEnd() throws {
        var counted = ended
        counted.hits = .format("%RESPONSE_CODE%")
        let rig = try rig { $0.rules = [counted] }
        for round in 1...3 {
            let exchange = rig.request()
            #expect(rig.authz.tries.count == round - 1)
            rig.app.last?.answer(204)
            #expect(exchange.status == 204)
            #expect(rig.authz.tries.count == round)
            #expect(try question(rig).body.hasSuffix("end\u{1a}\u{3}\u{8}\u{fffd}\u{1}"))
            try answer(rig, 2)
            rig.turn()
        }
        #expect(rig.stat("cluster.app.ratelimit.over_limit") == 0 && rig.stat("cluster.app.upstream_rq_429") == 0)
    }

    @Test func oneThatIsRefusedEndsToo() throws {
        let rig = try rig(rules: [Self.rule, ended])
        rig.request()
        try answer(rig, 2)
        #expect(rig.authz.tries.count == 2)
        #expect(try question(rig).body.hasSuffix("end"))
        rig.pass(.milliseconds(21))
        #expect(try question(rig).cancelled)
        #expect(rig.stat("cluster.app.ratelimit.error") == 0)
    }

    // MARK: - What a request counts for

    @Test(arguments: [
        ("12", 12), ("3.7", 3), ("0", 0), ("1000000000", 1_000_000_000), ("1e3", 1000), ("1000000001", nil),
        ("-1", nil),
        ("nan", nil), ("inf", nil), ("many", nil), ("", nil),
    ])
    func hits(value: String, expected: UInt64?) throws {
        let info = StreamInfo()
        let request = HeaderMap()
        request.setMethod(ByteView("GET"))
        FixedBytes(value).withView { _ = request.append(name: ByteView("x-hits"), value: $0) }
        var scratch = ByteArena()
        let context = FormatContext(
            info, request: request, now: .zero, wallNow: WallTime(unixNanoseconds: 0))
        #expect(try RateLimitHits(.format("%REQ(x-hits)%")).value(context, &scratch) == expected)
        #expect(try RateLimitHits(.format("%REQ(x-none)%")).value(context, &scratch) == nil)
        #expect(try RateLimitHits(.number(7)).value(context, &scratch) == 7)
    }
}
