// Success rates and failure percentages: once an interval, among hosts with enough requests.
import Reactor
import TestKit
import Testing

@testable import DataPlane

struct OutlierRateTests {
    /// So many hosts, compared from 10 requests on.
    private func world(
        hosts: Int = 5, workers: Int = 1, _ change: @escaping (inout OutlierSpec) -> Void = { _ in }
    ) throws -> OutlierWorld {
        try OutlierWorld(hosts: hosts, workers: workers) {
            $0.successRate.requestVolume = 10
            $0.failurePercentage.requestVolume = 10
            change(&$0)
        }
    }

    private func tell(_ world: OutlierWorld, good: [Int], bad: [Int], worker: Int = 0) {
        for (host, (good, bad)) in zip(good, bad).enumerated() {
            world.tell(.connected, .answered(status: 200), host: host, worker: worker, times: good)
            world.tell(.connected, .answered(status: 500), host: host, worker: worker, times: bad)
        }
    }

    @Test func meanAndDeviation() throws {
        let rates = try #require(SuccessRates([50, 100, 100, 100, 100], stdevFactor: 1.9))
        #expect(rates == SuccessRates([100, 50, 100, 100, 100], stdevFactor: 1.9))
        #expect(rates.average == 90)
        #expect(rates.threshold == 52)
        #expect(SuccessRates([], stdevFactor: 1) == nil)
        #expect(SuccessRates([70], stdevFactor: 2)?.threshold == 70)
    }

    @Test func aRateFarBelowTheOthersEjects() throws {
        let world = try world()
        tell(world, good: [10, 20, 20, 20, 20], bad: [10, 0, 0, 0, 0])
        world.advance(9)
        #expect(world.ejected == [])
        world.advance(1)
        // 90 - 1.9 × 20 = 52.
        #expect(world.ejected == [0])
        #expect(world.stat("detected_success_rate") == 1)
        #expect(world.stat("enforced_success_rate") == 1)
        #expect(world.stat("success_rate") == 1)
        #expect(world.stat("total") == 1)
        #expect(world.stat("detected_failure_percentage") == 0)
        let report = world.report
        #expect(report.outliers?.average == 90)
        #expect(report.outliers?.threshold == 52)
        #expect(report.outliers?.localOriginAverage == nil)
        #expect(report.hosts.map(\.successRate) == [50, 100, 100, 100, 100])
        #expect(report.hosts.map(\.localOriginSuccessRate) == [nil, nil, nil, nil, nil])
        // The next interval has no requests, and no figures.
        world.advance(10)
        #expect(world.report.outliers?.average == nil)
        #expect(world.report.hosts.map(\.successRate) == [nil, nil, nil, nil, nil])
    }

    @Test func anIntervalIsJudgedByItself() throws {
        let world = try world()
        tell(world, good: [10, 10, 10, 10, 10], bad: [0, 0, 0, 0, 0])
        world.advance(10)
        tell(world, good: [0, 20, 20, 20, 20], bad: [20, 0, 0, 0, 0])
        world.advance(10)
        #expect(world.report.hosts[0].successRate == 0)
        #expect(world.ejected == [0])
    }

    @Test func workersAreAddedUp() throws {
        let world = try world(workers: 2)
        tell(world, good: [5, 5, 5, 5, 5], bad: [0, 0, 0, 0, 0], worker: 0)
        tell(world, good: [0, 5, 5, 5, 5], bad: [5, 0, 0, 0, 0], worker: 1)
        world.advance(10)
        #expect(world.report.hosts[0].successRate == 50)
        #expect(world.ejected == [0])
    }

    @Test func aFewHostsAreNotCompared() throws {
        let world = try world(hosts: 4)
        tell(world, good: [0, 20, 20, 20], bad: [20, 0, 0, 0])
        world.advance(10)
        #expect(world.ejected == [])
        #expect(world.report.hosts[0].successRate == nil)
        // Of six one has too few requests, and of the others four are too few.
        let sparse = try self.world(hosts: 6) { $0.successRate.minimumHosts = 6 }
        tell(sparse, good: [0, 20, 20, 20, 20, 9], bad: [20, 0, 0, 0, 0, 0])
        sparse.advance(10)
        #expect(sparse.ejected == [])
        #expect(sparse.report.hosts.map(\.successRate) == [0, 100, 100, 100, 100, nil])
    }

    @Test func theFactorIsInThousandths() throws {
        for (factor, isOut) in [(1900, true), (2500, false)] {
            let world = try world { $0.successRate.stdevFactor = factor }
            tell(world, good: [10, 20, 20, 20, 20], bad: [10, 0, 0, 0, 0])
            world.advance(10)
            #expect(world.ejected == (isOut ? [0] : []))
        }
    }

    @Test func aRateMayOnlyBeCounted() throws {
        let world = try world { $0.successRate.enforcing = 0 }
        tell(world, good: [10, 20, 20, 20, 20], bad: [10, 0, 0, 0, 0])
        world.advance(10)
        #expect(world.ejected == [])
        #expect(world.stat("detected_success_rate") == 1)
        #expect(world.stat("enforced_success_rate") == 0)
    }

    @Test(arguments: [(84, false), (85, true), (100, true)])
    func failurePercentage(percent: Int, isOut: Bool) throws {
        let world = try world {
            $0.successRate.enforcing = 0
            $0.failurePercentage.enforcing = 100
        }
        tell(world, good: [100 - percent, 20, 20, 20, 20], bad: [percent, 0, 0, 0, 0])
        world.advance(10)
        #expect(world.ejected == (isOut ? [0] : []))
        #expect(world.stat("detected_failure_percentage") == (isOut ? 1 : 0))
        #expect(world.stat("enforced_failure_percentage") == (isOut ? 1 : 0))
    }

    @Test func onlyTheFailurePercentageIsAbsolute() throws {
        // All are as bad: nobody is an outlier, and all are too bad.
        let world = try world { $0.failurePercentage.enforcing = 100 }
        tell(world, good: [1, 1, 1, 1, 1], bad: [9, 9, 9, 9, 9])
        world.advance(10)
        #expect(world.stat("detected_success_rate") == 0)
        #expect(world.ejected == [0, 1, 2, 3, 4])
    }

    @Test func aHostIsNotEjectedTwice() throws {
        let world = try world { $0.failurePercentage.enforcing = 100 }
        tell(world, good: [0, 20, 20, 20, 20], bad: [20, 0, 0, 0, 0])
        world.advance(10)
        #expect(world.ejected == [0])
        #expect(world.stat("detected_success_rate") == 1)
        #expect(world.stat("detected_failure_percentage") == 1)
        #expect(world.stat("enforced_failure_percentage") == 0)
        #expect(world.stat("enforced_total") == 1)
        #expect(world.stat("active") == 1)
        // Who is out is not compared.
        tell(world, good: [0, 20, 20, 20, 20], bad: [20, 0, 0, 0, 0])
        world.advance(10)
        #expect(world.stat("detected_success_rate") == 1)
    }

    @Test func connectingHasRatesOfItsOwn() throws {
        let world = try world(hosts: 6) { $0.splitsLocalOrigin = true }
        for host in 0..<6 {
            world.tell(.connected, .answered(status: host == 0 ? 500 : 200), host: host, times: 20)
            if host == 1 { world.tell(.failed, host: host, times: 20) }
        }
        world.advance(10)
        #expect(world.ejected == [0, 1])
        #expect(world.stat("enforced_success_rate") == 1)
        #expect(world.stat("enforced_local_origin_success_rate") == 1)
        #expect(world.stat("success_rate") == 2)
        #expect(world.stat("total") == 1)
        let report = world.report
        #expect(report.hosts.map(\.successRate) == [0, 100, 100, 100, 100, 100])
        // The first is out already when connecting is looked at.
        #expect(report.hosts.map(\.localOriginSuccessRate) == [nil, 50, 100, 100, 100, 100])
        #expect(report.outliers?.localOriginAverage == 90)
        #expect(report.outliers?.localOriginThreshold == 52)
    }

    @Test func connectingHasAFailurePercentageOfItsOwn() throws {
        let world = try world {
            $0.splitsLocalOrigin = true
            $0.successRate.enforcingLocalOrigin = 0
            $0.failurePercentage.enforcingLocalOrigin = 100
        }
        for host in 0..<5 { world.tell(host == 2 ? .timedOut(status: 504) : .connected, host: host, times: 10) }
        world.advance(10)
        #expect(world.ejected == [2])
        #expect(world.stat("detected_local_origin_success_rate") == 1)
        #expect(world.stat("enforced_local_origin_failure_percentage") == 1)
        #expect(world.stat("detected_failure_percentage") == 0)
    }
}
