// From pressures to shares to decisions of a worker.
import Metrics
import Reactor
import Testing

@testable import DataPlane

@Suite struct OverloadStateTests {
    private let half = OverloadTriggerSpec(resource: "r", kind: .scaled(from: 0.5, to: 0.9))

    private func state(
        _ point: OverloadPoint, _ reductions: [TimeoutReduction] = []
    ) -> OverloadState {
        let action = OverloadActionSpec(point: point, triggers: [half], reductions: reductions)
        return OverloadState([action], causes: [[.init(resource: "r (limit 5)", trigger: "threshold 90%")]])
    }

    @Test func triggers() {
        let threshold = OverloadTriggerSpec(resource: "r", kind: .threshold(0.9))
        #expect([0, 0.89, 0.9, 7].map(threshold.share) == [0, 0, 1, 1])
        #expect([0, 0.5, 0.9, 7].map(half.share) == [0, 0, 1, 1])
        #expect(abs(half.share(at: 0.7) - 0.5) < 1e-9)
        #expect(threshold.begin == 0.9 && half.begin == 0.5)
    }

    @Test func allPointsHaveTheirWord() {
        let state = state(.goAway)
        for point in OverloadPoint.allCases { state.set(point, .init(share: 1, trigger: 0, pressure: 1)) }
        for point in OverloadPoint.allCases {
            #expect(state.share(point) == 1)
            state.set(point, .init())
            #expect(state.word(point) == 0 && state.share(point) == 0)
        }
        #expect(Set(OverloadPoint.allCases.map(\.name)).count == OverloadPoint.allCases.count)
    }

    @Test func aReasonNamesResourcePressureAndTrigger() {
        let state = state(.goAway)
        #expect(state.reason(.goAway) == OverloadPoint.goAway.name)
        state.set(.goAway, .init(share: 0.25, trigger: 0, pressure: 0.975))
        #expect(state.reason(.goAway) == "\(OverloadPoint.goAway.name): r (limit 5) is at 97.5%, threshold 90%")
        #expect(abs(state.share(.goAway) - 0.25) < 1e-6)
    }

    @Test(arguments: [.nan, -.infinity, .infinity, -1, 1e300] as [Double])
    func noNumberTraps(value: Double) {
        _ = OverloadState.word(.init(share: value, trigger: 1 << 40, pressure: value))
        _ = OverloadState.percent(value)
        _ = half.share(at: value)
    }

    @Test(arguments: [(0, "0%"), (0.5, "50%"), (0.9754, "97.5%"), (12.34, "1234%")] as [(Double, String)])
    func percents(value: Double, text: String) { #expect(OverloadState.percent(value) == text) }

    @Test func aShareIsRefused() {
        let cells = StatStore().makeCells()
        let state = state(.decodeHeaders)
        let gate = OverloadGate(state, [.decodeHeaders], cells: cells)
        #expect(!gate.refuses(.decodeHeaders))
        state.set(.decodeHeaders, .init(share: 1, trigger: 0, pressure: 1))
        #expect(gate.refuses(.decodeHeaders))
        state.set(.decodeHeaders, .init(share: 0.25, trigger: 0, pressure: 1))
        let refused = (0..<4000).count { _ in gate.refuses(.decodeHeaders) }
        #expect((700...1300).contains(refused))
        let counter = cells.counter("overload.\(OverloadPoint.decodeHeaders.name).shed_load_count")
        #expect(counter.value == UInt64(refused + 1))
    }

    @Test func timeoutsAreReducedInProportion() {
        let state = state(
            .reduceTimeouts,
            [.init(timer: .connectionIdle, least: .amount(.seconds(2))), .init(timer: .streamIdle, least: .share(0.1))])
        let gate = OverloadGate(state, [.reduceTimeouts], cells: StatStore().makeCells())
        #expect(gate.reduced(.connectionIdle, .seconds(600)) == .seconds(600) && !gate.reduces(.connectionIdle))
        state.set(.reduceTimeouts, .init(share: 1, trigger: 0, pressure: 1))
        #expect(gate.reduced(.connectionIdle, .seconds(600)) == .seconds(600))
        gate.follow()
        #expect(gate.reduced(.connectionIdle, .seconds(600)) == .seconds(2) && gate.reduces(.connectionIdle))
        #expect(gate.reduced(.connectionIdle, .seconds(1)) == .seconds(1))
        #expect(gate.reduced(.streamIdle, .seconds(600)) == .seconds(60))
        #expect(gate.reduced(.handshake, .seconds(600)) == .seconds(600) && !gate.reduces(.handshake))
        // As Envoy's documentation reckons: 2 s + (600 s - 2 s) * 30 %.
        let left = gate.reduced(.connectionIdle, .seconds(600), by: 0.7)
        #expect(abs(left.milliseconds - 181_400) <= 1)
        #expect(gate.reduced(.connectionIdle, .max) > .zero)
    }

    @Test func connectionsHavePlaces() {
        let monitored = GlobalConnectionLimit(.init(limit: 1, source: .monitor))
        #expect(monitored.enter(isExempt: false) && !monitored.enter(isExempt: false))
        #expect(monitored.enter(isExempt: true) && monitored.pressure == 1)
        monitored.leave(isExempt: true)
        monitored.leave(isExempt: false)
        #expect(monitored.pressure == 0 && monitored.enter(isExempt: false))

        let old = GlobalConnectionLimit(.init(limit: 1, source: .runtimeKey))
        #expect(old.enter(isExempt: true) && !old.enter(isExempt: false) && old.enter(isExempt: true))
        old.leave(isExempt: true)
        old.leave(isExempt: true)
        #expect(old.enter(isExempt: false))
    }
}
