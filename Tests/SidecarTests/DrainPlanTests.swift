// The order of a drain, walked through without a process.
import DataPlane
import Reactor
import Testing

@testable import Sidecar

@Suite struct DrainPlanTests {
    private var now = MonotonicTime(ns: 1_000_000_000)
    private let idle = ListenerLoad()
    private let busy = ListenerLoad(connections: 1, active: 1, begun: 1)
    private let kept = ListenerLoad(connections: 1, active: 0, begun: 1)

    private func plan(outbound: Bool = true, limit: TimeAmount = .seconds(60)) -> DrainPlan {
        DrainPlan(now: now, limit: limit, hasOutbound: outbound)
    }

    @Test func withoutOutboundItEndsWithTheLastRequest() {
        var plan = plan(outbound: false)
        #expect(plan.look(inbound: busy, outbound: idle, app: .unknown, now: now) == .wait)
        #expect(plan.look(inbound: idle, outbound: idle, app: .unknown, now: now) == .end)
    }

    @Test func idleConnectionsHaveTheirGrace() {
        var plan = plan(outbound: false)
        #expect(plan.look(inbound: kept, outbound: idle, app: .unknown, now: now + .milliseconds(999)) == .wait)
        #expect(plan.look(inbound: kept, outbound: idle, app: .unknown, now: now + .seconds(1)) == .end)
    }

    @Test func outboundServesUntilTheAppHasEnded() {
        var plan = plan()
        #expect(plan.look(inbound: idle, outbound: idle, app: .running, now: now) == .wait)
        #expect(plan.look(inbound: idle, outbound: idle, app: .running, now: now + .seconds(50)) == .wait)
        #expect(plan.look(inbound: busy, outbound: idle, app: .ended, now: now + .seconds(51)) == .wait)
        #expect(plan.look(inbound: idle, outbound: busy, app: .ended, now: now + .seconds(52)) == .closeOutbound)
        #expect(plan.look(inbound: idle, outbound: busy, app: .ended, now: now + .seconds(53)) == .wait)
        #expect(plan.look(inbound: idle, outbound: idle, app: .ended, now: now + .seconds(53)) == .end)
    }

    @Test func anUnknownAppHasASecondOfQuiet() {
        var plan = plan()
        #expect(plan.look(inbound: idle, outbound: idle, app: .unknown, now: now) == .wait)
        #expect(plan.look(inbound: idle, outbound: idle, app: .unknown, now: now + .milliseconds(900)) == .wait)
        // A call that came and went between two looks.
        #expect(plan.look(inbound: idle, outbound: kept, app: .unknown, now: now + .milliseconds(950)) == .wait)
        #expect(plan.look(inbound: idle, outbound: kept, app: .unknown, now: now + .milliseconds(1940)) == .wait)
        #expect(plan.look(inbound: busy, outbound: kept, app: .unknown, now: now + .milliseconds(1950)) == .wait)
        let last = now + .milliseconds(1960)
        #expect(plan.look(inbound: idle, outbound: kept, app: .unknown, now: last) == .closeOutbound)
        #expect(plan.look(inbound: idle, outbound: kept, app: .unknown, now: last + .milliseconds(999)) == .wait)
        #expect(plan.look(inbound: idle, outbound: kept, app: .unknown, now: last + .seconds(1)) == .end)
    }

    @Test(arguments: [DrainPlan.App.unknown, .running, .ended])
    func theDeadlineEndsEverything(app: DrainPlan.App) {
        var plan = plan(limit: .seconds(2))
        #expect(plan.look(inbound: busy, outbound: busy, app: app, now: now + .milliseconds(1999)) == .wait)
        #expect(plan.look(inbound: busy, outbound: busy, app: app, now: now + .seconds(2)) == .cutOff)
    }
}

@Suite struct AppEndTests {
    @Test func readsWhatIsGiven() throws {
        #expect(try AppProcess("12") == .process(12))
        #expect(try AppProcess("cgroup:/a/b") == .cgroup(path: "/a/b"))
        for text in ["", "0", "-1", "x", "cgroup:", "99999999999"] {
            #expect(throws: AppProcessError.self) { try AppProcess(text) }
        }
    }

    @Test func whatIsNotThereCannotBeWatched() throws {
        let loop = try EventLoop()
        #expect(throws: SystemError.self) { try AppEnd(.process(.max), loop: loop) { _ in } }
        #expect(throws: AppProcessError.self) { try AppEnd(.cgroup(path: "/no/such"), loop: loop) { _ in } }
        // This process is somewhere below the root.
        #expect(throws: AppProcessError.self) { try AppEnd(.cgroup(path: "/"), loop: loop) { _ in } }
    }

    @Test func aProcessEnds() throws {
        let loop = try EventLoop()
        let child = try ChildProcess.start("/bin/sh", ["sh", "-c", "read x </dev/null; sleep 60"], log: "/dev/null")
        var ended: [String] = []
        let end = try AppEnd(.process(child.id), loop: loop) { ended.append($0.name) }
        #expect(!end.isOver)
        child.send(9)
        #expect(loop.turn { !ended.isEmpty })
        #expect(end.isOver && ended == ["process \(child.id)"])
        child.wait()
    }
}
