// One worker's side of a host: its pools, its counters, its connections.
import Reactor

/// A host as one worker uses it. Loop thread only. Outlives its place in the cluster while connections
/// are open.
final class WorkerHost {
    let cluster: Cluster
    /// Replaced when the host keeps its identity but changes (LOGICAL_DNS moved on, a weight changed).
    private(set) var host: Host
    let cells: HostCells
    private var pools: [ConnectionPool] = []
    /// Those whose connections are one client's.
    private var boundPools: [ClientBinding: [ConnectionPool]] = [:]
    private var leases: [TCPLease] = []
    private(set) var isRemoved = false
    var idleLearner = IdleLearner()
    /// How often what asked last came through this process before. Original destinations only.
    var passes = 0

    init(_ host: Host, cluster: Cluster) {
        self.host = host
        self.cluster = cluster
        cells = host.cells(worker: cluster.workerIndex)
    }

    /// The same host in a newer snapshot.
    func update(_ newer: Host) {
        let older = host
        host = newer
        // Connections of the old kind end with what runs on them.
        if newer.transport != older.transport { for pool in allPools { pool.drainConnections() } }
    }

    /// The pool for a priority, protocol and server name (empty: the cluster's own). nil when the breaker on pools
    /// refuses.
    func pool(_ priority: ForwardSpec.Priority, _ version: PoolVersion, serverName: ByteView) -> ConnectionPool? {
        for pool in pools where pool.priority == priority && pool.version == version {
            if serverName.isEmpty ? pool.serverName == nil : pool.serverName?.view == serverName { return pool }
        }
        return makePool(priority, version, serverName, nil)
    }

    /// The same for a client, whose connections are no other's where there is a binding.
    func pool(
        _ priority: ForwardSpec.Priority, _ version: PoolVersion, serverName: ByteView, _ binding: ClientBinding?
    ) -> ConnectionPool? {
        guard let binding else { return pool(priority, version, serverName: serverName) }
        for pool in boundPools[binding] ?? [] where pool.priority == priority && pool.version == version {
            if serverName.isEmpty ? pool.serverName == nil : pool.serverName?.view == serverName { return pool }
        }
        return makePool(priority, version, serverName, binding)
    }

    @inline(never)
    private func makePool(
        _ priority: ForwardSpec.Priority, _ version: PoolVersion, _ serverName: ByteView, _ binding: ClientBinding?
    ) -> ConnectionPool? {
        guard cluster.shared.breakers.set(priority).pools.tryAcquire() else {
            cluster.stats.cxPoolOverflow.increment()
            return nil
        }
        let name = serverName.isEmpty ? nil : FixedBytes(serverName)
        let pool = ConnectionPool(
            place: self, priority: priority, version: version, serverName: name, binding: binding)
        if let binding { boundPools[binding, default: []].append(pool) } else { pools.append(pool) }
        return pool
    }

    /// A pool for a server name of a request, or for a client, goes with its last connection: peers choose those.
    func poolIsEmpty(_ pool: ConnectionPool) {
        guard pool.serverName != nil || pool.binding != nil || isRemoved else { return }
        cluster.loop.later { [self] in
            if pool.isEmpty { forget(pool) }
        }
    }

    /// No further stream goes to this pool.
    func forget(_ pool: ConnectionPool) {
        guard let binding = pool.binding else { return pools.removeAll { $0 === pool } }
        boundPools[binding]?.removeAll { $0 === pool }
        if boundPools[binding]?.isEmpty == true { boundPools[binding] = nil }
    }

    private var allPools: [ConnectionPool] { pools + boundPools.values.joined() }

    /// Nobody is connected to it, and nobody waits to be.
    var isUnused: Bool { leases.isEmpty && allPools.allSatisfy(\.isEmpty) }

    // MARK: - The limit on connections to this host, over all workers

    func tryAcquireConnection() -> Bool {
        let limit = cluster.shared.breakers.maxConnectionsPerHost
        let count = host.state.connections.wrappingAdd(1, ordering: .relaxed).newValue
        if count <= limit { return true }
        host.state.connections.wrappingSubtract(1, ordering: .relaxed)
        return false
    }

    func acquireConnection() { host.state.connections.wrappingAdd(1, ordering: .relaxed) }

    func releaseConnection() { host.state.connections.wrappingSubtract(1, ordering: .relaxed) }

    // MARK: - Leaving the cluster

    func add(_ lease: TCPLease) {
        lease.position = leases.count
        leases.append(lease)
    }

    func remove(_ lease: TCPLease) {
        let last = leases.removeLast()
        if last !== lease {
            last.position = lease.position
            leases[lease.position] = last
        }
    }

    /// The host has left the cluster: pooled connections drain, raw ones stay until their users end them.
    func drain() {
        isRemoved = true
        for pool in allPools {
            pool.drain()
            if pool.isEmpty { forget(pool) }
        }
    }

    /// The host was taken out for its health: pooled connections take no further stream, and TCP sessions end where the
    /// cluster asks for it (`close_connections_on_host_health_failure`).
    func healthFailed() {
        for pool in allPools { pool.drainConnections() }
        if cluster.spec.closesOnHealthFailure { for lease in leases { lease.evict() } }
    }

    /// Closes everything at once; streams are reset and waiters fail.
    func shutDown() {
        isRemoved = true
        for pool in allPools { pool.shutDown() }
        pools = []
        boundPools = [:]
        for lease in leases { lease.close() }
    }
}
