// What the router tells outlier detection of each try.
import HTTPWire
import Reactor
import Testing

@testable import DataPlane

struct OutcomeTests {
    private let grpc = ["content-type: application/grpc"]

    @Test(arguments: [200, 404, 500, 503])
    func theStatus(status: Int) throws {
        let rig = try HTTPRig()
        rig.request()
        #expect(rig.app.outcomes == [.connected])
        rig.app.last?.inform(103)
        rig.app.last?.answer(status, [], "x")
        #expect(rig.app.outcomes == [.connected, .answered(status: status)])
    }

    @Test func nobodyAsks() throws {
        let rig = try HTTPRig()
        rig.app.watchesOutcomes = false
        rig.request()
        rig.app.last?.answer(500)
        rig.request()
        rig.app.last?.reset(.remoteReset)
        #expect(rig.app.outcomes == [])
    }

    @Test(arguments: [
        ("0", 200), ("1", 499), ("2", 500), ("4", 504), ("8", 429), ("12", 501), ("13", 500), ("14", 503), ("99", 500),
        ("x", 500), ("", 500),
    ])
    func theGRPCStatusInTheHead(value: String, status: Int) throws {
        let rig = try HTTPRig()
        rig.request("POST", "/s/m", grpc)
        rig.app.last?.answer(200, ["grpc-status: \(value)"])
        #expect(rig.app.outcomes == [.connected, .answered(status: status)])
        // It is nothing to those who do not speak gRPC.
        rig.request()
        rig.app.last?.answer(200, ["grpc-status: \(value)"])
        #expect(rig.app.outcomes.last == .answered(status: 200))
    }

    @Test func theGRPCStatusOfTrailersComesTooLate() throws {
        let rig = try HTTPRig()
        rig.request("POST", "/s/m", grpc)
        rig.app.last?.answer(200, [], "x", end: false)
        rig.app.last?.endWithTrailers("grpc-status", "14")
        #expect(rig.app.outcomes == [.connected, .answered(status: 200)])
    }

    @Test(arguments: [
        StreamResetReason.connectFailure, .connectTimeout, .connectionTermination, .remoteReset, .remoteRefused,
        .protocolError,
    ])
    func failures(reason: StreamResetReason) throws {
        let early = try HTTPRig()
        early.app.spec.reuse.replaysRefused = false
        early.request()
        early.app.last?.reset(reason)
        #expect(early.app.outcomes == [.connected, .failed])
        let late = try HTTPRig()
        late.request()
        late.app.last?.answer(200, [], "half", end: false)
        late.app.last?.reset(reason)
        #expect(late.app.outcomes == [.connected, .answered(status: 200), .failed])
    }

    @Test func noConnection() throws {
        let rig = try HTTPRig()
        rig.app.mode = .waiting
        rig.request()
        #expect(rig.app.outcomes == [])
        rig.app.failWaiter(.connectFailure, "refused")
        #expect(rig.app.outcomes == [.failed])
    }

    @Test func whatIsNotTheHostsFault() throws {
        let full = try HTTPRig()
        full.app.mode = .overflow
        full.request()
        #expect(full.app.outcomes == [])
        let waiting = try HTTPRig()
        waiting.app.mode = .waiting
        waiting.request()
        waiting.app.failWaiter(.overflow, "")
        #expect(waiting.app.outcomes == [])
        let unbound = try HTTPRig()
        unbound.app.mode = .waiting
        unbound.request()
        unbound.app.failWaiter(.localConnectFailure, "bind 192.0.2.1:0: Cannot assign requested address")
        #expect(unbound.app.outcomes == [])
        let ours = try HTTPRig()
        ours.request()
        ours.app.last?.reset(.localReset)
        #expect(ours.app.outcomes == [.connected])
        let gone = try HTTPRig()
        gone.request()
        gone.codec.clientLeaves()
        #expect(gone.app.outcomes == [.connected])
    }

    @Test func timeouts() throws {
        let whole = try HTTPRig(route: { $0.timeout = .milliseconds(100) })
        whole.request()
        whole.pass(.milliseconds(100))
        #expect(whole.app.outcomes == [.connected, .timedOut(status: 504)])
        let started = try HTTPRig(route: { $0.timeout = .milliseconds(100) })
        started.request()
        started.app.last?.answer(200, [], "half", end: false)
        started.pass(.milliseconds(100))
        #expect(started.app.outcomes == [.connected, .answered(status: 200)])
        let unconnected = try HTTPRig(route: { $0.timeout = .milliseconds(100) })
        unconnected.app.mode = .waiting
        unconnected.request()
        unconnected.pass(.milliseconds(100))
        #expect(unconnected.app.outcomes == [])
        let longest = try HTTPRig()
        longest.app.spec.http.maxStreamDuration = .milliseconds(100)
        longest.request()
        longest.pass(.milliseconds(100))
        #expect(longest.app.outcomes == [.connected])
    }

    @Test func aTimeoutThatIsAnswered204() throws {
        let rig = try HTTPRig(
            settings: { $0.internalAddresses = [CIDRRange("10.0.0.0/8")].compactMap { $0 } },
            route: { $0.timeout = .milliseconds(100) })
        let exchange = rig.request(
            "GET", "/", ["x-forwarded-for: 10.1.1.1", "x-envoy-upstream-rq-timeout-alt-response: 1"])
        rig.pass(.milliseconds(100))
        #expect(exchange.status == 204)
        #expect(rig.app.outcomes == [.connected, .timedOut(status: 204)])
    }

    @Test func eachTryByItself() throws {
        let rig = try HTTPRig(route: {
            var policy = RetryPolicySpec()
            policy.conditions = .serverError
            policy.numRetries = 2
            policy.perTryTimeout = .milliseconds(100)
            $0.retryPolicy = policy
        })
        rig.request()
        rig.app.last?.answer(503)
        rig.pass(.milliseconds(260))
        rig.pass(.milliseconds(100))
        // The second back-off is any time below 75 ms, none at all included: the third try must not time out here.
        rig.pass(.milliseconds(90))
        rig.app.last?.answer(200)
        #expect(
            rig.app.outcomes == [
                .connected, .answered(status: 503), .connected, .timedOut(status: 504), .connected,
                .answered(status: 200),
            ])
    }

    @Test func aTimeoutDuringABackOffIsNobodys() throws {
        let rig = try HTTPRig(
            router: {
                var router = RouterSpec()
                router.keepsRetriesWithinDeadline = false
                return router
            }(),
            route: {
                $0.timeout = .milliseconds(100)
                var policy = RetryPolicySpec()
                policy.conditions = .serverError
                // Any time below: as good as never within the timeout.
                policy.backoff.base = .seconds(1_000_000)
                policy.backoff.max = .seconds(1_000_000)
                $0.retryPolicy = policy
            })
        rig.request()
        rig.app.last?.answer(503)
        rig.pass(.milliseconds(100))
        #expect(rig.app.outcomes == [.connected, .answered(status: 503)])
    }

    @Test func aConnectionThatIsReplacedIsNoFailure() throws {
        let rig = try HTTPRig()
        rig.app.onTry = { $0.earlierRequests = $0.isFresh ? 0 : 3 }
        rig.request()
        rig.app.last?.reset(.connectionTermination)
        rig.app.last?.answer(200)
        #expect(rig.app.outcomes == [.connected, .connected, .answered(status: 200)])
        let refused = try HTTPRig()
        refused.request()
        refused.app.last?.reset(.remoteRefused)
        refused.app.last?.answer(200)
        #expect(refused.app.outcomes == [.connected, .connected, .answered(status: 200)])
    }
}
