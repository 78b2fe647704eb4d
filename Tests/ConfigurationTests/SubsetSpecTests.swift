// Subsets of hosts, and what routes want of them.
import DataPlane
import Testing

@testable import Configuration

@Suite struct SubsetSpecTests {
    private func spec(_ config: String, _ more: String = "") throws -> SubsetSpec? {
        try loaded(cluster("lb_subset_config: {\(config)}\n\(more)")).spec.clusters[0].balancing.subsets
    }

    @Test func settings() throws {
        let found = try #require(
            try spec(
                """
                fallback_policy: DEFAULT_SUBSET, default_subset: {a: b}, panic_mode_any: true, list_as_any: true,
                 scale_locality_weight: true, locality_weight_aware: true, metadata_fallback_policy: FALLBACK_LIST,
                 subset_selectors: [{keys: [b, a, b], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [a]},
                  {keys: [x], single_host_per_subset: true, fallback_policy: NO_FALLBACK}, {keys: [y]}]
                """.replacing("\n", with: ""), "common_lb_config: {locality_weighted_lb_config: {}}"))
        var wanted = SubsetSpec(selectors: ["ab", "x", "y"].map { SubsetSpec.Selector(keys: $0.map(String.init)) })
        wanted.selectors[0].fallback = .keys(["a"])
        wanted.selectors[1].isSingleHost = true
        wanted.selectors[1].fallback = SubsetSpec.Selector.Fallback.none
        wanted.fallback = .defaultSubset
        wanted.defaultSubset = found.defaultSubset
        wanted.panicsToAny = true
        wanted.listsAsAny = true
        wanted.scalesWeights = true
        wanted.weighsLocalities = true
        wanted.usesFallbackList = true
        #expect(found == wanted && found.defaultSubset != nil)
    }

    @Test func withoutSelectorsThereAreNone() throws {
        let read = try loaded(cluster("lb_subset_config: {fallback_policy: ANY_ENDPOINT}"))
        #expect(read.spec.clusters[0].balancing == BalancingSpec() && read.warnings.count == 1)
        // As in Envoy the fallback holds.
        let empty = try loaded(cluster("lb_subset_config: {subset_selectors: [{keys: []}]}"))
        #expect(empty.spec.clusters[0].balancing.subsets == SubsetSpec(selectors: []) && empty.warnings.count == 1)
        let some = try loaded(cluster("lb_subset_config: {subset_selectors: [{keys: []}, {keys: [a]}]}"))
        #expect(some.spec.clusters[0].balancing.subsets?.selectors.count == 1 && some.warnings.count == 1)
    }

    @Test(arguments: [
        ("subset_selectors: [{keys: [a, b], fallback_policy: KEYS_SUBSET}]", "", "is required for KEYS_SUBSET"),
        (
            "subset_selectors: [{keys: [a, b], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [c]}]", "",
            "must be some of keys"
        ),
        (
            "subset_selectors: [{keys: [a, b], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [b, a]}]", "",
            "must be some of keys"
        ),
        (
            "subset_selectors: [{keys: [a, b], fallback_keys_subset: [a]}]", "",
            "is only for fallback_policy KEYS_SUBSET"
        ),
        ("subset_selectors: [{keys: [a]}], locality_weight_aware: true", "", "needs common_lb_config"),
        (
            "subset_selectors: [{keys: [a]}]",
            "load_balancing_policy: {policies: [{typed_extension_config: {name: p, typed_config: "
                + "{\"@type\": \(types).load_balancing_policies.random.v3.Random}}}]}", "beside a load_balancing_policy"
        ),
        ("subset_selectors: [{keys: [a]}]", "type: ORIGINAL_DST\nlb_policy: CLUSTER_PROVIDED", "ORIGINAL_DST"),
    ])
    func whatIsWrong(_ config: String, _ more: String, _ text: String) {
        let found = errors(cluster("lb_subset_config: {\(config)}\n\(more)"))
        #expect(found.count == 1 && found[0].contains(text), "\(found)")
    }

    @Test func whatRoutesWant() throws {
        let weighted =
            "weighted_clusters: {clusters: [{name: a, weight: 1, metadata_match: {filter_metadata: {envoy.lb: {v: 2}}}}, "
            + "{name: a, weight: 1}]}"
        let match = "metadata_match: {filter_metadata: {envoy.lb: {v: 1, w: 1}, x: {y: z}}}"
        let spec = try loaded(http(route: "match: {prefix: /}, route: {\(weighted), \(match)}")).spec
        guard case .http(let manager) = spec.listeners[0].filterChains[0].filter,
            case .forward(let forward) = manager.routes.virtualHosts[0].routes[0].action,
            case .weighted(let clusters) = forward.target
        else { return #expect(Bool(false)) }
        let (own, first) = (forward.metadataMatch, clusters[0].metadataMatch)
        #expect(own != nil && first != nil && own != first && clusters[1].metadataMatch == nil)
    }
}
