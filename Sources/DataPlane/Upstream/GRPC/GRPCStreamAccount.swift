// What a gRPC call of the main thread counts in its cluster's stats.
import Reactor

/// What one call counts in its cluster's stats.
struct GRPCStreamAccount {
    enum Cause {
        /// We ended it.
        case local
        /// The server did, with a status or with what is no answer.
        case remote
        /// The connection broke, or was never made.
        case failure
        case connectTimeout
    }

    private let stats: ClusterStats
    private let began: MonotonicTime
    private var isConnected = false
    private var isOver = false
    private var bytesRead: UInt64 = 0
    private var bytesWritten: UInt64 = 0

    init(_ stats: ClusterStats, now: MonotonicTime) {
        self.stats = stats
        began = now
        stats.cxTotal.increment()
        stats.cxActive.increment()
        stats.rqPendingTotal.increment()
        stats.rqPendingActive.increment()
    }

    mutating func connected(now: MonotonicTime) {
        isConnected = true
        stats.cxHTTP2Total.increment()
        stats.cxConnectMs.record(UInt64(clamping: (now - began).milliseconds))
        stats.rqPendingActive.decrement()
        stats.rqTotal.increment()
        stats.rqActive.increment()
    }

    func answered(status: Int) { stats.charge(status: status, isCanary: false, isInternal: true) }

    /// What the connection has carried so far.
    mutating func count(read: UInt64, written: UInt64) {
        stats.cxRxBytesTotal.add(read &- bytesRead)
        stats.cxTxBytesTotal.add(written &- bytesWritten)
        (bytesRead, bytesWritten) = (read, written)
    }

    mutating func end(_ cause: Cause, now: MonotonicTime) {
        guard !isOver else { return }
        isOver = true
        stats.cxActive.decrement()
        guard isConnected else {
            stats.rqPendingActive.decrement()
            if cause == .local { return }
            if cause == .connectTimeout { stats.cxConnectTimeout.increment() }
            stats.cxConnectFail.increment()
            stats.rqPendingFailureEject.increment()
            return
        }
        stats.rqActive.decrement()
        stats.rqPerCx.record(1)
        stats.cxLengthMs.record(UInt64(clamping: (now - began).milliseconds))
        stats.cxDestroy.increment()
        if cause == .failure { stats.cxDestroyRemote.increment() } else { stats.cxDestroyLocal.increment() }
        if cause == .local { stats.rqTxReset.increment() }
        if cause == .failure {
            stats.rqRxReset.increment()
            stats.cxDestroyWithActiveRq.increment()
            stats.cxDestroyRemoteWithActiveRq.increment()
        }
    }
}
