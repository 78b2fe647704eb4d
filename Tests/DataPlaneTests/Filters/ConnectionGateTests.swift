// What stands before a chain's filter: limits, rules, and connections that are held before they are closed.
import Metrics
import Reactor
import TestKit
import Testing

@testable import DataPlane

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

    private func gate(_ specs: NetworkGateSpec...) -> ConnectionGate {
        ConnectionGate(specs, store.makeCells(), loop: loop)
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

    @Test func limitsComeFirstAndAreShared() {
        let bucket = TokenBucket(TokenRate(capacity: 1, tokensPerFill: 1, fillInterval: .seconds(1)))
        let one = gate(.rateLimit(ConnectionRateLimitSpec(statPrefix: "a", bucket: bucket)))
        let other = gate(.rateLimit(ConnectionRateLimitSpec(statPrefix: "b", bucket: bucket)))
        #expect(one.limit(now: loop.now) == nil)
        let refusal = other.limit(now: loop.now)
        #expect(refusal?.flags == .upstreamRetryLimitExceeded)
        #expect(refusal?.closeReason == "local_ratelimit_close_over_limit")
        #expect(stat("local_rate_limit.b.rate_limited") == 1 && stat("local_rate_limit.a.rate_limited") == 0)
    }

    @Test func aLimitThatIsOffTakesNothing() {
        var spec = ConnectionRateLimitSpec(
            statPrefix: "a", bucket: TokenBucket(TokenRate(capacity: 1, tokensPerFill: 1, fillInterval: .seconds(1))))
        spec.isEnabled = false
        let gate = gate(.rateLimit(spec))
        for _ in 0..<3 { #expect(gate.limit(now: loop.now) == nil) }
    }

    @Test func theFirstRulesThatRefuseDecide() {
        let gate = gate(
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
        let gate = gate(rbac("a", nobody))
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
