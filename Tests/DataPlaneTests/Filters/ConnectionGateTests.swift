// What stands before a chain's filter: limits, rules, and connections that are held before they are closed.
import Metrics
import Reactor
import TestKit
import Testing

@testable import DataPlane

private final class Asker: ConnectionQuestionOwner {
    private(set) var verdicts: [ConnectionVerdict] = []
    func answered(_ question: ConnectionQuestion, _ verdict: ConnectionVerdict) { verdicts.append(verdict) }
}

struct ConnectionGateTests {
    private let clock = TestClock()
    private let loop: EventLoop
    private let store = StatStore()
    private let downstream: DownstreamInfo

    init() throws {
        loop = try EventLoop(clock: clock)
        downstream = DownstreamInfo(
            connectionID: 1, local: .v4(.loopback, port: 80), remote: .v4(.loopback, port: 5000), accepted: loop.now)
    }

    private let asker = Asker()
    private let clusters = ScriptedClusters()

    private func gate(_ specs: NetworkGateSpec..., runtime: [String: RuntimeSpec.Value] = [:]) throws -> ConnectionGate
    {
        var values = RuntimeSpec()
        values.values = runtime
        return try ConnectionGate(
            specs, store.makeCells(), runtime: values,
            services: FilterServices(
                loop: loop, clusters: clusters, sender: FixedBytes("192.0.2.1"), health: ProxyHealth()), loop: loop)
    }

    private func limit(_ gate: ConnectionGate, from first: Int = 0) -> ConnectionGate.LimitOutcome {
        gate.limit(from: first, { downstream }, owner: asker)
    }

    private func refusal(_ gate: ConnectionGate) -> ConnectionRefusal? {
        if case .refused(let refusal) = limit(gate) { refusal } else { nil }
    }

    private func passes(_ gate: ConnectionGate, from first: Int = 0) -> Bool {
        if case .passed = limit(gate, from: first) { true } else { false }
    }

    private func rbac(
        _ prefix: String, _ rules: RBACRulesSpec?, shadow: RBACRulesSpec? = nil, delay: TimeAmount? = nil
    ) -> NetworkGateSpec {
        var spec = NetworkRBACSpec(statPrefix: prefix)
        spec.rules = rules
        spec.shadowRules = shadow
        spec.denyDelay = delay
        return .rbac(spec)
    }

    private let everybody = RBACRulesSpec(
        action: .allow, policies: [RBACPolicySpec(name: "all", permissions: [.always], principals: [.always])])
    private let nobody = RBACRulesSpec(action: .allow, policies: [])

    private func stat(_ name: String) -> Int { Int(store.snapshot().value(name)) }

    @Test func limitsComeFirstAndAreShared() throws {
        let bucket = TokenBucket(TokenRate(capacity: 1, tokensPerFill: 1, fillInterval: .seconds(1)))
        let one = try gate(.rateLimit(ConnectionRateLimitSpec(statPrefix: "a", bucket: bucket)))
        let other = try gate(.rateLimit(ConnectionRateLimitSpec(statPrefix: "b", bucket: bucket)))
        #expect(passes(one))
        let refusal = refusal(other)
        #expect(refusal?.flags == .upstreamRetryLimitExceeded)
        #expect(refusal?.closeReason == "local_ratelimit_close_over_limit")
        #expect(stat("local_rate_limit.b.rate_limited") == 1 && stat("local_rate_limit.a.rate_limited") == 0)
    }

    @Test func aLimitThatIsOffTakesNothing() throws {
        var spec = ConnectionRateLimitSpec(
            statPrefix: "a", bucket: TokenBucket(TokenRate(capacity: 1, tokensPerFill: 1, fillInterval: .seconds(1))))
        spec.isEnabled = false
        let gate = try gate(.rateLimit(spec))
        for _ in 0..<3 { #expect(passes(gate)) }
    }

    // MARK: - Services

    private func serviceLimit(_ prefix: String, refusesOnError: Bool = false) -> NetworkGateSpec {
        if clusters.clusters.isEmpty {
            clusters.clusters = [ScriptedCluster("limiter", loop, store.makeCells())]
        }
        var spec = ConnectionServiceLimitSpec(
            statPrefix: prefix,
            service: GRPCServiceSpec(cluster: "limiter", authority: "limiter", timeout: .milliseconds(20)),
            domain: "shop",
            descriptors: [.init(entries: [.init(key: "who", value: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%")])])
        spec.refusesOnError = refusesOnError
        return .serviceLimit(spec)
    }

    private func answer(_ code: UInt64) {
        var writer = ProtobufWriter()
        writer.append(1, code)
        let asked = clusters.clusters[0].last
        asked?.answer(
            200, ["content-type: application/grpc"],
            String(decoding: GRPCMessageReader.frame(writer.bytes), as: UTF8.self), end: false)
        asked?.endWithTrailers("grpc-status", "0")
    }

    @Test func aServiceIsAskedInItsTurn() throws {
        let bucket = TokenBucket(TokenRate(capacity: 1, tokensPerFill: 1, fillInterval: .seconds(1)))
        let local = NetworkGateSpec.rateLimit(ConnectionRateLimitSpec(statPrefix: "local", bucket: bucket))
        let gate = try gate(serviceLimit("a"), local, serviceLimit("b"))
        guard case .asked(_, let next) = limit(gate) else {
            Issue.record("not asked")
            return
        }
        #expect(next == 1 && stat("ratelimit.a.active") == 1)
        #expect(clusters.clusters[0].last?.body.contains("127.0.0.1") == true)
        answer(1)
        #expect(asker.verdicts.count == 1 && asker.verdicts[0].refusal == nil)
        #expect(stat("ratelimit.a.ok") == 1 && stat("ratelimit.a.active") == 0 && stat("ratelimit.b.total") == 0)
        guard case .asked(_, 3) = limit(gate, from: next) else {
            Issue.record("not asked")
            return
        }
        answer(2)
        let refusal = asker.verdicts.last?.refusal
        #expect(refusal?.reason == "rate limit domain 'shop', descriptor 'who=127.0.0.1'")
        #expect(refusal?.closeReason == "ratelimit_close_over_limit" && refusal?.flags == [])
        #expect(stat("ratelimit.b.over_limit") == 1 && stat("ratelimit.b.cx_closed") == 1)
        #expect(passes(gate, from: 3))
    }

    @Test(arguments: [false, true])
    func withoutAnAnswer(refuses: Bool) throws {
        let gate = try gate(serviceLimit("a", refusesOnError: refuses))
        _ = limit(gate)
        clock.advance(by: .milliseconds(21))
        loop.turn(until: { !asker.verdicts.isEmpty })
        #expect((asker.verdicts.first?.refusal != nil) == refuses)
        #expect(stat("ratelimit.a.error") == 1 && stat("ratelimit.a.cx_closed") == (refuses ? 1 : 0))
        #expect(stat("ratelimit.a.failure_mode_allowed") == (refuses ? 0 : 1))
    }

    @Test func aQuestionCanBeTakenBack() throws {
        guard case .asked(let question, _) = limit(try gate(serviceLimit("a"))) else {
            Issue.record("not asked")
            return
        }
        question.cancel()
        question.cancel()
        #expect(clusters.clusters[0].last?.cancelled == true)
        #expect(stat("ratelimit.a.active") == 0 && asker.verdicts.isEmpty)
    }

    @Test func theRuntimeSwitchesServicesOff() throws {
        #expect(passes(try gate(serviceLimit("a"), runtime: ["ratelimit.tcp_filter_enabled": .number(0)])))
        let gate = try gate(serviceLimit("b"), runtime: ["ratelimit.tcp_filter_enforcing": .number(0)])
        _ = limit(gate)
        answer(2)
        #expect(asker.verdicts.last?.refusal == nil)
        #expect(asker.verdicts.last?.notes.map(\.value) == ["shop", "who=127.0.0.1"])
    }

    // MARK: - Rules

    @Test func theFirstRulesThatRefuseDecide() throws {
        let gate = try gate(
            rbac("a", everybody, shadow: nobody), rbac("b", nobody, delay: .seconds(3)), rbac("c", nobody))
        #expect(!gate.wouldPass(downstream))
        #expect(stat("b.rbac.denied") == 0)
        let found = gate.judge(downstream)
        #expect(found?.refusal.details == "rbac_access_denied_matched_policy[none]")
        #expect(found?.refusal.reason == "it was refused by the rules 'b', as no policy allows it")
        #expect(found?.delay == .seconds(3))
        #expect(stat("a.rbac.allowed") == 1 && stat("a.rbac.shadow_denied") == 1)
        #expect(stat("b.rbac.denied") == 1 && stat("c.rbac.denied") == 0)
        #expect(downstream.metadata.entries.map(\.key) == ["shadow_engine_result"])
    }

    @Test func whoIsHeldEndsOnceByTimeOrByItself() throws {
        let gate = try gate(rbac("a", nobody))
        let pairs = try (0..<4).map { _ in try ConnectionPair(loop: loop) }
        let ended = Box<[Int]>([])
        for (index, pair) in pairs.enumerated() {
            gate.hold(pair.server, for: .seconds(index < 2 ? 1 : 100)) { _ in ended.value?.append(index) }
        }
        pairs[1].client.close(abort: true)
        loop.turn(until: { ended.value?.isEmpty == false })
        #expect(ended.value == [1] && gate.heldCount == 3)
        clock.advance(by: .seconds(2))
        loop.turn(until: { ended.value?.count == 2 })
        #expect(ended.value == [1, 0] && gate.heldCount == 2)
        gate.releaseAll()
        #expect(gate.heldCount == 0 && ended.value?.sorted() == [0, 1, 2, 3])
        for pair in pairs { pair.close() }
    }
}
