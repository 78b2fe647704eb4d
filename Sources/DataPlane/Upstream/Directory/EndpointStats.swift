// Per-endpoint stats, for clusters that ask for them (`track_cluster_stats.per_endpoint_stats`).
import Metrics

/// `cluster.<name>.endpoint.<address>.*`: copies of the hosts' own counters. Main thread only.
final class EndpointStats {
    private struct Handles {
        let host: Host
        /// The stats go with the host.
        let hold: StatHold
        let cxConnectFail, cxTotal, rqError, rqSuccess, rqTimeout, rqTotal: Counter
        let cxActive, rqActive, rqPendingActive, healthy: Gauge
        var published = HostTotals()

        init(_ cells: StatCells, _ prefix: String, _ host: Host) {
            self.host = host
            hold = cells.store.makeHold()
            let cells = cells.held(by: hold)
            cxConnectFail = cells.counter(prefix + "cx_connect_fail")
            cxTotal = cells.counter(prefix + "cx_total")
            rqError = cells.counter(prefix + "rq_error")
            rqSuccess = cells.counter(prefix + "rq_success")
            rqTimeout = cells.counter(prefix + "rq_timeout")
            rqTotal = cells.counter(prefix + "rq_total")
            cxActive = cells.gauge(prefix + "cx_active")
            rqActive = cells.gauge(prefix + "rq_active")
            rqPendingActive = cells.gauge(prefix + "rq_pending_active")
            healthy = cells.gauge(prefix + "healthy")
        }

        mutating func publish() {
            let now = host.totals
            cxConnectFail.add(now.cxConnectFail &- published.cxConnectFail)
            cxTotal.add(now.cxTotal &- published.cxTotal)
            rqError.add(now.rqError &- published.rqError)
            rqSuccess.add(now.rqSuccess &- published.rqSuccess)
            rqTimeout.add(now.rqTimeout &- published.rqTimeout)
            rqTotal.add(now.rqTotal &- published.rqTotal)
            cxActive.set(Int64(clamping: now.cxActive))
            rqActive.set(Int64(clamping: now.rqActive))
            rqPendingActive.set(Int64(clamping: now.rqPendingActive))
            healthy.set(host.health == .unhealthy ? 0 : 1)
            published = now
        }
    }

    private let cells: StatCells
    private let prefix: String
    private var handles: [Handles] = []

    init(cells: StatCells, cluster: String) {
        self.cells = cells
        prefix = "cluster.\(cluster).endpoint."
    }

    /// Follows the cluster's hosts; stats of those that left are given up.
    func follow(_ hosts: HostSet) {
        var known: [ObjectIdentifier: Handles] = [:]
        for one in handles { known[ObjectIdentifier(one.host.state)] = one }
        handles = hosts.hosts.map { host in
            if let known = known[ObjectIdentifier(host.state)], known.host.address == host.address { return known }
            let name = String(host.address.description.map { $0 == ":" ? "_" : $0 })
            return Handles(cells, "\(prefix)\(name).", host)
        }
    }

    func publish() {
        for index in handles.indices { handles[index].publish() }
    }
}
