// A cluster's limits on connections, pending requests, requests and retries, shared by all workers.
import Synchronization

/// One counted resource with a limit. Any thread; atomics, because the limit holds over all workers together.
public struct BreakerResource: ~Copyable, Sendable {
    private let inUse = Atomic<Int>(0)
    /// `UInt32.max` stands for no limit.
    public let limit: Int

    init(limit: UInt32) { self.limit = limit == .max ? .max : Int(limit) }

    public var current: Int { inUse.load(ordering: .relaxed) }
    public var canAcquire: Bool { current < limit }
    public var remaining: Int { limit == .max ? Int(UInt32.max) : max(0, limit - current) }

    /// Takes one unless the limit is reached.
    func tryAcquire() -> Bool {
        if inUse.wrappingAdd(1, ordering: .relaxed).newValue <= limit { return true }
        inUse.wrappingSubtract(1, ordering: .relaxed)
        return false
    }

    /// Takes one even past the limit (Envoy lets each pool have one connection).
    func acquire() { inUse.wrappingAdd(1, ordering: .relaxed) }

    func release() { inUse.wrappingSubtract(1, ordering: .relaxed) }
}

/// The breakers of one priority. Any thread.
public final class BreakerSet: Sendable {
    public let thresholds: ThresholdsSpec
    public let connections: BreakerResource
    public let pending: BreakerResource
    public let requests: BreakerResource
    public let pools: BreakerResource
    private let retries = Atomic<Int>(0)

    init(_ thresholds: ThresholdsSpec) {
        self.thresholds = thresholds
        connections = BreakerResource(limit: thresholds.maxConnections)
        pending = BreakerResource(limit: thresholds.maxPendingRequests)
        requests = BreakerResource(limit: thresholds.maxRequests)
        pools = BreakerResource(limit: thresholds.maxConnectionPools)
    }

    /// A limit that is reached, by its name in the configuration: why a request was refused. Who finds no connection
    /// free asks for a place among the pending first.
    var fullLimit: (setting: String, value: Int)? {
        if !pending.canAcquire { return ("max_pending_requests", pending.limit) }
        if !requests.canAcquire { return ("max_requests", requests.limit) }
        return connections.canAcquire ? nil : ("max_connections", connections.limit)
    }

    /// Retries in flight.
    public var currentRetries: Int { retries.load(ordering: .relaxed) }

    /// How many retries may be in flight now: the budget's share of the active and pending requests, or `max_retries`.
    public var retryLimit: Int {
        guard let budget = thresholds.retryBudget else {
            return thresholds.maxRetries == .max ? .max : Int(thresholds.maxRetries)
        }
        let load = Double(max(0, requests.current) + max(0, pending.current))
        let share = load * max(0, min(100, budget.percent)) / 100
        return max(Int(budget.minConcurrency), Int(share))
    }

    /// Takes a place for a retry; `endRetry` gives it back when the retried request has its response or fails.
    public func tryStartRetry() -> Bool {
        if retries.wrappingAdd(1, ordering: .relaxed).newValue <= retryLimit { return true }
        retries.wrappingSubtract(1, ordering: .relaxed)
        return false
    }

    public func endRetry() { retries.wrappingSubtract(1, ordering: .relaxed) }
}

/// All breakers of a cluster.
public final class CircuitBreakers: Sendable {
    public let `default`: BreakerSet
    public let high: BreakerSet
    /// Connections to one host from all workers; `.max`: no limit.
    public let maxConnectionsPerHost: Int

    init(_ spec: CircuitBreakersSpec) {
        `default` = BreakerSet(spec.default)
        high = BreakerSet(spec.high)
        maxConnectionsPerHost = spec.maxConnectionsPerHost.map(Int.init) ?? .max
    }

    public func set(_ priority: ForwardSpec.Priority) -> BreakerSet { priority == .high ? high : `default` }
}
