// The gRPC statistics filter: finds the counters of a call by its cluster and its method.
import Logging
import Metrics
import Reactor

/// What the calls of one connection manager share. Loop thread only.
/// Envoy page: HTTP filters, "gRPC Statistics".
final class GRPCStats {
    private struct Entry {
        let cluster: String
        /// Service and method as the request names them; empty for what is counted together.
        let path: FixedBytes
        let stats: GRPCMethodStats
    }

    let measuresTime: Bool
    private let spec: GRPCStatsSpec
    private let cells: StatCells
    private let listed: ByteIndex
    /// By a hash of the path. Entries of one hash are few: there are at most `maxMethods` in all.
    private var entries: [UInt64: [Entry]] = [:]
    private var methodCount = 0
    /// Paths come from clients, so only so many have counters of their own; Envoy counts without end.
    private static let maxMethods = 1024
    private static let logger = Logger(label: "http")

    init(_ spec: GRPCStatsSpec, _ cells: StatCells) {
        self.spec = spec
        self.cells = cells
        measuresTime = spec.upstreamTimes
        var paths: [(key: String, value: Int)] = []
        if case .listed(let methods) = spec.methods {
            for method in methods { paths.append(("/\(method.service)/\(method.name)", 0)) }
        }
        listed = ByteIndex(paths, ignoreCase: false)
    }

    /// The counters of a call. `path`: of the request, as it came.
    func stats(_ upstream: UpstreamInfo, path: ByteView) -> GRPCMethodStats {
        let hasOwn =
            switch spec.methods {
            case .none: false
            case .listed: listed.find(path) >= 0
            case .all: true
            }
        let counted = hasOwn ? path : ByteView()
        return find(upstream, counted) ?? make(upstream, counted)
    }

    private func together(_ upstream: UpstreamInfo) -> GRPCMethodStats {
        find(upstream, ByteView()) ?? make(upstream, ByteView())
    }

    private func find(_ upstream: UpstreamInfo, _ path: ByteView) -> GRPCMethodStats? {
        entries[path.hash()]?.first { $0.path.view == path && $0.cluster == upstream.clusterName }?.stats
    }

    @inline(never)
    private func make(_ upstream: UpstreamInfo, _ path: ByteView) -> GRPCMethodStats {
        var prefix = "cluster.\(ClusterShared.statName(upstream.clusterName, upstream.clusterAlias)).grpc"
        if !path.isEmpty {
            guard methodCount < GRPCStats.maxMethods, let (service, method) = GRPCStats.split(path) else {
                return together(upstream)
            }
            let isDotted = !spec.replacesDots || spec.methods != .all
            prefix += isDotted ? ".\(service)" : "." + String(service.map { $0 == "." ? "_" : $0 })
            prefix += ".\(method)"
            methodCount += 1
            if methodCount == GRPCStats.maxMethods {
                GRPCStats.logger.warning(
                    "grpc_stats stats_for_all_methods: \(methodCount) methods have stats of their own, others are counted together"
                )
            }
        }
        let made = GRPCMethodStats(cells, prefix: prefix)
        let entry = Entry(cluster: upstream.clusterName, path: FixedBytes(path), stats: made)
        entries[path.hash(), default: []].append(entry)
        return made
    }

    /// Service and method of `/service/method`.
    private static func split(_ path: ByteView) -> (service: String, method: String)? {
        let parts = path.string.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].isEmpty, !parts[1].isEmpty, !parts[2].isEmpty else { return nil }
        return (String(parts[1]), String(parts[2]))
    }
}
