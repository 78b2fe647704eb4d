// Connections of a pool that nobody uses: how long they may be idle, and whether their peer is still there.
import Reactor

extension ConnectionPool {
    /// After this much idle time a connection is looked at before it is used: one system call, which busy connections
    /// are spared, because the loop has just told whether their peer is there.
    private static let peekAfter = TimeAmount.milliseconds(10)

    /// Whether a request may go out on a connection without a stream. One that may not is closed.
    func isUsable(_ connection: UpstreamConnection) -> Bool {
        guard let socket = connection.connection, !socket.peerHasFinished else {
            discardStale(connection)
            return false
        }
        let idle = cluster.loop.now - connection.idleSince
        if idle < Self.peekAfter { return true }
        if let limit = idleLimit(connection), idle >= limit {
            stats.cxIdleTimeout.increment()
            connection.close()
            return false
        }
        if cluster.spec.reuse.peeksFirst, socket.peekClosed() {
            discardStale(connection)
            return false
        }
        return true
    }

    private func discardStale(_ connection: UpstreamConnection) {
        noteIdleClose(connection)
        connection.close(byPeer: true)
    }

    /// The peer closed a connection that nobody used.
    func noteIdleClose(_ connection: UpstreamConnection) {
        stats.cxIdleClosedByPeer.increment()
        if cluster.spec.reuse.learnsIdleTimeout {
            place.idleLearner.peerClosed(after: cluster.loop.now - connection.idleSince, at: cluster.loop.now)
        }
    }

    /// How long a connection may be idle: the configured limit, what the peer said, or what it showed.
    func idleLimit(_ connection: UpstreamConnection) -> TimeAmount? {
        var limit = cluster.spec.http.idleTimeout
        if let other = connection.peerIdleLimit { limit = limit.map { min($0, other) } ?? other }
        if let other = place.idleLearner.limit(at: cluster.loop.now) { limit = limit.map { min($0, other) } ?? other }
        return limit
    }
}
