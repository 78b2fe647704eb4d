// All clusters of one worker, and the ways to find one.
import HTTPWire
import Metrics
import Reactor

/// One worker's clusters. Loop thread only. Found by name when routes are compiled; by bytes for `cluster_header`.
///
/// A cluster takes no memory of the worker's before something goes to it: most workers never use most clusters.
public final class ClusterSet {
    /// What a cluster is made of.
    private struct Source {
        let shared: ClusterShared
        /// As the directory sent them last.
        var hosts: HostSet
        /// Made ahead: it can fail. As it was replaced last.
        var tls: TLSContext?
    }

    private var sources: [Source] = []
    private var made: [Cluster?]
    private var followsSources = false
    private let workerIndex: Int
    private let loop: EventLoop
    private let cells: StatCells
    /// Open addressing over the names: 1 + index, 0 for empty; twice as many slots as names at least.
    private let table: [Int32]
    /// Request headers choose the name: seeded, so that nobody can make names collide.
    private let hashSeed: UInt64

    /// Fails when a TLS context cannot be made; the configuration check has already made them all once.
    public init(_ seed: ClusterSeed, loop: EventLoop, cells: StatCells) throws(TLSConfigurationError) {
        workerIndex = seed.workerIndex
        self.loop = loop
        self.cells = cells
        hashSeed = UInt64.random(in: .min ... .max)
        made = Array(repeating: nil, count: seed.clusters.count)
        sources.reserveCapacity(seed.clusters.count)
        var slots = 4
        while slots < seed.clusters.count * 2 { slots *= 2 }
        var table = Array(repeating: Int32(0), count: slots)
        for (index, (shared, hosts)) in seed.clusters.enumerated() {
            var tls: TLSContext?
            if let spec = shared.spec.tls {
                tls = try TLSContext.client(
                    spec, stats: TLSStats(cells: cells, prefix: "cluster.\(shared.statName).ssl."))
            }
            sources.append(Source(shared: shared, hosts: hosts, tls: tls))
            var slot = ClusterSet.hash(shared.name, hashSeed) & (slots - 1)
            while table[slot] != 0 { slot = (slot + 1) & (slots - 1) }
            table[slot] = Int32(index + 1)
        }
        self.table = table
        // As Envoy without deferred creation: what a worker keeps back is no concern of the reader's.
        cells.gauge("thread_local_cluster_manager.worker_\(workerIndex).clusters_inflated").set(Int64(made.count))
        seed.port.attach(self)
    }

    /// How many there are.
    public var count: Int { made.count }

    /// A cluster by its position, or nil.
    public func cluster(at index: Int) -> Cluster? {
        guard made.indices.contains(index) else { return nil }
        return made[index] ?? make(index)
    }

    /// The position of a cluster, or nil.
    public func index(of name: String) -> Int? { FixedBytes(name).withView { index(of: $0) } }

    /// A cluster by name, or nil.
    public func cluster(_ name: String) -> Cluster? { index(of: name).flatMap { cluster(at: $0) } }

    /// A cluster by the bytes of its name, or nil (`cluster_header`). Allocates nothing.
    public func cluster(named name: ByteView) -> Cluster? { index(of: name).flatMap { cluster(at: $0) } }

    private func index(of name: ByteView) -> Int? {
        let mask = table.count - 1
        var slot = Int(truncatingIfNeeded: name.hash(seed: hashSeed)) & mask
        while table[slot] != 0 {
            let index = Int(table[slot]) - 1
            if name.equals(text: sources[index].shared.name) { return index }
            slot = (slot + 1) & mask
        }
        return nil
    }

    private static func hash(_ name: String, _ seed: UInt64) -> Int {
        FixedBytes(name).withView { Int(truncatingIfNeeded: $0.hash(seed: seed)) }
    }

    @inline(never)
    private func make(_ index: Int) -> Cluster {
        let source = sources[index]
        let cluster = Cluster(
            source.shared, hosts: source.hosts, workerIndex: workerIndex, loop: loop, cells: cells, tls: source.tls,
            random: FastRandom())
        if followsSources { cluster.followSources() }
        made[index] = cluster
        return cluster
    }

    /// Has connections bound to their clients' addresses where a listener asks for it (`original_src`).
    func followSources() {
        followsSources = true
        for cluster in made { cluster?.followSources() }
    }

    func apply(_ hosts: HostSet, cluster index: Int) {
        guard sources.indices.contains(index) else { return }
        sources[index].hosts = hosts
        made[index]?.apply(hosts)
    }

    func hostFailed(_ host: Host, cluster index: Int) {
        if made.indices.contains(index) { made[index]?.hostFailed(host) }
    }

    /// Takes over a TLS context in place of the one that the cluster has, and goes on with its counters.
    func apply(_ tls: TLSContext, cluster index: Int) {
        guard sources.indices.contains(index), let old = sources[index].tls else { return }
        tls.succeed(old)
        sources[index].tls = tls
        made[index]?.apply(tls)
    }

    /// Closes every upstream connection at once, for the end of the worker.
    public func shutDown() {
        for index in sources.indices { sources[index].hosts = HostSet([]) }
        for cluster in made { cluster?.shutDown() }
    }
}
