// The TCP proxy filter.
import DataPlane
import EnvoyAPI
import Reactor

struct TCPProxySpecBuilder {
    let context: SpecContext

    func proxy(_ proxy: API.TCPProxy, _ path: FieldPath) -> TCPProxySpec {
        var clusters: [TCPProxySpec.WeightedCluster] = []
        switch proxy.clusterSpecifier {
        case .cluster(let name)?:
            use(name, path.field("cluster"))
            var one = TCPProxySpec.WeightedCluster(name: name)
            one.metadataMatch = SubsetSpecBuilder.match(proxy.metadataMatch)
            clusters = [one]
        case .weightedClusters(let weighted)?:
            let place = path.field("weighted_clusters.clusters")
            for (index, cluster) in weighted.clusters.enumerated() {
                use(cluster.name, place[index].field("name"))
                var one = TCPProxySpec.WeightedCluster(name: cluster.name, weight: cluster.weight)
                one.metadataMatch =
                    SubsetSpecBuilder.match(
                        cluster.metadataMatch, isSet: cluster.hasMetadataMatch, over: proxy.metadataMatch)
                    ?? SubsetSpecBuilder.match(proxy.metadataMatch)
                clusters.append(one)
            }
        case nil: break
        }
        var spec = TCPProxySpec(statPrefix: proxy.statPrefix, clusters: clusters)
        spec.idleTimeout = context.timeout(proxy.idleTimeout, isSet: proxy.hasIdleTimeout, default: .seconds(3600))
        if proxy.hasMaxConnectAttempts { spec.maxConnectAttempts = Int(proxy.maxConnectAttempts.value) }
        if proxy.hasBackoffOptions {
            let backoff = proxy.backoffOptions
            spec.connectBackoff = context.backoff(
                base: backoff.baseInterval, max: backoff.maxInterval, hasMax: backoff.hasMaxInterval,
                path.field("backoff_options"))
        }
        spec.maxDownstreamConnectionDuration = context.timeout(
            proxy.maxDownstreamConnectionDuration, isSet: proxy.hasMaxDownstreamConnectionDuration)
        spec.accessLogs = AccessLogSpecBuilder(context: context).logs(proxy.accessLog, path.field("access_log"))
        spec.hashesSourceIP = proxy.hashPolicy.contains {
            if case .sourceIp? = $0.policySpecifier { true } else { false }
        }
        logOptions(proxy, path, into: &spec)
        return spec
    }

    private func use(_ cluster: String, _ path: FieldPath) {
        if context.areAllClustersKnown { context.checkCluster(cluster, path) }
        context.rawClusters.insert(cluster)
    }

    /// The deprecated fields, or `access_log_options`; not both.
    private func logOptions(_ proxy: API.TCPProxy, _ path: FieldPath, into spec: inout TCPProxySpec) {
        guard proxy.hasAccessLogOptions else {
            spec.accessLogFlushInterval = context.timeout(
                proxy.accessLogFlushInterval, isSet: proxy.hasAccessLogFlushInterval)
            spec.flushAccessLogOnConnected = proxy.flushAccessLogOnConnected
            return
        }
        for (name, isSet) in [
            ("access_log_flush_interval", proxy.hasAccessLogFlushInterval),
            ("flush_access_log_on_connected", proxy.flushAccessLogOnConnected),
        ] where isSet {
            context.bad(path.field(name), "only one of \(name) and access_log_options may be set")
        }
        let options = proxy.accessLogOptions
        spec.accessLogFlushInterval = context.timeout(
            options.accessLogFlushInterval, isSet: options.hasAccessLogFlushInterval)
        spec.flushAccessLogOnConnected = options.flushAccessLogOnConnected
    }
}
