// Mirrors: what is copied, when it is sent, and what becomes of copies that cannot keep up.
import HTTPWire
import Matching
import Reactor
import Testing

@testable import DataPlane

struct MirrorTests {
    private func rig(_ change: @escaping (inout MirrorPolicySpec) -> Void = { _ in }, limit: Int? = nil) throws
        -> HTTPRig
    {
        var policy = MirrorPolicySpec(target: .cluster("mirror"))
        change(&policy)
        return try HTTPRig(route: { $0.mirrors = [policy] }, virtualHost: { $0.perRequestBufferLimit = limit })
    }

    @Test func aHeadIsCopiedOnce() throws {
        let rig = try rig()
        let exchange = rig.request("GET", "/a?b", host: "shop:80", ["x-own: 1"])
        let copy = try #require(rig.mirror.last)
        #expect(copy.headWasEnd && copy.method == "GET" && copy.path == "/a?b" && copy.authority == "shop-shadow:80")
        #expect(copy.value("x-own") == "1" && copy.value("x-envoy-internal") == "true")
        #expect(copy.value("x-forwarded-for")?.contains("192.0.2.1") == true)
        #expect(rig.app.last?.authority == "shop:80" && rig.app.last?.value("x-envoy-internal") == nil)
        copy.answer(500, ["x-of-the-mirror: 1"], "dropped")
        #expect(exchange.status == 0)
        rig.app.last?.answer(200, [], "kept")
        #expect(exchange.status == 200 && exchange.body == "kept" && exchange.value("x-of-the-mirror") == nil)
        #expect(rig.stat("cluster.mirror.internal.upstream_rq_500") == 1)
    }

    @Test(arguments: [
        (MirrorPolicySpec.Host.marked, "shop", "shop-shadow"), (.marked, "[::1]:8", "[::1]-shadow:8"),
        (.marked, "", ""), (.unchanged, "shop", "shop"), (.literal("other:1"), "shop", "other:1"),
    ])
    func hosts(_ host: MirrorPolicySpec.Host, _ asked: String, _ copied: String) throws {
        let rig = try rig { $0.host = host }
        rig.request(host: asked)
        #expect(rig.mirror.last?.authority == copied)
    }

    @Test func onlyTheFractionIsCopied() throws {
        let none = try rig { $0.fraction = RuntimeFraction(Fraction(numerator: 0, denominator: 100)) }
        none.request()
        #expect(none.app.tries.count == 1 && none.mirror.tries.isEmpty)
    }

    @Test func headersAreChangedOneAfterTheOther() throws {
        let rig = try rig {
            $0.headerChanges = [
                .add(HeaderAddSpec(name: "x-a", value: "1")), .add(HeaderAddSpec(name: "x-b", value: "%REQ(x-a)%2")),
                .remove("x-a"), .removeMatching(StringMatcher(.prefix("x-secret"))),
            ]
        }
        rig.request("GET", "/", ["X-Secret-One: 1", "x-own: 1"])
        let copy = try #require(rig.mirror.last)
        #expect(copy.value("x-b") == "12" && copy.value("x-a") == nil && copy.value("X-Secret-One") == nil)
        #expect(rig.app.last?.value("X-Secret-One") == "1" && rig.app.last?.value("x-b") == nil)
    }

    @Test func aBodyIsCopiedAsItComes() throws {
        let rig = try rig()
        let exchange = rig.request("POST", end: false)
        let copy = try #require(rig.mirror.last)
        exchange.send("one ")
        #expect(copy.body == "one " && !copy.ended)
        exchange.send("two")
        exchange.sendTrailers("x-sum", "7")
        #expect(copy.body == "one two" && copy.trailers == ["x-sum: 7"] && copy.ended)
        #expect(rig.app.last?.body == "one two" && rig.app.last?.trailers == ["x-sum: 7"])
        copy.answer(200)
        rig.app.last?.answer(200)
        rig.turn()
        // The mirror is used again, and remembers nothing.
        rig.request("POST", end: false).send("x", end: true)
        #expect(rig.mirror.last !== copy && rig.mirror.last?.body == "x" && rig.mirror.last?.trailers == [])
    }

    @Test func whatComesBeforeTheConnectionIsHeld() throws {
        let rig = try rig()
        rig.mirror.mode = .waiting
        let exchange = rig.request("POST", end: false)
        exchange.send("early ")
        exchange.send("bird", end: true)
        rig.app.last?.answer(200)
        #expect(exchange.isComplete)
        rig.mirror.connectWaiter()
        #expect(rig.mirror.last?.body == "early bird" && rig.mirror.last?.ended == true)
    }

    @Test func aMirrorThatIsTooFarBehindLosesItsCopy() throws {
        let rig = try rig(limit: 10)
        rig.mirror.mode = .waiting
        let exchange = rig.request("POST", end: false)
        exchange.send("0123456789")
        #expect(rig.mirror.cancelledTickets == 0)
        exchange.send("x")
        #expect(rig.mirror.cancelledTickets == 1)
        #expect(rig.stat("cluster.app.retry_or_shadow_abandoned") == 1)
        exchange.send("more", end: true)
        #expect(rig.app.last?.body == "0123456789xmore" && rig.app.last?.ended == true)
        #expect(rig.stat("cluster.app.retry_or_shadow_abandoned") == 1)
        // A mirror that has room gets what is more than the limit, too.
        rig.mirror.mode = .connected
        rig.request("POST", end: false).send("0123456789x", end: true)
        #expect(rig.mirror.last?.body == "0123456789x")
    }

    @Test func aMirrorThatHasNoRoomGetsTheRestLater() throws {
        let rig = try rig()
        let exchange = rig.request("POST", end: false)
        let copy = try #require(rig.mirror.last)
        exchange.send("one ")
        copy.backUp(true)
        exchange.send("two ")
        exchange.send("three")
        exchange.sendTrailers("x-sum", "7")
        #expect(copy.body == "one " && copy.trailers.isEmpty && !exchange.isPaused)
        copy.backUp(false)
        #expect(copy.body == "one two three" && copy.trailers == ["x-sum: 7"])
        #expect(rig.stat("cluster.mirror.upstream_flow_control_backed_up_total") == 1)
        #expect(rig.stat("cluster.mirror.upstream_flow_control_drained_total") == 1)
    }

    @Test func anEndAloneWaitsForRoomToo() throws {
        let rig = try rig()
        for trailers in [false, true] {
            let exchange = rig.request("POST", end: false)
            let copy = try #require(rig.mirror.last)
            exchange.send("all")
            copy.backUp(true)
            if trailers { exchange.sendTrailers("x-sum", "7") } else { exchange.send("", end: true) }
            #expect(copy.body == "all" && !copy.ended)
            copy.backUp(false)
            #expect(copy.ended && copy.trailers == (trailers ? ["x-sum: 7"] : []))
        }
    }

    @Test func aRequestThatIsCutOffTakesItsCopyAlong() throws {
        let rig = try rig()
        let cut = rig.request("POST", end: false)
        cut.send("half")
        cut.cutOff(.connectionTermination)
        #expect(rig.mirror.last?.cancelled == true)
        // A whole one goes on alone.
        let whole = rig.request("POST", end: false)
        whole.send("whole", end: true)
        whole.cutOff(.connectionTermination)
        #expect(rig.mirror.last?.cancelled == false)
        rig.mirror.last?.answer(200)
        #expect(rig.stat("cluster.mirror.upstream_rq_200") == 1)
    }

    @Test func anAnswerBeforeTheEndEndsTheCopy() throws {
        let rig = try rig()
        let exchange = rig.request("POST", end: false)
        rig.mirror.last?.answer(404)
        exchange.send("rest", end: true)
        #expect(rig.mirror.last?.cancelled == true && rig.mirror.last?.body == "")
        #expect(rig.app.last?.body == "rest")
        #expect(rig.stat("cluster.mirror.upstream_rq_404") == 1)
    }

    @Test func theRoutesTimeoutRunsFromTheRequestsEnd() throws {
        let rig = try rig()
        let exchange = rig.request("POST", end: false)
        rig.pass(.seconds(14))
        exchange.send("x", end: true)
        rig.app.last?.answer(200)
        rig.pass(.seconds(14))
        #expect(rig.mirror.last?.cancelled == false)
        rig.pass(.seconds(2))
        #expect(rig.mirror.last?.cancelled == true)
        #expect(rig.stat("cluster.mirror.upstream_rq_504") == 1 && rig.stat("cluster.mirror.upstream_rq_timeout") == 1)
        #expect(rig.mirror.outcomes == [.connected, .timedOut(status: 504)])
    }

    @Test func theClustersOwnLimitEndsACopy() throws {
        let rig = try rig()
        rig.mirror.spec.http.maxStreamDuration = .seconds(1)
        rig.request()
        rig.pass(.seconds(2))
        #expect(rig.mirror.last?.cancelled == true)
        #expect(rig.stat("cluster.mirror.upstream_rq_max_duration_reached") == 1)
    }

    @Test func failuresAreTheMirrorsAlone() throws {
        let rig = try rig()
        for mode in [ScriptedCluster.Mode.noHost, .overflow] {
            rig.mirror.mode = mode
            let exchange = rig.request()
            rig.app.last?.answer(200)
            #expect(exchange.status == 200)
        }
        rig.mirror.mode = .connected
        let exchange = rig.request()
        rig.mirror.last?.reset(.remoteReset)
        rig.app.last?.answer(200)
        #expect(exchange.status == 200)
        #expect(rig.stat("cluster.mirror.upstream_rq_503") == 3 && rig.stat("cluster.app.upstream_rq_503") == 0)
        #expect(rig.mirror.outcomes == [.connected, .failed])
    }

    @Test func aStaleConnectionIsReplacedWhereNothingIsLost() throws {
        let rig = try rig()
        rig.mirror.onTry = { $0.earlierRequests = 1 }
        rig.request()
        rig.mirror.last?.reset(.connectionTermination)
        #expect(rig.mirror.tries.map(\.isFresh) == [false, true])
        rig.mirror.last?.answer(200)
        #expect(rig.stat("cluster.mirror.upstream_rq_200") == 1)
        // With a body that is gone there is nothing to send again.
        rig.request("POST", end: false).send("gone", end: true)
        rig.mirror.last?.reset(.connectionTermination)
        #expect(rig.mirror.tries.count == 3 && rig.stat("cluster.mirror.upstream_rq_503") == 1)
    }

    @Test func aRequestWithoutAHostIsNotCopied() throws {
        let rig = try rig()
        rig.app.mode = .noHost
        #expect(rig.request().status == 503)
        #expect(rig.mirror.tries.isEmpty)
        // One that a breaker refuses is, as in Envoy.
        rig.app.mode = .overflow
        #expect(rig.request().status == 503)
        #expect(rig.mirror.tries.count == 1)
    }

    @Test func retriesAreNotCopied() throws {
        let rig = try HTTPRig(route: {
            $0.mirrors = [MirrorPolicySpec(target: .cluster("mirror"))]
            var retry = RetryPolicySpec()
            retry.conditions = [.serverError]
            $0.retryPolicy = retry
        })
        let exchange = rig.request("POST", end: false)
        exchange.send("once", end: true)
        rig.app.last?.answer(503)
        rig.pass(.seconds(1))
        #expect(rig.app.tries.count == 2)
        rig.app.last?.answer(200)
        #expect(exchange.status == 200 && rig.mirror.tries.map(\.body) == ["once"])
    }

    @Test func tunnelsAreNotCopied() throws {
        let rig = try HTTPRig(
            settings: { $0.upgrades = [UpgradeSpec(name: "websocket", enabled: true)] },
            route: { $0.mirrors = [MirrorPolicySpec(target: .cluster("mirror"))] })
        rig.request("GET", "/", ["connection: upgrade", "upgrade: websocket"])
        #expect(rig.app.tries.count == 1 && rig.mirror.tries.isEmpty)
    }
}
