// What all threads share of one cluster: its spec and its breakers.
import Reactor
import Synchronization

/// The immutable side of a cluster and the totals that hold over all workers. Any thread.
public final class ClusterShared: Sendable {
    public let spec: ClusterSpec
    public let breakers: CircuitBreakers

    /// For clusters of type ORIGINAL_DST only.
    let originalDestinations: OriginalDestinations?
    /// For those that refuse to connect this process to itself.
    let loops: LoopGuard?
    /// For those that eject hosts.
    let outliers: OutlierWatch?
    /// For clusters with health checks.
    public let immediateFailures: ImmediateFailures?
    private let sawTraffic = Atomic<Bool>(false)

    /// `main` is the main loop's mailbox.
    init(spec: ClusterSpec, workers: Int, loops: LoopGuard, main: Mailbox) {
        self.spec = spec
        breakers = CircuitBreakers(spec.breakers)
        let watch = spec.outliers.map { OutlierWatch($0, mailbox: main) }
        outliers = watch
        let goesByOrigin = spec.discovery == .originalDestination
        originalDestinations =
            goesByOrigin
            ? OriginalDestinations(
                cluster: spec.name, limit: spec.originalDestination.maxHosts, workers: workers, watch: watch) : nil
        self.loops = goesByOrigin && spec.originalDestination.refusesLoops ? loops : nil
        immediateFailures = spec.healthCheck == nil ? nil : ImmediateFailures(mailbox: main)
    }

    /// A connection was made or tried, for anything but health checks.
    var hasTraffic: Bool { sawTraffic.load(ordering: .relaxed) }

    func noteTraffic() {
        if !hasTraffic { sawTraffic.store(true, ordering: .relaxed) }
    }

    public var name: String { spec.name }

    /// The server name that does not depend on a request: the endpoint's host name with `auto_host_sni`, else nil
    /// (the TLS context has its own).
    func fixedServerName(for host: Host, by transport: TransportIndex) -> String? {
        guard let tls = spec.tls(of: transport), tls.autoSNI, !spec.http.autoSNI, !host.hostname.isEmpty else {
            return nil
        }
        return host.hostname
    }

    /// The name in stats: `:` becomes `_`, as in Envoy.
    public var statName: String { ClusterShared.statName(spec.name, spec.altStatName) }

    /// `alias` is the cluster's `alt_stat_name`, or empty.
    static func statName(_ name: String, _ alias: String) -> String {
        String((alias.isEmpty ? name : alias).map { $0 == ":" ? "_" : $0 })
    }
}
