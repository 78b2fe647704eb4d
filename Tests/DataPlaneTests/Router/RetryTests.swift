// Retries: conditions, limits, back-off, replay, deadlines, stale connections.
import HTTPWire
import Matching
import Reactor
import Testing

@testable import DataPlane

struct RetryTests {
    private func policy(
        _ conditions: RetryConditions, _ change: (inout RetryPolicySpec) -> Void = { _ in }
    ) -> RetryPolicySpec {
        var policy = RetryPolicySpec()
        policy.conditions = conditions
        change(&policy)
        return policy
    }

    /// Longer than any default back-off.
    private let backoff = TimeAmount.milliseconds(260)

    @Test func a5xxIsRetriedUntilItSucceeds() throws {
        let rig = try HTTPRig(route: { $0.retryPolicy = policy(.serverError) { $0.numRetries = 2 } })
        let exchange = rig.request()
        rig.app.last?.answer(503, [], "no")
        #expect(exchange.status == 0 && rig.app.retriesInFlight == 1)
        rig.pass(backoff)
        rig.app.last?.answer(503, [], "no")
        rig.pass(backoff)
        rig.app.last?.answer(200, [], "third")
        #expect(exchange.status == 200 && exchange.body == "third" && rig.app.tries.count == 3)
        #expect(rig.stat("cluster.app.upstream_rq_retry") == 2)
        #expect(rig.stat("cluster.app.upstream_rq_retry_success") == 1)
        #expect(rig.stat("cluster.app.retry.upstream_rq_503") == 2)
        #expect(rig.stat("cluster.app.upstream_rq_200") == 1)
        #expect(rig.stat("cluster.app.upstream_rq_503") == 0)
        #expect(rig.app.retriesInFlight == 0)
    }

    @Test func theLimitIsFlagged() throws {
        let rig = try HTTPRig(route: { $0.retryPolicy = policy(.serverError) })
        let exchange = rig.request()
        rig.app.last?.answer(503)
        rig.pass(backoff)
        rig.app.last?.answer(503, [], "last")
        #expect(exchange.status == 503 && exchange.body == "last")
        #expect(rig.stat("cluster.app.upstream_rq_retry_limit_exceeded") == 1)
        #expect(rig.app.retriesInFlight == 0)
    }

    @Test(arguments: [
        (RetryConditions.gatewayError, 502, true), (.gatewayError, 500, false), (.retriable4xx, 409, true),
        (.retriable4xx, 404, false), (.retriableStatusCodes, 418, true), (.serverError, 418, false),
    ])
    func statusConditions(_ conditions: RetryConditions, _ status: Int, _ isRetried: Bool) throws {
        let rig = try HTTPRig(route: {
            $0.retryPolicy = policy(conditions) { $0.retriableStatusCodes = [418] }
        })
        rig.request()
        rig.app.last?.answer(status)
        rig.pass(backoff)
        #expect(rig.app.tries.count == (isRetried ? 2 : 1))
    }

    @Test(arguments: [
        (RetryConditions.connectFailure, StreamResetReason.connectFailure, true),
        (.connectFailure, .localConnectFailure, true), (.connectFailure, .connectTimeout, true),
        (.connectFailure, .connectionTermination, false),
        (.reset, .connectionTermination, true), (.refusedStream, .remoteRefused, true),
        (.refusedStream, .remoteReset, false),
        (.serverError, .protocolError, true), (.resetBeforeRequest, .connectionTermination, false),
        (.reset, .overflow, false),
    ])
    func resetConditions(_ conditions: RetryConditions, _ reason: StreamResetReason, _ isRetried: Bool) throws {
        let rig = try HTTPRig(route: { $0.retryPolicy = policy(conditions) })
        rig.request("POST")
        rig.app.last?.reset(reason)
        rig.pass(backoff)
        #expect(rig.app.tries.count == (isRetried ? 2 : 1))
    }

    @Test func resetBeforeRequestNeedsThatNothingWasSent() throws {
        let rig = try HTTPRig(route: { $0.retryPolicy = policy(.resetBeforeRequest) })
        rig.app.onTry = { $0.sentAnything = false }
        rig.request("POST")
        rig.app.last?.reset(.connectionTermination)
        rig.pass(backoff)
        #expect(rig.app.tries.count == 2)
    }

    @Test func retriableHeadersAndGRPCStatus() throws {
        let byHeader = try HTTPRig(route: {
            $0.retryPolicy = policy(.retriableHeaders) {
                $0.retriableHeaders = [HeaderMatchSpec(name: "x-again", rule: .present(true))]
            }
        })
        byHeader.request()
        byHeader.app.last?.answer(200, ["x-again: 1"])
        byHeader.pass(backoff)
        #expect(byHeader.app.tries.count == 2)
        let byStatus = try HTTPRig(route: { $0.retryPolicy = policy(.grpcUnavailable) })
        byStatus.request("POST", "/s/m", ["content-type: application/grpc"])
        byStatus.app.last?.answer(200, ["grpc-status: 14"])
        byStatus.pass(backoff)
        #expect(byStatus.app.tries.count == 2)
    }

    @Test func rateLimitedResponsesNeedTheirOwnWord() throws {
        let rig = try HTTPRig(route: { $0.retryPolicy = policy([.envoyRateLimited, .serverError]) })
        rig.request()
        rig.app.last?.answer(503)
        rig.pass(backoff)
        #expect(rig.app.tries.count == 1)
        rig.request()
        rig.app.last?.answer(429, ["x-envoy-ratelimited: true"])
        rig.pass(backoff)
        #expect(rig.app.tries.count == 3)
    }

    @Test func internalClientsSetTheirOwnPolicy() throws {
        let rig = try HTTPRig { $0.internalAddresses = [CIDRRange("10.0.0.0/8")].compactMap { $0 } }
        rig.request(
            "GET", "/",
            [
                "x-forwarded-for: 10.1.1.1", "x-envoy-retry-on: retriable-status-codes", "x-envoy-max-retries: 3",
                "x-envoy-retriable-status-codes: 404, 410", "x-envoy-upstream-rq-timeout-ms: 60000",
            ])
        #expect(rig.app.last?.value("x-envoy-retry-on") == nil)
        #expect(rig.app.last?.value("x-envoy-expected-rq-timeout-ms") == "60000")
        for _ in 0..<3 {
            rig.app.last?.answer(410)
            rig.pass(backoff)
        }
        #expect(rig.app.tries.count == 4)
    }

    @Test func theBodyIsReplayed() throws {
        let rig = try HTTPRig(route: { $0.retryPolicy = policy(.serverError) })
        let exchange = rig.request("POST", "/", ["content-length: 6"], end: false)
        exchange.send("abc")
        exchange.send("def", end: true)
        rig.app.last?.answer(503)
        rig.pass(backoff)
        #expect(rig.app.tries.map(\.body) == ["abcdef", "abcdef"])
        #expect(rig.app.last?.ended == true)
        rig.app.last?.answer()
        #expect(exchange.status == 200)
    }

    @Test func aBodyStillComingIsReplayedAndGoesOn() throws {
        let rig = try HTTPRig(route: { $0.retryPolicy = policy(.serverError) })
        let exchange = rig.request("POST", "/", ["content-length: 6"], end: false)
        exchange.send("abc")
        rig.app.last?.answer(503)
        exchange.send("de")
        rig.pass(backoff)
        exchange.send("f", end: true)
        #expect(rig.app.tries.map(\.body) == ["abc", "abcdef"])
    }

    @Test func aBodyThatDoesNotFitEndsRetries() throws {
        let rig = try HTTPRig(
            route: { $0.retryPolicy = policy(.serverError) }, virtualHost: { $0.perRequestBufferLimit = 5 })
        let exchange = rig.request("POST", "/", ["content-length: 6"], end: false)
        exchange.send("abcdef", end: true)
        rig.app.last?.answer(503)
        #expect(exchange.status == 503 && rig.app.tries.count == 1)
        #expect(rig.stat("cluster.app.retry_or_shadow_abandoned") == 1)
        #expect(rig.stat("http.in.rq_retry_suppressed_body_too_large") == 1)
    }

    @Test func aBodyTooLargeWhileBackingOffIs507() throws {
        let rig = try HTTPRig(
            route: { $0.retryPolicy = policy(.serverError) }, virtualHost: { $0.perRequestBufferLimit = 5 })
        let exchange = rig.request("POST", "/", ["content-length: 9"], end: false)
        rig.app.last?.answer(503)
        exchange.send("abcdefghi", end: true)
        #expect(exchange.status == 507)
        #expect(rig.app.retriesInFlight == 0)
    }

    @Test func thereIsNoRetryAfterTheResponseBegan() throws {
        let rig = try HTTPRig(route: { $0.retryPolicy = policy([.serverError, .reset]) })
        let exchange = rig.request()
        rig.app.last?.answer(200, ["content-length: 10"], "half", end: false)
        rig.app.last?.reset(.connectionTermination)
        #expect(exchange.wasReset && rig.app.tries.count == 1)
    }

    @Test func thereIsNoRetryWhenTheDeadlineLeavesNoRoom() throws {
        let rig = try HTTPRig(route: {
            $0.timeout = .milliseconds(100)
            $0.retryPolicy = policy(.serverError) {
                $0.rateLimitedBackoff = RateLimitedBackoffSpec(
                    resetHeaders: [.init(name: "retry-after", format: .seconds)])
            }
        })
        let exchange = rig.request()
        rig.app.last?.answer(503, ["retry-after: 5"], "busy")
        #expect(exchange.status == 503 && exchange.body == "busy")
        #expect(rig.stat("http.in.rq_retry_suppressed_deadline") == 1)
        #expect(rig.app.retriesInFlight == 0)
    }

    @Test func aRetryWaitsForTheDeadlineWhereItMay() throws {
        var router = RouterSpec()
        router.keepsRetriesWithinDeadline = false
        let rig = try HTTPRig(
            router: router,
            route: {
                $0.timeout = .milliseconds(100)
                $0.retryPolicy = policy(.serverError) {
                    $0.rateLimitedBackoff = RateLimitedBackoffSpec(
                        resetHeaders: [.init(name: "retry-after", format: .seconds)])
                }
            })
        let exchange = rig.request()
        rig.app.last?.answer(503, ["retry-after: 5"], "busy")
        #expect(exchange.status == 0)
        rig.pass(.milliseconds(100))
        #expect(exchange.status == 504)
        #expect(rig.stat("http.in.rq_retry_suppressed_deadline") == 0)
        #expect(rig.app.retriesInFlight == 0)
    }

    @Test func theUpstreamSaysWhenToComeBack() throws {
        let rig = try HTTPRig(route: {
            $0.retryPolicy = policy(.serverError) {
                $0.rateLimitedBackoff = RateLimitedBackoffSpec(
                    resetHeaders: [.init(name: "x-ratelimit-reset", format: .seconds)])
            }
        })
        rig.request()
        rig.app.last?.answer(503, ["x-ratelimit-reset: 2"])
        rig.pass(.milliseconds(1999))
        #expect(rig.app.tries.count == 1)
        rig.pass(.milliseconds(1100))
        #expect(rig.app.tries.count == 2)
        #expect(rig.stat("cluster.app.upstream_rq_retry_backoff_ratelimited") == 1)
    }

    @Test func backoffGrowsAndIsCapped() throws {
        let policy = RetryRules(RetryPolicy(self.policy(.serverError) { $0.numRetries = 100 }))
        var state = try #require(RetryState(policy, HeaderMap()))
        var random = FastRandom(seed: (1, 2, 3, 4))
        for bound in [25, 50, 100, 200, 250, 250] as [Int64] {
            for _ in 0..<1 {
                let (wait, isRateLimited) = state.backoff(&random)
                #expect(wait.milliseconds < bound && !isRateLimited)
            }
        }
    }

    @Test func theBudgetRefuses() throws {
        let rig = try HTTPRig(route: { $0.retryPolicy = policy(.serverError) })
        rig.app.retryLimit = 0
        let exchange = rig.request()
        rig.app.last?.answer(503)
        #expect(exchange.status == 503)
        #expect(rig.stat("cluster.app.upstream_rq_retry_overflow") == 1)
    }

    @Test func previousHostsAreToldToTheBalancer() throws {
        let rig = try HTTPRig(route: { $0.retryPolicy = policy(.serverError) { $0.avoidPreviousHosts = true } })
        rig.request()
        rig.app.last?.answer(503)
        rig.pass(backoff)
        #expect(rig.app.avoided.map(\.count) == [0, 1])
    }

    @Test func attemptsAreCountedInHeaders() throws {
        let rig = try HTTPRig(
            route: { $0.retryPolicy = policy(.serverError) },
            virtualHost: {
                $0.includeRequestAttemptCount = true
                $0.includeAttemptCountInResponse = true
                $0.includeIsTimeoutRetryHeader = true
            })
        let exchange = rig.request()
        rig.app.last?.answer(503)
        rig.pass(backoff)
        rig.app.last?.answer()
        #expect(rig.app.tries.map { $0.value("x-envoy-attempt-count") } == ["1", "2"])
        #expect(rig.app.last?.value("x-envoy-is-timeout-retry") == "false")
        #expect(exchange.value("x-envoy-attempt-count") == "2")
    }

    @Test func aPerTryTimeoutIsRetriedAndThenAnswered() throws {
        let rig = try HTTPRig(
            route: {
                $0.retryPolicy = policy(.serverError) { $0.perTryTimeout = .milliseconds(100) }
            },
            virtualHost: { $0.includeIsTimeoutRetryHeader = true })
        let exchange = rig.request()
        rig.pass(.milliseconds(101))
        rig.pass(backoff)
        #expect(rig.app.tries.count == 2 && rig.app.tries[0].cancelled)
        #expect(rig.app.last?.value("x-envoy-is-timeout-retry") == "true")
        rig.pass(.milliseconds(101))
        #expect(exchange.status == 504)
        #expect(exchange.body == "upstream request timeout: route 'api' per_try_timeout 100ms")
        #expect(rig.stat("cluster.app.upstream_rq_per_try_timeout") == 2)
        #expect(rig.stat("cluster.app.upstream_rq_timeout") == 0)
        #expect(rig.stat("cluster.app.upstream_rq_504") == 1)
    }

    @Test func aPerTryIdleTimeoutStartsAnewWithEachByte() throws {
        let rig = try HTTPRig(route: {
            $0.retryPolicy = policy([]) { $0.perTryIdleTimeout = .milliseconds(100) }
        })
        let exchange = rig.request()
        rig.pass(.milliseconds(80))
        rig.app.last?.answer(200, [], "x", end: false)
        rig.pass(.milliseconds(80))
        rig.app.last?.send("y")
        rig.pass(.milliseconds(80))
        #expect(!exchange.wasReset)
        rig.pass(.milliseconds(30))
        #expect(exchange.wasReset && rig.stat("cluster.app.upstream_rq_per_try_idle_timeout") == 1)
    }

    // MARK: Stale keep-alive connections

    @Test func aStaleConnectionIsReplacedOutsideThePolicy() throws {
        let rig = try HTTPRig()
        rig.app.onTry = { $0.earlierRequests = $0.isFresh ? 0 : 3 }
        let exchange = rig.request()
        rig.app.last?.reset(.connectionTermination)
        #expect(rig.app.tries.count == 2 && rig.app.last?.isFresh == true)
        rig.app.last?.answer()
        #expect(exchange.status == 200)
        #expect(rig.stat("cluster.app.upstream_rq_replaced_stale") == 1)
        #expect(rig.stat("cluster.app.upstream_rq_retry") == 0)
    }

    @Test func aPOSTThatWasWrittenIsNotSentTwice() throws {
        let rig = try HTTPRig()
        rig.app.onTry = { $0.earlierRequests = 1 }
        let exchange = rig.request("POST", "/", ["content-length: 1"], end: false)
        exchange.send("x", end: true)
        rig.app.last?.reset(.connectionTermination)
        #expect(exchange.status == 503 && rig.app.tries.count == 1)
    }

    @Test func aPOSTThatNeverLeftIsSentAgain() throws {
        let rig = try HTTPRig()
        rig.app.onTry = {
            $0.earlierRequests = $0.isFresh ? 0 : 1
            $0.sentAnything = $0.isFresh
        }
        rig.request("POST")
        rig.app.last?.reset(.connectionTermination)
        #expect(rig.app.tries.count == 2)
    }

    @Test func onlyOneReplacementAndOnlyWhereItIsOn() throws {
        let rig = try HTTPRig()
        rig.app.onTry = { $0.earlierRequests = 1 }
        let exchange = rig.request()
        rig.app.last?.reset(.connectionTermination)
        rig.app.last?.reset(.connectionTermination)
        #expect(exchange.status == 503 && rig.app.tries.count == 2)
        rig.app.spec.reuse.replacesStaleConnections = false
        let other = rig.request()
        rig.app.last?.reset(.connectionTermination)
        #expect(other.status == 503 && rig.app.tries.count == 3)
    }

    @Test func aFreshConnectionThatDiesIsNotReplaced() throws {
        let rig = try HTTPRig()
        let exchange = rig.request()
        rig.app.last?.reset(.connectionTermination)
        #expect(exchange.status == 503 && rig.app.tries.count == 1)
    }
}
