// The connections to one host that requests of one priority and TLS identity share.
import Metrics
import Reactor

/// A pool: the last connection used is the first to be used again, so that the others can grow idle and close.
/// Loop thread only.
///
/// Follows Envoy's pool: a request takes a ready connection, or waits while one is made; at the connection limit it
/// waits for one that is in use; a connect failure fails everyone who waits.
final class ConnectionPool {
    let priority: ForwardSpec.Priority
    /// The server name sent in the TLS handshake when it comes from the request.
    let serverName: FixedBytes?
    /// Whether request trailers are sent (`enable_trailers`).
    let sendsTrailers: Bool
    private let place: WorkerHost
    private let cluster: Cluster
    private let breakers: BreakerSet
    private let stats: ClusterStats

    private var ready: [UpstreamConnection] = []
    private var all: [UpstreamConnection] = []
    /// Streams that the connections now being made will carry.
    private var connecting = 0
    private var pending = PendingQueue()
    private var isServeScheduled = false
    private var isDraining = false

    /// After this much idle time a connection is looked at before it is used: one system call, which busy connections
    /// are spared, because the loop has just told whether their peer is there.
    private static let peekAfter = TimeAmount.milliseconds(10)

    /// The place in the `connection_pools` breaker is already taken.
    init(place: WorkerHost, priority: ForwardSpec.Priority, serverName: FixedBytes?) {
        self.place = place
        self.priority = priority
        self.serverName = serverName
        cluster = place.cluster
        sendsTrailers = place.cluster.spec.http.http1.enableTrailers
        breakers = place.cluster.shared.breakers.set(priority)
        stats = place.cluster.stats
    }

    deinit { breakers.pools.release() }

    /// Nothing in it and nobody waits.
    var isEmpty: Bool { all.isEmpty && pending.count == 0 }

    // MARK: - Streams

    /// See `Cluster.newStream`.
    func newStream(_ waiter: any PoolWaiter, fresh: Bool) -> NewStreamOutcome {
        if !fresh, let connection = takeReady() {
            return begin(on: connection, waiter) ? .started : .overflow(connection.host)
        }
        guard breakers.pending.tryAcquire() else {
            stats.rqPendingOverflow.increment()
            return .overflow(place.host)
        }
        stats.rqPendingTotal.increment()
        stats.rqPendingActive.increment()
        place.cells.requestQueued()
        let serial = pending.append(waiter, fresh: fresh)
        connectAsNeeded()
        if connecting == 0, let idle = ready.first {
            // At the limit, and the request must not use what is there: make room.
            idle.close()
        }
        return .waiting(PoolTicket(holder: self, serial: serial))
    }

    /// The ready connection used last, if its peer is still there.
    private func takeReady() -> UpstreamConnection? {
        while let connection = ready.popLast() {
            connection.disarmIdle()
            if isUsable(connection) { return connection }
        }
        return nil
    }

    private func isUsable(_ connection: UpstreamConnection) -> Bool {
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

    /// Gives a ready connection to `waiter`. False: the breaker on requests refused, and the connection is ready again.
    private func begin(on connection: UpstreamConnection, _ waiter: any PoolWaiter) -> Bool {
        guard let codec = connection.codec else { return false }
        guard breakers.requests.tryAcquire() else {
            stats.rqActiveOverflow.increment()
            putBack(connection)
            return false
        }
        connection.served += 1
        connection.hasActiveStream = true
        connection.streamIsCounted = true
        if cluster.spec.http.maxRequestsPerConnection > 0,
            connection.served >= cluster.spec.http.maxRequestsPerConnection
        {
            stats.cxMaxRequests.increment()
            connection.isDraining = true
        }
        stats.rqTotal.increment()
        stats.rqActive.increment()
        place.cells.requestStarted()
        waiter.poolReady(codec.startStream(waiter.upstreamDelegate), host: connection.host)
        return true
    }

    /// The codec's stream is over; called before the stream's delegate hears of it.
    func streamEnded(_ connection: UpstreamConnection, _ end: StreamEnd) {
        guard connection.streamIsCounted else { return }
        connection.streamIsCounted = false
        stats.rqActive.decrement()
        place.cells.requestEnded()
        breakers.requests.release()
        switch end {
        case .reusable:
            connection.hasActiveStream = false
            if connection.isDraining || isDraining {
                connection.close()
            } else {
                putBack(connection)
                if pending.count > 0 { scheduleServe() }
            }
        case .close(let byPeer, let complete):
            if complete { connection.hasActiveStream = false }
            connection.close(byPeer: byPeer)
        case .flushThenClose:
            connection.hasActiveStream = false
            connection.closeAfterFlush()
        }
    }

    private func putBack(_ connection: UpstreamConnection) {
        connection.idleSince = cluster.loop.now
        ready.append(connection)
        connection.armIdle(idleLimit(connection).map { cluster.loop.now + $0 })
    }

    /// How long a connection may be idle: the configured limit, what the peer said, or what it showed.
    private func idleLimit(_ connection: UpstreamConnection) -> TimeAmount? {
        var limit = cluster.spec.http.idleTimeout
        if let other = connection.peerIdleLimit { limit = limit.map { min($0, other) } ?? other }
        if let other = place.idleLearner.limit(at: cluster.loop.now) { limit = limit.map { min($0, other) } ?? other }
        return limit
    }

    // MARK: - Waiters

    /// Serves waiters in the next round: the peer may be closing the connection that just became free.
    private func scheduleServe() {
        if isServeScheduled { return }
        isServeScheduled = true
        cluster.loop.later { self.serve() }
    }

    private func serve() {
        isServeScheduled = false
        while pending.count > 0, let connection = takeReady() {
            if !serveOne(connection, isNew: false) { break }
        }
        connectAsNeeded()
    }

    /// False when nobody who waits may have it.
    private func serveOne(_ connection: UpstreamConnection, isNew: Bool) -> Bool {
        guard let waiter = pending.take(forNewConnection: isNew) else {
            if pending.count > 0, connecting == 0 {
                // Only waiters for a new connection are left, and there may be no room for one.
                connection.close()
            } else {
                putBack(connection)
            }
            return false
        }
        unpend()
        if !begin(on: connection, waiter) { waiter.poolFailed(.overflow, host: connection.host, detail: "") }
        return true
    }

    private func unpend() {
        stats.rqPendingActive.decrement()
        place.cells.requestDequeued()
        breakers.pending.release()
    }

    // MARK: - Connections

    /// Makes as many connections as there are waiters without one on its way.
    private func connectAsNeeded() {
        while pending.count > connecting {
            let allowed = takePlace()
            if !allowed {
                stats.cxOverflow.increment()
                // A pool without any connection gets one all the same, or nobody would ever serve its waiters.
                guard all.isEmpty else { return }
                breakers.connections.acquire()
                place.acquireConnection()
            }
            let name = serverName?.string ?? cluster.fixedServerName(for: place.host)
            let connection = UpstreamConnection(to: place, serverName: name, breakers: breakers, owner: self)
            connection.position = all.count
            all.append(connection)
            connecting += 1
            stats.cxHTTP1Total.increment()
            if !allowed { return }
        }
    }

    private func takePlace() -> Bool {
        guard breakers.connections.tryAcquire() else { return false }
        if place.tryAcquireConnection() { return true }
        breakers.connections.release()
        return false
    }

    /// The host is no longer in the cluster: idle connections close now, the others with their last stream.
    func drain() {
        isDraining = true
        while let connection = ready.popLast() { connection.close() }
        if pending.count == 0 { closeConnecting() }
    }

    /// Closes all connections; their streams are reset, waiters fail.
    func shutDown() {
        isDraining = true
        connectFailed(.connectFailure, host: place.host, detail: "shutting down")
        for connection in all {
            connection.codec?.abort()
            connection.close()
        }
    }

    private func closeConnecting() {
        for connection in all where connection.phase == .connecting { connection.close() }
    }
}

extension ConnectionPool: UpstreamConnectionOwner {
    func connectionReady(_ connection: UpstreamConnection) {
        connecting -= 1
        guard let socket = connection.connection else { return }
        connection.attach(
            codec: HTTP1ClientConnection(connection, socket: socket, pool: self, cluster: cluster))
        if let lifetime = cluster.spec.http.maxConnectionDuration { connection.armLifetime(lifetime) }
        _ = serveOne(connection, isNew: true)
    }

    func connectFailed(_ connection: UpstreamConnection, _ reason: StreamResetReason, detail: String) {
        connectFailed(reason, host: connection.host, detail: detail)
    }

    private func connectFailed(_ reason: StreamResetReason, host: Host, detail: String) {
        let waiters = pending.takeAll()
        for waiter in waiters {
            unpend()
            stats.rqPendingFailureEject.increment()
            waiter.poolFailed(reason, host: host, detail: detail)
        }
    }

    func lifetimeOver(_ connection: UpstreamConnection) {
        stats.cxMaxDurationReached.increment()
        if connection.hasActiveStream { connection.isDraining = true } else { connection.close() }
    }

    func idleTimeoutOver(_ connection: UpstreamConnection) {
        guard !connection.hasActiveStream else { return }
        stats.cxIdleTimeout.increment()
        connection.close()
    }

    func connectionGone(_ connection: UpstreamConnection) {
        if connection.wasUp { stats.rqPerCx.record(UInt64(connection.served)) } else { connecting -= 1 }
        if let index = ready.lastIndex(where: { $0 === connection }) { ready.remove(at: index) }
        let last = all.removeLast()
        if last !== connection {
            last.position = connection.position
            all[connection.position] = last
        }
        connectAsNeeded()
        if isDraining, pending.count == 0 { closeConnecting() }
        if isEmpty { place.poolIsEmpty(self) }
    }
}

extension ConnectionPool: PoolTicketHolder {
    func cancel(serial: UInt64) {
        guard pending.remove(serial: serial) != nil else { return }
        unpend()
        stats.rqCancelled.increment()
        if isDraining, pending.count == 0 { closeConnecting() }
    }
}
