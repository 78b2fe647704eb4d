// CDS: clusters that come, change and go.
import Configuration
import DataPlane
import Metrics

/// Takes in what CDS says. Main thread only.
final class ClusterUpdates: CollectionUpdates<ClusterSpec> {
    private let clusters: ClusterDirectory
    /// The clusters that were put in the update that is being taken, and from what their TLS contexts are made again.
    private var fresh: [(cluster: String, sources: TLSContextSources)] = []
    private let reloads: Counter
    private let reloadTime: Gauge

    init(_ desk: ResourceDesk, clusters: ClusterDirectory, secrets: SecretUpdates) {
        self.clusters = clusters
        reloads = desk.cells.counter("cluster_manager.cds.config_reload")
        reloadTime = desk.cells.gauge("cluster_manager.cds.config_reload_time_ms")
        reloadTime.set(0)
        let kind = Kind(
            type: .clusters, shown: .cluster, service: "cds", noun: "cluster", statPrefix: "cluster_manager.cds.",
            user: { .cluster(name: $0) })
        super.init(kind, desk, secrets: secrets)
    }

    override func read(_ bytes: ResourceBytes) throws(ConfigurationErrors) -> ReadResource<ClusterSpec> {
        try desk.reader.cluster(bytes)
    }

    override func put(_ read: ReadResource<ClusterSpec>) -> Outcome {
        do throws(ClusterError) {
            guard try clusters.put(read.spec) else { return .fixed }
        } catch {
            return .refused("\(error)")
        }
        fresh.append((read.name, read.tls))
        desk.reader.clusterNames.insert(read.name)
        return .taken
    }

    override func drop(_ name: String) {
        secrets.follow([], ofClusters: [name])
        clusters.remove(name)
        desk.reader.clusterNames.remove(name)
    }

    override func updated(put: [String], gone: Set<String>) {
        guard !put.isEmpty || !gone.isEmpty else { return }
        if !fresh.isEmpty { secrets.follow(fresh.map(\.sources), ofClusters: fresh.map(\.cluster)) }
        fresh = []
        reloads.increment()
        reloadTime.set(desk.loop.wallNow.unixNanoseconds / 1_000_000)
    }

    override func whenWarm(_ done: @escaping () -> Void) { clusters.whenWarm(done) }
}
