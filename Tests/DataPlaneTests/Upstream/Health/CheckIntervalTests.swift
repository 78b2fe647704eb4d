// When a host is checked again: every interval, and the bounds of jitter.
import Reactor
import Testing

@testable import DataPlane

@Suite struct CheckIntervalTests {
    private func spec(_ change: (inout HealthCheckSpec) -> Void = { _ in }) -> HealthCheckSpec {
        var spec = HealthCheckSpec(
            timeout: .seconds(1), interval: .seconds(10), unhealthy: 2, healthy: 2, .tcp(TCPHealthCheckSpec()))
        spec.unhealthyInterval = .seconds(20)
        spec.unhealthyEdgeInterval = .seconds(30)
        spec.healthyEdgeInterval = .seconds(40)
        spec.noTrafficInterval = .seconds(50)
        spec.noTrafficHealthyInterval = .seconds(60)
        change(&spec)
        return spec
    }

    @Test(arguments: [
        (true, HealthChange.unchanged, true, 10), (true, .changed, true, 10), (true, .pending, true, 40),
        (false, .unchanged, true, 20), (false, .changed, true, 20), (false, .pending, true, 30),
        (true, .unchanged, false, 60), (true, .changed, false, 60), (true, .pending, false, 50),
        (false, .unchanged, false, 50), (false, .pending, false, 50),
    ])
    func eachCaseHasItsInterval(_ success: Bool, _ change: HealthChange, _ traffic: Bool, _ seconds: Int64) {
        var random = FastRandom(seed: (1, 2, 3, 4))
        let pause = spec().pause(afterSuccess: success, change, hasTraffic: traffic, &random)
        #expect(pause == .seconds(seconds))
    }

    @Test func jitterIsAddedAndStaysBelowItsBounds() {
        var random = FastRandom(seed: (1, 2, 3, 4))
        let spec = spec {
            $0.intervalJitter = .seconds(2)
            $0.intervalJitterPercent = 50
        }
        var seen: Set<TimeAmount> = []
        for _ in 0..<2000 {
            let pause = spec.pause(afterSuccess: true, .unchanged, hasTraffic: true, &random)
            #expect(pause >= .seconds(10) && pause < .seconds(17))
            seen.insert(pause)
        }
        #expect(seen.count > 1000)
        #expect(seen.contains { $0 < .seconds(11) } && seen.contains { $0 > .seconds(16) })
    }

    @Test func theFirstPauseIsTheInitialJitter() {
        var random = FastRandom(seed: (1, 2, 3, 4))
        #expect(spec().firstPause(&random) == .zero)
        let spec = spec { $0.initialJitter = .seconds(3) }
        let pauses = (0..<500).map { _ in spec.firstPause(&random) }
        #expect(pauses.allSatisfy { $0 >= .milliseconds(1) && $0 < .seconds(3) })
        #expect(Set(pauses).count > 100)
    }

    @Test func theRuntimeBoundsEveryInterval() {
        var random = FastRandom(seed: (1, 2, 3, 4))
        let long = spec { $0.shortestInterval = .seconds(15) }
        #expect(long.pause(afterSuccess: true, .unchanged, hasTraffic: true, &random) == .seconds(15))
        let short = spec { $0.longestInterval = .seconds(5) }
        #expect(short.pause(afterSuccess: false, .pending, hasTraffic: true, &random) == .seconds(5))
    }

    @Test func anIntervalOfNothingDoesNotSpin() {
        var random = FastRandom(seed: (1, 2, 3, 4))
        let spec = spec { $0.interval = .nanoseconds(1) }
        #expect(spec.pause(afterSuccess: true, .unchanged, hasTraffic: true, &random) == .milliseconds(1))
    }

    @Test func hugeIntervalsDoNotOverflow() {
        var random = FastRandom(seed: (1, 2, 3, 4))
        let spec = spec {
            $0.interval = .max
            $0.intervalJitter = .max
            $0.intervalJitterPercent = .max
        }
        #expect(spec.pause(afterSuccess: true, .unchanged, hasTraffic: true, &random) == .max)
    }
}
