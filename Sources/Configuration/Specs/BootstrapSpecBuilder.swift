// A whole bootstrap.
import DataPlane
import EnvoyAPI
import Reactor

struct BootstrapSpecBuilder {
    let context: SpecContext
    let options: ConfigurationLoader.Options

    func bootstrap(_ bootstrap: API.Bootstrap) -> BootstrapSpec {
        var spec = BootstrapSpec()
        let runtime = RuntimeSpecBuilder(context: context)
        let layers = FieldPath().field("layered_runtime")
        spec.runtime = runtime.read(bootstrap.layeredRuntime, layers)
        spec.node = node(bootstrap)
        spec.stats = StatsSpecBuilder(context: context).stats(bootstrap)
        spec.admin = admin(bootstrap)

        context.tlsSources.areFollowed = context.isOn(.reloadTLSFiles)
        context.tlsSources.pollInterval = context.interval(.tlsFilePoll, default: .seconds(60))
        let resources = bootstrap.staticResources
        let path = FieldPath().field("static_resources")
        context.clusterNames = Set(resources.clusters.map(\.name))
        context.secrets = secrets(resources.secrets, path.field("secrets"))
        spec.listeners = ListenerSpecBuilder(context: context).listeners(resources.listeners, path.field("listeners"))
        let dns = DNSSpecBuilder(context: context).standard(bootstrap)
        let bind = UpstreamSocketSpecBuilder(context: context).bind(
            bootstrap.clusterManager.upstreamBindConfig, FieldPath().field("cluster_manager.upstream_bind_config"))
        spec.clusters = ClusterSpecBuilder(context: context, standardDNS: dns, standardBind: bind).clusters(
            resources.clusters, path.field("clusters"))
        let events = bootstrap.clusterManager.outlierDetection.eventLogPath
        spec.outlierEventLog = events.isEmpty ? nil : events
        runtime.noteUnusedKeys(layers)
        return spec
    }

    /// The file's word counts before the command line's, but for the zone, as in Envoy.
    private func node(_ bootstrap: API.Bootstrap) -> NodeSpec {
        var spec = NodeSpec()
        let node = bootstrap.node
        spec.id = node.id.isEmpty ? options.serviceNode : node.id
        spec.cluster = node.cluster.isEmpty ? options.serviceCluster : node.cluster
        spec.region = node.locality.region
        spec.zone = options.serviceZone.isEmpty ? node.locality.zone : options.serviceZone
        spec.subZone = node.locality.subZone
        return spec
    }

    private func admin(_ bootstrap: API.Bootstrap) -> AdminSpec? {
        guard bootstrap.hasAdmin else { return nil }
        let admin = bootstrap.admin
        let path = FieldPath().field("admin")
        let logs = AccessLogSpecBuilder(context: context)
        var accessLogs = logs.logs(admin.accessLog, path.field("access_log"))
        if !admin.accessLogPath.isEmpty { accessLogs.append(logs.log(path: admin.accessLogPath)) }
        let allowed = context.matchers(admin.allowPaths, path.field("allow_paths"))
        let raw = context.socketOptions(admin.socketOptions, path.field("socket_options"))
        guard admin.hasAddress, var listen = context.listenAddress(admin.address, path.field("address"))
        else { return nil }
        listen.socketOptions.raw = raw
        var spec = AdminSpec(listen: listen)
        spec.accessLogs = accessLogs
        spec.allowPaths = allowed
        return spec
    }

    private func secrets(_ secrets: [API.Secret], _ path: FieldPath) -> TLSSecrets {
        var found: [String: (secret: API.Secret, path: FieldPath)] = [:]
        for (index, secret) in secrets.enumerated() {
            if secret.name.isEmpty { context.missing(path[index].field("name")) }
            if let first = found[secret.name] {
                context.duplicate(
                    path[index].field("name"),
                    "\(quotedForMessage(secret.name)) is the name of another secret (\(context.place(of: first.path)))")
            } else {
                found[secret.name] = (secret, path[index])
            }
        }
        return TLSSecrets(found)
    }
}
