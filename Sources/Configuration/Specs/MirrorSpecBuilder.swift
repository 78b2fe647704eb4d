// Request mirroring.
import DataPlane
import EnvoyAPI

struct MirrorSpecBuilder {
    let context: SpecContext
    /// `validate_clusters`: a mirror that does not exist is a problem.
    let checksClusters: Bool

    func policy(_ policy: API.MirrorPolicy, _ path: FieldPath) -> MirrorPolicySpec? {
        guard policy.cluster.isEmpty != policy.clusterHeader.isEmpty else {
            context.bad(path, "one of cluster and cluster_header is required, and only one may be set")
            return nil
        }
        if checksClusters { context.checkCluster(policy.cluster, path.field("cluster")) }
        var spec = MirrorPolicySpec(
            target: policy.cluster.isEmpty
                ? .clusterHeader(policy.clusterHeader.lowercased()) : .cluster(policy.cluster))
        if policy.hasRuntimeFraction { spec.fraction = context.fraction(policy.runtimeFraction) }
        if policy.hasTraceSampled { spec.isSampled = policy.traceSampled.value }
        if !policy.hostRewriteLiteral.isEmpty {
            spec.host = .literal(policy.hostRewriteLiteral)
        } else if policy.disableShadowHostSuffixAppend {
            spec.host = .unchanged
        }
        spec.headerChanges = HeaderMutationSpecBuilder(context: context).changes(
            policy.requestHeadersMutations, path.field("request_headers_mutations"))
        return spec
    }
}
