// One cluster on the main thread: its endpoints, the names behind them, and the hosts that come of it.
import Metrics
import Reactor

/// The source of a cluster's host set. Main thread only.
final class ClusterEntry {
    /// An endpoint of the configuration, with the name behind it if it has one.
    private struct Source {
        var endpoint: EndpointSpec
        var locality: Locality
        var priority: Int
        var refresher: NameRefresher?
        var port: UInt16
    }

    let shared: ClusterShared
    let stats: DirectoryStats
    /// Where the cluster has outlier detection.
    let outliers: OutlierDetector?
    private(set) var hosts = HostSet([])
    /// In place of the spec's, since certificates have changed.
    @Rare private var replacedTLS: TLSContextSpec?
    private var sources: [Source] = []
    private let workers: Int
    /// Of the membership of an ORIGINAL_DST cluster.
    private var changesSeen: UInt64 = 0
    private let checker: HealthChecker?
    /// Called when `hosts` was replaced.
    var changed: () -> Void = {}
    /// Called when a host is taken out for its health.
    var hostFailed: (Host) -> Void = { _ in }
    /// Called when the first lookup of every name is over, and then the first check of every host.
    private var initialised: (() -> Void)?
    private var hasLookedUp = false
    private var isInitialised = false

    init(
        _ shared: ClusterShared, loop: EventLoop, cells: StatCells, names: StatCells, workers: Int,
        logs: AccessLogSinks?, outlierEvents: OutlierEventLog?,
        resolver: (DNSSpec) throws(SystemError) -> any NameResolver
    ) throws(SystemError) {
        self.shared = shared
        self.workers = workers
        stats = DirectoryStats(cells: cells, names: names, shared: shared)
        outliers = shared.outliers.map { watch in
            OutlierDetector(
                shared, watch: watch, loop: loop, stats: OutlierStats(cells, cluster: shared.statName),
                events: outlierEvents)
        }
        checker = try shared.spec.healthCheck.map { spec throws(SystemError) in
            try HealthChecker(spec, cluster: shared, loop: loop, cells: cells, logs: logs)
        }
        for group in shared.spec.endpoints {
            for endpoint in group.endpoints {
                var source = Source(
                    endpoint: endpoint, locality: group.locality, priority: group.priority, port: 0)
                if case .name(let name, let port) = endpoint.address {
                    source.port = port
                    source.refresher = NameRefresher(
                        name: name, spec: shared.spec.dns, resolver: try resolver(shared.spec.dns), loop: loop,
                        stats: stats)
                }
                sources.append(source)
            }
        }
        _ = rebuild()
        outliers?.changed = { [unowned self] in healthChanged() }
        outliers?.hostFailed = { [unowned self] in hostFailed($0) }
        outliers?.refresh = { [unowned self] in followOriginalDestinations() }
        // Nothing changes these hosts any more.
        if shared.spec.discovery == .static { sources = [] }
        checker?.changed = { [unowned self] in healthChanged() }
        checker?.hostFailed = { [unowned self] in hostFailed($0) }
        checker?.hostPassed = { [unowned self] in outliers?.healthCheckPassed($0) }
    }

    /// Begins to look names up and to check hosts; `initialised` is called once, maybe before this returns.
    func start(_ initialised: @escaping () -> Void) {
        self.initialised = initialised
        outliers?.start()
        let refreshers = sources.compactMap(\.refresher)
        stats.warmingState.set(1)
        checker?.start(hosts.hosts)
        for refresher in refreshers {
            refresher.updated = { [weak self] changed in self?.lookedUp(changed) }
            refresher.start()
        }
        checkInitialised()
    }

    func stop() {
        outliers?.stop()
        for source in sources { source.refresher?.stop() }
        checker?.stop()
    }

    /// Why it is not initialised, for the log; nil: it is.
    var whatIsMissing: String? {
        if isInitialised { return nil }
        return hasLookedUp
            ? "the first health checks are not over yet; serving with the hosts as they are"
            : "no answer from DNS yet; serving without its hosts"
    }

    /// The TLS context that connections are made with, if the cluster has one.
    var tls: TLSContextSpec? { replacedTLS ?? shared.spec.tls }

    func replaceTLS(_ tls: TLSContextSpec, cells: StatCells) {
        replacedTLS = tls
        checker?.replaceTLS(tls)
        stats.publishExpirations(of: tls, cells: cells, cluster: shared.statName)
    }

    private func lookedUp(_ addressesChanged: Bool) {
        if !addressesChanged || !rebuild() { stats.updateNoRebuild.increment() }
        checkInitialised()
    }

    private func checkInitialised() {
        guard !hasLookedUp,
            !shared.spec.waitsForNames || sources.allSatisfy({ $0.refresher?.isInitialised ?? true })
        else { return }
        hasLookedUp = true
        let finish = { [unowned self] in
            isInitialised = true
            stats.warmingState.set(0)
            initialised?()
            initialised = nil
        }
        if let checker { checker.afterFirstRound(finish) } else { finish() }
    }

    // MARK: - Hosts

    /// Makes the host set anew; hosts that are in the old one stay the same objects. False when nothing changed.
    private func rebuild() -> Bool {
        let newer: [Host]
        switch shared.spec.discovery {
        case .static: newer = sources.compactMap(staticHost)
        case .strictDNS: newer = strictHosts()
        case .logicalDNS: newer = logicalHosts()
        case .originalDestination, .eds: return false
        }
        let old = hosts.hosts
        guard newer.count != old.count || zip(newer, old).contains(where: { $0 !== $1 }) else { return false }
        hosts = HostSet(newer)
        outliers?.follow(hosts)
        stats.membershipChange.increment()
        stats.setMembership(hosts)
        changed()
        checker?.follow(hosts.hosts)
        return true
    }

    /// Sends the same hosts out again, with their health flags as they are now; without those that were kept only for
    /// passing their checks. Not those of an ORIGINAL_DST cluster, which goes to them whatever their health.
    func healthChanged() {
        if checker != nil, shared.spec.discovery == .strictDNS, rebuild() { return }
        hosts = HostSet(hosts.hosts)
        stats.setMembership(hosts)
        if shared.originalDestinations == nil { changed() }
    }

    /// Takes over the hosts that the workers of an ORIGINAL_DST cluster have made or given up by themselves.
    func followOriginalDestinations() {
        guard let newer = shared.originalDestinations?.membership(unless: changesSeen) else { return }
        stats.membershipChange.add(newer.changes &- changesSeen)
        changesSeen = newer.changes
        hosts = HostSet(newer.hosts)
        outliers?.follow(hosts)
        stats.setMembership(hosts)
    }

    private func staticHost(_ source: Source) -> Host? {
        guard case .socket(let address) = source.endpoint.address else { return nil }
        return makeHost(source, address, state: newState(source))
    }

    /// All addresses of all names, each address once.
    private func strictHosts() -> [Host] {
        var known: [SocketAddress: Host] = [:]
        for host in hosts.hosts { known[host.address] = host }
        var seen: Set<SocketAddress> = []
        var newer: [Host] = []
        for source in sources {
            for address in addresses(of: source) where seen.insert(address).inserted {
                let host = known[address] ?? makeHost(source, address, state: newState(source))
                host.set(.pendingDynamicRemoval, false)
                newer.append(host)
            }
        }
        return newer + lingering(without: seen)
    }

    /// Hosts that no name stands for any more and that pass their checks: DNS may be wrong, and they are seen to serve.
    private func lingering(without current: Set<SocketAddress>) -> [Host] {
        guard checker != nil, !shared.spec.removesHealthyHosts else { return [] }
        let staying = hosts.hosts.filter {
            !current.contains($0.address) && !$0.isExemptFromChecks
                && $0.healthFlags.isDisjoint(with: [.failedActiveHealthCheck, .failedEDSHealth])
        }
        for host in staying { host.set(.pendingDynamicRemoval, true) }
        return staying
    }

    /// One host, which moves on to the first address of the latest answer and takes its connections along.
    private func logicalHosts() -> [Host] {
        guard let source = sources.first else { return [] }
        let old = hosts.hosts.first
        guard let address = addresses(of: source).first else { return [] }
        if let old, old.address == address { return [old] }
        return [makeHost(source, address, state: old?.state ?? newState(source))]
    }

    private func addresses(of source: Source) -> [SocketAddress] {
        switch source.endpoint.address {
        case .socket(let address): return [address]
        case .name: return (source.refresher?.addresses ?? []).map { SocketAddress($0, port: source.port) }
        }
    }

    private func makeHost(_ source: Source, _ address: SocketAddress, state: HostState) -> Host {
        var hostname = source.endpoint.hostname
        if hostname.isEmpty, case .name(let name, _) = source.endpoint.address { hostname = name }
        return Host(
            address: address, hostname: hostname, locality: source.locality, weight: source.endpoint.weight,
            priority: source.priority, check: source.endpoint.healthCheck, state: state)
    }

    private func newState(_ source: Source) -> HostState {
        var flags: HostHealthFlags
        switch source.endpoint.health {
        case .unknown, .healthy: flags = []
        case .unhealthy, .timeout: flags = .failedEDSHealth
        case .draining: flags = .edsStatusDraining
        case .degraded: flags = .degradedEDSHealth
        }
        if checker != nil, source.endpoint.healthCheck?.isDisabled != true {
            // Nobody knows it to be healthy before its first check.
            flags.insert(.failedActiveHealthCheck)
            if shared.spec.ignoresUncheckedHosts, source.refresher != nil { flags.insert(.pendingActiveHealthCheck) }
        }
        return HostState(flags: flags, workers: workers, watch: shared.outliers)
    }
}
