// The stream between codec and handler: order of headers, local replies, counters, reuse.
import HTTPWire
import Reactor
import Testing

@testable import DataPlane

struct StreamTests {
    @Test func forwardsARequestAndItsAnswer() throws {
        let rig = try HTTPRig()
        let exchange = rig.request("GET", "/x?y", ["X-Case: Kept"])
        let seen = try #require(rig.app.last)
        #expect(seen.method == "GET" && seen.path == "/x?y" && seen.authority == "a" && seen.ended)
        #expect(seen.fields.contains("X-Case: Kept"))
        #expect(seen.value("x-forwarded-proto") == "http")
        #expect(seen.value("x-request-id")?.utf8.count == 36)
        #expect(seen.value("x-envoy-expected-rq-timeout-ms") == "15000")
        seen.answer(200, ["content-length: 2"], "hi")
        #expect(exchange.status == 200 && exchange.body == "hi" && exchange.isComplete && !exchange.closesAfter)
        #expect(
            exchange.fields.map { $0.split(separator: ":")[0] } == [
                "content-length", "x-envoy-upstream-service-time", "date", "server",
            ])
        #expect(rig.stat("http.in.downstream_rq_2xx") == 1)
        #expect(rig.stat("listener.here.http.in.downstream_rq_completed") == 1)
        #expect(rig.stat("cluster.app.upstream_rq_200") == 1)
        #expect(rig.stat("cluster.app.external.upstream_rq_2xx") == 1)
        #expect(rig.stat("http.in.downstream_rq_active") == 0)
    }

    @Test func dateAndServerFollowTheSettings() throws {
        let rig = try HTTPRig { $0.serverHeader = .appendIfAbsent }
        let exchange = rig.request()
        rig.app.last?.answer(200, ["server: app"])
        #expect(exchange.value("server") == "app")
        #expect(exchange.value("date") == "Mon, 01 Jan 2024 00:00:00 GMT")
    }

    @Test func streamsAreUsedAgainAndHoldNothingOver() throws {
        let rig = try HTTPRig()
        for number in 0..<3 {
            let exchange = rig.request("GET", "/\(number)", ["x-n: \(number)"])
            #expect(rig.app.last?.fields.filter { $0.hasPrefix("x-n") } == ["x-n: \(number)"])
            rig.app.last?.answer(200, ["x-answer: \(number)"])
            #expect(exchange.value("x-answer") == "\(number)")
            rig.turn()
        }
        #expect(rig.stat("http.in.downstream_rq_total") == 3)
        #expect(rig.manager.activeStreamCount == 0)
    }

    @Test func noRouteIs404() throws {
        let rig = try HTTPRig(routes: [])
        let exchange = rig.request()
        #expect(exchange.status == 404)
        #expect(rig.stat("http.in.no_route") == 1)
    }

    @Test func gRPCRequestsGetGRPCReplies() throws {
        let rig = try HTTPRig(routes: [])
        let exchange = rig.request("POST", "/s/m", ["content-type: application/grpc+proto"])
        #expect(exchange.status == 200 && exchange.headWasEnd)
        #expect(exchange.fields[0] == "content-type: application/grpc")
        #expect(exchange.value("grpc-status") == "12")
        #expect(exchange.value("grpc-message") == "no route matches this request")
    }

    @Test func headGetsNoBody() throws {
        let rig = try HTTPRig(routes: [])
        let exchange = rig.request("HEAD", "/")
        #expect(exchange.headWasEnd && exchange.value("content-length") == "29")
    }

    @Test func directResponseAndRedirect() throws {
        var direct = RouteSpec(
            match: RouteMatchSpec(path: .prefix("/tea")),
            action: .direct(DirectResponseSpec(status: 418, body: Array("tea".utf8))))
        direct.headers.responseAdd = [HeaderAddSpec(name: "x-added", value: "v")]
        var target = RedirectSpec()
        target.path = .full("/x")
        let redirect = RouteSpec(match: RouteMatchSpec(path: .prefix("/r")), action: .redirect(target))
        let rig = try HTTPRig(routes: [direct, redirect])
        let tea = rig.request("GET", "/tea")
        #expect(tea.status == 418 && tea.body == "tea")
        // Envoy's order: the route's fields, then those of the body, then date and server.
        #expect(
            tea.fields.map { $0.split(separator: ":")[0] } == [
                "x-added", "content-length", "content-type", "date", "server",
            ])
        let moved = rig.request("GET", "/r")
        #expect(moved.status == 301 && moved.value("location") == "http://a/x")
        #expect(rig.stat("http.in.rq_direct_response") == 2)
    }

    @Test func failuresOfTheParserAreAnsweredAndFlagged() throws {
        let rig = try HTTPRig()
        let exchange = rig.open()
        exchange.fail(.headersTooLarge, "70000 bytes of headers: max_request_headers_kb is 60")
        #expect(exchange.status == 431 && exchange.closesAfter)
        #expect(
            exchange.body
                == "Request Header Fields Too Large: 70000 bytes of headers: max_request_headers_kb is 60")
    }

    @Test func expectationsAreAnsweredByTheProxy() throws {
        let rig = try HTTPRig()
        let exchange = rig.request("POST", "/", ["Expect: 100-continue", "content-length: 3"], end: false)
        #expect(exchange.informational == [100])
        #expect(rig.app.last?.value("Expect") == nil)
        exchange.send("abc", end: true)
        // An upstream that says 100 all the same is not passed on.
        rig.app.last?.inform(100)
        rig.app.last?.answer()
        #expect(exchange.informational == [100] && exchange.status == 200)
    }

    @Test func earlyHintsPass() throws {
        let rig = try HTTPRig()
        let exchange = rig.request()
        rig.app.last?.inform(103)
        rig.app.last?.answer()
        #expect(exchange.informational == [103] && exchange.status == 200)
    }

    @Test func anEarlyAnswerCancelsTheUpstream() throws {
        let rig = try HTTPRig()
        let exchange = rig.request("POST", "/", ["content-length: 100"], end: false)
        exchange.send("part")
        rig.app.last?.answer(413)
        #expect(exchange.status == 413)
        #expect(rig.app.last?.cancelled == true)
        #expect(rig.stat("http.in.downstream_rq_response_before_rq_complete") == 1)
    }

    @Test func aClientThatLeavesCancelsTheUpstream() throws {
        let rig = try HTTPRig()
        rig.request()
        rig.codec.clientLeaves()
        #expect(rig.app.last?.cancelled == true)
        #expect(rig.stat("http.in.downstream_rq_rx_reset") == 1)
        #expect(rig.stat("http.in.downstream_cx_destroy_remote_active_rq") == 1)
        #expect(rig.stat("http.in.downstream_cx_active") == 0)
        #expect(rig.manager.connectionCount == 0)
    }

    @Test func trailersTravelBothWays() throws {
        let rig = try HTTPRig()
        let exchange = rig.request("POST", "/", ["transfer-encoding: chunked"], end: false)
        exchange.send("body")
        exchange.sendTrailers("x-up", "1")
        let seen = try #require(rig.app.last)
        #expect(seen.body == "body" && seen.trailers == ["x-up: 1"] && seen.ended)
        seen.answer(200, [], end: false)
        seen.send("out")
        seen.endWithTrailers("x-down", "2")
        #expect(exchange.body == "out" && exchange.trailers == ["x-down: 2"] && exchange.isComplete)
    }

    @Test func pathRulesRefuseAndRedirect() throws {
        let refusing = try HTTPRig { $0.escapedSlashes = .reject }
        #expect(refusing.request("GET", "/a%2Fb").status == 400)
        #expect(refusing.stat("http.in.downstream_rq_failed_path_normalization") == 1)
        let redirecting = try HTTPRig { $0.escapedSlashes = .redirect }
        let exchange = redirecting.request("GET", "/a%2Fb")
        #expect(exchange.status == 307 && exchange.value("location") == "/a/b")
        let cleaning = try HTTPRig {
            $0.normalizePath = true
            $0.mergeSlashes = true
            $0.stripAnyHostPort = true
        }
        cleaning.request("GET", "/a/../b//c", host: "example.com:8080")
        #expect(cleaning.app.last?.path == "/b/c" && cleaning.app.last?.authority == "example.com")
    }

    @Test func aRequestWithoutHostOrPathIsRefused() throws {
        let rig = try HTTPRig()
        #expect(rig.request("GET", "/", host: nil).status == 400)
        #expect(rig.request("OPTIONS", "*").status == 404)
        #expect(rig.stat("http.in.downstream_rq_non_relative_path") == 1)
    }

    @Test func backpressureGoesBothWays() throws {
        let rig = try HTTPRig()
        let exchange = rig.request("POST", "/", ["content-length: 9"], end: false)
        let seen = try #require(rig.app.last)
        seen.backUp(true)
        #expect(exchange.isPaused)
        #expect(rig.stat("http.in.downstream_flow_control_paused_reading_total") == 1)
        seen.backUp(false)
        #expect(!exchange.isPaused)
        exchange.send("123456789", end: true)
        seen.answer(200, [], end: false)
        exchange.backUp(true)
        #expect(seen.isPaused)
        exchange.backUp(false)
        #expect(!seen.isPaused)
        #expect(rig.stat("cluster.app.upstream_flow_control_resumed_reading_total") == 1)
    }
}
