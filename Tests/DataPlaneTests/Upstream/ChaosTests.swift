// Servers and callers that do anything in any order: whatever happens, every account balances in the end.
import HTTPWire
import Reactor
import TestKit
import Testing

@testable import DataPlane

struct ChaosTests {
    private static let answers = [
        ScriptedServer.ok(), ScriptedServer.ok(extra: "connection: close\r\n"),
        ScriptedServer.ok(extra: "keep-alive: timeout=1\r\n"), "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nend: yes\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n" + ScriptedServer.ok(), ScriptedServer.ok() + "extra",
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", "garbage\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nuntil the end",
        "",
    ]

    @Test(arguments: 1...12)
    func everyAccountBalances(seed: UInt64) throws {
        var random = FastRandom(seed: (seed, 2, 3, 4))
        let world = try World {
            $0.breakers.default.maxConnections = 6
            $0.breakers.default.maxPendingRequests = 8
            $0.breakers.default.maxRequests = 5
            $0.breakers.maxConnectionsPerHost = seed % 2 == 0 ? 4 : nil
            $0.http.maxRequestsPerConnection = seed % 3 == 0 ? 3 : 0
            $0.http.maxConnectionDuration = seed % 4 == 0 ? .seconds(20) : nil
            $0.http.idleTimeout = .seconds(7)
            $0.connectTimeout = .seconds(3)
        }
        world.server.onBytes = { peer in
            while let end = peer.endOfHead {
                peer.drop(end)
                peer.send(Self.answers[Int(random.below(UInt64(Self.answers.count)))])
                switch random.below(8) {
                case 0: peer.finish()
                case 1: peer.reset()
                default: break
                }
                if random.below(2) == 0 { break }
            }
        }
        var tries: [TestTry] = []
        var given: Set<ObjectIdentifier> = []
        var leases: [TCPLease] = []
        for _ in 0..<400 {
            switch random.below(12) {
            case 0...3:
                var request = random.below(2) == 0 ? TestRequest() : TestRequest("POST", body: "some")
                if random.below(4) == 0 { request.holdsEnd = request.method == "POST" }
                let attempt = world.send(request, fresh: random.below(5) == 0)
                if random.below(4) == 0 {
                    attempt.onHead = { stream in
                        stream.pauseReading()
                        world.loop.later { stream.resumeReading() }
                    }
                }
                if random.below(6) == 0 { attempt.onEnd = { tries.append(world.send()) } }
                tries.append(attempt)
            case 4:
                guard let attempt = tries.last(where: { !$0.isOver && !given.contains(ObjectIdentifier($0)) }) else {
                    continue
                }
                given.insert(ObjectIdentifier(attempt))
                if let stream = attempt.stream {
                    stream.cancel()
                } else if case .waiting(let ticket) = attempt.outcome {
                    ticket.cancel()
                }
            case 5:
                if let peer = world.server.peers.randomElement(using: &random) {
                    if random.below(2) == 0 { peer.finish() } else { peer.reset() }
                }
            case 6: world.advance(.milliseconds(Int64(random.below(3000))))
            case 7: world.server.peers.randomElement(using: &random)?.send(ScriptedServer.ok())
            case 8:
                let lease = Borrower()
                if case .waiting = world.cluster.connectTCP(lease) {
                    lease.ready = { leases.append($0) }
                    world.settle()
                }
            case 9: if let lease = leases.popLast() { lease.close(byPeer: random.below(2) == 0) }
            default: world.loop.turn(maxWait: .zero)
            }
        }
        for lease in leases { lease.close() }
        // No try is told twice (the recorder checks), and none is told after it gave up.
        #expect(tries.allSatisfy { !given.contains(ObjectIdentifier($0)) || !$0.isComplete })
        world.fixture.sets[0].shutDown()
        world.settle()
        for name in [
            "upstream_cx_active", "upstream_rq_active", "upstream_rq_pending_active", "upstream_cx_tx_bytes_buffered",
        ] { #expect(world.stat(name) == 0, "\(name)") }
        #expect(world.stat("upstream_cx_total") == world.stat("upstream_cx_destroy"))
        #expect(
            world.stat("upstream_cx_destroy")
                == world.stat("upstream_cx_destroy_local") + world.stat("upstream_cx_destroy_remote"))
        let breakers = world.cluster.shared.breakers.default
        #expect(breakers.connections.current == 0)
        #expect(breakers.pending.current == 0)
        #expect(breakers.requests.current == 0)
        let host = world.fixture.directory.reports[0].hosts[0].totals
        #expect([host.cxActive, host.rqActive, host.rqPendingActive] == [0, 0, 0])
        #expect(world.fixture.directory.hosts(of: "c")?.hosts[0].state.connections.load(ordering: .relaxed) == 0)
        #expect(tries.contains { $0.isComplete })
        #expect(tries.contains { $0.reset != nil })
    }
}

/// Takes a lease and does nothing with its bytes.
private final class Borrower: TCPWaiter {
    var ready: (TCPLease) -> Void = { _ in }
    private let bytes = RecordingDelegate()

    var tcpDelegate: any ConnectionDelegate { bytes }
    func tcpReady(_ lease: TCPLease) { ready(lease) }
    func tcpFailed(_ reason: StreamResetReason, host: Host, detail: String) {}
}
