// Balancing by where hosts run.
import DataPlane
import EnvoyAPI

struct LocalitySpecBuilder {
    let context: SpecContext

    /// `zone_aware_lb_config` or its defaults, which hold wherever there is a local cluster.
    func zone(_ config: API.Cluster.CommonLbConfig.ZoneAwareLbConfig?) -> ZoneAwareSpec {
        var spec = ZoneAwareSpec()
        read(
            percent: config?.hasRoutingEnabled == true ? config?.routingEnabled.value : nil,
            size: config?.hasMinClusterSize == true ? config?.minClusterSize.value : nil, into: &spec)
        spec.failsOnPanic = config?.failTrafficOnPanic ?? false
        return spec
    }

    /// `locality_lb_config` of an extension.
    func read(_ config: API.LocalityLb, into spec: inout BalancingSpec) {
        switch config.localityConfigSpecifier {
        case .localityWeightedLbConfig?: spec.weighsLocalities = true
        case .zoneAwareLbConfig(let zone)?:
            read(
                percent: zone.hasRoutingEnabled ? zone.routingEnabled.value : nil,
                size: zone.hasMinClusterSize ? zone.minClusterSize.value : nil, into: &spec.zone)
            spec.zone.failsOnPanic = zone.failTrafficOnPanic
            spec.zone.sharesByWeight = zone.localityBasis == .healthyHostsWeight
            if zone.hasForceLocalZone {
                spec.zone.forcedLocalHosts =
                    zone.forceLocalZone.hasMinSize ? Int(zone.forceLocalZone.minSize.value) : 1
            } else if zone.forceLocalityDirectRouting {
                spec.zone.forcedLocalHosts = 1
            }
        case nil: break
        }
    }

    private func read(percent: Double?, size: UInt64?, into spec: inout ZoneAwareSpec) {
        let percent = percent.map { Int($0.rounded()) } ?? 100
        let enabled = context.count(percent, runtimeKey: "upstream.zone_routing.enabled")
        spec.percent = UInt32(min(100, enabled))
        spec.minClusterSize = context.count(
            Int(min(size ?? 6, 1_000_000_000)), runtimeKey: "upstream.zone_routing.min_cluster_size")
    }

    static func zone(of common: API.Cluster.CommonLbConfig) -> API.Cluster.CommonLbConfig.ZoneAwareLbConfig? {
        guard case .zoneAwareLbConfig(let config)? = common.localityConfigSpecifier else { return nil }
        return config
    }

    static func weighsLocalities(_ common: API.Cluster.CommonLbConfig) -> Bool {
        guard case .localityWeightedLbConfig? = common.localityConfigSpecifier else { return false }
        return true
    }
}
