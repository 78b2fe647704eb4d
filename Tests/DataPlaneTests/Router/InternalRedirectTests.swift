// Redirects that are followed: what the next request is made of, and what is not followed.
import HTTPWire
import Reactor
import Testing

@testable import DataPlane

struct InternalRedirectTests {
    /// A route to `app` that follows redirects, and one to `mirror` that is the target.
    private func rig(
        _ change: (inout InternalRedirectSpec) -> Void = { _ in }, route: (inout RouteSpec) -> Void = { _ in }
    ) throws -> HTTPRig {
        var spec = InternalRedirectSpec()
        change(&spec)
        var forward = ForwardSpec(target: .cluster("app"))
        forward.redirects = spec
        var from = RouteSpec(match: RouteMatchSpec(path: .prefix("/")), action: .forward(forward))
        from.name = "from"
        route(&from)
        var final = ForwardSpec(target: .cluster("mirror"))
        final.timeout = .seconds(3)
        var to = RouteSpec(match: RouteMatchSpec(path: .prefix("/final")), action: .forward(final))
        to.name = "final"
        return try HTTPRig(routes: [to, from])
    }

    private func redirect(_ rig: HTTPRig, _ location: String = "http://b/final", status: Int = 302, body: String? = nil)
    {
        rig.app.last?.answer(status, ["location: \(location)", "x-moved: 1"], body)
    }

    @Test func aRedirectIsFollowed() throws {
        let rig = try rig()
        let exchange = rig.request("GET", "/from", ["x-own: 1"])
        redirect(rig, "http://b:8/final?x#part", body: "moved")
        let next = try #require(rig.mirror.last)
        #expect(exchange.status == 0 && next.path == "/final?x" && next.authority == "b:8" && next.ended)
        #expect(next.value("x-envoy-original-url") == "http://a/from" && next.value("x-own") == "1")
        #expect(next.value("x-envoy-expected-rq-timeout-ms") == "3000")
        next.answer(200, [], "final")
        #expect(exchange.status == 200 && exchange.body == "final" && exchange.value("x-moved") == nil)
        for (name, value) in [
            ("cluster.app.upstream_internal_redirect_succeeded_total", 1), ("cluster.app.upstream_rq_302", 0),
            ("http.in.downstream_rq_total", 2), ("http.in.downstream_rq_3xx", 0), ("http.in.downstream_rq_2xx", 1),
            ("http.in.downstream_rq_active", 0), ("http.in.rq_total", 2),
        ] { #expect(rig.stat(name) == value, "\(name)") }
    }

    @Test(arguments: [
        ("/final", "bad_location"), ("", "bad_location"), ("http://", "bad_location"),
        ("http:/b/final", "bad_location"),
        ("http://b/a b", "bad_location"), ("http://b/\u{7f}", "bad_location"), ("ht tp://b/final", "bad_location"),
        ("http://me@b/final", "bad_location"), (":", "bad_location"), ("https://b/final", "unsafe_scheme"),
        ("ws://b/final", "unsafe_scheme"),
    ])
    func whatIsNotFollowedChangesNothing(_ location: String, _ reason: String) throws {
        let rig = try rig { $0.headersToCopy = ["x-moved"] }
        let exchange = rig.request("GET", "/from")
        redirect(rig, location, body: "moved")
        #expect(exchange.status == 302 && exchange.body == "moved" && exchange.value("x-moved") == "1")
        #expect(rig.mirror.tries.isEmpty)
        #expect(rig.stat("http.in.passthrough_internal_redirect_\(reason)") == 1)
        #expect(rig.stat("cluster.app.upstream_internal_redirect_failed_total") == 1)
        #expect(rig.stat("cluster.app.upstream_rq_302") == 1)
    }

    @Test(arguments: [("http://b/final", true), ("HTTP://b/final", true), ("http://b?x", true), ("http://b", true)])
    func whatIsAURL(_ location: String, _ followed: Bool) throws {
        let rig = try rig()
        rig.request("GET", "/from")
        redirect(rig, location)
        #expect(rig.stat("cluster.app.upstream_internal_redirect_succeeded_total") == (followed ? 1 : 0))
        let path = try #require(rig.mirror.last ?? rig.app.last).path
        #expect(path.hasPrefix("/"))
    }

    /// Nothing from an upstream traps, and what is taken can be written into a request line.
    @Test func locationsOfAnyBytes() throws {
        var random = FastRandom(seed: (1, 2, 3, 4))
        let parts = [
            "http", "https", ":", "//", "/", "?", "#", "@", "[", "]", "a", "::1", "8", "%", " ", "\u{0}", "é", ".",
        ]
        for _ in 0..<20_000 {
            var text = random.next() % 2 == 0 ? "http://" : ""
            for _ in 0..<random.below(8) { text += parts[Int(random.below(UInt64(parts.count)))] }
            text.bytes { location in
                guard let target = RedirectTarget(location) else { return }
                let head = HeaderMap()
                var scratch = ByteArena()
                target.apply(to: head, &scratch)
                #expect(head.path.first == UInt8(ascii: "/") && !head.path.contains(UInt8(ascii: "#")), "\(text)")
                #expect(AuthorityRules.isValid(head.authority) && !head.path.contains(0x20), "\(text)")
            }
        }
    }

    @Test func aBodyAndItsTrailersGoAlong() throws {
        let rig = try rig()
        let exchange = rig.request("POST", "/from", end: false)
        exchange.send("one ")
        exchange.send("two")
        exchange.sendTrailers("x-sum", "7")
        redirect(rig)
        #expect(rig.mirror.last?.method == "POST" && rig.mirror.last?.body == "one two")
        #expect(rig.mirror.last?.trailers == ["x-sum: 7"])
    }

    @Test func seeOtherDropsTheBody() throws {
        let rig = try rig { $0.statuses = [303] }
        let exchange = rig.request("POST", "/from", ["content-length: 3"], end: false)
        exchange.send("abc", end: true)
        redirect(rig, status: 303)
        let next = try #require(rig.mirror.last)
        #expect(next.method == "GET" && next.body == "" && next.ended && next.value("content-length") == nil)
    }

    @Test func aBodyThatIsNotWholeOrNotKeptIsNotFollowed() throws {
        let rig = try rig(route: { $0.perRequestBufferLimit = 3 })
        let early = rig.request("POST", "/from", end: false)
        redirect(rig)
        #expect(early.status == 302)
        let long = rig.request("POST", "/from", end: false)
        long.send("abcd", end: true)
        redirect(rig)
        #expect(long.status == 302 && rig.mirror.tries.isEmpty)
        #expect(rig.stat("cluster.app.upstream_internal_redirect_failed_total") == 2)
        #expect(rig.stat("cluster.app.retry_or_shadow_abandoned") == 1)
    }

    @Test func theLimitIsOfTheWholeRequest() throws {
        let rig = try rig { $0.limit = 5 }
        // At once: each answer is there before the call that asks has returned.
        rig.app.onTry = { made in rig.loop.later { made.answer(302, ["location: http://b/again"]) } }
        let exchange = rig.request("GET", "/from")
        for _ in 0..<12 { rig.turn() }
        #expect(exchange.status == 302 && rig.app.tries.count == 6)
        #expect(rig.stat("http.in.passthrough_internal_redirect_too_many_redirects") == 1)
        rig.app.onTry = nil
        // The next request of the stream begins anew.
        rig.request("GET", "/from")
        redirect(rig)
        #expect(rig.mirror.tries.count == 1)
    }

    @Test func aClientThatLeavesEndsTheSecondTry() throws {
        let rig = try rig()
        let exchange = rig.request("GET", "/from")
        redirect(rig)
        exchange.cutOff(.connectionTermination)
        #expect(rig.mirror.last?.cancelled == true && rig.stat("http.in.downstream_rq_active") == 0)
    }

    @Test func theSecondRoutesTimeoutRunsFromTheRedirect() throws {
        let rig = try rig()
        let exchange = rig.request("GET", "/from")
        rig.pass(.seconds(10))
        redirect(rig)
        rig.pass(.seconds(2))
        #expect(exchange.status == 0)
        rig.pass(.seconds(2))
        #expect(exchange.status == 504 && exchange.body.contains("route 'final' timeout 3s"))
    }

    @Test func theRestOfTheFirstAnswerIsNotRead() throws {
        let rig = try rig()
        let exchange = rig.request("GET", "/from")
        rig.app.last?.answer(302, ["location: http://b/final"], end: false)
        #expect(rig.app.last?.cancelled == true)
        rig.app.last?.send("late", end: true)
        rig.mirror.last?.answer(200, [], "final")
        #expect(exchange.body == "final")
    }
}
