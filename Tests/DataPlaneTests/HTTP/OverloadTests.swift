// What the overload manager does to requests and to connections that are there, on a clock that the test moves.
import HTTPWire
import Reactor
import Testing

@testable import DataPlane

@Suite struct OverloadTests {
    private let state: OverloadState

    init() {
        let points: [OverloadPoint] = [.stopAcceptingRequests, .disableKeepalive, .forwardRequest, .reduceTimeouts]
        let reductions: [TimeoutReduction] = [
            .init(timer: .connectionIdle, least: .amount(.seconds(1))),
            .init(timer: .streamIdle, least: .share(0.1)),
            .init(timer: .connectionDuration, least: .amount(.seconds(5))),
        ]
        let triggers = [OverloadTriggerSpec(resource: "r", kind: .threshold(0.9))]
        state = OverloadState(
            points.map {
                OverloadActionSpec(point: $0, triggers: triggers, reductions: $0 == .reduceTimeouts ? reductions : [])
            },
            causes: points.map { _ in [.init(resource: "r (limit 5)", trigger: "threshold 90%")] })
    }

    private func set(_ point: OverloadPoint, _ share: Double) {
        state.set(point, .init(share: share, trigger: 0, pressure: share))
    }

    /// What a worker does when the main thread says that something has changed.
    private func follow(_ rig: HTTPRig) {
        guard let gate = rig.gate else { return }
        let before = gate.reduction
        gate.follow()
        rig.manager.followTimeouts(gate, from: before)
    }

    @Test func newRequestsAreRefused() throws {
        let rig = try HTTPRig(overload: state) { $0.appendsLocalOverload = true }
        let running = rig.request()
        set(.stopAcceptingRequests, 1)
        let refused = rig.request()
        let name = OverloadPoint.stopAcceptingRequests.name
        #expect(refused.status == 503 && refused.value("x-envoy-local-overloaded") == "true")
        #expect(refused.body == "envoy overloaded: \(name): r (limit 5) is at 100%, threshold 90%")
        #expect(rig.app.tries.count == 1 && rig.stat("http.in.downstream_rq_overload_close") == 1)
        rig.app.last?.answer(200, [], "", end: true)
        #expect(running.status == 200)
        set(.stopAcceptingRequests, 0)
        #expect(rig.request().status == 0)
    }

    @Test func aRequestThatWouldGoUpIsRefused() throws {
        let rig = try HTTPRig(overload: state)
        set(.forwardRequest, 1)
        #expect(rig.request().status == 503)
        #expect(rig.app.tries.isEmpty && rig.stat("http.in.rq_overload_local_reply") == 1)
    }

    @Test func responsesCloseTheirConnections() throws {
        let rig = try HTTPRig(overload: state)
        set(.disableKeepalive, 1)
        let exchange = rig.request()
        rig.app.last?.answer(200, [], "", end: true)
        #expect(exchange.status == 200 && exchange.closesAfter)
        #expect(rig.stat("http.in.downstream_cx_overload_disable_keepalive") == 1)
    }

    @Test func aStreamIsIdleForLessAndForLongerAgain() throws {
        let rig = try HTTPRig(overload: state) { $0.streamIdleTimeout = .seconds(100) }
        let exchange = rig.request("POST", "/", ["content-length: 10"], end: false)
        rig.pass(.seconds(5))
        set(.reduceTimeouts, 1)
        follow(rig)
        rig.pass(.seconds(4))
        #expect(exchange.status == 0)
        // What the client sends begins the shorter time anew.
        exchange.send("abc")
        rig.pass(.seconds(9))
        #expect(exchange.status == 0)
        set(.reduceTimeouts, 0)
        follow(rig)
        rig.pass(.seconds(90))
        #expect(exchange.status == 0)
        rig.pass(.seconds(2))
        #expect(exchange.status == 408 && exchange.body == "stream timeout: stream_idle_timeout 100s")
    }

    @Test func anAnswerSaysWhatTheTimeoutWasBefore() throws {
        let rig = try HTTPRig(overload: state) { $0.streamIdleTimeout = .seconds(100) }
        set(.reduceTimeouts, 1)
        follow(rig)
        let exchange = rig.request("POST", "/", ["content-length: 10"], end: false)
        rig.pass(.milliseconds(10_001))
        let name = OverloadPoint.reduceTimeouts.name
        #expect(
            exchange.body == "stream timeout: stream_idle_timeout 100s, reduced by \(name): r (limit 5) is at 100%,"
                + " threshold 90%, to 10s")
    }

    @Test func connectionsAreIdleForLess() throws {
        let rig = try HTTPRig(overload: state) { $0.idleTimeout = .seconds(3600) }
        rig.pass(.seconds(10))
        set(.reduceTimeouts, 1)
        follow(rig)
        rig.pass(.milliseconds(2))
        #expect(rig.stat("http.in.downstream_cx_idle_timeout") == 1)
    }

    @Test func connectionsLiveForLess() throws {
        let rig = try HTTPRig(overload: state) { $0.maxConnectionDuration = .seconds(3600) }
        rig.pass(.seconds(3))
        set(.reduceTimeouts, 1)
        follow(rig)
        rig.pass(.seconds(1))
        #expect(rig.stat("http.in.downstream_cx_max_duration_reached") == 0)
        rig.pass(.milliseconds(1001))
        #expect(rig.stat("http.in.downstream_cx_max_duration_reached") == 1)
    }
}
