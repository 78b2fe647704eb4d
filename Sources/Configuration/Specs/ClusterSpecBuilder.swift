// Clusters: endpoints, balancing, circuit breakers and connections.
import DataPlane
import EnvoyAPI
import Reactor

struct ClusterSpecBuilder {
    let context: SpecContext
    /// The bootstrap's resolver settings, for clusters that have none.
    var standardDNS = DNSSpec()
    /// The bootstrap's `upstream_bind_config`, for clusters that have none.
    var standardBind = UpstreamBindSpec()

    /// All clusters. The listeners come first: they tell which clusters carry plain TCP.
    func clusters(_ clusters: [API.Cluster], _ path: FieldPath) -> [ClusterSpec] {
        var names: [String: FieldPath] = [:]
        var specs: [ClusterSpec] = []
        for (index, cluster) in clusters.enumerated() {
            if !cluster.name.isEmpty {
                if let first = names[cluster.name] {
                    context.duplicate(
                        path[index].field("name"),
                        "\(quotedForMessage(cluster.name)) is the name of another cluster (\(context.place(of: first)))"
                    )
                }
                names[cluster.name] = names[cluster.name] ?? path[index]
            }
            specs.append(self.cluster(cluster, path[index]))
        }
        return specs
    }

    /// One cluster.
    func cluster(_ cluster: API.Cluster, _ path: FieldPath) -> ClusterSpec {
        var spec = ClusterSpec(name: cluster.name)
        spec.altStatName = cluster.altStatName
        if cluster.hasMetadata { spec.metadata = context.metadata(cluster.metadata, of: .cluster) }
        let dns = DNSSpecBuilder(context: context, standard: standardDNS)
        (spec.discovery, spec.dns) = dns.discovery(cluster, path)
        spec.originalDestination = OriginalDestinationSpecBuilder(context: context).spec(cluster, spec.discovery, path)
        BalancingSpecBuilder(context: context).read(cluster, path, into: &spec)
        if cluster.hasConnectTimeout { spec.connectTimeout = context.amount(cluster.connectTimeout) }
        if cluster.hasPerConnectionBufferLimitBytes {
            spec.perConnectionBufferLimit = Int(cluster.perConnectionBufferLimitBytes.value)
        }
        spec.breakers = CircuitBreakerSpecBuilder(context: context).breakers(
            cluster.circuitBreakers, path.field("circuit_breakers"))
        if cluster.hasOutlierDetection {
            spec.outliers = OutlierSpecBuilder(context: context).spec(
                cluster.outlierDetection, spec.discovery, path.field("outlier_detection"))
        }
        spec.closesOnHealthFailure = cluster.closeConnectionsOnHostHealthFailure
        let http = UpstreamHTTPSpecBuilder(context: context)
        let options = http.options(of: cluster, path)
        spec.http = http.spec(options.message, cluster, options.path)
        spec.reuse.replacesStaleConnections = context.isOn(.replaceStaleConnections)
        spec.reuse.replaysRefused = context.isOn(.replayRefusedStreams)
        spec.reuse.peeksFirst = context.isOn(.peekBeforeReuse)
        spec.reuse.learnsIdleTimeout = context.isOn(.learnIdleTimeout)
        spec.detectsDeadPeers = context.isOn(.detectDeadPeers)
        let transports = TransportSpecBuilder(
            context: context, cluster: cluster.name, options: options.message, spoken: spec.http.protocol)
        let own = transports.transport(
            cluster.transportSocket, isSet: cluster.hasTransportSocket, path.field("transport_socket"), index: 0)
        (spec.tls, spec.proxyProtocol) = (own.tls, own.proxyProtocol)
        spec.transportMatches = transports.matches(
            cluster.transportSocketMatches, path.field("transport_socket_matches"))
        if spec.tls == nil, spec.transportMatches?.contains(where: { $0.transport.tls != nil }) != true {
            for (name, isSet) in [
                ("auto_sni", spec.http.autoSNI), ("auto_san_validation", spec.http.autoSANValidation),
            ]
            where isSet {
                context.report.warn(
                    path: options.path, "\(name) has no effect: the cluster's transport socket is not TLS")
            }
        }
        spec.healthCheck = HealthCheckSpecBuilder(context: context).check(
            cluster.healthChecks, for: spec, path.field("health_checks"))
        // After these, whose headers may have metadata of endpoints.
        endpoints(of: cluster, path, into: &spec)
        spec.ignoresUncheckedHosts = cluster.commonLbConfig.ignoreNewHostsUntilFirstHc
        spec.removesHealthyHosts = cluster.ignoreHealthOnHostRemoval
        spec.closesOnHealthFailure = cluster.closeConnectionsOnHostHealthFailure
        if cluster.hasWaitForWarmOnInit { spec.waitsForNames = cluster.waitForWarmOnInit.value }
        if cluster.hasTrackClusterStats {
            spec.trackTimeoutBudgets = cluster.trackClusterStats.timeoutBudgets
            spec.trackRequestResponseSizes = cluster.trackClusterStats.requestResponseSizes
            spec.perEndpointStats = cluster.trackClusterStats.perEndpointStats
        }
        if cluster.trackTimeoutBudgets { spec.trackTimeoutBudgets = true }
        if cluster.hasUpstreamConnectionOptions, cluster.upstreamConnectionOptions.hasTcpKeepalive {
            spec.socketOptions.keepalive = context.keepalive(cluster.upstreamConnectionOptions.tcpKeepalive)
        }
        let bind =
            cluster.hasUpstreamBindConfig
            ? UpstreamSocketSpecBuilder(context: context).bind(
                cluster.upstreamBindConfig, path.field("upstream_bind_config")) : standardBind
        spec.sourceAddress = bind.source
        spec.socketOptions.freebind = bind.freebind
        spec.socketOptions.raw = bind.options
        return spec
    }

    private func endpoints(of cluster: API.Cluster, _ path: FieldPath, into spec: inout ClusterSpec) {
        let place = path.field("load_assignment")
        if spec.discovery == .eds {
            spec.endpointSource = endpointSource(cluster, path)
            if cluster.hasLoadAssignment {
                context.report.warn(
                    path: place, "has no effect: the endpoints of a cluster of type EDS come from its eds_config")
            }
            return
        }
        if cluster.hasEdsClusterConfig {
            context.inconsistent(path.field("eds_cluster_config"), "is set in a cluster that is not of type EDS")
        }
        var endpoints = EndpointSpecBuilder(context: context, discovery: spec.discovery)
        endpoints.choosesTransports = !cluster.transportSocketMatches.isEmpty
        endpoints.hasSubsets = cluster.hasLbSubsetConfig
        spec.endpoints = endpoints.localities(cluster.loadAssignment, isSet: cluster.hasLoadAssignment, place)
        let policy = cluster.loadAssignment.policy
        if policy.hasOverprovisioningFactor { spec.overprovisioningFactor = Int(policy.overprovisioningFactor.value) }
        if policy.hasEndpointStaleAfter {
            context.report.skip(
                "load_assignment.policy.endpoint_stale_after", reason: "what the file says of endpoints does not age",
                path: place.field("policy.endpoint_stale_after"))
        }
    }

    private func endpointSource(_ cluster: API.Cluster, _ path: FieldPath) -> EndpointSubscriptionSpec? {
        let place = path.field("eds_cluster_config")
        guard cluster.hasEdsClusterConfig else {
            context.missing(place, "is required: it says where the endpoints of an EDS cluster come from")
            return nil
        }
        let config = cluster.edsClusterConfig
        guard config.hasEdsConfig else {
            context.missing(place.field("eds_config"))
            return nil
        }
        let source = ConfigSourceSpecBuilder(context: context).source(config.edsConfig, place.field("eds_config"))
        let service = config.serviceName.isEmpty ? cluster.name : config.serviceName
        return source.map { EndpointSubscriptionSpec(service: service, source: $0) }
    }
}
