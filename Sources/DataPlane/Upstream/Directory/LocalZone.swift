// Where this proxy runs, and who shares its load.

/// What balancing by localities goes by, beside the hosts.
public struct LocalZone: Sendable {
    /// `node.locality`; nil: nobody says.
    public var locality: Locality?
    /// `cluster_manager.local_cluster_name`: its hosts are the proxies that share the load. Empty: no zone aware routing.
    public var cluster: String

    public init(locality: Locality? = nil, cluster: String = "") {
        self.locality = locality
        self.cluster = cluster
    }

    /// As the bootstrap has it.
    public init(_ spec: BootstrapSpec) {
        let locality = Locality(region: spec.node.region, zone: spec.node.zone, subZone: spec.node.subZone)
        self.init(locality: locality == Locality() ? nil : locality, cluster: spec.localCluster)
    }
}
