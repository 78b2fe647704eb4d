// Failures in a row: what counts as one, over all workers, and what follows.
import Reactor
import TestKit
import Testing

@testable import DataPlane

struct OutlierRowTests {
    @Test func aRowOfServerErrorsEjects() throws {
        let world = try OutlierWorld(hosts: 2) { $0.serverErrors.threshold = 3 }
        world.fail(500, times: 2)
        #expect(world.ejected == [])
        world.fail(500, times: 1)
        #expect(world.ejected == [0])
        #expect(world.served() == 1)
        #expect(world.fixture.stat("membership_healthy") == 1)
        #expect(world.fixture.stat("membership_change") == 1)
        #expect(world.stat("active") == 1)
        for name in [
            "enforced_total", "total", "consecutive_5xx", "detected_consecutive_5xx", "enforced_consecutive_5xx",
        ] {
            #expect(world.stat(name) == 1, "\(name)")
        }
        #expect(world.stat("detected_consecutive_gateway_failure") == 0)
        #expect(world.stat("overflow") == 0)
    }

    @Test(arguments: [200, 101, 304, 404, 499, 600])
    func whatIsNoServerErrorEndsTheRow(status: Int) throws {
        let world = try OutlierWorld(hosts: 2) {
            $0.serverErrors.threshold = 3
            $0.gatewayFailures.threshold = 3
        }
        world.fail(503, times: 2)
        world.fail(status, times: 1)
        world.fail(503, times: 2)
        #expect(world.ejected == [])
        #expect(world.stat("detected_consecutive_5xx") == 0)
    }

    @Test(arguments: [(500, false), (501, false), (502, true), (503, true), (504, true), (505, false), (599, false)])
    func gatewayFailures(status: Int, isOne: Bool) throws {
        let world = try OutlierWorld(hosts: 2) { $0.gatewayFailures.threshold = 2 }
        world.fail(503, times: 1)
        world.fail(status, times: 1)
        #expect(world.ejected == (isOne ? [0] : []))
        #expect(world.stat("detected_consecutive_gateway_failure") == (isOne ? 1 : 0))
        #expect(world.stat("enforced_consecutive_gateway_failure") == (isOne ? 1 : 0))
        // As in Envoy, which has left this one alone since it is deprecated.
        #expect(world.stat("total") == 0)
    }

    @Test func aRowIsOneOverAllWorkers() throws {
        let world = try OutlierWorld(hosts: 2, workers: 3) { $0.serverErrors.threshold = 5 }
        for worker in [0, 1, 2, 0] { world.tell(.answered(status: 500), worker: worker) }
        world.fixture.settle()
        #expect(world.ejected == [])
        world.tell(.answered(status: 500), worker: 1)
        world.fixture.settle()
        #expect(world.ejected == [0])
        for worker in 0..<3 { #expect(world.served(worker: worker) == 1) }
    }

    @Test func oneWorkersSuccessEndsTheOthersRow() throws {
        let world = try OutlierWorld(hosts: 2, workers: 2) { $0.serverErrors.threshold = 3 }
        world.tell(.answered(status: 500), worker: 0, times: 2)
        world.tell(.answered(status: 200), worker: 1)
        world.tell(.answered(status: 500), worker: 0, times: 2)
        world.fixture.settle()
        #expect(world.ejected == [])
    }

    @Test func withoutASplitAllFailuresAreServerErrors() throws {
        for (outcome, isGateway) in [
            (AttemptOutcome.failed, true), (.timedOut(status: 504), true), (.answered(status: 500), false),
        ] {
            let world = try OutlierWorld(hosts: 2) {
                $0.serverErrors = OutlierSpec.Consecutive(threshold: 1, enforcing: 0)
                $0.gatewayFailures = OutlierSpec.Consecutive(threshold: 1, enforcing: 0)
                $0.localOriginFailures.threshold = 1
            }
            world.tell(.connected, outcome)
            world.fixture.settle()
            #expect(world.stat("detected_consecutive_5xx") == 1)
            #expect(world.stat("detected_consecutive_gateway_failure") == (isGateway ? 1 : 0))
            #expect(world.stat("detected_consecutive_local_origin_failure") == 0)
            #expect(world.ejected == [])
        }
    }

    @Test func aTimeoutAnswered204IsASuccess() throws {
        let world = try OutlierWorld(hosts: 2) { $0.serverErrors.threshold = 2 }
        world.tell(.answered(status: 500), .timedOut(status: 204), .answered(status: 500))
        world.fixture.settle()
        #expect(world.ejected == [])
    }

    @Test func withASplitConnectingIsCountedApart() throws {
        let world = try OutlierWorld(hosts: 3) {
            $0.splitsLocalOrigin = true
            $0.serverErrors.threshold = 3
            $0.localOriginFailures.threshold = 2
        }
        // Neither row is ended by what belongs to the other.
        world.tell(.answered(status: 500), .answered(status: 500), .failed)
        world.fixture.settle()
        #expect(world.ejected == [])
        world.tell(.timedOut(status: 504))
        world.fixture.settle()
        #expect(world.ejected == [0])
        #expect(world.stat("enforced_consecutive_local_origin_failure") == 1)
        #expect(world.stat("detected_consecutive_5xx") == 0)
        // A connection ends the row of failures to connect, and no other.
        world.tell(.failed, .connected, .failed, .connectedOnly, .failed, host: 1)
        world.tell(.answered(status: 500), .connected, .answered(status: 500), .connected, host: 2)
        world.fixture.settle()
        #expect(world.ejected == [0])
        world.tell(.answered(status: 500), host: 2)
        world.fixture.settle()
        #expect(world.ejected == [0, 2])
    }

    @Test func aRawConnectionIsASuccess() throws {
        let world = try OutlierWorld(hosts: 2) { $0.serverErrors.threshold = 2 }
        world.tell(.failed, .connectedOnly, .failed)
        world.fixture.settle()
        #expect(world.ejected == [])
        // One under a protocol of its own says nothing yet.
        world.tell(.connected, .failed)
        world.fixture.settle()
        #expect(world.ejected == [0])
    }

    @Test func oneFailureMayEndTwoRows() throws {
        let world = try OutlierWorld(hosts: 2) {
            $0.serverErrors.threshold = 2
            $0.gatewayFailures = OutlierSpec.Consecutive(threshold: 2, enforcing: 0)
        }
        world.fail(503, times: 2)
        #expect(world.stat("detected_consecutive_gateway_failure") == 1)
        #expect(world.stat("enforced_consecutive_gateway_failure") == 0)
        #expect(world.stat("detected_consecutive_5xx") == 1)
        #expect(world.stat("enforced_consecutive_5xx") == 1)
        #expect(world.ejected == [0])
    }

    @Test func whatEjectsFirstKeepsTheSecondFromBeingCounted() throws {
        let world = try OutlierWorld(hosts: 2) {
            $0.serverErrors.threshold = 2
            $0.gatewayFailures.threshold = 2
        }
        world.fail(503, times: 2)
        #expect(world.stat("enforced_consecutive_gateway_failure") == 1)
        #expect(world.stat("detected_consecutive_5xx") == 0)
        #expect(world.stat("enforced_total") == 1)
    }

    @Test func zeroIsNever() throws {
        let world = try OutlierWorld(hosts: 2)
        world.fail(503, times: 1000)
        #expect(world.ejected == [])
        #expect(world.stat("overflow") == 0)
    }

    @Test func aRowThatEjectsNobodyBeginsAnew() throws {
        let world = try OutlierWorld(hosts: 2) {
            $0.serverErrors = OutlierSpec.Consecutive(threshold: 3, enforcing: 0)
        }
        world.fail(500, times: 3)
        world.fail(500, times: 2)
        #expect(world.stat("detected_consecutive_5xx") == 1)
        world.fail(500, times: 1)
        #expect(world.stat("detected_consecutive_5xx") == 2)
        #expect(world.stat("enforced_consecutive_5xx") == 0)
        #expect(world.stat("total") == 2)
    }

    @Test func manyFailuresAtOnceAreOneMessage() throws {
        let world = try OutlierWorld(hosts: 2) {
            $0.serverErrors = OutlierSpec.Consecutive(threshold: 1, enforcing: 0)
        }
        // The main thread is busy meanwhile: it hears of them once.
        world.fail(500, times: 10_000)
        #expect(world.stat("detected_consecutive_5xx") == 1)
        world.fail(500, times: 1)
        #expect(world.stat("detected_consecutive_5xx") == 2)
    }

    @Test func whatIsToldWhileTheMainThreadIsBusyIsNotLost() throws {
        let world = try OutlierWorld(hosts: 3) {
            $0.serverErrors = OutlierSpec.Consecutive(threshold: 2, enforcing: 0)
            $0.localOriginFailures = OutlierSpec.Consecutive(threshold: 2, enforcing: 100)
            $0.splitsLocalOrigin = true
        }
        world.tell(.answered(status: 500), times: 2)
        world.tell(.failed, times: 2)
        world.fixture.settle()
        #expect(world.stat("detected_consecutive_5xx") == 1)
        #expect(world.ejected == [0])
    }

    @Test func anEjectedHostIsNotToldOf() throws {
        let world = try OutlierWorld(hosts: 2) { $0.serverErrors.threshold = 2 }
        world.fail(500, times: 2)
        // As in panic, where it gets requests all the same.
        world.fail(500, times: 100)
        #expect(world.stat("detected_consecutive_5xx") == 1)
        #expect(world.stat("active") == 1)
        world.advance(30)
        #expect(world.ejected == [])
        // All rows begin anew.
        world.fail(500, times: 1)
        #expect(world.ejected == [])
        world.fail(500, times: 1)
        #expect(world.ejected == [0])
    }

    @Test func aRowIsExactWhileAllWorkersFailAtOnce() throws {
        let (threads, each) = (4, 20_000)
        for (threshold, isReached) in [(threads * each, true), (threads * each + 1, false)] {
            var spec = OutlierSpec()
            spec.serverErrors.threshold = threshold
            spec.gatewayFailures.threshold = 0
            let monitor = OutlierMonitor(
                watch: OutlierWatch(spec, mailbox: try EventLoop().mailbox), workers: threads)
            let running = try (0..<threads).map { worker in
                try LoopThread(name: "worker_\(worker)") {
                    for _ in 0..<each { monitor.record(.answered(status: 500), worker: worker) }
                }
            }
            for thread in running { thread.join() }
            #expect(monitor.trippedCauses == (isReached ? [.serverErrors] : []))
            #expect(monitor.answers == OutlierReading(attempts: UInt64(threads * each), successes: 0))
        }
    }

    @Test func aWorkerThatIsNotKnownIsIgnored() throws {
        let world = try OutlierWorld(hosts: 1) { $0.serverErrors.threshold = 1 }
        world.hosts[0].state.monitor?.record(.failed, worker: 7)
        world.hosts[0].state.monitor?.record(.failed, worker: -1)
        world.fixture.settle()
        #expect(world.stat("detected_consecutive_5xx") == 0)
    }

    @Test func aClusterWithoutItHasNoMonitors() throws {
        let fixture = try UpstreamFixture([.v4(.loopback, port: 1)])
        #expect(fixture.cluster.hosts.hosts[0].state.monitor == nil)
        #expect(!fixture.cluster.watchesOutcomes)
        fixture.cluster.report(.failed, of: fixture.cluster.hosts.hosts[0])
        #expect(fixture.store.snapshot().value("cluster.c.outlier_detection.ejections_total") == 0)
        #expect(fixture.directory.reports[0].outliers == nil)
    }
}
