// CONNECT ended by the proxy: a raw TCP connection to a host, with the face of a request's upstream stream.
import HTTPWire
import Reactor

extension Cluster {
    /// Connects to a host for a CONNECT that ends here (`connect_config`): the waiter gets a stream that answers its
    /// request with 200 and then carries bytes. Breakers and stats are those of TCP sessions.
    func newTunnel(_ waiter: any PoolWaiter, avoiding: [Host], selectionAttempts: Int) -> NewStreamOutcome {
        switch connectTCP(RawTunnel(waiter, loop: loop), avoiding: avoiding, selectionAttempts: selectionAttempts) {
        case .waiting(let ticket): .waiting(ticket)
        case .noHealthyHost: .noHealthyHost
        case .refused(let refusal): .refused(refusal)
        case .overflow(let host): .overflow(host)
        }
    }
}

/// One tunnel. Loop thread only. Envoy page: HTTP upgrades, "CONNECT support".
final class RawTunnel: UpstreamStream, TCPWaiter, ConnectionDelegate {
    private let loop: EventLoop
    private var waiter: (any PoolWaiter)?
    private var delegate: (any UpstreamStreamDelegate)?
    private var lease: TCPLease?
    private var info: UpstreamConnectionInfo?
    private var requestEnded = false
    private var responseEnded = false

    init(_ waiter: any PoolWaiter, loop: EventLoop) {
        self.waiter = waiter
        self.loop = loop
    }

    // MARK: The connection comes up

    var tcpDelegate: any ConnectionDelegate { self }
    var origin: StreamOrigin { waiter?.origin ?? StreamOrigin() }
    func hash(_ policy: HashPolicy?) -> UInt64? { waiter?.hash(policy) }
    var subsetCriteria: SubsetCriteria? { waiter?.subsetCriteria }

    func tcpReady(_ lease: TCPLease) {
        guard let waiter, let connection = lease.connection else { return lease.close() }
        self.waiter = nil
        self.lease = lease
        delegate = waiter.upstreamDelegate
        info = UpstreamConnectionInfo(
            connectionID: connection.id, local: connection.localAddress, remote: connection.remoteAddress,
            httpVersion: .http11, tls: connection.tls, connectStart: connection.createdAt,
            established: connection.establishedAt)
        connection.pauseReading()
        waiter.poolReady(self, host: lease.host)
    }

    func tcpFailed(_ reason: StreamResetReason, host: Host, detail: String) {
        let waiting = waiter
        waiter = nil
        waiting?.poolFailed(reason, host: host, detail: detail)
    }

    // MARK: UpstreamStream

    var earlierRequests: Int { 0 }
    private(set) var sentAnything = false
    private(set) var wireBytesSent: UInt64 = 0
    private(set) var wireBytesReceived: UInt64 = 0
    private(set) var isBackedUp = false

    var connectionInfo: UpstreamConnectionInfo {
        info
            ?? UpstreamConnectionInfo(
                connectionID: 0, local: nil, remote: .v4(.any, port: 0), httpVersion: .http11, tls: nil)
    }

    /// The head goes nowhere: the connection itself is the answer.
    func sendHead(_ request: HeaderMap, end: Bool) {
        loop.later { [self] in
            guard let delegate else { return }
            delegate.upstreamResponseHeaders.removeAll()
            delegate.upstreamResponseHeaders.status = 200
            delegate.upstreamHead(self, end: false)
            lease?.connection?.resumeReading()
        }
    }

    func sendBody(_ bytes: inout ByteQueue, end: Bool) {
        guard let connection = lease?.connection else { return bytes.clear() }
        sentAnything = sentAnything || !bytes.isEmpty
        wireBytesSent &+= UInt64(bytes.count)
        bytes.moveAll(to: &connection.output)
        if !end {
            connection.flushLater()
            guard !isBackedUp, connection.isAboveHighWatermark else { return }
            // Only what the socket does not take drains later, and is told of then.
            connection.flush()
            guard connection.isAboveHighWatermark else { return }
            isBackedUp = true
            delegate?.upstreamBackedUp(self)
            return
        }
        requestEnded = true
        connection.flush()
        connection.shutdownWrite()
        endIfDone()
    }

    func sendTrailers(_ trailers: HeaderMap) {}
    func becomeTunnel() {}
    func pauseReading() { lease?.connection?.pauseReading() }
    func resumeReading() { lease?.connection?.resumeReading() }

    func cancel() {
        delegate = nil
        lease?.close()
        lease = nil
    }

    // MARK: Bytes of the host

    func connectionEstablished(_ connection: Connection) {}

    func connectionReadable(_ connection: Connection) {
        while let delegate, !connection.isPaused {
            switch connection.fill() {
            case .data(let count):
                wireBytesReceived &+= UInt64(count)
                var bytes = ByteQueue(pool: loop.slabs)
                connection.input.moveAll(to: &bytes)
                delegate.upstreamBody(self, &bytes, end: false)
            case .wouldBlock, .failed:
                lease?.countBytes()
                return
            case .end:
                guard !responseEnded else { return }
                responseEnded = true
                lease?.countBytes()
                var nothing = ByteQueue(pool: loop.slabs)
                delegate.upstreamBody(self, &nothing, end: true)
                endIfDone()
                return
            }
        }
    }

    func connectionDrained(_ connection: Connection) {
        if isBackedUp && !connection.isAboveHighWatermark {
            isBackedUp = false
            delegate?.upstreamDrained(self)
        }
        endIfDone()
    }

    func connectionClosed(_ connection: Connection, _ reason: ConnectionCloseReason) {
        lease = nil
        let last = delegate
        delegate = nil
        last?.upstreamReset(self, .connectionTermination, detail: connection.failureReason ?? "")
    }

    /// Both directions have ended and everything is written.
    private func endIfDone() {
        guard requestEnded, responseEnded, lease?.connection?.unwrittenBytes ?? 0 == 0 else { return }
        cancel()
    }
}
