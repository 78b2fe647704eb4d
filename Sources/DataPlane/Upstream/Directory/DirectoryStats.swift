// The stats of a cluster that the main thread writes: membership, updates, breakers.
import Metrics
import Reactor

/// Main thread's handles. Making them also makes all names of the cluster known, so that they are shown with 0 before a
/// worker has used the cluster.
final class DirectoryStats {
    let updateAttempt, updateSuccess, updateFailure, updateEmpty, updateNoRebuild, membershipChange: Counter
    let membershipTotal, membershipHealthy, membershipDegraded, membershipExcluded, maxHostWeight: Gauge
    let warmingState: Gauge
    /// Of a cluster of type EDS.
    let assignments: AssignmentStats?
    private let breakers: [BreakerGauges]
    private let endpoints: EndpointStats?
    private let tables: HashTableStats?
    private let subsets: SubsetTableStats?
    /// When the first of the cluster's certificates expires, unix seconds; nil: it has none.
    private(set) var firstExpiration: Int64?

    /// `names`: for what only workers write.
    init(cells: StatCells, names: StatCells, shared: ClusterShared) {
        let cluster = shared.statName
        let prefix = "cluster.\(cluster)."
        func counter(_ name: String) -> Counter { cells.counter(prefix + name) }
        func gauge(_ name: String) -> Gauge { cells.gauge(prefix + name) }
        updateAttempt = counter("update_attempt")
        updateSuccess = counter("update_success")
        updateFailure = counter("update_failure")
        updateEmpty = counter("update_empty")
        updateNoRebuild = counter("update_no_rebuild")
        membershipChange = counter("membership_change")
        membershipTotal = gauge("membership_total")
        membershipHealthy = gauge("membership_healthy")
        membershipDegraded = gauge("membership_degraded")
        membershipExcluded = gauge("membership_excluded")
        maxHostWeight = gauge("max_host_weight")
        warmingState = gauge("warming_state")
        // Before the same names are made below for nobody to write.
        assignments = shared.spec.discovery == .eds ? AssignmentStats(cells, prefix: prefix) : nil
        gauge("lb_subsets_active").set(0)
        subsets =
            shared.spec.balancing.subsets == nil
            ? nil : SubsetTableStats(cells, prefix: prefix, cluster: shared.name)
        for name in ClusterStats.alwaysZero { _ = names.counter(prefix + name) }
        // Stays 0: extensions that would not fit are refused with the file.
        if shared.spec.usesProxyProtocol {
            _ = names.counter(prefix + "upstream.proxyprotocol.v2_tlvs_exceed_max_length")
        }
        if shared.originalDestinations != nil { _ = OriginalDestinationPlaces.counters(names, cluster: cluster) }
        for name in ["version", "membership_excluded", "upstream_queue_overloaded"] {
            gauge(name).set(0)
        }
        breakers = [
            BreakerGauges(cells, "\(prefix)circuit_breakers.default.", shared.breakers.default),
            BreakerGauges(cells, "\(prefix)circuit_breakers.high.", shared.breakers.high),
        ]
        tables = shared.spec.balancing.hashing.map { HashTableStats(cells, prefix: prefix, $0) }
        endpoints = shared.spec.perEndpointStats ? EndpointStats(cells: cells, cluster: cluster) : nil
        _ = ClusterStats(
            cells: names, cluster: cluster, trackTimeoutBudgets: shared.spec.trackTimeoutBudgets,
            trackSizes: shared.spec.trackRequestResponseSizes)
        if shared.spec.allTLS.contains(where: { $0 != nil }) {
            _ = TLSStats(cells: names, prefix: prefix + "ssl.")
            TLSStats.showSecretUpdates(cells: cells, prefix: prefix + "client_")
            publishExpirations(of: shared.spec.allTLS, cells: cells, cluster: cluster)
        }
    }

    /// The cluster's certificates are these from now on.
    func publishExpirations(of tls: [TLSContextSpec?], cells: StatCells, cluster: String) {
        firstExpiration = TLSStats.publishExpirations(
            of: tls.compactMap { $0 }, cells: cells, prefix: "cluster.\(cluster).ssl.")
    }

    func setMembership(_ hosts: HostSet, now: MonotonicTime) {
        membershipTotal.set(Int64(hosts.hosts.count))
        membershipHealthy.set(Int64(hosts.healthyCount))
        membershipDegraded.set(Int64(hosts.degradedCount))
        membershipExcluded.set(Int64(hosts.excludedCount))
        maxHostWeight.set(Int64(hosts.maxWeight))
        endpoints?.follow(hosts)
        tables?.follow(hosts)
        if let table = hosts.subsets { subsets?.follow(table, now: now) }
    }

    /// Brings up to date what is shown of atomics: the breakers' gauges, the endpoints' stats.
    func publish() {
        for gauges in breakers { gauges.publish() }
        endpoints?.publish()
    }
}

/// What is counted only of endpoints that are assigned (EDS).
final class AssignmentStats {
    let rejected, timedOut, stale, staleAfterReceived: Counter
    private let time, version: Gauge
    private let duration: Histogram
    private let versionText: TextReadout

    init(_ cells: StatCells, prefix: String) {
        rejected = cells.counter(prefix + "update_rejected")
        timedOut = cells.counter(prefix + "init_fetch_timeout")
        time = cells.gauge(prefix + "update_time")
        version = cells.gauge(prefix + "version")
        duration = cells.histogram(prefix + "update_duration", unit: .milliseconds)
        versionText = cells.textReadout(prefix + "version_text")
        time.set(0)
        stale = cells.counter(prefix + "assignment_stale")
        staleAfterReceived = cells.counter(prefix + "assignment_timeout_received")
    }

    /// An assignment was taken; `text` is the `version_info` that it came with.
    func taken(version text: String, now: WallTime, took: TimeAmount) {
        time.set(now.unixNanoseconds / 1_000_000)
        version.set(bits: XXHash64.hash(text))
        versionText.set(text)
        duration.record(UInt64(clamping: took.milliseconds))
    }
}

/// `circuit_breakers.<priority>.*`: 1 while the breaker is open, and what is left where `track_remaining` asks for it.
private struct BreakerGauges {
    private let set: BreakerSet
    private let cxOpen, cxPoolOpen, rqPendingOpen, rqOpen, rqRetryOpen: Gauge
    private let remaining: Remaining?

    /// Few clusters ask for it.
    private final class Remaining {
        let cx, cxPools, pending, rq, retries: Gauge

        init(_ cells: StatCells, _ prefix: String) {
            cx = cells.gauge(prefix + "remaining_cx")
            cxPools = cells.gauge(prefix + "remaining_cx_pools")
            pending = cells.gauge(prefix + "remaining_pending")
            rq = cells.gauge(prefix + "remaining_rq")
            retries = cells.gauge(prefix + "remaining_retries")
        }
    }

    init(_ cells: StatCells, _ prefix: String, _ set: BreakerSet) {
        self.set = set
        cxOpen = cells.gauge(prefix + "cx_open")
        cxPoolOpen = cells.gauge(prefix + "cx_pool_open")
        rqPendingOpen = cells.gauge(prefix + "rq_pending_open")
        rqOpen = cells.gauge(prefix + "rq_open")
        rqRetryOpen = cells.gauge(prefix + "rq_retry_open")
        remaining = set.thresholds.trackRemaining ? Remaining(cells, prefix) : nil
    }

    func publish() {
        cxOpen.set(set.connections.canAcquire ? 0 : 1)
        cxPoolOpen.set(set.pools.canAcquire ? 0 : 1)
        rqPendingOpen.set(set.pending.canAcquire ? 0 : 1)
        rqOpen.set(set.requests.canAcquire ? 0 : 1)
        let (retries, limit) = (set.currentRetries, set.retryLimit)
        rqRetryOpen.set(retries < limit ? 0 : 1)
        guard let remaining else { return }
        remaining.cx.set(Int64(set.connections.remaining))
        if set.pools.limit == .max {
            // Envoy shows 64-bit "no limit" here.
            remaining.cxPools.set(bits: .max)
        } else {
            remaining.cxPools.set(Int64(set.pools.remaining))
        }
        remaining.pending.set(Int64(set.pending.remaining))
        remaining.rq.set(Int64(set.requests.remaining))
        remaining.retries.set(Int64(max(0, min(limit, Int(UInt32.max)) - retries)))
    }
}
