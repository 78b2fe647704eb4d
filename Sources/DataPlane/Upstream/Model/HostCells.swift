// A host's counters: one set a worker, written by that worker only and read by anybody.
import Synchronization

/// One worker's counters of one host. The owner adds with a plain load and store; readers see a recent value.
/// They are kept apart from the stat store, as in Envoy: `/clusters` shows them, `/stats` does not.
public final class HostCells: Sendable {
    private let cxActive = Atomic<Int>(0)
    private let cxTotal = Atomic<UInt64>(0)
    private let cxConnectFail = Atomic<UInt64>(0)
    private let rqActive = Atomic<Int>(0)
    private let rqTotal = Atomic<UInt64>(0)
    private let rqPending = Atomic<Int>(0)
    private let rqSuccess = Atomic<UInt64>(0)
    private let rqError = Atomic<UInt64>(0)
    private let rqTimeout = Atomic<UInt64>(0)

    init() {}

    // Written by the pools.
    func connectionOpened() {
        Self.add(1, cxActive)
        Self.bump(cxTotal)
    }
    func connectionClosed() { Self.add(-1, cxActive) }
    func connectFailed() { Self.bump(cxConnectFail) }
    func requestStarted() {
        Self.add(1, rqActive)
        Self.bump(rqTotal)
    }
    func requestQueued() { Self.add(1, rqPending) }
    func requestDequeued() { Self.add(-1, rqPending) }
    func requestEnded() { Self.add(-1, rqActive) }

    // Written by the router.
    /// The request ended with a response that is no error (`rq_success`).
    public func requestSucceeded() { Self.bump(rqSuccess) }
    /// A 5xx, a reset or a failed connect (`rq_error`).
    public func requestFailed() { Self.bump(rqError) }
    /// The response did not come in time (`rq_timeout`).
    public func requestTimedOut() { Self.bump(rqTimeout) }

    public var connectionsActive: Int { cxActive.load(ordering: .relaxed) }
    public var connectionsTotal: UInt64 { cxTotal.load(ordering: .relaxed) }
    public var connectFailures: UInt64 { cxConnectFail.load(ordering: .relaxed) }
    public var requestsActive: Int { rqActive.load(ordering: .relaxed) }
    public var requestsPending: Int { rqPending.load(ordering: .relaxed) }
    public var requestsTotal: UInt64 { rqTotal.load(ordering: .relaxed) }
    public var successes: UInt64 { rqSuccess.load(ordering: .relaxed) }
    public var errors: UInt64 { rqError.load(ordering: .relaxed) }
    public var timeouts: UInt64 { rqTimeout.load(ordering: .relaxed) }

    /// Not a read-modify-write: there is one writer.
    @inline(__always)
    private static func bump(_ cell: borrowing Atomic<UInt64>) {
        cell.store(cell.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
    }

    @inline(__always)
    private static func add(_ n: Int, _ cell: borrowing Atomic<Int>) {
        cell.store(cell.load(ordering: .relaxed) &+ n, ordering: .relaxed)
    }
}

/// A host's counters summed over the workers.
public struct HostTotals: Sendable, Equatable {
    public var cxActive: UInt64 = 0
    public var cxTotal: UInt64 = 0
    public var cxConnectFail: UInt64 = 0
    public var rqActive: UInt64 = 0
    public var rqPendingActive: UInt64 = 0
    public var rqTotal: UInt64 = 0
    public var rqSuccess: UInt64 = 0
    public var rqError: UInt64 = 0
    public var rqTimeout: UInt64 = 0

    public init() {}

    mutating func add(_ cells: HostCells) {
        cxActive &+= UInt64(max(0, cells.connectionsActive))
        cxTotal &+= cells.connectionsTotal
        cxConnectFail &+= cells.connectFailures
        rqActive &+= UInt64(max(0, cells.requestsActive))
        rqPendingActive &+= UInt64(max(0, cells.requestsPending))
        rqTotal &+= cells.requestsTotal
        rqSuccess &+= cells.successes
        rqError &+= cells.errors
        rqTimeout &+= cells.timeouts
    }
}
