// How a cluster's hosts are chosen: the policy and its settings.
import DataPlane
import EnvoyAPI
import Reactor

struct BalancingSpecBuilder {
    let context: SpecContext

    /// By `load_balancing_policy` where there is one, else by `lb_policy`.
    func read(_ cluster: API.Cluster, _ path: FieldPath, into spec: inout ClusterSpec) {
        let common = cluster.commonLbConfig
        spec.panicThreshold = common.hasHealthyPanicThreshold ? common.healthyPanicThreshold.value : 50
        let localities = LocalitySpecBuilder(context: context)
        spec.balancing.zone = localities.zone(nil)
        if cluster.hasLoadBalancingPolicy {
            refuseCommonParts(common, path.field("common_lb_config"))
            extensionPolicy(cluster.loadBalancingPolicy, path.field("load_balancing_policy"), into: &spec)
        } else {
            spec.balancing.weighsLocalities = LocalitySpecBuilder.weighsLocalities(common)
            if let zone = LocalitySpecBuilder.zone(of: common) { spec.balancing.zone = localities.zone(zone) }
            namedPolicy(cluster, path, into: &spec)
            if spec.balancing.hashing != nil, LocalitySpecBuilder.zone(of: common) != nil {
                context.report.warn(
                    path: path.field("common_lb_config.zone_aware_lb_config"),
                    "has no effect: RING_HASH and MAGLEV look at no zones")
            }
        }
        spec.balancing.subsets = SubsetSpecBuilder(context: context).subsets(of: cluster, spec, path)
    }

    /// What a `load_balancing_policy` says for itself.
    private func refuseCommonParts(_ common: API.Cluster.CommonLbConfig, _ path: FieldPath) {
        let fields = [
            ("consistent_hashing_lb_config", common.hasConsistentHashingLbConfig),
            ("zone_aware_lb_config", LocalitySpecBuilder.zone(of: common) != nil),
            ("locality_weighted_lb_config", LocalitySpecBuilder.weighsLocalities(common)),
        ]
        for (name, isSet) in fields where isSet {
            context.inconsistent(
                path.field(name), "is set beside a load_balancing_policy, whose own configuration says this")
        }
    }

    // MARK: - lb_policy

    private func namedPolicy(_ cluster: API.Cluster, _ path: FieldPath, into spec: inout ClusterSpec) {
        let settings = PolicySettings(cluster.lbConfig)
        if let field = settings.field, settings.policy != cluster.lbPolicy {
            context.report.warn(
                path: path.field(field), "has no effect: lb_policy is another")
        }
        switch cluster.lbPolicy {
        case .leastRequest:
            var config = API.Cluster.LeastRequestLbConfig()
            if case .leastRequestLbConfig(let set)? = cluster.lbConfig { config = set }
            spec.balancer = leastRequest(
                choices: config.hasChoiceCount ? config.choiceCount.value : 2,
                bias: config.hasActiveRequestBias ? config.activeRequestBias : nil,
                path.field("least_request_lb_config"))
            if config.hasSlowStartConfig { spec.balancing.slowStart = slowStart(config.slowStartConfig) }
        case .roundRobin:
            if case .roundRobinLbConfig(let config)? = cluster.lbConfig, config.hasSlowStartConfig {
                spec.balancing.slowStart = slowStart(config.slowStartConfig)
            }
        case .random: spec.balancer = .random
        case .ringHash:
            var config = API.Cluster.RingHashLbConfig()
            if case .ringHashLbConfig(let set)? = cluster.lbConfig { config = set }
            spec.balancing.hashing = HashingSpecBuilder(context: context).ring(
                config, cluster.commonLbConfig.consistentHashingLbConfig, path.field("ring_hash_lb_config"))
        case .maglev:
            var config = API.Cluster.MaglevLbConfig()
            if case .maglevLbConfig(let set)? = cluster.lbConfig { config = set }
            spec.balancing.hashing = HashingSpecBuilder(context: context).maglev(
                config, cluster.commonLbConfig.consistentHashingLbConfig, path.field("maglev_lb_config"))
        case .loadBalancingPolicyConfig:
            context.missing(path.field("load_balancing_policy"), "is required for LOAD_BALANCING_POLICY_CONFIG")
        default: break
        }
        let place = path.field("common_lb_config.consistent_hashing_lb_config")
        if cluster.commonLbConfig.hasConsistentHashingLbConfig, spec.balancing.hashing == nil {
            context.report.warn(path: place, "has no effect: lb_policy is neither RING_HASH nor MAGLEV")
        }
        if cluster.commonLbConfig.consistentHashingLbConfig.useHostnameForHashing, spec.discovery != .strictDNS {
            context.inconsistent(
                place.field("use_hostname_for_hashing"), "needs a cluster of type STRICT_DNS, whose hosts have names")
        }
    }

    // MARK: - load_balancing_policy

    /// The first policy of the list that Outrider has, as Envoy does.
    private func extensionPolicy(
        _ policy: Envoy_Config_Cluster_V3_LoadBalancingPolicy, _ path: FieldPath, into spec: inout ClusterSpec
    ) {
        let place = path.field("policies")
        for (index, entry) in policy.policies.enumerated() {
            let config = entry.typedExtensionConfig.typedConfig
            let path = place[index].field("typed_extension_config.typed_config")
            let localities = LocalitySpecBuilder(context: context)
            if let turns = config.unpacked(API.RoundRobin.self) {
                if turns.hasLocalityLbConfig { localities.read(turns.localityLbConfig, into: &spec.balancing) }
                if turns.hasSlowStartConfig { spec.balancing.slowStart = slowStart(turns.slowStartConfig) }
                return
            }
            if let random = config.unpacked(API.RandomPolicy.self) {
                if random.hasLocalityLbConfig { localities.read(random.localityLbConfig, into: &spec.balancing) }
                spec.balancer = .random
                return
            }
            if let least = config.unpacked(API.LeastRequest.self) {
                spec.balancer = leastRequest(
                    choices: least.hasChoiceCount ? least.choiceCount.value : 2,
                    bias: least.hasActiveRequestBias ? least.activeRequestBias : nil, path)
                if least.hasLocalityLbConfig { localities.read(least.localityLbConfig, into: &spec.balancing) }
                if least.hasSlowStartConfig { spec.balancing.slowStart = slowStart(least.slowStartConfig) }
                return
            }
            if let ring = config.unpacked(API.RingHash.self) {
                HashingSpecBuilder(context: context).read(ring, path, into: &spec)
                return
            }
            if let maglev = config.unpacked(API.Maglev.self) {
                HashingSpecBuilder(context: context).read(maglev, path, into: &spec)
                return
            }
        }
        let names = policy.policies.map(\.typedExtensionConfig.typedConfig.messageName).filter { !$0.isEmpty }
        context.unsupported(
            place,
            "Outrider has none of these policies"
                + (names.isEmpty ? "" : " (\(names.joined(separator: ", ")))")
                + "; it has RoundRobin, LeastRequest, Random, RingHash, Maglev")
    }

    // MARK: - Slow start

    private func slowStart(_ config: API.Cluster.SlowStartConfig) -> SlowStartSpec? {
        slowStart(
            window: config.slowStartWindow, aggression: config.hasAggression ? config.aggression : nil,
            leastPercent: config.hasMinWeightPercent ? config.minWeightPercent.value : nil)
    }

    private func slowStart(_ config: API.SlowStart) -> SlowStartSpec? {
        slowStart(
            window: config.slowStartWindow, aggression: config.hasAggression ? config.aggression : nil,
            leastPercent: config.hasMinWeightPercent ? config.minWeightPercent.value : nil)
    }

    /// nil: a window of nothing is none. As in Envoy an aggression that is not above 0 counts as 1.
    private func slowStart(
        window: API.Duration, aggression: Envoy_Config_Core_V3_RuntimeDouble?, leastPercent: Double?
    ) -> SlowStartSpec? {
        guard context.amount(window) >= .milliseconds(1) else { return nil }
        var spec = SlowStartSpec(window: context.amount(window))
        let power = aggression.map { context.number($0.defaultValue, runtimeKey: $0.runtimeKey) } ?? 1
        if power > 0, power.isFinite { spec.aggression = power }
        if let leastPercent { spec.leastPart = leastPercent / 100 }
        return spec
    }

    private func leastRequest(
        choices: UInt32, bias: Envoy_Config_Core_V3_RuntimeDouble?, _ path: FieldPath
    ) -> BalancerSpec {
        let bias = bias.map { context.number($0.defaultValue, runtimeKey: $0.runtimeKey) } ?? 1
        if bias < 0 { context.bad(path.field("active_request_bias"), "must not be negative, found \(bias)") }
        return .leastRequest(choiceCount: Int(choices), activeRequestBias: bias)
    }
}

/// The field of a cluster that has the settings of one `lb_policy`.
private struct PolicySettings {
    var field: String?
    var policy = API.Cluster.LbPolicy.roundRobin

    init(_ config: API.Cluster.OneOf_LbConfig?) {
        switch config {
        case .ringHashLbConfig?: (field, policy) = ("ring_hash_lb_config", .ringHash)
        case .maglevLbConfig?: (field, policy) = ("maglev_lb_config", .maglev)
        case .leastRequestLbConfig?: (field, policy) = ("least_request_lb_config", .leastRequest)
        case .roundRobinLbConfig?: (field, policy) = ("round_robin_lb_config", .roundRobin)
        case .originalDstLbConfig?, nil: break
        }
    }
}
