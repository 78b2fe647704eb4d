// A whole bootstrap.
import DataPlane
import EnvoyAPI
import Reactor
import SwiftProtobuf

struct BootstrapSpecBuilder {
    let context: SpecContext
    let options: ConfigurationLoader.Options
    /// Static listeners and clusters whose secrets have to be asked for first.
    private(set) var pending: [PendingResource] = []
    /// What resources that come later need to know.
    private(set) var basis = ResourceBasis()

    init(context: SpecContext, options: ConfigurationLoader.Options) {
        self.context = context
        self.options = options
    }

    mutating func bootstrap(_ bootstrap: API.Bootstrap) -> BootstrapSpec {
        var spec = BootstrapSpec()
        let runtime = RuntimeSpecBuilder(context: context)
        let layers = FieldPath().field("layered_runtime")
        spec.runtime = runtime.read(bootstrap.layeredRuntime, layers)
        let nodes = NodeSpecBuilder(options: options)
        spec.node = nodes.node(bootstrap.node)
        spec.explain = context.explainSettings()
        spec.stats = StatsSpecBuilder(context: context).stats(bootstrap)
        spec.overload = OverloadSpecBuilder(context: context).overload(bootstrap)
        spec.admin = admin(bootstrap)
        spec.statsAddress = context.statsAddress()

        context.tlsSources.areFollowed = context.isOn(.reloadTLSFiles)
        context.followsKeySets = context.isOn(.reloadKeySets)
        context.tlsSources.pollInterval = context.interval(.tlsFilePoll, default: .seconds(60))
        let resources = bootstrap.staticResources
        let path = FieldPath().field("static_resources")
        context.clusterNames = Set(resources.clusters.map(\.name))
        let rules = sourceRules(bootstrap, spec.node)
        context.sourceRules = rules
        spec.dynamic = dynamic(bootstrap.dynamicResources, FieldPath().field("dynamic_resources"))
        spec.dynamic.node = nodes.told(bootstrap.node)
        context.areAllClustersKnown = !bootstrap.dynamicResources.hasCdsConfig
        context.metadataUse.isOpen = spec.dynamic.clusters != nil || spec.dynamic.listeners != nil
        context.secrets = secrets(resources.secrets, path.field("secrets"))
        spec.listeners = ListenerSpecBuilder(context: context).listeners(resources.listeners, path.field("listeners"))
        let dns = DNSSpecBuilder(context: context).standard(bootstrap)
        let bind = UpstreamSocketSpecBuilder(context: context).bind(
            bootstrap.clusterManager.upstreamBindConfig, FieldPath().field("cluster_manager.upstream_bind_config"))
        spec.clusters = ClusterSpecBuilder(context: context, standardDNS: dns, standardBind: bind).clusters(
            resources.clusters, path.field("clusters"))
        spec.dynamic.limits = context.controlPlaneLimits()
        spec.localCluster = bootstrap.clusterManager.localClusterName
        context.checkCluster(spec.localCluster, FieldPath().field("cluster_manager.local_cluster_name"))
        let events = bootstrap.clusterManager.outlierDetection.eventLogPath
        spec.outlierEventLog = events.isEmpty ? nil : events
        holdBack(resources, path, from: &spec)
        // What comes later may read any key.
        if spec.dynamic.clusters == nil, spec.dynamic.listeners == nil { runtime.noteUnusedKeys(layers) }
        basis.runtime = spec.runtime
        basis.secrets = context.secrets
        basis.dns = dns
        basis.bind = bind
        basis.sourceRules = rules
        basis.sharedBuckets = context.sharedBuckets
        basis.rawClusters = context.rawClusters
        basis.metadataUse = context.metadataUse
        return spec
    }

    // MARK: - Dynamic resources

    /// What cannot be made before its secrets are there waits outside of the spec.
    private mutating func holdBack(
        _ resources: API.Bootstrap.StaticResources, _ path: FieldPath, from spec: inout BootstrapSpec
    ) {
        guard !context.missingSecrets.isEmpty, !context.report.hasIssues else { return }
        // Without problems there is a spec for each message.
        for (index, (message, made)) in zip(resources.listeners, spec.listeners).enumerated() {
            var listener = message
            listener.name = made.name
            hold(.listener, listener.name, listener, path.field("listeners")[index])
        }
        for (index, cluster) in resources.clusters.enumerated() {
            hold(.cluster, cluster.name, cluster, path.field("clusters")[index])
        }
        let held = pending
        spec.listeners.removeAll { one in held.contains { $0.kind == .listener && $0.name == one.name } }
        spec.clusters.removeAll { one in held.contains { $0.kind == .cluster && $0.name == one.name } }
    }

    private mutating func hold(
        _ kind: PendingResource.Kind, _ name: String, _ message: some Message, _ path: FieldPath
    ) {
        let missing = context.missingSecrets.filter { $0.reference.hasPrefix(path) }.map(\.subscription)
        guard !missing.isEmpty, let bytes: [UInt8] = try? message.serializedBytes() else { return }
        context.tlsSources.sources.removeAll { $0.path.hasPrefix(path) }
        let resource = ResourceBytes(
            typeURL: envoyTypeURLPrefix + type(of: message).protoMessageName, bytes: bytes,
            place: context.report.sources.first ?? "")
        pending.append(PendingResource(kind: kind, name: name, resource: resource, missing: missing))
    }

    private func sourceRules(_ bootstrap: API.Bootstrap, _ node: NodeSpec) -> SourceRules {
        var rules = SourceRules()
        for cluster in bootstrap.staticResources.clusters where rules.clusters[cluster.name] == nil {
            switch cluster.clusterDiscoveryType {
            case .type(.eds)?: rules.clusters[cluster.name] = .endpointsFromElsewhere
            case .type(.originalDst)?: rules.clusters[cluster.name] = .originalDestination
            default: rules.clusters[cluster.name] = .fit
            }
        }
        rules.hasAggregated = bootstrap.dynamicResources.hasAdsConfig
        rules.isNodeNamed = !node.id.isEmpty && !node.cluster.isEmpty
        return rules
    }

    private func dynamic(_ resources: API.DynamicResources, _ path: FieldPath) -> DynamicResourcesSpec {
        let sources = ConfigSourceSpecBuilder(context: context)
        var spec = DynamicResourcesSpec()
        if resources.hasAdsConfig {
            spec.aggregated = sources.grpc(resources.adsConfig, path.field("ads_config"))
            sources.checkNode()
        }
        if resources.hasCdsConfig { spec.clusters = sources.source(resources.cdsConfig, path.field("cds_config")) }
        if resources.hasLdsConfig { spec.listeners = sources.source(resources.ldsConfig, path.field("lds_config")) }
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
        spec.changes = context.adminChanges()
        spec.ignoresGlobalLimit = admin.ignoreGlobalConnLimit
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
