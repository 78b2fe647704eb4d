// HTTP health checks: thresholds, intervals, timeouts, reuse, and what an answer means.
import Reactor
import TestKit
import Testing

@testable import DataPlane

@Suite struct HTTPCheckTests {
    @Test func theFirstSuccessIsEnough() throws {
        let rig = try HealthRig()
        rig.answer(200)
        #expect(rig.flags == "/failed_active_hc")
        #expect(rig.healthy == 0)
        rig.start()
        #expect(rig.initialised == 0)
        rig.fixture.wait { rig.initialised == 1 }
        rig.fixture.settle()
        #expect(rig.flags == "healthy")
        #expect(rig.healthy == 1)
        #expect(rig.stat("attempt") == 1)
        #expect(rig.stat("success") == 1)
        #expect(rig.stat("healthy") == 1)
        #expect(rig.fixture.stat("membership_healthy") == 1)
        #expect(rig.fixture.stat("membership_change") == 1)
        #expect(rig.fixture.stat("warming_state") == 0)
    }

    @Test func theRequestIsEnvoys() throws {
        let rig = try HealthRig()
        var text = ""
        rig.server.onBytes = { text = $0.text }
        rig.start()
        rig.fixture.wait { text.hasSuffix("\r\n\r\n") }
        #expect(text == "GET /health HTTP/1.1\r\nhost: c\r\nuser-agent: Envoy/HC\r\n\r\n")
    }

    @Test func requestsHaveWhatTheFileAsksFor() throws {
        var http = HTTPHealthCheckSpec(path: "/up?x=1")
        http.host = "app.example"
        http.method = "POST"
        http.body = Array("ping".utf8)
        http.headersToAdd = [HeaderAddSpec(name: "x-host", value: "%UPSTREAM_HOST%")]
        http.headersToRemove = ["user-agent"]
        let rig = try HealthRig(http)
        var text = ""
        rig.server.onBytes = { text = $0.text }
        rig.start()
        rig.fixture.wait { text.hasSuffix("ping") }
        #expect(
            text == "POST /up?x=1 HTTP/1.1\r\nhost: app.example\r\nx-host: \(rig.server.address)\r\n"
                + "content-length: 4\r\n\r\nping")
    }

    @Test func networkFailuresCountUpToTheThreshold() throws {
        let rig = try HealthRig()
        rig.answer(200)
        rig.startAndWait()
        rig.answerNothing()
        for _ in 0..<2 {
            rig.next()
            #expect(rig.flags == "healthy")
        }
        // A success between them begins the count anew.
        rig.answer(200)
        rig.next()
        rig.answerNothing()
        for _ in 0..<2 { rig.next() }
        #expect(rig.healthy == 1)
        rig.next()
        #expect(rig.flags == "/failed_active_hc")
        #expect(rig.healthy == 0)
        #expect(rig.stat("healthy") == 0)
        #expect(rig.stat("network_failure") == 5)
        rig.answer(200)
        rig.next()
        #expect(rig.flags == "/failed_active_hc")
        rig.next()
        #expect(rig.flags == "healthy")
        #expect(rig.healthy == 1)
    }

    @Test func anAnswerThatSaysNoIsEnough() throws {
        let rig = try HealthRig()
        rig.answer(200)
        rig.startAndWait()
        rig.answer(503)
        rig.next()
        #expect(rig.flags == "/failed_active_hc")
        #expect(rig.stat("failure") == 1)
        #expect(rig.stat("network_failure") == 0)
    }

    @Test func retriableStatusesCountUpToTheThreshold() throws {
        var http = HTTPHealthCheckSpec(path: "/")
        http.expectedStatuses = [200..<201, 300..<400]
        http.retriableStatuses = [429..<430]
        let rig = try HealthRig(http)
        rig.answer(302)
        rig.startAndWait()
        #expect(rig.flags == "healthy")
        rig.answer(429)
        for _ in 0..<2 { rig.next() }
        #expect(rig.flags == "healthy")
        rig.next()
        #expect(rig.flags == "/failed_active_hc")
    }

    @Test func theFirstFailureIsEnough() throws {
        let rig = try HealthRig()
        rig.answerNothing()
        rig.start()
        rig.fixture.wait { rig.initialised == 1 }
        #expect(rig.flags == "/failed_active_hc")
        // Not the first any more: the threshold holds.
        rig.answer(200)
        rig.next()
        #expect(rig.flags == "/failed_active_hc")
        rig.next()
        #expect(rig.flags == "healthy")
    }

    @Test func intervalsFollowWhatHappened() throws {
        let rig = try HealthRig {
            $0.unhealthyInterval = .seconds(20)
            $0.unhealthyEdgeInterval = .seconds(3)
            $0.healthyEdgeInterval = .seconds(4)
            $0.noTrafficInterval = .seconds(50)
            $0.noTrafficHealthyInterval = .seconds(60)
        }
        rig.answer(200)
        rig.startAndWait()
        rig.next(after: 60)
        rig.fixture.exchange()
        rig.next(after: 60)
        rig.next(after: 10)
        rig.answerNothing()
        rig.next(after: 10)
        rig.next(after: 3)
        rig.next(after: 3)
        #expect(rig.flags == "/failed_active_hc")
        rig.next(after: 20)
        rig.answer(200)
        rig.next(after: 20)
        rig.next(after: 4)
        #expect(rig.flags == "healthy")
        rig.next(after: 10)
    }

    @Test func silenceEndsAtTheTimeout() throws {
        let rig = try HealthRig()
        var asked = false
        rig.server.onBytes = { _ in asked = true }
        rig.start()
        rig.fixture.wait { asked }
        rig.fixture.advance(.milliseconds(990))
        #expect(rig.stat("failure") == 0)
        #expect(rig.initialised == 0)
        rig.fixture.advance(.milliseconds(20))
        rig.fixture.wait { rig.initialised == 1 }
        #expect(rig.flags == "/failed_active_hc/active_hc_timeout")
        #expect(rig.stat("network_failure") == 1)
        rig.fixture.wait("closed") { rig.firstPeerIsGone }
        // The flag follows the last failure.
        rig.answer(500)
        rig.next()
        #expect(rig.flags == "/failed_active_hc")
    }

    @Test func aDrippingAnswerEndsAtTheTimeout() throws {
        let rig = try HealthRig()
        rig.server.onBytes = { $0.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n") }
        rig.start()
        rig.fixture.wait { rig.server.peers.first?.endOfHead != nil }
        for _ in 0..<12 {
            rig.server.peers[0].send("x")
            rig.fixture.advance(.milliseconds(100))
        }
        #expect(rig.stat("failure") == 1)
        #expect(rig.flags == "/failed_active_hc/active_hc_timeout")
    }

    @Test func oneConnectionServesAllChecks() throws {
        let rig = try HealthRig()
        rig.answer(200, body: "fine")
        rig.startAndWait()
        for _ in 0..<3 { rig.next() }
        #expect(rig.server.peers.count == 1)
        // Unless the server does not want it any more, in the answer or afterwards.
        rig.answer(200, "connection: close\r\n")
        rig.next()
        rig.answer(200)
        rig.next()
        #expect(rig.server.peers.count == 2)
        rig.server.peers[1].close()
        rig.fixture.settle()
        rig.next()
        #expect(rig.server.peers.count == 3)
        #expect(rig.stat("success") == 7)
    }

    @Test func withoutReuseEachCheckConnects() throws {
        let rig = try HealthRig { $0.reusesConnection = false }
        rig.answer(200)
        rig.startAndWait()
        rig.next()
        #expect(rig.server.peers.count == 2)
    }

    @Test func answersOfAllFramingsAreRead() throws {
        let rig = try HealthRig()
        for answer in [
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\nuntil the end",
        ] {
            let attempts = rig.stat("success")
            rig.server.onBytes = { peer in
                guard let end = peer.endOfHead else { return }
                peer.drop(end)
                peer.send(answer)
                if answer.hasPrefix("HTTP/1.0") { peer.finish() }
            }
            if attempts == 0 { rig.startAndWait() } else { rig.next() }
            #expect(rig.stat("success") == attempts + 1)
        }
    }

    @Test func brokenAnswersAreNetworkFailures() throws {
        let rig = try HealthRig()
        var failures = 0
        for answer in [
            "nothing like HTTP\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nx: \(String(repeating: "y", count: 100_000))\r\n\r\n",
        ] {
            rig.server.onBytes = { peer in
                peer.send(answer)
                peer.finish()
            }
            if failures == 0 { rig.startAndWait() } else { rig.next() }
            failures += 1
            #expect(rig.stat("network_failure") == failures)
        }
    }

    @Test func theBodyHasToHaveWhatReceiveAsksFor() throws {
        var http = HTTPHealthCheckSpec(path: "/")
        http.receive = [Array("ready".utf8), Array("yes".utf8)]
        http.bodyLimit = 20
        let rig = try HealthRig(http)
        rig.answer(200, body: "ready: yes")
        rig.startAndWait()
        #expect(rig.flags == "healthy")
        rig.answer(200, body: "ready: \(String(repeating: " ", count: 20)) yes")
        rig.next()
        #expect(rig.flags == "/failed_active_hc")
    }

    @Test func theServiceNameIsVerified() throws {
        var http = HTTPHealthCheckSpec(path: "/")
        http.serviceName = .init(.prefix("locations"))
        let rig = try HealthRig(http)
        rig.answer(200, "x-envoy-upstream-healthchecked-cluster: locations-prod\r\n")
        rig.startAndWait()
        #expect(rig.flags == "healthy")
        rig.answer(200)
        rig.next()
        #expect(rig.flags == "/failed_active_hc")
        #expect(rig.stat("verify_cluster") == 2)
    }

    @Test func aDegradedHostIsSecondChoice() throws {
        let rig = try HealthRig()
        rig.answer(200, "x-envoy-degraded: true\r\n")
        rig.startAndWait()
        #expect(rig.flags == "/degraded_active_hc")
        #expect(rig.stat("degraded") == 1)
        #expect(rig.fixture.stat("membership_degraded") == 1)
        #expect(rig.fixture.cluster.hosts.degradedCount == 1)
        rig.answer(200)
        rig.next()
        #expect(rig.flags == "healthy")
        #expect(rig.stat("degraded") == 0)
    }

    @Test func anImmediateFailExcludesTheHost() throws {
        let rig = try HealthRig()
        rig.answer(503, "x-envoy-immediate-health-check-fail: true\r\n")
        rig.startAndWait()
        #expect(rig.flags == "/failed_active_hc/excluded_via_immediate_hc_fail")
        #expect(rig.fixture.stat("membership_excluded") == 1)
        rig.answer(200)
        rig.next()
        rig.next()
        #expect(rig.flags == "healthy")
        #expect(rig.fixture.stat("membership_excluded") == 0)
    }

    @Test func ordinaryTrafficCanFailAHost() throws {
        let rig = try HealthRig()
        rig.answer(200)
        rig.startAndWait()
        let host = try #require(rig.fixture.cluster.hosts.hosts.first)
        for _ in 0..<3 { rig.fixture.cluster.failImmediately(host) }
        rig.fixture.settle()
        #expect(rig.flags == "/failed_active_hc/excluded_via_immediate_hc_fail")
        #expect(rig.healthy == 0)
        #expect(rig.stat("passive_failure") >= 1)
        // The checks go on as they would have.
        rig.next()
        rig.next()
        #expect(rig.flags == "healthy")
    }

    @Test func aFailedHostLosesItsIdleConnections() throws {
        let rig = try HealthRig()
        rig.answer(200)
        rig.startAndWait()
        #expect(rig.fixture.exchange().status == 200)
        #expect(rig.fixture.stat("upstream_cx_active") == 1)
        rig.answer(503)
        rig.next()
        rig.fixture.wait { rig.fixture.stat("upstream_cx_active") == 0 }
        #expect(rig.fixture.stat("upstream_cx_destroy_local") == 1)
    }

    @Test func checksGoWhereTheEndpointSays() throws {
        let other = try ScriptedServer(loop: try EventLoop())
        defer { other.close() }
        for setting in ["alt_port", "port_value", "address"] {
            let rig = try HealthRig()
            // The cluster's own port is that of nobody.
            var spec = UpstreamFixture.spec([SocketAddress.v4(.loopback, port: 1)])
            var check = try #require(rig.fixture.cluster.spec.healthCheck)
            var endpoint = EndpointHealthCheckSpec()
            endpoint.hostname = "own.example"
            switch setting {
            case "alt_port": check.altPort = rig.server.address.port
            case "port_value": endpoint.port = rig.server.address.port
            default: endpoint.address = rig.server.address
            }
            spec.healthCheck = check
            spec.endpoints[0].endpoints[0].healthCheck = endpoint
            var text = ""
            rig.server.onBytes = {
                text = $0.text
                $0.send(ScriptedServer.ok())
            }
            let fixture = try UpstreamFixture([spec], workers: 1, clock: rig.clock, loop: rig.loop)
            fixture.directory.start(timeout: .seconds(15)) {}
            fixture.wait { fixture.stat("health_check.success") == 1 }
            #expect(text.contains("host: own.example\r\n"))
            fixture.directory.stop()
        }
    }

    @Test func anExemptHostIsHealthyAndNeverAsked() throws {
        let rig = try HealthRig(cluster: {
            var settings = EndpointHealthCheckSpec()
            settings.isDisabled = true
            $0.endpoints[0].endpoints[0].healthCheck = settings
        })
        rig.start()
        #expect(rig.initialised == 1)
        #expect(rig.flags == "healthy")
        rig.fixture.advance(.seconds(100))
        #expect(rig.stat("attempt") == 0)
        #expect(rig.stat("healthy") == 0)
    }

    @Test func theStartDoesNotWaitForEver() throws {
        let rig = try HealthRig { $0.timeout = .seconds(60) }
        rig.start()
        rig.fixture.advance(.seconds(14))
        #expect(rig.initialised == 0)
        #expect(rig.fixture.directory.uninitialised.map(\.cluster) == ["c"])
        #expect(rig.fixture.stat("warming_state") == 1)
        rig.fixture.advance(.seconds(2))
        #expect(rig.initialised == 1)
    }

    @Test func noCheckIsMadeAfterTheEnd() throws {
        let rig = try HealthRig()
        rig.answer(200)
        rig.startAndWait()
        rig.fixture.directory.stop()
        rig.fixture.advance(.seconds(100))
        #expect(rig.stat("attempt") == 1)
        #expect(rig.stat("healthy") == 0)
        rig.fixture.wait("closed") { rig.firstPeerIsGone }
    }
}
