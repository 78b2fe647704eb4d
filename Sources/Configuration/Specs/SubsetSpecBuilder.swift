// Subsets of hosts by metadata: `lb_subset_config`, and what requests want of them.
import DataPlane
import EnvoyAPI
import SwiftProtobuf

struct SubsetSpecBuilder {
    let context: SpecContext

    /// nil: there are no subsets.
    func subsets(of cluster: API.Cluster, _ spec: ClusterSpec, _ path: FieldPath) -> SubsetSpec? {
        guard cluster.hasLbSubsetConfig else { return nil }
        let config = cluster.lbSubsetConfig
        let place = path.field("lb_subset_config")
        if config.subsetSelectors.isEmpty {
            context.report.warn(path: place, "has no effect without subset_selectors")
            return nil
        }
        if cluster.hasLoadBalancingPolicy {
            context.inconsistent(place, "is set beside a load_balancing_policy")
        }
        if spec.discovery == .originalDestination {
            context.inconsistent(place, "is set in a cluster of type ORIGINAL_DST, which has no hosts to choose among")
        }
        if config.localityWeightAware, !spec.balancing.weighsLocalities {
            context.inconsistent(
                place.field("locality_weight_aware"), "needs common_lb_config.locality_weighted_lb_config")
        }
        var found = SubsetSpec(
            selectors: config.subsetSelectors.enumerated().compactMap {
                selector($1, place.field("subset_selectors")[$0])
            })
        switch config.fallbackPolicy {
        case .anyEndpoint: found.fallback = .anyEndpoint
        case .defaultSubset: found.fallback = .defaultSubset
        default: found.fallback = .none
        }
        found.defaultSubset = API.Metadata.labels(config.defaultSubset, in: SubsetSpec.namespace)
        found.weighsLocalities = config.localityWeightAware
        found.scalesWeights = config.scaleLocalityWeight
        found.panicsToAny = config.panicModeAny
        found.listsAsAny = config.listAsAny
        found.usesFallbackList = config.metadataFallbackPolicy == .fallbackList
        found.maxSubsets = context.number(.maxSubsets, default: found.maxSubsets)
        return found
    }

    private func selector(
        _ selector: API.Cluster.LbSubsetConfig.LbSubsetSelector, _ path: FieldPath
    ) -> SubsetSpec.Selector? {
        let keys = Set(selector.keys)
        if keys.isEmpty {
            context.report.warn(path: path, "makes no subsets without keys")
            return nil
        }
        var spec = SubsetSpec.Selector(keys: keys.sorted())
        spec.isSingleHost = selector.singleHostPerSubset
        let fewer = Set(selector.fallbackKeysSubset)
        let place = path.field("fallback_keys_subset")
        switch selector.fallbackPolicy {
        case .noFallback: spec.fallback = .none
        case .anyEndpoint: spec.fallback = .anyEndpoint
        case .defaultSubset: spec.fallback = .defaultSubset
        case .keysSubset:
            if fewer.isEmpty {
                context.missing(place, "is required for KEYS_SUBSET")
            } else if !fewer.isStrictSubset(of: keys) {
                context.inconsistent(place, "must be some of keys, and not all of them")
            } else {
                spec.fallback = .keys(fewer.sorted())
            }
        default: break
        }
        if selector.fallbackPolicy != .keysSubset, !fewer.isEmpty {
            context.inconsistent(place, "is only for fallback_policy KEYS_SUBSET")
        }
        return spec
    }

    // MARK: - What is wanted

    /// What of a `metadata_match` subsets go by; nil: nothing.
    static func match(_ metadata: API.Metadata) -> Metadata? { metadata.kept { $0 == SubsetSpec.namespace } }

    /// The same of a weighted cluster, whose values come before those of `parent` with the same key; nil where it has none.
    static func match(_ metadata: API.Metadata, isSet: Bool, over parent: API.Metadata) -> Metadata? {
        guard isSet else { return nil }
        var merged = API.Metadata()
        var labels = parent.filterMetadata[SubsetSpec.namespace] ?? Google_Protobuf_Struct()
        labels.fields.merge(metadata.filterMetadata[SubsetSpec.namespace]?.fields ?? [:]) { $1 }
        if labels.fields.isEmpty { return nil }
        merged.filterMetadata = [SubsetSpec.namespace: labels]
        return match(merged)
    }
}
