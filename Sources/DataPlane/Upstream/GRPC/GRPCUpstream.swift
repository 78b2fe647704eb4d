// A cluster to which the main thread makes gRPC calls of its own.
import Metrics
import Reactor

/// Opens calls to a cluster's hosts, one host after the other. Main thread only.
public final class GRPCUpstream {
    let connector: HostConnector
    let stats: ClusterStats
    let loop: EventLoop
    private unowned let directory: ClusterDirectory
    private var tlsInUse: [TLSContextSpec?]
    private var turn: Int

    /// Probes on a silent connection: a call may be silent for hours, and a peer that is gone has to be found out within
    /// half a minute. Not HTTP/2 PING: many gRPC servers hold more than one in five minutes for an attack and end the
    /// connection (`too_many_pings`). `connection_keepalive` of the cluster asks for those.
    static let keepalive = TCPKeepalive(idleSeconds: 15, intervalSeconds: 5, probes: 3)

    init(_ cluster: ClusterShared, _ directory: ClusterDirectory, cells: StatCells) {
        var options = UpstreamDefaults.socketOptions(cluster.spec)
        if cluster.spec.detectsDeadPeers, cluster.spec.socketOptions.keepalive == nil {
            options.keepalive = GRPCUpstream.keepalive
        }
        connector = HostConnector(cluster, loop: directory.loop, cells: cells, socketOptions: options)
        stats = ClusterStats(cells: cells, cluster: cluster.statName)
        loop = directory.loop
        self.directory = directory
        tlsInUse = cluster.spec.allTLS
        // Many proxies start at once, and are not to meet at the same host.
        var random = FastRandom()
        turn = Int(random.below(1 << 20))
    }

    public var name: String { connector.cluster.name }
    var connectTimeout: TimeAmount { connector.cluster.spec.connectTimeout }
    var isSecure: Bool { connector.cluster.spec.tls != nil }

    /// Calls back when the cluster's hosts are known (or did not become so in time): at once if they are.
    public func whenReady(_ done: @escaping () -> Void) { directory.whenInitialised(name, done) }

    /// Begins a call to the next host; nil: the cluster has none. Each call goes to another one than the call before,
    /// where there are several.
    public func open(_ spec: GRPCCallSpec, owner: any GRPCStreamOwner) -> GRPCStream? {
        guard let host = nextHost() else {
            stats.cxNoneHealthy.increment()
            return nil
        }
        for transport in tlsInUse.indices {
            let index = TransportIndex(truncatingIfNeeded: transport)
            guard let now = directory.tlsContext(ofCluster: name, for: index), now != tlsInUse[transport] else {
                continue
            }
            tlsInUse[transport] = now
            connector.replaceTLS(now, for: index)
        }
        return GRPCStream(spec, to: host, self, owner: owner)
    }

    /// Among the healthy ones of the most preferred priority that has some; among all when none is healthy.
    private func nextHost() -> Host? {
        guard let hosts = directory.hosts(of: name) else { return nil }
        let level = hosts.priorities.first { !$0.healthy.isEmpty }?.healthy ?? Array(hosts.hosts.indices)
        guard !level.isEmpty else { return nil }
        turn = (turn &+ 1) & 0xffff_ffff
        return hosts.hosts[level[turn % level.count]]
    }
}
