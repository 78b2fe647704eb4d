// What the router has worked out ahead about a route that forwards.
import HTTPWire
import Metrics
import Reactor

/// A forwarding route as the router needs it; made once per route and worker. Loop thread only.
final class ForwardFacts {
    let action: ForwardAction
    let retry: RetryRules?
    let upgrades: UpgradeRules
    /// Bytes of a request body that are kept for a retry, or wait for a mirror, at most.
    let bufferLimit: Int
    private let isBufferLimitOwn: Bool
    let includeAttemptCount: Bool
    let includeAttemptCountInResponse: Bool
    /// There may be more to add to a response than its route's changes.
    let addsToResponse: Bool
    let includeTimeoutRetry: Bool
    let routeStats: RequestGroupStats?
    let virtualClusters: VirtualClusterFacts?
    private let name: String

    init(
        _ route: Route, _ action: ForwardAction, bufferLimit: Int, _ cells: StatCells,
        virtualClusters: VirtualClusterFacts?
    ) {
        self.action = action
        retry = action.retryPolicy.map { RetryRules($0) }
        upgrades = UpgradeRules(action.spec.upgrades)
        self.bufferLimit = min(bufferLimit, route.perRequestBufferLimit ?? bufferLimit)
        isBufferLimitOwn = self.bufferLimit < bufferLimit
        includeAttemptCount = route.virtualHost.includeRequestAttemptCount
        includeAttemptCountInResponse = route.virtualHost.includeAttemptCountInResponse
        addsToResponse = includeAttemptCountInResponse || action.hashPolicy?.makesCookies == true
        includeTimeoutRetry = route.virtualHost.includeIsTimeoutRetryHeader
        self.virtualClusters = virtualClusters
        name = route.name
        if route.statPrefix.isEmpty {
            routeStats = nil
        } else {
            let prefix = "vhost.\(route.virtualHost.name).route.\(route.statPrefix)."
            routeStats = RequestGroupStats(cells, prefix: prefix)
        }
    }

    /// What sets `bufferLimit`, for people.
    var bufferLimitLabel: String {
        isBufferLimitOwn
            ? label("request_body_buffer_limit (per_request_buffer_limit_bytes)") : "per_connection_buffer_limit_bytes"
    }

    /// A setting of this route, for people: "route 'api' timeout".
    func label(_ setting: String) -> String {
        name.isEmpty ? "route \(setting)" : "route '\(name)' \(setting)"
    }
}

/// The virtual clusters of a virtual host with their stats.
final class VirtualClusterFacts {
    private let host: VirtualHost
    private let stats: [(name: String, stats: RequestGroupStats)]
    private let other: RequestGroupStats

    /// nil when the virtual host has none.
    init?(_ host: VirtualHost, _ cells: StatCells) {
        guard host.hasVirtualClusters else { return nil }
        self.host = host
        func group(_ name: String) -> RequestGroupStats {
            RequestGroupStats(cells, prefix: "vhost.\(host.name).vcluster.\(name).")
        }
        stats = host.virtualClusterNames.map { ($0, group($0)) }
        other = group("other")
    }

    /// The virtual cluster of a request; `other` when it is in none.
    func find(_ request: HeaderMap) -> (name: String, stats: RequestGroupStats) {
        guard let index = host.virtualClusterIndex(request), stats.indices.contains(index) else {
            return ("other", other)
        }
        return stats[index]
    }
}
