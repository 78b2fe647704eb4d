// A scripted server under health checks, and a loop whose time the test moves.
import Metrics
import Reactor
import TestKit
import Testing

@testable import DataPlane

/// One server under checks, every 10 s; 20 s after failures.
final class HealthRig {
    let clock = TestClock()
    let loop: EventLoop
    let server: ScriptedServer
    let fixture: UpstreamFixture
    private(set) var initialised = 0

    init(
        _ http: HTTPHealthCheckSpec = HTTPHealthCheckSpec(path: "/health"),
        _ change: (inout HealthCheckSpec) -> Void = { _ in }, cluster: (inout ClusterSpec) -> Void = { _ in }
    ) throws {
        loop = try EventLoop(clock: clock)
        server = try ScriptedServer(loop: loop)
        var check = HealthCheckSpec(
            timeout: .seconds(1), interval: .seconds(10), unhealthy: 3, healthy: 2, .http(http))
        check.noTrafficInterval = .seconds(10)
        check.noTrafficHealthyInterval = .seconds(10)
        change(&check)
        var spec = UpstreamFixture.spec([server.address])
        spec.healthCheck = check
        cluster(&spec)
        fixture = try UpstreamFixture([spec], workers: 1, clock: clock, loop: loop)
    }

    deinit {
        fixture.directory.stop()
        server.close()
    }

    func start() { fixture.directory.start(timeout: .seconds(15)) { [unowned self] in initialised += 1 } }

    /// Begins, and waits for the first result.
    func startAndWait() {
        start()
        fixture.wait { stat("success") + stat("failure") == 1 }
        fixture.settle()
    }

    func stat(_ name: String) -> Int { fixture.stat("health_check.\(name)") }

    /// Waits for the end of the next check, which is due after `seconds`.
    func next(after seconds: Int64 = 10, sourceLocation: SourceLocation = #_sourceLocation) {
        let (attempts, ended) = (stat("attempt"), stat("success") + stat("failure"))
        fixture.advance(.seconds(seconds) + .milliseconds(-10))
        #expect(stat("attempt") == attempts, "too early", sourceLocation: sourceLocation)
        fixture.advance(.milliseconds(20))
        fixture.wait("no check", sourceLocation) { stat("success") + stat("failure") == ended + 1 }
        fixture.settle()
    }

    var flags: String { fixture.directory.hosts(of: "c")?.hosts[0].healthFlags.description ?? "" }
    /// As a worker sees it.
    var healthy: Int { fixture.cluster.hosts.healthyCount }

    func answer(_ status: Int, _ extra: String = "", body: String = "") {
        server.answer("HTTP/1.1 \(status) X\r\n\(extra)content-length: \(body.utf8.count)\r\n\r\n\(body)")
    }

    /// The peer of the connection made first has seen its end.
    var firstPeerIsGone: Bool { server.peers.first.map { $0.sawEnd || $0.closed != nil } ?? false }

    /// From now on connections end without an answer.
    func answerNothing() { server.onBytes = { $0.close() } }
}
