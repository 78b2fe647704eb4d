// What filters need of a worker to ask services.
import HTTPWire
import Reactor

/// The worker's clusters, and how services are asked by gRPC.
struct FilterServices {
    let loop: EventLoop
    let clusters: any RequestClusters
    /// The proxy's own address, for the services' eyes.
    let sender: FixedBytes
    /// What health checks of clients are told.
    let health: ProxyHealth

    /// Bytes of an answer at most; a longer one is no answer.
    static let maxResponseBytes = 1 << 20

    /// A method of a service, as Envoy calls it.
    func method(_ path: String, of service: GRPCServiceSpec) -> GRPCSideMethod {
        var rules = SideCallRules()
        rules.timeout = service.timeout
        rules.maxResponseBytes = FilterServices.maxResponseBytes
        rules.isRepeatable = true
        rules.announcesTimeout = true
        rules.sender = sender
        return GRPCSideMethod(path: path, authority: service.authority, metadata: service.metadata, rules)
    }

    /// Counts an answer in the upstream's place among the responses of the route's cluster.
    func charge(_ status: Int, _ stream: HTTPStream) {
        guard !stream.info.upstream.clusterName.isEmpty else { return }
        let cluster = FixedBytes(stream.info.upstream.clusterName).withView { clusters.requestCluster(named: $0) }
        cluster?.stats.charge(status: status, isCanary: false, isInternal: true)
    }
}
