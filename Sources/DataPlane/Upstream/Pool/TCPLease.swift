// A raw connection to a host, lent to the TCP proxy: the same breakers, timeouts and stats as the HTTP pools'.
import Reactor

/// One connection for one TCP session. Loop thread only.
///
/// The borrower is the connection's delegate from `tcpReady` on. It ends the lease with `close`; when the peer ended
/// the connection (`connectionClosed`), the lease has ended by itself.
public final class TCPLease {
    private let place: WorkerHost
    private let breakers: BreakerSet
    private let stats: ClusterStats
    private var waiter: (any TCPWaiter)?
    private let binding: ClientBinding?
    private var link: UpstreamConnection?
    /// Counted as an active request.
    private var isActive = false
    /// Position in the host's list.
    var position = 0

    /// The places in the breakers on connections and pending requests are already taken.
    init(place: WorkerHost, waiter: any TCPWaiter, breakers: BreakerSet, binding: ClientBinding?) {
        self.place = place
        self.binding = binding
        self.waiter = waiter
        self.breakers = breakers
        stats = place.cluster.stats
        stats.rqPendingTotal.increment()
        stats.rqPendingActive.increment()
        place.cells.requestQueued()
        place.add(self)
    }

    func start() {
        let name = place.cluster.shared.fixedServerName(for: place.host, by: place.host.transport)
        link = UpstreamConnection(to: place, serverName: name, binding: binding, breakers: breakers, owner: self)
    }

    /// Where it goes.
    public var host: Host { link?.host ?? place.host }

    /// The socket; nil once the lease has ended.
    public var connection: Connection? { link?.connection }

    /// The host has left the cluster since the connection was made.
    public var hostWasRemoved: Bool { place.isRemoved }

    /// Lends it on: from now on the connection tells somebody else what happens.
    func handOn(to user: any ConnectionDelegate) { link?.attach(user: user) }

    /// Brings the byte counters up to date; to be called now and then while bytes move.
    public func countBytes() { link?.countBytes() }

    /// Ends the lease and closes the connection. `byPeer` tells the counters that the peer began.
    public func close(byPeer: Bool = false, abort: Bool = false) { link?.close(byPeer: byPeer, abort: abort) }

    /// Ends it because its host was taken out; the borrower hears that the connection is gone.
    func evict() { link?.evict() }

    private func unpend() {
        stats.rqPendingActive.decrement()
        place.cells.requestDequeued()
        breakers.pending.release()
    }
}

extension TCPLease: UpstreamConnectionOwner {
    func connectionReady(_ connection: UpstreamConnection) {
        guard let waiter else { return }
        self.waiter = nil
        unpend()
        stats.rqTotal.increment()
        stats.rqActive.increment()
        place.cells.requestStarted()
        breakers.requests.acquire()
        isActive = true
        connection.activeStreams = 1
        connection.attach(user: waiter.tcpDelegate)
        waiter.tcpReady(self)
    }

    func connectFailed(_ connection: UpstreamConnection, _ reason: StreamResetReason, detail: String) {
        guard let waiter else { return }
        self.waiter = nil
        unpend()
        stats.rqPendingFailureEject.increment()
        waiter.tcpFailed(reason, host: connection.host, detail: detail)
    }

    func lifetimeOver(_ connection: UpstreamConnection) {}

    func idleTimeoutOver(_ connection: UpstreamConnection) {}

    func connectionGone(_ connection: UpstreamConnection) {
        if isActive {
            isActive = false
            stats.rqActive.decrement()
            place.cells.requestEnded()
            breakers.requests.release()
        }
        if waiter != nil {
            waiter = nil
            unpend()
        }
        link = nil
        place.remove(self)
    }
}

extension TCPLease: PoolTicketHolder {
    func cancel(serial: UInt64) {
        guard waiter != nil else { return }
        waiter = nil
        unpend()
        stats.rqCancelled.increment()
        link?.close()
    }
}
