// What filters count by the clusters that routes lead to.
import Metrics

/// The same few counters for each cluster, made when something is to be counted. Loop thread only.
final class RouteClusterCounters {
    private let cells: StatCells
    /// Behind `cluster.<name>`.
    private let suffixes: [String]
    /// By the cluster's name in stats: as many as clusters that routes lead to.
    private var counters: [String: [Counter?]] = [:]

    init(_ cells: StatCells, _ suffixes: [String]) {
        self.cells = cells
        self.suffixes = suffixes
    }

    /// - Parameter index: of the suffix. A request without a cluster is not counted.
    func increment(_ index: Int, _ upstream: UpstreamInfo) {
        guard !upstream.clusterName.isEmpty else { return }
        let name = ClusterShared.statName(upstream.clusterName, upstream.clusterAlias)
        var ofCluster = counters[name] ?? suffixes.map { _ in nil }
        let counter = ofCluster[index] ?? cells.counter("cluster.\(name)\(suffixes[index])")
        counter.increment()
        ofCluster[index] = counter
        counters[name] = ofCluster
    }
}
