// Forwarding: clusters, failures and their words, timeouts, header changes, stats.
import HTTPWire
import Reactor
import Testing

@testable import DataPlane

struct ForwardingTests {
    private static let connectError = "upstream connect error or disconnect/reset before headers. "

    @Test(arguments: [
        (StreamResetReason.connectFailure, 503, "remote connection failure", "UF"),
        (.localConnectFailure, 503, "local connection failure", "UF"),
        (.connectTimeout, 503, "connection timeout", "UF"),
        (.connectionTermination, 503, "connection termination", "UC"),
        (.protocolError, 502, "protocol error", "UPE"), (.remoteReset, 503, "remote reset", "UR"),
    ])
    func failuresHaveEnvoysWords(_ reason: StreamResetReason, _ status: Int, _ words: String, _ flag: String) throws {
        let rig = try HTTPRig { $0.proxyStatus = ProxyStatusSpec() }
        let exchange = rig.request()
        rig.app.last?.reset(reason, "delayed connect error: Connection refused")
        #expect(exchange.status == status)
        let setting = reason == .connectTimeout ? ": cluster 'app' connect_timeout 5s" : ""
        #expect(exchange.body == ForwardingTests.connectError + "reset reason: \(words)\(setting)")
        let details = words.split(separator: " ").joined(separator: "_")
        #expect(
            exchange.value("proxy-status")?.contains(
                "upstream_reset_before_response_started{\(details)|delayed_connect_error:_Connection_refused}; \(flag)")
                == true)
        #expect(rig.stat("cluster.app.upstream_rq_\(status)") == 1)
    }

    @Test func aPoolThatFailsIsAFailedTry() throws {
        let rig = try HTTPRig()
        rig.app.mode = .waiting
        let exchange = rig.request()
        rig.app.failWaiter(.connectFailure, "refused")
        #expect(exchange.status == 503)
    }

    @Test func overflowSaysSo() throws {
        let rig = try HTTPRig()
        rig.app.mode = .overflow
        let exchange = rig.request()
        #expect(exchange.status == 503 && exchange.value("x-envoy-overloaded") == "true")
        #expect(exchange.body == ForwardingTests.connectError + "reset reason: overflow: cluster 'app' max_requests 7")
        var quiet = RouterSpec()
        quiet.suppressEnvoyHeaders = true
        let silent = try HTTPRig(router: quiet)
        silent.app.mode = .overflow
        #expect(silent.request().value("x-envoy-overloaded") == nil)
    }

    @Test func noHostIsUH() throws {
        let rig = try HTTPRig(virtualHost: { $0.includeAttemptCountInResponse = true })
        rig.app.mode = .noHost
        let exchange = rig.request()
        #expect(exchange.status == 503 && exchange.body == "no healthy upstream")
        #expect(exchange.value("x-envoy-attempt-count") == "1")
    }

    @Test func aClusterThatDoesNotExistIsNC() throws {
        let rig = try HTTPRig(route: { $0.target = .clusterHeader("x-to") })
        #expect(rig.request().status == 503)
        #expect(rig.request("GET", "/", ["x-to: nobody"]).status == 503)
        rig.request("GET", "/", ["x-to: app"])
        #expect(rig.app.tries.count == 1)
        #expect(rig.stat("http.in.no_cluster") == 2)
    }

    @Test func aHostThatTakesItselfOutIsReported() throws {
        let rig = try HTTPRig()
        let exchange = rig.request()
        rig.app.last?.answer(503, ["x-envoy-immediate-health-check-fail: true"])
        #expect(exchange.status == 503)
        #expect(rig.app.failedHosts.map(\.address) == [rig.app.hosts[0].address])
        rig.request()
        rig.app.last?.answer(503)
        #expect(rig.app.failedHosts.count == 1)
    }

    @Test func bodyWaitsForTheConnection() throws {
        let rig = try HTTPRig()
        rig.app.mode = .waiting
        let exchange = rig.request("POST", "/", ["content-length: 6"], end: false)
        exchange.send("abc")
        exchange.send("def", end: true)
        rig.app.connectWaiter()
        #expect(rig.app.last?.body == "abcdef" && rig.app.last?.ended == true)
        rig.app.last?.answer()
        #expect(exchange.status == 200)
    }

    @Test func aWaitingRequestIsHeldBackAtTheBufferLimitAndTakenBack() throws {
        let rig = try HTTPRig()
        rig.app.mode = .waiting
        let exchange = rig.request("POST", "/", ["content-length: 3000000"], end: false)
        let block = String(repeating: "x", count: 1 << 20)
        exchange.send(block)
        #expect(exchange.isPaused)
        rig.codec.clientLeaves()
        #expect(rig.app.cancelledTickets == 1)
    }

    @Test func theRouteTimeoutCoversWaitingAndSays() throws {
        let rig = try HTTPRig(route: { $0.timeout = .milliseconds(200) })
        let exchange = rig.request()
        rig.pass(.milliseconds(201))
        #expect(exchange.status == 504)
        #expect(exchange.body == "upstream request timeout: route 'api' timeout 200ms")
        #expect(rig.app.last?.cancelled == true)
        #expect(rig.stat("cluster.app.upstream_rq_timeout") == 1)
        #expect(rig.stat("cluster.app.upstream_rq_504") == 1)
        #expect(rig.app.hosts[0].totals.rqTimeout == 1)
    }

    @Test func theRouteTimeoutStartsWithTheRequestsEnd() throws {
        let rig = try HTTPRig(route: { $0.timeout = .milliseconds(200) })
        let exchange = rig.request("POST", "/", ["content-length: 3"], end: false)
        rig.pass(.milliseconds(500))
        exchange.send("abc", end: true)
        rig.pass(.milliseconds(150))
        #expect(exchange.status == 0)
        rig.pass(.milliseconds(60))
        #expect(exchange.status == 504)
    }

    @Test func theRouteTimeoutCutsASlowResponse() throws {
        let rig = try HTTPRig(route: { $0.timeout = .milliseconds(200) })
        let exchange = rig.request()
        rig.app.last?.answer(200, [], "half", end: false)
        rig.pass(.milliseconds(201))
        #expect(exchange.status == 200 && exchange.wasReset)
    }

    @Test func alternativeTimeoutAnswer() throws {
        let rig = try HTTPRig(settings: { $0.internalAddresses = [CIDRRange("10.0.0.0/8")].compactMap { $0 } })
        let exchange = rig.request(
            "GET", "/",
            [
                "x-forwarded-for: 10.1.1.1", "x-envoy-upstream-rq-timeout-ms: 50",
                "x-envoy-upstream-rq-timeout-alt-response: 1",
            ])
        rig.pass(.milliseconds(51))
        #expect(exchange.status == 204 && exchange.body.isEmpty)
    }

    @Test func aTimeoutFromAHeaderIsNamed() throws {
        let rig = try HTTPRig(settings: { $0.internalAddresses = [CIDRRange("10.0.0.0/8")].compactMap { $0 } })
        let exchange = rig.request("GET", "/", ["x-forwarded-for: 10.1.1.1", "x-envoy-upstream-rq-timeout-ms: 50"])
        rig.pass(.milliseconds(51))
        #expect(exchange.body == "upstream request timeout: x-envoy-upstream-rq-timeout-ms 50ms")
    }

    @Test func theClustersStreamDuration() throws {
        let rig = try HTTPRig()
        rig.app.spec.http.maxStreamDuration = .milliseconds(300)
        let exchange = rig.request()
        rig.pass(.milliseconds(301))
        #expect(exchange.status == 504)
        #expect(exchange.body == "upstream max stream duration reached: cluster 'app' max_stream_duration 300ms")
        #expect(rig.stat("cluster.app.upstream_rq_max_duration_reached") == 1)
        #expect(rig.stat("cluster.app.upstream_rq_504") == 0)
    }

    @Test func headersChangeOnTheWay() throws {
        var headers = HeaderMutationsSpec()
        headers.requestAdd = [HeaderAddSpec(name: "x-in", value: "%REQ(:PATH)%")]
        headers.responseAdd = [HeaderAddSpec(name: "x-out", value: "%RESPONSE_CODE_DETAILS%")]
        let rig = try HTTPRig(route: { $0.pathRewrite = .prefix("/new") }, virtualHost: { $0.headers = headers })
        let exchange = rig.request("GET", "/old")
        let seen = try #require(rig.app.last)
        #expect(seen.value("x-in") == "/old" && seen.value("x-envoy-original-path") == "/old")
        #expect(seen.path.hasPrefix("/new"))
        seen.answer()
        #expect(exchange.value("x-out") == "via_upstream")
        // Local replies of the route carry them, too.
        rig.app.mode = .noHost
        #expect(rig.request().value("x-out") == "no_healthy_upstream")
    }

    @Test func autoHostRewriteUsesTheEndpointsName() throws {
        let rig = try HTTPRig(route: { $0.hostRewrite = .auto })
        rig.request()
        #expect(rig.app.last?.authority == "app.example")
    }

    @Test func suppressedHeaders() throws {
        var spec = RouterSpec()
        spec.suppressEnvoyHeaders = true
        let rig = try HTTPRig(router: spec)
        let exchange = rig.request()
        #expect(rig.app.last?.value("x-envoy-expected-rq-timeout-ms") == nil)
        rig.app.last?.answer()
        #expect(exchange.value("x-envoy-upstream-service-time") == nil)
    }

    @Test func strictChecks() throws {
        var spec = RouterSpec()
        spec.strictCheckHeaders = ["x-envoy-max-retries", "x-envoy-retry-on"]
        let rig = try HTTPRig(router: spec) { $0.internalAddresses = [CIDRRange("10.0.0.0/8")].compactMap { $0 } }
        let exchange = rig.request("GET", "/", ["x-forwarded-for: 10.1.1.1", "x-envoy-max-retries: many"])
        #expect(exchange.status == 400)
        #expect(exchange.body == "invalid header 'x-envoy-max-retries' with value 'many'")
    }

    @Test func virtualClustersCount() throws {
        let post = VirtualClusterSpec(
            name: "posts", headers: [HeaderMatchSpec(name: ":method", rule: .string(.init(.exact("POST"))))])
        let rig = try HTTPRig(virtualHost: { $0.virtualClusters = [post] })
        rig.request("POST")
        rig.app.last?.answer()
        rig.request("GET")
        rig.app.last?.answer()
        #expect(rig.stat("vhost.all.vcluster.posts.upstream_rq_total") == 1)
        #expect(rig.stat("vhost.all.vcluster.posts.upstream_rq_200") == 1)
        #expect(rig.stat("vhost.all.vcluster.other.upstream_rq_total") == 1)
    }

    @Test func gRPCIsJudgedByItsStatus() throws {
        let rig = try HTTPRig()
        let host = rig.app.hosts[0]
        rig.request("POST", "/s/m", ["content-type: application/grpc"])
        rig.app.last?.answer(200, [], "msg", end: false)
        rig.app.last?.endWithTrailers("grpc-status", "0")
        #expect(host.totals.rqSuccess == 1)
        rig.request("POST", "/s/m", ["content-type: application/grpc"])
        rig.app.last?.answer(200, [], "msg", end: false)
        rig.app.last?.endWithTrailers("grpc-status", "13")
        #expect(host.totals.rqError == 1)
    }

    @Test func timesAreRecorded() throws {
        let rig = try HTTPRig()
        rig.request()
        rig.pass(.milliseconds(40))
        rig.app.last?.answer()
        rig.store.mergeHistograms()
        let names = rig.store.snapshot().stats.map(\.name)
        #expect(names.contains("cluster.app.upstream_rq_time"))
        #expect(names.contains("cluster.app.external.upstream_rq_time"))
    }
}
