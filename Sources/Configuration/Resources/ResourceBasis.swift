// What the bootstrap decides for resources that come later.
import DataPlane
import Reactor

/// Kept for as long as the process runs: small, and the same for every resource.
struct ResourceBasis: Sendable {
    var runtime = RuntimeSpec()
    var secrets = TLSSecrets([:])
    var dns = DNSSpec()
    var bind = UpstreamBindSpec()
    var sourceRules = SourceRules()
    var sharedBuckets = SharedTokenBuckets()
    /// Clusters that TCP proxies of static listeners use.
    var rawClusters: Set<String> = []
    /// What formats of static listeners read of metadata.
    var metadataUse = MetadataUse()

    /// A context for one resource, in which everything is as it was for the bootstrap.
    func context(report: ConfigurationReport, files: LoadedFiles) -> SpecContext {
        let context = SpecContext(report: report, files: files)
        context.runtime = runtime
        context.secrets = secrets
        context.sourceRules = sourceRules
        context.sharedBuckets = sharedBuckets
        context.metadataUse = metadataUse
        context.areAllClustersKnown = false
        context.validatesRoutes = false
        context.tlsSources.areFollowed = context.isOn(.reloadTLSFiles)
        context.followsKeySets = context.isOn(.reloadKeySets)
        context.tlsSources.pollInterval = context.interval(.tlsFilePoll, default: .seconds(60))
        return context
    }
}
