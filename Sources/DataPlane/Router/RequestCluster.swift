// What the router asks of a cluster; tests put scripted ones in its place.
import HTTPWire
import Reactor

/// A cluster that requests can be sent to. `Cluster` is the one there is.
protocol RequestCluster: AnyObject {
    var name: String { get }
    var spec: ClusterSpec { get }
    var metadata: Metadata? { get }
    var stats: ClusterStats { get }
    func newStream(
        _ waiter: any PoolWaiter, priority: ForwardSpec.Priority, version: HTTPVersion, authority: ByteView,
        avoiding: [Host],
        selectionAttempts: Int, fresh: Bool
    ) -> NewStreamOutcome
    /// For a CONNECT that ends here.
    func newTunnel(_ waiter: any PoolWaiter, avoiding: [Host], selectionAttempts: Int) -> NewStreamOutcome
    func tryStartRetry(_ priority: ForwardSpec.Priority) -> Bool
    func endRetry(_ priority: ForwardSpec.Priority)
    /// The circuit breaker that is full.
    func fullLimit(_ priority: ForwardSpec.Priority) -> (setting: String, value: Int)?
    /// This worker's counters of a host.
    func cells(of host: Host) -> HostCells
    /// Somebody wants to know how tries went.
    var watchesOutcomes: Bool { get }
    func report(_ outcome: AttemptOutcome, of host: Host)
    /// A host took itself out (`x-envoy-immediate-health-check-fail`). Nothing without health checks.
    func failImmediately(_ host: Host)
    /// Its hosts, and how many of them are healthy.
    var membership: (total: Int, healthy: Int) { get }
}

extension Cluster: RequestCluster {
    func fullLimit(_ priority: ForwardSpec.Priority) -> (setting: String, value: Int)? {
        shared.breakers.set(priority).fullLimit
    }

    var membership: (total: Int, healthy: Int) {
        // Those of original destinations are made as they are asked for, and healthy.
        if let count = shared.originalDestinations?.count { return (count, count) }
        return (hosts.hosts.count, hosts.healthyCount)
    }

    func failImmediately(_ host: Host) { shared.immediateFailures?.report(host) }
}

/// The clusters that a router may use.
protocol RequestClusters: AnyObject {
    /// By the place that routes were compiled with.
    func requestCluster(at index: Int) -> (any RequestCluster)?
    /// By name, for `cluster_header`.
    func requestCluster(named name: ByteView) -> (any RequestCluster)?
}

extension ClusterSet: RequestClusters {
    func requestCluster(at index: Int) -> (any RequestCluster)? { cluster(at: index) }

    func requestCluster(named name: ByteView) -> (any RequestCluster)? { cluster(named: name) }
}
