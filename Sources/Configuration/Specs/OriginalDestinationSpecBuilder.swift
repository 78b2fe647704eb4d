// Clusters of type ORIGINAL_DST.
import DataPlane
import EnvoyAPI
import Reactor

struct OriginalDestinationSpecBuilder {
    let context: SpecContext

    /// What Envoy takes where the file names no header.
    private static let standardHeader = "x-envoy-original-dst-host"

    /// The settings of such a cluster; for one of another type, notes those that mean nothing there.
    func spec(_ cluster: API.Cluster, _ discovery: ClusterSpec.Discovery, _ path: FieldPath) -> OriginalDestinationSpec
    {
        var spec = OriginalDestinationSpec()
        spec.maxHosts = context.number(.maxOriginalDestinationHosts, default: spec.maxHosts)
        spec.refusesLoops = context.isOn(.refuseLoops)
        let config = cluster.originalDstLbConfig
        let place = path.field("original_dst_lb_config")
        guard discovery == .originalDestination else {
            noteUnused(cluster, path)
            return spec
        }
        if cluster.lbPolicy != .clusterProvided {
            context.inconsistent(
                path.field("lb_policy"), "a cluster of type ORIGINAL_DST has no other lb_policy than CLUSTER_PROVIDED")
        }
        if cluster.hasLoadAssignment {
            context.inconsistent(
                path.field("load_assignment"),
                "a cluster of type ORIGINAL_DST goes where its clients wanted to go; it takes no endpoints")
        }
        if config.useHTTPHeader {
            let name = config.httpHeaderName.isEmpty ? Self.standardHeader : config.httpHeaderName.lowercased()
            if !FieldRules.isHeaderName(name) || name.hasPrefix(":") && name != ":authority" {
                context.bad(place.field("http_header_name"), "\(quotedForMessage(name)) is not a header name")
            }
            spec.header = name
        } else if !config.httpHeaderName.isEmpty {
            context.inconsistent(place.field("http_header_name"), "has no effect while use_http_header is not true")
        }
        if config.hasUpstreamPortOverride {
            spec.portOverride = context.port(config.upstreamPortOverride.value, place.field("upstream_port_override"))
        }
        if cluster.hasCleanupInterval { spec.cleanupInterval = context.amount(cluster.cleanupInterval) }
        return spec
    }

    private func noteUnused(_ cluster: API.Cluster, _ path: FieldPath) {
        if cluster.lbPolicy == .clusterProvided {
            context.inconsistent(
                path.field("lb_policy"), "CLUSTER_PROVIDED is only for clusters of type ORIGINAL_DST")
        }
        var unused: [String] = []
        if cluster.hasCleanupInterval { unused.append("cleanup_interval") }
        if case .originalDstLbConfig? = cluster.lbConfig { unused.append("original_dst_lb_config") }
        for name in unused {
            context.report.skip(
                "Cluster.\(name)", reason: "only for clusters of type ORIGINAL_DST, which this is not",
                path: path.field(name))
        }
    }
}
