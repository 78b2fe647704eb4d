// The filter that answers the health checks of the proxy's clients.
import DataPlane
import EnvoyAPI
import SwiftProtobuf

struct HealthCheckFilterSpecBuilder {
    let context: SpecContext

    func filter(_ filter: API.HealthCheckFilter, _ path: FieldPath) -> HealthCheckFilterSpec {
        var spec = HealthCheckFilterSpec(passesThrough: filter.passThroughMode.value)
        spec.headers = RouteMatchSpecBuilder(context: context).headers(filter.headers, path.field("headers"))
        if let time = context.timeout(filter.cacheTime, isSet: filter.hasCacheTime) {
            if filter.hasPassThroughMode, !spec.passesThrough {
                context.inconsistent(
                    path.field("cache_time"), "only what the app answers is kept, and pass_through_mode is false")
            }
            spec.cache = CheckCache(time: time)
        }
        let clusters = path.field("cluster_min_healthy_percentages")
        spec.minHealthy = filter.clusterMinHealthyPercentages.map { ($0.key, $0.value.value) }
            .sorted { $0.cluster < $1.cluster }
        for (cluster, _) in spec.minHealthy where context.areAllClustersKnown && !context.clusterNames.contains(cluster)
        {
            context.report.warn(
                path: clusters.key(cluster),
                "there is no cluster \(quotedForMessage(cluster)): all health checks fail"
                    + Suggestion.clause(for: cluster, among: context.clusterNames))
        }
        return spec
    }
}
