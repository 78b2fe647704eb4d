// The filter that answers the health checks of the proxy's clients.
import HTTPWire
import Metrics
import Reactor

/// Answers checks for the app, or lets them pass and keeps their answers. Compiled for one worker. Loop thread only.
/// Envoy page: HTTP filters, "Health Check".
final class HTTPHealthCheck {
    private struct Verdict {
        var status: Int
        var details: String
        var isDegraded = false
    }

    private let passesThrough: Bool
    private let headers: [HeaderMatcher]
    private let cache: CheckCache?
    private let minHealthy: [(cluster: FixedBytes, percent: Double)]
    private let stats: HealthCheckFilterStats
    private let health: ProxyHealth
    private let clusters: any RequestClusters
    /// The proxy's own service cluster, by which clients tell that somebody else answers at an address.
    private let serviceCluster: FixedBytes

    init(
        _ spec: HealthCheckFilterSpec, _ stats: HealthCheckFilterStats, _ services: FilterServices,
        serviceCluster: String
    ) {
        passesThrough = spec.passesThrough
        headers = spec.headers.map(HeaderMatcher.init)
        cache = spec.cache
        minHealthy = spec.minHealthy.map { (FixedBytes($0.cluster), $0.percent) }
        self.stats = stats
        health = services.health
        clusters = services.clusters
        self.serviceCluster = FixedBytes(serviceCluster)
    }

    /// As in Envoy, checks are counted among the requests and nowhere else, and not traced. Unlike there, nobody waits for
    /// the body of a check that is answered here.
    func pass(_ stream: HTTPStream, _ filters: StreamFilters) -> FilterVerdict {
        guard headers.allMatch(stream.requestHeaders) else { return .passed }
        stream.info.isHealthCheck = true
        stream.trace?.dropSpan()
        filters.healthCheck = self
        stats.untraced.increment()
        guard let verdict = verdict(stream.loop.now) else { return .passed }
        count(verdict)
        var answer = LocalReply(verdict.status, details: verdict.details)
        if !(200..<300).contains(verdict.status) { answer.flags = .failedLocalHealthCheck }
        stream.reply(
            answer, last: { if verdict.isDegraded { $0.append(.xEnvoyDegraded, ByteView()) } })
        return .answered
    }

    /// nil: the app is asked.
    private func verdict(_ now: MonotonicTime) -> Verdict? {
        if health.failsChecks { return Verdict(status: 503, details: "health_check_failed") }
        if let known = cache?.answer(now: now) {
            return Verdict(status: known.status, details: "health_check_cached", isDegraded: known.isDegraded)
        }
        guard !passesThrough else { return nil }
        guard !minHealthy.isEmpty else { return Verdict(status: 200, details: HTTPHealthCheck.okDetails) }
        for (cluster, percent) in minHealthy {
            guard let found = clusters.requestCluster(named: cluster.view) else {
                stats.clusterNotFound.increment()
                return Verdict(status: 503, details: "health_check_failed_no_cluster_found")
            }
            let members = found.membership
            guard members.total > 0 else {
                if percent == 0 { continue }
                stats.clusterEmpty.increment()
                return Verdict(status: 503, details: "health_check_failed_cluster_empty")
            }
            if Double(members.healthy) < Double(members.total) * percent / 100 {
                stats.clusterUnhealthy.increment()
                return Verdict(status: 503, details: "health_check_failed_cluster_unhealthy")
            }
        }
        return Verdict(status: 200, details: "health_check_ok_cluster_healthy")
    }

    private static let okDetails = "health_check_ok"

    /// Whether the details are those of a check that went well, which nobody has to look into.
    static func isSuccess(_ details: String) -> Bool { details.hasPrefix(okDetails) }

    private func count(_ verdict: Verdict) {
        stats.requests.increment()
        ((200..<300).contains(verdict.status) ? stats.ok : stats.failed).increment()
        if verdict.isDegraded { stats.degraded.increment() }
        if verdict.details == "health_check_cached" { stats.cached.increment() }
    }

    /// - Parameter isCheck: the request was found to be a check here.
    func change(_ response: HeaderMap, isCheck: Bool, now: MonotonicTime) {
        if isCheck {
            cache?.keep(.init(status: response.status, isDegraded: response.contains(.xEnvoyDegraded)), now: now)
            response.set(.xEnvoyUpstreamHealthCheckedCluster, serviceCluster.view)
        }
        if health.failsChecks { response.set(.xEnvoyImmediateHealthCheckFail, "true") }
    }
}
