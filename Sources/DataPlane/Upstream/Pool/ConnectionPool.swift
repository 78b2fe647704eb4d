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
    let version: PoolVersion
    /// The server name sent in the TLS handshake when it comes from the request.
    let serverName: FixedBytes?
    /// Set where the connections are one client's.
    let binding: ClientBinding?
    /// Whether request trailers are sent (`enable_trailers`).
    let sendsTrailers: Bool
    let place: WorkerHost
    let cluster: Cluster
    private let breakers: BreakerSet
    let stats: ClusterStats

    /// Connections with room for a stream, the one used last at the end.
    private var ready: [UpstreamConnection] = []
    private var all: [UpstreamConnection] = []
    /// Streams that the connections now being made will carry.
    private var connecting = 0
    private var pending = PendingQueue()
    private var isServeScheduled = false
    private var isDraining = false
    /// What the last connection spoke, where ALPN decides.
    private var speaksHTTP2: Bool

    /// The place in the `connection_pools` breaker is already taken.
    init(
        place: WorkerHost, priority: ForwardSpec.Priority, version: PoolVersion, serverName: FixedBytes?,
        binding: ClientBinding?
    ) {
        self.place = place
        self.binding = binding
        self.priority = priority
        self.version = version
        speaksHTTP2 = version != .http1
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
        if !fresh, let connection = firstReady() {
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
        if connecting == 0, let idle = ready.first(where: { $0.activeStreams == 0 }) {
            // At the limit, and the request must not use what is there: make room.
            idle.close()
        }
        return .waiting(PoolTicket(holder: self, serial: serial))
    }

    /// The ready connection used last, if its peer is still there. It stays ready until a stream takes its last room.
    private func firstReady() -> UpstreamConnection? {
        while let connection = ready.last {
            if connection.codec?.room ?? 0 == 0 {
                takeOut(connection)
            } else if connection.activeStreams > 0 || isUsable(connection) {
                return connection
            }
            // `isUsable` closed it, which took it out.
        }
        return nil
    }

    /// Gives a ready connection to `waiter`. False: the breaker on requests refused, and the connection is ready again.
    private func begin(on connection: UpstreamConnection, _ waiter: any PoolWaiter) -> Bool {
        guard let codec = connection.codec else { return false }
        guard breakers.requests.tryAcquire() else {
            stats.rqActiveOverflow.increment()
            return false
        }
        if connection.activeStreams == 0 { connection.disarmIdle() }
        connection.served += 1
        connection.activeStreams += 1
        if cluster.spec.http.maxRequestsPerConnection > 0,
            connection.served >= cluster.spec.http.maxRequestsPerConnection
        {
            stats.cxMaxRequests.increment()
            connection.isDraining = true
        }
        stats.rqTotal.increment()
        stats.rqActive.increment()
        place.cells.requestStarted()
        let stream = codec.startStream(waiter.upstreamDelegate)
        if codec.room == 0 || connection.isDraining { takeOut(connection) }
        connectAhead(of: codec)
        waiter.poolReady(stream, host: connection.host)
        return true
    }

    /// The codec's stream is over; called before the stream's delegate hears of it.
    func streamEnded(_ connection: UpstreamConnection, _ end: StreamEnd) {
        guard connection.activeStreams > 0 else { return }
        connection.activeStreams -= 1
        stats.rqActive.decrement()
        place.cells.requestEnded()
        breakers.requests.release()
        switch end {
        case .reusable:
            if connection.isDraining || isDraining {
                closeIfIdle(connection)
            } else {
                putBack(connection)
                if pending.count > 0 { scheduleServe() }
            }
        case .cutShort:
            connection.wasCutShort = true
        case .close(let byPeer, let complete):
            if !complete { connection.wasCutShort = true }
            connection.close(byPeer: byPeer)
        case .flushThenClose:
            connection.closeAfterFlush()
        }
    }

    private func putBack(_ connection: UpstreamConnection) {
        if !connection.isReady {
            connection.isReady = true
            ready.append(connection)
        }
        guard connection.activeStreams == 0 else { return }
        connection.idleSince = cluster.loop.now
        connection.armIdle(idleLimit(connection).map { cluster.loop.now + $0 })
    }

    private func takeOut(_ connection: UpstreamConnection) {
        guard connection.isReady else { return }
        connection.isReady = false
        if let index = ready.lastIndex(where: { $0 === connection }) { ready.remove(at: index) }
    }

    private func closeIfIdle(_ connection: UpstreamConnection) {
        if connection.activeStreams == 0 { connection.close() }
    }

    /// The peer allows more streams at once, or fewer.
    func roomChanged(_ connection: UpstreamConnection) {
        guard let codec = connection.codec, !connection.isDraining, !isDraining else { return }
        if codec.room == 0 { return takeOut(connection) }
        putBack(connection)
        if pending.count > 0 { scheduleServe() }
    }

    /// The peer wants no new streams on it: it closes with its last one.
    func connectionDrains(_ connection: UpstreamConnection) {
        withdraw(connection)
        closeIfIdle(connection)
    }

    /// No further stream begins on it; the codec is about to end those that are there.
    func withdraw(_ connection: UpstreamConnection) {
        connection.isDraining = true
        takeOut(connection)
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
        while pending.count > 0, let connection = firstReady() {
            if !serveOne(connection, isNew: false) { break }
        }
        connectAsNeeded()
    }

    /// False when nobody who waits may have it.
    private func serveOne(_ connection: UpstreamConnection, isNew: Bool) -> Bool {
        guard let waiter = pending.take(forNewConnection: isNew) else {
            // Only waiters for a new connection are left, and there may be no room for one.
            if pending.count > 0, connecting == 0 { closeIfIdle(connection) }
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
            connect()
            if !allowed { return }
        }
    }

    /// Begins to connect; the place in the breakers is taken.
    private func connect() {
        let name = serverName?.string ?? cluster.shared.fixedServerName(for: place.host, by: place.host.transport)
        let connection = UpstreamConnection(
            to: place, serverName: name, alpn: cluster.alpn(for: version, to: place.host), binding: binding,
            breakers: breakers, owner: self)
        connection.position = all.count
        connection.expectedStreams = speaksHTTP2 ? Int(cluster.spec.http.http2.maxConcurrentStreams) : 1
        all.append(connection)
        connecting += connection.expectedStreams
        if version != .negotiated { countVersion() }
    }

    /// A connection counts from its begin, as in Envoy; where ALPN decides, from when it is up.
    private func countVersion() { (speaksHTTP2 ? stats.cxHTTP2Total : stats.cxHTTP1Total).increment() }

    /// Another connection is made before the last room of the only one with room is taken, so that nobody has to wait.
    private func connectAhead(of codec: any ClientCodec) {
        let capacity = codec.capacity
        guard capacity >= 10, codec.room <= capacity / 10, connecting == 0, ready.count <= 1, !isDraining, takePlace()
        else { return }
        connect()
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
        for connection in all where connection.phase == .open { closeIfIdle(connection) }
        if pending.count == 0 { closeConnecting() }
    }

    /// The connections of now take no further stream; new ones may be made.
    func drainConnections() {
        for connection in all where connection.phase == .open { connectionDrains(connection) }
    }

    /// The one connection that this pool was for is gone. Told from a deinitializer: the rest follows by way of the loop.
    func clientLeft() {
        cluster.loop.later { [self] in
            place.forget(self)
            drain()
        }
    }

    /// Closes all connections; their streams are reset, waiters fail.
    func shutDown() {
        isDraining = true
        connectFailed(.connectFailure, host: place.host, detail: "shutting down")
        while let connection = all.last {
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
        connecting -= connection.expectedStreams
        // Its metadata have changed meanwhile: whoever waits gets one of the kind that it has now.
        guard connection.host.transport == place.host.transport else { return connection.close() }
        guard let socket = connection.connection else { return }
        speaksHTTP2 = version == .http2 || version == .negotiated && socket.tls?.alpn == "h2"
        if version == .negotiated { countVersion() }
        if speaksHTTP2 {
            connection.attach(
                codec: HTTP2ClientConnection(connection, socket: socket, pool: self, cluster: cluster))
        } else {
            connection.attach(
                codec: HTTP1ClientConnection(connection, socket: socket, pool: self, cluster: cluster))
        }
        if let lifetime = cluster.spec.http.maxConnectionDuration { connection.armLifetime(lifetime) }
        putBack(connection)
        var isNew = true
        while pending.count > 0, connection.isReady, serveOne(connection, isNew: isNew) { isNew = false }
        connectAsNeeded()
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
        connectionDrains(connection)
    }

    func idleTimeoutOver(_ connection: UpstreamConnection) {
        guard connection.activeStreams == 0 else { return }
        stats.cxIdleTimeout.increment()
        connection.close()
    }

    func connectionGone(_ connection: UpstreamConnection) {
        if connection.wasUp {
            stats.rqPerCx.record(UInt64(connection.served))
        } else {
            connecting -= connection.expectedStreams
        }
        takeOut(connection)
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
