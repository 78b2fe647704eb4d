// All clusters on the main thread: who their hosts are, and how workers and admin learn of it.
import Metrics
import Reactor

/// The process's clusters. Main thread only; workers have their own `ClusterSet` each, which this one keeps up to date.
///
/// Those of the bootstrap are there from the beginning. Those of a control plane come (`put`), are replaced and go
/// (`remove`): a new one is hidden until it is warm, which is when its endpoints are known (or did not come in time) and
/// have had their first checks; the one whose place it takes serves until then. Envoy page: "Cluster warming".
public final class ClusterDirectory {
    let loop: EventLoop
    let cells: StatCells
    /// For what only workers write.
    private let names: StatCells
    private let workers: Int
    private let logs: AccessLogSinks?
    private let outlierEvents: OutlierEventLog?
    private let resolvers: SharedResolvers
    let zone: LocalZone
    private let stats: DirectoryTotals
    /// Those that workers know, and those that are warming up to take a place among them.
    private(set) var active: [String: ClusterEntry] = [:]
    private(set) var warming: [String: ClusterEntry] = [:]
    private var nextOrder: UInt32 = 0
    private(set) var ports: [ClusterSetPort] = []
    private var waits = ClusterWaits()
    private var subscriptions = EndpointSubscriptions()
    /// Has to know the listeners as they come and go.
    public let loops = LoopGuard()
    private var timeoutTimer: DeadlineOnce?
    private var isStarted = false
    /// The first lookups of the bootstrap's clusters are over, or were given up.
    public private(set) var isInitialised = false

    /// Calls back whenever other EDS subscriptions are wanted: a cluster has come, has gone, or has changed its source. What
    /// is wanted already is told when this is set.
    public var endpointsWanted: (_ added: [EndpointSubscriptionSpec], _ removed: [EndpointSubscriptionSpec]) -> Void = {
        _, _ in
    }
    {
        didSet {
            let all = subscriptions.all
            if !all.isEmpty { endpointsWanted(all, []) }
        }
    }

    /// `specs`: the bootstrap's. `workers`: how many `addWorker` calls there will be. `resolver` is called once for each
    /// different set of resolver addresses and transport. Fails when a resolver cannot be made, or a file of health check
    /// events cannot be opened among `logs`. `outlierEvents`: where ejections are noted. `zone`: for balancing by localities.
    public init(
        _ specs: [ClusterSpec], loop: EventLoop, cells: StatCells, workers: Int, logs: AccessLogSinks? = nil,
        outlierEvents: OutlierEventLog? = nil, zone: LocalZone = LocalZone(),
        resolver: @escaping (DNSSpec) throws(SystemError) -> any NameResolver
    ) throws(StaticClusterError) {
        self.loop = loop
        self.cells = cells
        self.workers = workers
        self.logs = logs
        self.outlierEvents = outlierEvents
        self.zone = zone
        names = cells.store.makeNames()
        resolvers = SharedResolvers(resolver)
        stats = DirectoryTotals(cells)
        active.reserveCapacity(specs.count)
        for spec in specs {
            let entry: ClusterEntry
            do throws(ClusterError) {
                entry = try makeEntry(spec, isAddedByAPI: false)
            } catch {
                throw StaticClusterError(cluster: spec.name, error: error)
            }
            entry.order = takeOrder()
            active[spec.name] = entry
            _ = subscriptions.add(entry)
        }
        stats.added.add(UInt64(specs.count))
        showCounts()
        if let local = active[zone.cluster] { followLocalCluster(local) }
    }

    private func makeEntry(_ spec: ClusterSpec, isAddedByAPI: Bool) throws(ClusterError) -> ClusterEntry {
        let shared = ClusterShared(spec: spec, workers: workers, loops: loops, main: loop.mailbox)
        var resolver: (any NameResolver)?
        do throws(SystemError) {
            if spec.hasNames { resolver = try resolvers.take(spec.dns) }
        } catch {
            throw .resolver(error)
        }
        do throws(ClusterError) {
            return try ClusterEntry(
                shared, isAddedByAPI: isAddedByAPI, owner: self, loop: loop, cells: cells, names: names,
                workers: workers, logs: logs, outlierEvents: outlierEvents, resolver: resolver)
        } catch {
            if spec.hasNames { resolvers.giveBack(spec.dns) }
            throw error
        }
    }

    private func takeOrder() -> UInt32 {
        nextOrder &+= 1
        return nextOrder
    }

    private func showCounts() {
        let hidden = warming.keys.count { active[$0] == nil }
        // As Envoy, which warms nothing up before it serves.
        stats.active.set(Int64(isInitialised ? active.count : active.count + hidden))
        stats.warming.set(Int64(isInitialised ? warming.count : 0))
    }

    // MARK: - Workers

    /// Registers a worker and gives it what it builds its `ClusterSet` from. Updates that happen from now on reach it
    /// through `mailbox`. The `ClusterSet` has to be made before the worker's loop first turns.
    public func addWorker(_ mailbox: Mailbox) -> ClusterSeed {
        precondition(ports.count < workers, "more workers than announced")
        let port = ClusterSetPort(mailbox: mailbox)
        let seed = ClusterSeed(
            workerIndex: ports.count, clusters: ordered.map { ($0.shared, $0.hosts, $0.allTLS) }, port: port)
        ports.append(port)
        return seed
    }

    // MARK: - Clusters that come and go

    /// Adds a cluster, or replaces the one of that name, once the new one is warm. Requests and TCP sessions of the old one
    /// go on with what they have; its idle connections close. The same cluster once more is a change like any other: the
    /// caller knows which specs are equal. Every worker has to be there.
    ///
    /// - Returns: false for a name that the bootstrap has, whose cluster stays as it is, as in Envoy.
    @discardableResult
    public func put(_ spec: ClusterSpec) throws(ClusterError) -> Bool {
        precondition(ports.count == workers, "a cluster of the control plane before the workers")
        let known = active[spec.name]
        if known?.isAddedByAPI == false { return false }
        let parcels: [TLSContextParcel]
        do throws(TLSConfigurationError) {
            parcels = try makeParcels(spec.allTLS)
        } catch {
            throw .tls(error)
        }
        let entry = try makeEntry(spec, isAddedByAPI: true)
        entry.parcels = parcels
        let older = warming.updateValue(entry, forKey: spec.name)
        (known == nil && older == nil ? stats.added : stats.modified).increment()
        let added = subscriptions.add(entry)
        let removed = older.flatMap { drop($0) }
        showCounts()
        if isStarted { begin(entry) }
        if added != nil || removed != nil {
            endpointsWanted(added.map { [$0] } ?? [], removed.map { [$0] } ?? [])
        }
        return true
    }

    /// Removes a cluster of the control plane, warm or not. Its requests and TCP sessions end in peace; new ones find no
    /// cluster. False: there is none, or it is the bootstrap's.
    @discardableResult
    public func remove(_ name: String) -> Bool {
        let entries = [warming[name], active[name]].compactMap { $0 }.filter(\.isAddedByAPI)
        guard !entries.isEmpty else { return false }
        warming[name] = nil
        if let old = active.removeValue(forKey: name) {
            for port in ports { port.sendRemoval(of: old.shared) }
        }
        let removed = entries.compactMap { drop($0) }
        stats.removed.increment()
        showCounts()
        if !removed.isEmpty { endpointsWanted([], removed) }
        finishWaits(for: [name])
        return true
    }

    /// One for each worker; none where all is plain text.
    func makeParcels(_ tls: [TLSContextSpec?]) throws(TLSConfigurationError) -> [TLSContextParcel] {
        var parcels: [TLSContextParcel] = []
        if tls.allSatisfy({ $0 == nil }) { return parcels }
        for _ in ports { parcels.append(try TLSContextParcel(tls)) }
        return parcels
    }

    /// Ends an entry. Returns the subscription that nobody needs any more.
    private func drop(_ entry: ClusterEntry) -> EndpointSubscriptionSpec? {
        entry.stop()
        if entry.shared.spec.hasNames { resolvers.giveBack(entry.shared.spec.dns) }
        // Whatever of it is just being called ends in this turn.
        loop.later { withExtendedLifetime(entry) {} }
        return subscriptions.remove(entry)
    }

    private func begin(_ entry: ClusterEntry) {
        entry.start { [unowned self, unowned entry] in becameWarm(entry) }
        if let elder = subscriptions.elder(of: entry) { entry.assign(elder.assignment) }
    }

    private func becameWarm(_ entry: ClusterEntry) {
        if warming[entry.name] === entry { activate(entry) }
        finishWaits(for: [entry.name])
    }

    /// From now on requests go to it.
    private func activate(_ entry: ClusterEntry) {
        warming[entry.name] = nil
        let old = active.updateValue(entry, forKey: entry.name)
        entry.order = old?.order ?? takeOrder()
        for (index, port) in ports.enumerated() {
            let parcel = entry.parcels.indices.contains(index) ? entry.parcels[index] : nil
            port.send(ClusterArrival(entry.shared, entry.hosts, parcel))
        }
        entry.parcels = []
        let removed = old.flatMap { drop($0) }
        entry.publishMembership()
        showCounts()
        if let removed { endpointsWanted([], [removed]) }
    }

    // MARK: - Endpoints

    /// The endpoints of a service are asked for.
    public func assignmentAsked(_ subscription: EndpointSubscriptionSpec) {
        for entry in subscriptions.users(of: subscription) { entry.stats.updateAttempt.increment() }
    }

    /// What EDS says of a service; all clusters with that subscription take it. nil: there is no such resource, or no answer.
    /// `version`: the `version_info` of the response.
    public func assign(
        _ assignment: EndpointAssignment?, to subscription: EndpointSubscriptionSpec, version: String = ""
    ) {
        subscriptions.noteAnswer(to: subscription)
        // The loop's own time stands still during a turn.
        let clock = SystemClock()
        for entry in subscriptions.users(of: subscription) {
            let began = clock.monotonicNow()
            entry.assign(assignment)
            guard assignment != nil else { continue }
            entry.stats.assignments?.taken(
                version: version, now: loop.wallNow, took: clock.monotonicNow() - began)
        }
    }

    /// No answer has come within `initial_fetch_timeout`.
    public func assignmentTimedOut(_ subscription: EndpointSubscriptionSpec) {
        for entry in subscriptions.users(of: subscription) {
            entry.stats.updateAttempt.increment()
            entry.stats.assignments?.timedOut.increment()
        }
        assign(nil, to: subscription)
    }

    /// Counts an answer that was no good, or that could not be had. Hosts stay as they are.
    public func assignmentFailed(_ subscription: EndpointSubscriptionSpec, isRejected: Bool) {
        for entry in subscriptions.users(of: subscription) {
            entry.stats.updateAttempt.increment()
            if isRejected {
                entry.stats.assignments?.rejected.increment()
            } else {
                entry.stats.updateFailure.increment()
            }
        }
    }

    // MARK: - Beginning and end

    /// Begins to look names up and to check hosts. `initialised` is called once: when each of the bootstrap's clusters had
    /// its first answer (or failure) and its hosts their first checks, or after `timeout`.
    public func start(timeout: TimeAmount, _ initialised: @escaping () -> Void) {
        guard !isStarted else { return }
        isStarted = true
        let finish = { [unowned self] in
            guard !isInitialised else { return }
            isInitialised = true
            timeoutTimer = nil
            showCounts()
            initialised()
        }
        let bootstrap = ordered
        timeoutTimer = DeadlineOnce(loop: loop, after: timeout) { [unowned self] in
            finish()
            finishWaits(for: bootstrap.map(\.name))
        }
        waits.add(Set(bootstrap.map(\.name)), finish)
        for entry in bootstrap { begin(entry) }
        for entry in warming.values { begin(entry) }
        finishWaits(for: [])
    }

    /// Calls back when everything that was put so far is warm or removed: at once if it is.
    public func whenWarm(_ done: @escaping () -> Void) {
        var missing = Set(warming.keys)
        if !isInitialised { for entry in active.values where !entry.isInitialised { missing.insert(entry.name) } }
        if missing.isEmpty { done() } else { waits.add(missing, done) }
    }

    private func finishWaits(for names: [String]) {
        for body in waits.over(names) { body() }
    }

    /// Makes gRPC calls to a cluster of the bootstrap from the main thread; nil: there is no such cluster.
    public func grpcUpstream(_ name: String) -> GRPCUpstream? {
        guard let entry = active[name], !entry.isAddedByAPI else { return nil }
        return GRPCUpstream(entry.shared, self, cells: cells)
    }

    /// Calls back when a cluster has its hosts: at once if it does.
    func whenInitialised(_ name: String, _ done: @escaping () -> Void) {
        if active[name]?.isInitialised ?? true { done() } else { waits.add([name], done) }
    }

    /// Clusters whose first endpoints or first health checks are missing, for the log.
    public var uninitialised: [(cluster: String, reason: String)] {
        (ordered + warming.values).compactMap { entry in entry.whatIsMissing.map { (entry.name, $0) } }
    }

    /// Stops looking names up and checking hosts.
    public func stop() {
        timeoutTimer = nil
        for entry in active.values { entry.stop() }
        for entry in warming.values { entry.stop() }
    }
}

extension ClusterDirectory {
    /// A cluster's hosts were replaced.
    func hostsChanged(_ entry: ClusterEntry) {
        guard active[entry.name] === entry else { return }
        if isInitialised { stats.updated.increment() }
        for port in ports { port.send(entry.hosts, of: entry.shared) }
        if entry.name == zone.cluster { followLocalCluster(entry) }
    }

    /// Other clusters' requests go by the zones of the local one's hosts.
    private func followLocalCluster(_ local: ClusterEntry) {
        for entry in active.values where entry !== local { entry.localHostsChanged() }
        for entry in warming.values { entry.localHostsChanged() }
    }

    /// The hosts of the local cluster; nil: there is none, or this is it.
    func localHosts(for entry: ClusterEntry) -> HostSet? {
        entry.name == zone.cluster ? nil : active[zone.cluster]?.hosts
    }

    /// A host was taken out for its health.
    func hostFailed(_ host: Host, of entry: ClusterEntry) {
        guard active[entry.name] === entry else { return }
        for port in ports { port.sendFailure(of: host, of: entry.shared) }
    }
}

extension ClusterSpec {
    /// Some of its endpoints have to be looked up.
    fileprivate var hasNames: Bool { discovery == .strictDNS || discovery == .logicalDNS }
}
