// Timeouts of streams and connections: status, words, setting, counters.
import HTTPWire
import Reactor
import Testing

@testable import DataPlane

struct TimeoutTests {
    @Test func streamIdleWhileTheRequestIsIncomplete() throws {
        let rig = try HTTPRig { $0.streamIdleTimeout = .milliseconds(200) }
        let exchange = rig.request("POST", "/", ["content-length: 10"], end: false)
        rig.pass(.milliseconds(150))
        exchange.send("abc")
        rig.pass(.milliseconds(150))
        #expect(exchange.status == 0)
        rig.pass(.milliseconds(60))
        #expect(exchange.status == 408)
        #expect(exchange.body == "stream timeout: stream_idle_timeout 200ms")
        #expect(rig.app.last?.cancelled == true)
        #expect(rig.stat("http.in.downstream_rq_idle_timeout") == 1)
    }

    @Test func streamIdleWhileTheUpstreamThinksIs504() throws {
        let rig = try HTTPRig(route: { $0.idleTimeout = .milliseconds(100) })
        let exchange = rig.request()
        rig.pass(.milliseconds(101))
        #expect(exchange.status == 504)
        #expect(exchange.body == "stream timeout: route 'api' idle_timeout 100ms")
    }

    @Test func streamIdleAfterTheHeadCutsTheResponse() throws {
        let rig = try HTTPRig { $0.streamIdleTimeout = .milliseconds(100) }
        let exchange = rig.request()
        rig.app.last?.answer(200, [], "part", end: false)
        rig.pass(.milliseconds(101))
        #expect(exchange.wasReset && exchange.status == 200)
        #expect(rig.stat("http.in.downstream_rq_tx_reset") == 1)
    }

    @Test func requestHeadersTimeout() throws {
        let rig = try HTTPRig { $0.requestHeadersTimeout = .seconds(1) }
        let exchange = rig.open()
        rig.pass(.milliseconds(1001))
        #expect(exchange.status == 408)
        #expect(exchange.body == "request header timeout: request_headers_timeout 1s")
        #expect(rig.stat("http.in.downstream_rq_header_timeout") == 1)
        // A head in time clears it.
        let other = rig.request()
        rig.pass(.seconds(2))
        #expect(other.status == 0)
    }

    @Test func requestTimeoutEndsWithTheRequest() throws {
        let rig = try HTTPRig { $0.requestTimeout = .seconds(1) }
        let slow = rig.request("POST", "/", ["content-length: 10"], end: false)
        rig.pass(.milliseconds(1001))
        #expect(slow.status == 408 && slow.body == "request timeout: request_timeout 1s")
        #expect(rig.stat("http.in.downstream_rq_timeout") == 1)
        let whole = rig.request()
        rig.pass(.seconds(5))
        #expect(whole.status == 0)
    }

    @Test func maxStreamDuration() throws {
        let rig = try HTTPRig { $0.maxStreamDuration = .seconds(1) }
        let exchange = rig.request()
        rig.pass(.milliseconds(1001))
        #expect(exchange.status == 504 && exchange.body == "downstream duration timeout: max_stream_duration 1s")
        #expect(rig.stat("http.in.downstream_rq_max_duration_reached") == 1)
    }

    @Test func aRoutesStreamDurationReplacesItsTimeout() throws {
        let rig = try HTTPRig(route: {
            var duration = MaxStreamDurationSpec()
            duration.maxStreamDuration = .milliseconds(300)
            $0.maxStreamDuration = duration
        })
        let exchange = rig.request()
        #expect(rig.app.last?.value("x-envoy-expected-rq-timeout-ms") == nil)
        rig.pass(.milliseconds(301))
        #expect(exchange.status == 504)
        #expect(exchange.body == "downstream duration timeout: route 'api' max_stream_duration 300ms")
    }

    @Test func anIdleConnectionDrainsAndThenCloses() throws {
        let rig = try HTTPRig {
            $0.idleTimeout = .seconds(10)
            $0.drainTimeout = .seconds(5)
        }
        rig.request()
        rig.app.last?.answer()
        rig.turn()
        rig.pass(.milliseconds(10_001))
        #expect(rig.stat("http.in.downstream_cx_idle_timeout") == 1)
        #expect(rig.codec.drained == 0)
        // A request that crosses our closing is still answered, and told.
        let late = rig.request()
        rig.app.last?.answer()
        #expect(late.status == 200 && late.closesAfter)
        rig.pass(.milliseconds(5001))
        #expect(rig.codec.drained == 1)
    }

    @Test func anActiveConnectionIsNotIdle() throws {
        let rig = try HTTPRig {
            $0.idleTimeout = .seconds(1)
            $0.streamIdleTimeout = nil
        }
        rig.request()
        rig.pass(.seconds(10))
        #expect(rig.stat("http.in.downstream_cx_idle_timeout") == 0)
        rig.app.last?.answer()
        rig.pass(.milliseconds(1001))
        #expect(rig.stat("http.in.downstream_cx_idle_timeout") == 1)
    }

    @Test func maxConnectionDuration() throws {
        let rig = try HTTPRig { $0.maxConnectionDuration = .seconds(3) }
        rig.pass(.milliseconds(3001))
        #expect(rig.stat("http.in.downstream_cx_max_duration_reached") == 1)
        rig.pass(.milliseconds(5001))
        #expect(rig.codec.drained == 1)
    }

    @Test func delayedClose() throws {
        let rig = try HTTPRig { _ in }
        rig.codec.session?.delayClose()
        rig.pass(.milliseconds(999))
        #expect(rig.codec.closed == 0)
        rig.pass(.milliseconds(2))
        #expect(rig.codec.closed == 1)
        #expect(rig.stat("http.in.downstream_cx_delayed_close_timeout") == 1)
        #expect(rig.stat("http.in.downstream_cx_destroy_local") == 1)
    }

    @Test func aClientThatDoesNotReadIsCutOffUnlessItGetsOn() throws {
        let rig = try HTTPRig { $0.streamFlushTimeout = .seconds(2) }
        rig.request()
        rig.codec.traffic = ConnectionTraffic(received: 10, sent: 100, unread: 0, unsent: 50)
        rig.app.last?.answer()
        rig.codec.traffic.sent = 120
        rig.codec.traffic.unsent = 30
        rig.pass(.milliseconds(2001))
        #expect(rig.codec.closed == 0)
        rig.pass(.milliseconds(2001))
        #expect(rig.codec.closed == 1)
    }

    @Test(
        arguments: [
            // flush_timeout, idle_timeout, and how long the client has, in seconds; nil: for ever.
            (4, nil, 4), (4, 3, 4), (nil, 3, 3), (0, nil, nil), (nil, nil, 2),
        ] as [(Int64?, Int64?, Int64?)])
    func aRouteSaysHowLongAClientHas(flush: Int64?, idle: Int64?, expected: Int64?) throws {
        let rig = try HTTPRig(
            settings: {
                $0.streamFlushTimeout = .seconds(2)
                $0.idleTimeout = nil
            },
            route: {
                $0.flushTimeout = flush.map { .seconds($0) }
                $0.idleTimeout = idle.map { .seconds($0) }
            })
        rig.request()
        rig.codec.traffic = ConnectionTraffic(received: 10, sent: 100, unread: 0, unsent: 50)
        rig.app.last?.answer()
        rig.pass(.milliseconds((expected ?? 1000) * 1000 - 1))
        #expect(rig.codec.closed == 0)
        rig.pass(.milliseconds(2))
        #expect(rig.codec.closed == (expected == nil ? 0 : 1))
    }

    @Test func drainClosesWithTheNextResponse() throws {
        let rig = try HTTPRig()
        rig.drain.begin(now: rig.loop.now, over: .zero)
        let exchange = rig.request()
        rig.app.last?.answer()
        #expect(exchange.closesAfter)
        #expect(rig.stat("http.in.downstream_cx_drain_close") == 1)
    }

    @Test func maxRequestsPerConnection() throws {
        let rig = try HTTPRig { $0.maxRequestsPerConnection = 2 }
        let first = rig.request()
        rig.app.last?.answer()
        #expect(!first.closesAfter)
        let second = rig.request()
        rig.app.last?.answer()
        #expect(second.closesAfter)
        #expect(rig.stat("http.in.downstream_cx_max_requests_reached") == 1)
    }
}
