// Requests of a worker's own: through the pools, in every way in which they can end.
import HTTPWire
import Metrics
import Reactor
import TestKit
import Testing

@testable import DataPlane

/// Hears how calls end.
private final class Caller: SideCallOwner {
    private(set) var ends: [SideCallEnd] = []
    var onEnd: (SideCall) -> Void = { _ in }

    func sideCallEnded(_ call: SideCall, _ end: SideCallEnd) {
        ends.append(end)
        onEnd(call)
    }
}

struct SideCallTests {
    private let caller = Caller()

    /// A call that is ready to start.
    private func call(_ loop: EventLoop, _ method: StaticString = "GET", body: String = "") -> SideCall {
        let call = SideCall(loop: loop)
        call.request.setMethod(ByteView(method))
        call.request.setPath(ByteView("/check" as StaticString))
        call.request.setAuthority(ByteView("authz" as StaticString))
        call.body = Array(body.utf8)
        return call
    }

    private func text(_ call: SideCall) -> String { String(decoding: call.responseBody, as: UTF8.self) }

    @Test func aRequestAndItsAnswer() throws {
        let world = try World()
        world.server.answer(ScriptedServer.ok("yes", extra: "x-told: 1\r\n"))
        let call = call(world.loop, "POST", body: "who?")
        var rules = SideCallRules()
        rules.sender = FixedBytes("10.0.0.7")
        call.start(on: world.cluster, rules, owner: caller)
        #expect(call.isActive)
        world.wait { !call.isActive }
        #expect(caller.ends == [.answered])
        #expect(call.response.status == 200)
        #expect(call.response.value(named: "x-told")?.string == "1")
        #expect(text(call) == "yes")
        for (name, value) in [
            ("upstream_rq_total", 1), ("upstream_rq_200", 1), ("internal.upstream_rq_200", 1),
            ("upstream_rq_active", 0),
            ("upstream_cx_total", 1), ("upstream_cx_active", 1),
        ] { #expect(world.stat(name) == value, "\(name)") }
        #expect(world.cluster.cells(of: world.cluster.hosts.hosts[0]).successes == 1)
    }

    @Test func whatIsSent() throws {
        let world = try World()
        let call = call(world.loop, "POST", body: "who?")
        var rules = SideCallRules()
        rules.sender = FixedBytes("10.0.0.7")
        call.start(on: world.cluster, rules, owner: caller)
        world.wait { world.server.peers.last?.text.hasSuffix("who?") == true }
        let text = world.peer.text
        #expect(text.hasPrefix("POST /check HTTP/1.1\r\nhost: authz\r\n"))
        for field in ["content-length: 4", "x-envoy-internal: true", "x-forwarded-for: 10.0.0.7"] {
            #expect(text.contains("\r\n\(field)\r\n"), "\(field)")
        }
        call.cancel()
    }

    @Test func theConnectionServesTheNextCall() throws {
        let world = try World()
        world.server.answer(ScriptedServer.ok())
        let call = call(world.loop)
        var left = 3
        caller.onEnd = { [caller] call in
            left -= 1
            // From inside the end of the one before.
            if left > 0 { call.start(on: world.cluster, SideCallRules(), owner: caller) }
        }
        call.start(on: world.cluster, SideCallRules(), owner: caller)
        world.wait { left == 0 }
        #expect(caller.ends == [.answered, .answered, .answered])
        #expect(text(call) == "hello")
        #expect(world.server.peers.count == 1)
        #expect(world.stat("upstream_rq_total") == 3)
    }

    @Test func chunksAndTrailersBelongToTheAnswer() throws {
        let world = try World()
        world.server.answer(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nend: 1\r\n\r\n")
        let call = call(world.loop)
        call.start(on: world.cluster, SideCallRules(), owner: caller)
        world.wait { !call.isActive }
        #expect(text(call) == "abcde")
        #expect(call.responseTrailers.value(named: "end")?.string == "1")
    }

    @Test func anAnswerThatIsTooLongIsNone() throws {
        let world = try World()
        world.server.answer(ScriptedServer.ok(String(repeating: "x", count: 11)))
        var rules = SideCallRules()
        rules.maxResponseBytes = 10
        let call = call(world.loop)
        call.start(on: world.cluster, rules, owner: caller)
        world.wait { !call.isActive }
        #expect(caller.ends == [.failed(.tooLarge(limit: 10))])
        #expect(world.stat("upstream_rq_active") == 0)
    }

    @Test func theTimeRunsOut() throws {
        let world = try World()
        var rules = SideCallRules()
        rules.timeout = .milliseconds(200)
        let call = call(world.loop)
        call.start(on: world.cluster, rules, owner: caller)
        world.wait { world.server.peers.last?.endOfHead != nil }
        world.advance(.milliseconds(199))
        #expect(call.isActive)
        world.advance(.milliseconds(2))
        #expect(caller.ends == [.failed(.timedOut(.milliseconds(200)))])
        for name in ["upstream_rq_timeout", "upstream_rq_504", "internal.upstream_rq_504"] {
            #expect(world.stat(name) == 1, "\(name)")
        }
        #expect(world.stat("upstream_cx_active") == 0)
        world.advance(.seconds(1))
        #expect(caller.ends.count == 1)
    }

    @Test func theClustersOwnLimitHolds() throws {
        let world = try World { $0.http.maxStreamDuration = .milliseconds(100) }
        let call = call(world.loop)
        call.start(on: world.cluster, SideCallRules(), owner: caller)
        world.wait { world.server.peers.last?.endOfHead != nil }
        world.advance(.milliseconds(101))
        #expect(caller.ends == [.failed(.tookTooLong(.milliseconds(100)))])
        #expect(world.stat("upstream_rq_max_duration_reached") == 1)
    }

    @Test(arguments: [true, false])
    func whoCancelsHearsNothing(isConnected: Bool) throws {
        let world = try World()
        let call = call(world.loop)
        call.start(on: world.cluster, SideCallRules(timeout: .seconds(1)), owner: caller)
        if isConnected { world.wait { world.server.peers.last?.endOfHead != nil } }
        call.cancel()
        #expect(!call.isActive)
        world.advance(.seconds(2))
        #expect(caller.ends.isEmpty)
        #expect(world.stat("upstream_rq_active") == 0)
        #expect(world.stat("upstream_rq_pending_active") == 0)
        #expect(world.stat("upstream_rq_cancelled") == (isConnected ? 0 : 1))
    }

    @Test func nobodyToAskIsToldOfLater() throws {
        let empty = try UpstreamFixture([UpstreamFixture.spec([])], workers: 1)
        let call = call(empty.loop)
        call.start(on: empty.cluster, SideCallRules(), owner: caller)
        #expect(caller.ends.isEmpty)
        empty.settle()
        #expect(caller.ends == [.failed(.noHealthyHost)])
        #expect(empty.stat("upstream_rq_503") == 1)
        call.start(on: nil, SideCallRules(), owner: caller)
        #expect(caller.ends.count == 1)
        empty.settle()
        #expect(caller.ends.last == .failed(.noCluster))
    }

    /// What is still to be told of one call is not told of the next.
    @Test func aCallThatIsReplacedBeforeItsEndIsTold() throws {
        let empty = try UpstreamFixture([UpstreamFixture.spec([])], workers: 1)
        let call = call(empty.loop)
        call.start(on: nil, SideCallRules(), owner: caller)
        call.start(on: empty.cluster, SideCallRules(), owner: caller)
        empty.settle()
        #expect(caller.ends == [.failed(.noHealthyHost)])
    }

    @Test func breakersRefuse() throws {
        let world = try World { $0.breakers.default.maxPendingRequests = 0 }
        let call = call(world.loop)
        call.start(on: world.cluster, SideCallRules(), owner: caller)
        world.settle()
        #expect(caller.ends == [.failed(.reset(.overflow, detail: ""))])
        #expect(world.stat("upstream_rq_pending_overflow") == 1)
    }

    @Test func nobodyListens() throws {
        let world = try World()
        world.server.stopListening()
        let call = call(world.loop)
        call.start(on: world.cluster, SideCallRules(), owner: caller)
        world.wait { !call.isActive }
        guard case .failed(.reset(.connectFailure, _)) = caller.ends.first else {
            Issue.record("\(caller.ends)")
            return
        }
        #expect(world.stat("upstream_cx_connect_fail") == 1)
        #expect(world.stat("upstream_rq_503") == 1)
        #expect(world.cluster.cells(of: world.cluster.hosts.hosts[0]).errors == 1)
    }

    @Test(arguments: [
        ("garbage\r\n\r\n", StreamResetReason.protocolError),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", .protocolError),
        ("", .connectionTermination),
    ])
    func serversThatBreakOff(answer: String, reason: StreamResetReason) throws {
        let world = try World()
        world.server.onBytes = { peer in
            peer.send(answer)
            peer.finish()
        }
        let call = call(world.loop)
        call.start(on: world.cluster, SideCallRules(), owner: caller)
        world.wait { !call.isActive }
        guard case .failed(.reset(let seen, _)) = caller.ends.first else {
            Issue.record("\(caller.ends)")
            return
        }
        #expect(seen == reason)
        #expect(world.stat("upstream_cx_active") == 0)
    }

    /// A keep-alive connection that dies under a call is replaced where asking twice does no harm.
    @Test(arguments: [true, false])
    func staleConnections(isRepeatable: Bool) throws {
        let world = try World()
        world.server.answer(ScriptedServer.ok())
        let call = call(world.loop, "POST", body: "who?")
        var rules = SideCallRules()
        rules.isRepeatable = isRepeatable
        call.start(on: world.cluster, rules, owner: caller)
        world.wait { !call.isActive }
        let first = world.peer
        world.server.onBytes = { peer in
            if peer === first { return peer.close() }
            peer.send(ScriptedServer.ok("second"))
        }
        call.start(on: world.cluster, rules, owner: caller)
        world.wait { !call.isActive }
        #expect((caller.ends.last == .answered) == isRepeatable)
        #expect(world.stat("upstream_rq_replaced_stale") == (isRepeatable ? 1 : 0))
        if isRepeatable { #expect(text(call) == "second") }
    }

    @Test func theEndOfTheWorkerEndsCalls() throws {
        let world = try World()
        let call = call(world.loop)
        call.start(on: world.cluster, SideCallRules(), owner: caller)
        world.wait { world.server.peers.last?.endOfHead != nil }
        world.cluster.shutDown()
        #expect(!call.isActive)
        #expect(caller.ends.count == 1)
    }
}
