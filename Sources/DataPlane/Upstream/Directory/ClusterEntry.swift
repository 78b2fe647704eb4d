// One cluster on the main thread: its endpoints, the names behind them, and the hosts that come of it.
import Metrics
import Reactor

/// The source of a cluster's host set. Main thread only. `ClusterEntry+Hosts.swift` makes the hosts.
final class ClusterEntry {
    /// An endpoint of the configuration, with the name behind it if it has one.
    struct Source {
        var endpoint: EndpointSpec
        var locality: Locality
        var priority: Int
        var localityMetadata: Metadata?
        var refresher: NameRefresher?
        var port: UInt16
    }

    let shared: ClusterShared
    /// Keeps the main thread's stats of the cluster.
    private let hold: StatHold
    let stats: DirectoryStats
    /// Where the cluster has outlier detection.
    let outliers: OutlierDetector?
    var hosts = HostSet([])
    /// In place of the spec's, since certificates have changed.
    @Rare private var replacedTLS: [TransportIndex: TLSContextSpec]?
    /// Where it has several transports.
    private let matches: TransportMatchStats?
    /// What workers get with it when it is warm: one for each, if it has TLS.
    var parcels: [TLSContextParcel] = []
    var sources: [Source] = []
    /// Where localities are weighted.
    var localityWeights: [LocalityPlace: UInt32] = [:]
    /// For slow start.
    var healthyTimes = HealthyTimes()
    /// Beside a local cluster.
    private var zonePlans: ZonePlanStats?
    /// For clusters of type EDS.
    let assigned: AssignedEndpoints?
    let workers: Int
    /// Of the membership of an ORIGINAL_DST cluster.
    private var changesSeen: UInt64 = 0
    let checker: HealthChecker?
    /// Is told when `hosts` was replaced, and when a host is taken out for its health.
    unowned let owner: ClusterDirectory
    /// Called when the first answer for every name is there, and then the first check of every host.
    private var initialised: (() -> Void)?
    /// It came from the control plane.
    let isAddedByAPI: Bool
    private var hasEndpoints = false
    private(set) var isInitialised = false
    /// Position among all clusters, for who lists them.
    var order: UInt32 = 0

    init(
        _ shared: ClusterShared, isAddedByAPI: Bool, owner: ClusterDirectory, loop: EventLoop, cells: StatCells,
        names: StatCells, workers: Int, logs: AccessLogSinks?, outlierEvents: OutlierEventLog?,
        resolver: (any NameResolver)?
    ) throws(ClusterError) {
        self.shared = shared
        self.isAddedByAPI = isAddedByAPI
        self.owner = owner
        self.workers = workers
        hold = cells.store.makeHold()
        let (cells, names) = (cells.held(by: hold), names.held(by: hold))
        stats = DirectoryStats(cells: cells, names: names, shared: shared)
        matches = TransportMatchStats(shared, cells)
        outliers = shared.outliers.map { watch in
            OutlierDetector(
                shared, watch: watch, loop: loop, stats: OutlierStats(cells, cluster: shared.statName),
                events: outlierEvents)
        }
        checker = try shared.spec.healthCheck.map { spec throws(ClusterError) in
            try HealthChecker(spec, cluster: shared, loop: loop, cells: cells, logs: logs)
        }
        assigned = shared.spec.discovery == .eds ? AssignedEndpoints(loop: loop) : nil
        for group in shared.spec.endpoints {
            for endpoint in group.endpoints {
                var source = Source(
                    endpoint: endpoint, locality: group.locality, priority: group.priority,
                    localityMetadata: group.metadata, port: 0)
                if case .name(let name, let port) = endpoint.address, let resolver {
                    source.port = port
                    source.refresher = NameRefresher(
                        name: name, spec: shared.spec.dns, resolver: resolver, loop: loop, stats: stats)
                }
                sources.append(source)
            }
        }
        _ = takeWeights(of: shared.spec.endpoints)
        _ = rebuild()
        outliers?.changed = { [unowned self] in healthChanged() }
        outliers?.hostFailed = { [unowned self] in self.owner.hostFailed($0, of: self) }
        outliers?.refresh = { [unowned self] in followOriginalDestinations() }
        // Nothing changes these hosts any more.
        if shared.spec.discovery == .static { sources = [] }
        checker?.changed = { [unowned self] in healthChanged() }
        checker?.hostFailed = { [unowned self] in self.owner.hostFailed($0, of: self) }
        checker?.hostPassed = { [unowned self] in outliers?.healthCheckPassed($0) }
        assigned?.expired = { [unowned self] in endpointsExpired() }
    }

    var name: String { shared.name }

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

    /// The end: nobody is told anything any more.
    func stop() {
        initialised = nil
        outliers?.stop()
        outliers?.changed = {}
        outliers?.hostFailed = { _ in }
        outliers?.refresh = {}
        for source in sources { source.refresher?.stop() }
        checker?.stop()
        checker?.changed = {}
        checker?.hostFailed = { _ in }
        checker?.hostPassed = { _ in }
        assigned?.stop()
    }

    /// Why it is not initialised, for the log; nil: it is.
    var whatIsMissing: String? {
        if isInitialised { return nil }
        if hasEndpoints { return "the first health checks are not over yet; serving with the hosts as they are" }
        return assigned == nil
            ? "no answer from DNS yet; serving without its hosts"
            : "no endpoints from the control plane yet; serving without hosts"
    }

    /// The TLS context that connections by a transport are made with, if it has one.
    func tls(of transport: TransportIndex) -> TLSContextSpec? {
        replacedTLS?[transport] ?? shared.spec.tls(of: transport)
    }

    /// The same by transport.
    var allTLS: [TLSContextSpec?] {
        (0..<shared.spec.transportCount).map { tls(of: TransportIndex(truncatingIfNeeded: $0)) }
    }

    func replaceTLS(_ tls: TLSContextSpec, for transport: TransportIndex, cells: StatCells) {
        replacedTLS = (replacedTLS ?? [:]).merging([transport: tls]) { $1 }
        checker?.replaceTLS(tls, for: transport)
        stats.publishExpirations(of: allTLS, cells: cells.held(by: hold), cluster: shared.statName)
    }

    /// By which transport a host of an endpoint is spoken to; counted where that was not known.
    func chooseTransport(_ source: Source, _ known: Host?) -> TransportIndex {
        guard let matches else { return 0 }
        if let known, known.metadata == source.endpoint.metadata, known.localityMetadata == source.localityMetadata {
            return known.transport
        }
        let transport = shared.spec.transport(of: source.endpoint.metadata, locality: source.localityMetadata)
        matches.count(transport)
        return transport
    }

    /// Where changes of the context are counted.
    func tlsUpdateStats(_ cells: StatCells) -> TLSUpdateStats {
        TLSUpdateStats(cells: cells.held(by: hold), prefix: "cluster.\(shared.statName).client_")
    }

    /// Shows its own state in the stats, which it may have shared with the one whose place it has taken.
    func publishMembership() {
        stats.setMembership(hosts, now: owner.loop.now)
        outliers?.follow(hosts)
    }

    func count(_ plan: ZonePlan) {
        let stats =
            zonePlans
            ?? ZonePlanStats(owner.cells.held(by: hold), prefix: "cluster.\(shared.statName).")
        zonePlans = stats
        stats.count(plan)
    }

    private func lookedUp(_ addressesChanged: Bool) {
        if !addressesChanged || !rebuild() { stats.updateNoRebuild.increment() }
        checkInitialised()
    }

    func checkInitialised() {
        guard !hasEndpoints, initialised != nil, isAnswered else { return }
        hasEndpoints = true
        let finish = { [weak self] in
            guard let self, let told = initialised else { return }
            initialised = nil
            isInitialised = true
            stats.warmingState.set(0)
            told()
        }
        if let checker { checker.afterFirstRound(finish) } else { finish() }
    }

    private var isAnswered: Bool {
        if let assigned { return assigned.isAnswered }
        return !shared.spec.waitsForNames || sources.allSatisfy { $0.refresher?.isInitialised ?? true }
    }

    /// Sends the same hosts out again, with their health flags as they are now; without those that were kept only for
    /// passing their checks. Not those of an ORIGINAL_DST cluster, which goes to them whatever their health.
    func healthChanged() {
        if checker != nil, shared.spec.discovery != .static, rebuild() { return }
        hosts = makeSet(hosts.hosts, factor: hosts.overprovisioningFactor)
        stats.setMembership(hosts, now: owner.loop.now)
        if shared.originalDestinations == nil { owner.hostsChanged(self) }
    }

    /// Takes over the hosts that the workers of an ORIGINAL_DST cluster have made or given up by themselves.
    func followOriginalDestinations() {
        guard let newer = shared.originalDestinations?.membership(unless: changesSeen) else { return }
        stats.membershipChange.add(newer.changes &- changesSeen)
        changesSeen = newer.changes
        hosts = HostSet(newer.hosts)
        outliers?.follow(hosts)
        stats.setMembership(hosts, now: owner.loop.now)
    }
}
