// All clusters of one worker, and the ways to find one.
import HTTPWire
import Metrics
import Reactor

/// One worker's clusters. Loop thread only. Found by name when routes are compiled; by bytes for `cluster_header`.
public final class ClusterSet {
    public let clusters: [Cluster]
    private let indexes: [String: Int]
    /// Open addressing over the names: 1 + index, 0 for empty; twice as many slots as names at least.
    private let table: [Int32]
    private let names: [FixedBytes]
    /// Request headers choose the name: seeded, so that nobody can make names collide.
    private let hashSeed: UInt64

    /// Fails when a TLS context cannot be made; the configuration check has already made them all once.
    public init(_ seed: ClusterSeed, loop: EventLoop, cells: StatCells) throws(TLSConfigurationError) {
        var made: [Cluster] = []
        for (shared, hosts) in seed.clusters {
            var tls: TLSContext?
            if let spec = shared.spec.tls {
                tls = try TLSContext.client(
                    spec, stats: TLSStats(cells: cells, prefix: "cluster.\(shared.statName).ssl."))
            }
            made.append(
                Cluster(
                    shared, hosts: hosts, workerIndex: seed.workerIndex, loop: loop, cells: cells, tls: tls,
                    random: FastRandom()))
        }
        clusters = made
        indexes = Dictionary(made.enumerated().map { ($0.element.name, $0.offset) }) { first, _ in first }
        names = made.map { FixedBytes($0.name) }
        hashSeed = UInt64.random(in: .min ... .max)
        var slots = 4
        while slots < made.count * 2 { slots *= 2 }
        var table = Array(repeating: Int32(0), count: slots)
        for (index, name) in names.enumerated() {
            var slot = Int(truncatingIfNeeded: name.view.hash(seed: hashSeed)) & (slots - 1)
            while table[slot] != 0 { slot = (slot + 1) & (slots - 1) }
            table[slot] = Int32(index + 1)
        }
        self.table = table
        cells.gauge("thread_local_cluster_manager.worker_\(seed.workerIndex).clusters_inflated").set(Int64(made.count))
        seed.port.attach(self)
    }

    /// The position of a cluster, or nil. For set-up: hashes a String.
    public func index(of name: String) -> Int? { indexes[name] }

    /// A cluster by name, or nil. For set-up: hashes a String.
    public func cluster(_ name: String) -> Cluster? { indexes[name].map { clusters[$0] } }

    /// A cluster by the bytes of its name, or nil (`cluster_header`). Allocates nothing.
    public func cluster(named name: ByteView) -> Cluster? {
        let mask = table.count - 1
        var slot = Int(truncatingIfNeeded: name.hash(seed: hashSeed)) & mask
        while table[slot] != 0 {
            let index = Int(table[slot]) - 1
            if names[index].view == name { return clusters[index] }
            slot = (slot + 1) & mask
        }
        return nil
    }

    /// Has connections bound to their clients' addresses where a listener asks for it (`original_src`).
    func followSources() {
        for cluster in clusters { cluster.followSources() }
    }

    func apply(_ hosts: HostSet, cluster index: Int) {
        guard clusters.indices.contains(index) else { return }
        clusters[index].apply(hosts)
    }

    /// Closes every upstream connection at once, for the end of the worker.
    public func shutDown() {
        for cluster in clusters { cluster.shutDown() }
    }
}
