// Raw connections for the TCP proxy: the same breakers, timeouts and counters.
import Reactor
import TestKit
import Testing

@testable import DataPlane

/// In the TCP proxy's place.
private final class Session: TCPWaiter {
    let bytes = RecordingDelegate()
    var outcome: ConnectTCPOutcome?
    var lease: TCPLease?
    var failure: StreamResetReason?
    var detail = ""

    init(_ cluster: Cluster) { outcome = cluster.connectTCP(self) }

    var tcpDelegate: any ConnectionDelegate { bytes }
    func tcpReady(_ lease: TCPLease) { self.lease = lease }
    func tcpFailed(_ reason: StreamResetReason, host: Host, detail: String) {
        failure = reason
        self.detail = detail
    }
}

struct TCPLeaseTests {
    @Test func aConnectionIsLentAndCounted() throws {
        let world = try World()
        let session = Session(world.cluster)
        #expect(world.stat("upstream_rq_pending_active") == 1)
        world.wait { session.lease != nil && world.server.peers.last?.isEstablished == true }
        session.lease?.connection?.output.append("to the host")
        session.lease?.connection?.flush()
        world.peer.send("from the host")
        world.wait { session.bytes.text == "from the host" && world.peer.text == "to the host" }
        session.lease?.countBytes()
        #expect(world.stat("upstream_cx_tx_bytes_total") == 11)
        #expect(world.stat("upstream_cx_rx_bytes_total") == 13)
        #expect(world.stat("upstream_cx_total") == 1)
        #expect(world.stat("upstream_cx_http1_total") == 0)
        #expect(world.stat("upstream_rq_total") == 1)
        #expect(world.stat("upstream_rq_active") == 1)
        #expect(world.stat("upstream_rq_pending_active") == 0)
        session.lease?.close()
        #expect(session.lease?.connection == nil)
        #expect(world.stat("upstream_cx_active") == 0)
        #expect(world.stat("upstream_rq_active") == 0)
        #expect(world.stat("upstream_cx_destroy_local_with_active_rq") == 1)
        #expect(world.cluster.shared.breakers.default.inUse.connections == 0)
        #expect(world.cluster.shared.breakers.default.inUse.requests == 0)
        session.lease?.close()
        #expect(world.stat("upstream_cx_destroy") == 1)
    }

    @Test func thePeersResetEndsTheLease() throws {
        let world = try World()
        let session = Session(world.cluster)
        world.wait { session.lease != nil && world.server.peers.last?.isEstablished == true }
        world.peer.reset()
        world.wait { session.bytes.closed != nil }
        #expect(session.bytes.closed == .remoteReset)
        #expect(session.lease?.connection == nil)
        #expect(world.stat("upstream_cx_destroy_remote") == 1)
        #expect(world.stat("upstream_cx_active") == 0)
        #expect(world.stat("upstream_rq_active") == 0)
    }

    @Test func refused() throws {
        let world = try World()
        world.server.stopListening()
        let session = Session(world.cluster)
        world.wait { session.failure != nil }
        #expect(session.failure == .connectFailure)
        #expect(session.detail.contains("Connection refused"))
        #expect(world.stat("upstream_cx_connect_fail") == 1)
        #expect(world.stat("upstream_rq_pending_failure_eject") == 1)
        #expect(world.stat("upstream_rq_pending_active") == 0)
        #expect(world.stat("upstream_rq_total") == 0)
        #expect(world.cluster.shared.breakers.default.inUse.pending == 0)
    }

    @Test func theConnectTimeout() throws {
        let world = try World { $0.tls = TLSContextSpec() }
        let session = Session(world.cluster)
        world.wait { world.server.peers.count == 1 }
        world.advance(.seconds(6))
        #expect(session.failure == .connectTimeout)
        #expect(world.stat("upstream_cx_connect_timeout") == 1)
    }

    @Test func atTheLimitItIsRefused() throws {
        let world = try World { $0.breakers.default.maxConnections = 1 }
        let first = Session(world.cluster)
        guard case .overflow = Session(world.cluster).outcome else {
            Issue.record("no overflow")
            return
        }
        #expect(world.stat("upstream_cx_overflow") == 1)
        world.wait { first.lease != nil }
        first.lease?.close()
        guard case .waiting = Session(world.cluster).outcome else {
            Issue.record("the place was not given back")
            return
        }
    }

    @Test func theLimitOfAHost() throws {
        let world = try World { $0.breakers.maxConnectionsPerHost = 1 }
        let first = Session(world.cluster)
        guard case .overflow = Session(world.cluster).outcome else {
            Issue.record("no overflow")
            return
        }
        #expect(world.cluster.shared.breakers.default.inUse.connections == 1)
        world.wait { first.lease != nil }
    }

    @Test func cancel() throws {
        let world = try World()
        let session = Session(world.cluster)
        guard case .waiting(let ticket) = session.outcome else { return }
        ticket.cancel()
        world.settle()
        #expect(session.lease == nil)
        #expect(session.failure == nil)
        #expect(world.stat("upstream_rq_cancelled") == 1)
        #expect(world.stat("upstream_cx_active") == 0)
        #expect(world.stat("upstream_rq_pending_active") == 0)
    }

    @Test func noHosts() throws {
        let fixture = try UpstreamFixture([SocketAddress]())
        guard case .noHealthyHost = Session(fixture.cluster).outcome else {
            Issue.record("a host out of nowhere")
            return
        }
        #expect(fixture.stat("upstream_cx_none_healthy") == 1)
    }
}
