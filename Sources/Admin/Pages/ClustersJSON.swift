// Clusters as `envoy.admin.v3.Clusters`, and their endpoints as `/config_dump?include_eds` has them.
import Configuration
import DataPlane

enum ClustersJSON {
    static func status(of clusters: [ClusterReport]) -> JSONValue {
        .members(("cluster_statuses", .list(clusters.map(status))))
    }

    private static func status(_ cluster: ClusterReport) -> JSONValue {
        .members(
            ("name", .string(cluster.name)),
            ("added_via_api", cluster.addedViaAPI ? .bool(true) : nil),
            ("success_rate_ejection_threshold", .percent(cluster.outliers?.threshold)),
            ("host_statuses", .list(cluster.hosts.map(status))),
            ("local_origin_success_rate_ejection_threshold", .percent(cluster.outliers?.localOriginThreshold)),
            (
                "circuit_breakers",
                .members(
                    (
                        "thresholds",
                        .array([
                            thresholds(cluster.defaultThresholds), thresholds(cluster.highThresholds, priority: "HIGH"),
                        ])
                    ))
            ),
            ("observability_name", .string(cluster.observabilityName)),
            ("eds_service_name", cluster.service == cluster.name ? nil : .string(cluster.service)))
    }

    private static func thresholds(_ limits: ThresholdsSpec, priority: String? = nil) -> JSONValue {
        .members(
            ("priority", priority.map(JSONValue.string)),
            ("max_connections", .whole(limits.maxConnections)),
            ("max_pending_requests", .whole(limits.maxPendingRequests)),
            ("max_requests", .whole(limits.maxRequests)),
            ("max_retries", .whole(limits.maxRetries)))
    }

    private static func status(_ host: HostReport) -> JSONValue {
        let figures = host.totals.figures
        return .members(
            ("address", .address(host.address)),
            ("stats", .array((figures.filter { !$0.isGauge } + figures.filter(\.isGauge)).map(figure))),
            ("health_status", health(host.flags)),
            ("success_rate", .percent(host.successRate)),
            ("weight", .whole(host.weight)),
            ("hostname", host.hostname.isEmpty ? nil : .string(host.hostname)),
            ("priority", host.priority == 0 ? nil : .whole(host.priority)),
            ("local_origin_success_rate", .percent(host.localOriginSuccessRate)),
            ("locality", locality(host.locality)))
    }

    private static func figure(_ figure: (name: String, value: UInt64, isGauge: Bool)) -> JSONValue {
        .members(
            ("type", figure.isGauge ? .string("GAUGE") : nil),
            // 64 bits are text in protobuf's JSON.
            ("value", figure.value == 0 ? nil : .string("\(figure.value)")),
            ("name", .string(figure.name)))
    }

    private static func health(_ flags: HostHealthFlags) -> JSONValue {
        var members: [(key: String, value: JSONValue)] = []
        for (flag, name) in [
            (HostHealthFlags.failedActiveHealthCheck, "failed_active_health_check"),
            (.failedOutlierCheck, "failed_outlier_check"),
            (.degradedActiveHealthCheck, "failed_active_degraded_check"),
            (.pendingDynamicRemoval, "pending_dynamic_removal"),
            (.pendingActiveHealthCheck, "pending_active_hc"),
            (.excludedByImmediateHealthCheckFail, "excluded_via_immediate_hc_fail"),
            (.activeHealthCheckTimeout, "active_hc_timeout"),
        ] where flags.contains(flag) {
            members.append((name, .bool(true)))
        }
        members.append(("eds_health_status", .string(edsHealth(flags))))
        return .object(members)
    }

    private static func edsHealth(_ flags: HostHealthFlags) -> String {
        if flags.contains(.failedEDSHealth) { return "UNHEALTHY" }
        if flags.contains(.edsStatusDraining) { return "DRAINING" }
        return flags.contains(.degradedEDSHealth) ? "DEGRADED" : "HEALTHY"
    }

    private static func locality(_ locality: Locality) -> JSONValue {
        .members(
            ("region", locality.region.isEmpty ? nil : .string(locality.region)),
            ("zone", locality.zone.isEmpty ? nil : .string(locality.zone)),
            ("sub_zone", locality.subZone.isEmpty ? nil : .string(locality.subZone)))
    }

    /// A `ClusterLoadAssignment` of the hosts as they are now.
    static func assignment(of cluster: ClusterReport) -> JSONValue {
        // Hosts of one locality and priority stand together.
        var groups: [(key: GroupKey, hosts: [HostReport])] = []
        for host in cluster.hosts {
            let key = GroupKey(locality: host.locality, priority: host.priority)
            if let index = groups.firstIndex(where: { $0.key == key }) {
                groups[index].hosts.append(host)
            } else {
                groups.append((key, [host]))
            }
        }
        return .members(
            ("@type", .string(envoyTypePrefix + "config.endpoint.v3.ClusterLoadAssignment")),
            ("cluster_name", .string(cluster.service)),
            (
                "endpoints",
                .list(
                    groups.map { group in
                        .members(
                            ("locality", locality(group.key.locality)),
                            ("lb_endpoints", .array(group.hosts.map(endpoint))),
                            ("priority", group.key.priority == 0 ? nil : .whole(group.key.priority)))
                    })
            ))
    }

    private struct GroupKey: Equatable {
        let locality: Locality
        let priority: Int
    }

    private static func endpoint(_ host: HostReport) -> JSONValue {
        .members(
            (
                "endpoint",
                .members(
                    ("address", .address(host.address)),
                    ("hostname", host.hostname.isEmpty ? nil : .string(host.hostname)))
            ),
            ("health_status", .string(edsHealth(host.flags))),
            ("load_balancing_weight", .whole(host.weight)))
    }
}
