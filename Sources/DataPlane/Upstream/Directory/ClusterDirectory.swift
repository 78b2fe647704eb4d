// All clusters on the main thread: who their hosts are, and how workers and admin learn of it.
import Metrics
import Reactor

/// The process's clusters. Main thread only; workers have their own `ClusterSet` each, which this one keeps up to date.
public final class ClusterDirectory {
    private let entries: [ClusterEntry]
    private let loop: EventLoop
    private var ports: [ClusterSetPort] = []
    private let workers: Int
    /// Has to know all listeners before a worker serves.
    public let loops = LoopGuard()
    private var timeoutTimer: DeadlineOnce?
    private var isStarted = false
    /// The first lookups of all clusters are over, or were given up.
    public private(set) var isInitialised = false

    /// `workers`: how many `addWorker` calls there will be. `resolver` is called once for each different set of
    /// resolver addresses and transport. Fails when a resolver cannot be made, or a file of health check events cannot be
    /// opened among `logs`. `outlierEvents`: where ejections are noted.
    public init(
        _ specs: [ClusterSpec], loop: EventLoop, cells: StatCells, workers: Int, logs: AccessLogSinks? = nil,
        outlierEvents: OutlierEventLog? = nil,
        resolver: (DNSSpec) throws(SystemError) -> any NameResolver
    ) throws(SystemError) {
        self.loop = loop
        self.workers = workers
        var resolvers: [ResolverKey: any NameResolver] = [:]
        var made: [ClusterEntry] = []
        let names = cells.store.makeNames()
        for (index, spec) in specs.enumerated() {
            let shared = ClusterShared(
                spec: spec, index: index, workers: workers, loops: loops, main: loop.mailbox)
            let entry = try ClusterEntry(
                shared, loop: loop, cells: cells, names: names, workers: workers, logs: logs,
                outlierEvents: outlierEvents
            ) { dns throws(SystemError) in
                let key = ResolverKey(dns)
                if let known = resolvers[key] { return known }
                let new = try resolver(dns)
                resolvers[key] = new
                return new
            }
            made.append(entry)
        }
        entries = made
        for name in [
            "cluster_modified", "cluster_removed", "cluster_updated", "cluster_updated_via_merge",
            "update_merge_cancelled", "update_out_of_merge_window",
        ] { _ = cells.counter("cluster_manager." + name) }
        cells.counter("cluster_manager.cluster_added").add(UInt64(specs.count))
        cells.gauge("cluster_manager.active_clusters").set(Int64(specs.count))
        cells.gauge("cluster_manager.warming_clusters").set(0)
        for entry in entries {
            entry.changed = { [unowned self, unowned entry] in
                for port in ports { port.send(entry.hosts, cluster: entry.shared.index) }
            }
            entry.hostFailed = { [unowned self, unowned entry] host in
                for port in ports { port.sendFailure(of: host, cluster: entry.shared.index) }
            }
        }
    }

    /// Registers a worker and gives it what it builds its `ClusterSet` from. Updates that happen from now on reach it
    /// through `mailbox`. The `ClusterSet` has to be made before the worker's loop first turns.
    public func addWorker(_ mailbox: Mailbox) -> ClusterSeed {
        precondition(ports.count < workers, "more workers than announced")
        let port = ClusterSetPort(mailbox: mailbox)
        let seed = ClusterSeed(
            workerIndex: ports.count, clusters: entries.map { ($0.shared, $0.hosts) }, port: port)
        ports.append(port)
        return seed
    }

    /// Begins to look names up and to check hosts. `initialised` is called once: when every cluster had its first answer
    /// (or failure) and its hosts their first checks, or after `timeout`.
    public func start(timeout: TimeAmount, _ initialised: @escaping () -> Void) {
        guard !isStarted else { return }
        isStarted = true
        var waiting = entries.count
        let finish = { [unowned self] in
            guard !isInitialised else { return }
            isInitialised = true
            timeoutTimer = nil
            initialised()
        }
        if waiting == 0 {
            finish()
            return
        }
        timeoutTimer = DeadlineOnce(loop: loop, after: timeout, finish)
        for entry in entries {
            entry.start {
                waiting -= 1
                if waiting == 0 { finish() }
            }
        }
    }

    /// Clusters whose first lookups or first health checks are not over, for the log.
    public var uninitialised: [(cluster: String, reason: String)] {
        entries.compactMap { entry in entry.whatIsMissing.map { (entry.shared.name, $0) } }
    }

    /// Stops looking names up and checking hosts.
    public func stop() {
        timeoutTimer = nil
        for entry in entries { entry.stop() }
    }

    /// What `/clusters` shows, in the order of the configuration.
    public var reports: [ClusterReport] {
        entries.map { entry in
            entry.followOriginalDestinations()
            return ClusterReport(entry.shared, entry.hosts, entry.outliers)
        }
    }

    /// The TLS contexts of all clusters that have one, as they are now, in the order of the configuration.
    public var tlsContexts: [TLSContextSpec] { entries.compactMap(\.tls) }

    /// What cluster `index` connects with now; nil: plain text, or no such cluster.
    public func tlsContext(ofCluster index: Int) -> TLSContextSpec? {
        entries.indices.contains(index) ? entries[index].tls : nil
    }

    /// What `/certs` and the gauges show of cluster `index` from now on. The workers are told by `Worker.replaceTLS`.
    public func replaceTLS(_ tls: TLSContextSpec, ofCluster index: Int, cells: StatCells) {
        guard entries.indices.contains(index) else { return }
        entries[index].replaceTLS(tls, cells: cells)
    }

    /// The name of cluster `index`, and the one it has in stats.
    public func names(ofCluster index: Int) -> (name: String, statName: String)? {
        entries.indices.contains(index) ? (entries[index].shared.name, entries[index].shared.statName) : nil
    }

    /// When the first certificate of any cluster expires, unix seconds; nil: there is none.
    public var firstCertificateExpiration: Int64? { entries.compactMap(\.stats.firstExpiration).min() }

    /// Brings the `circuit_breakers.*` gauges, the membership of ORIGINAL_DST clusters and the stats of endpoints up to
    /// date. To be called before stats are shown or flushed: what is behind them are atomics and locks, which no request
    /// turns into gauges.
    public func publishGauges() {
        for entry in entries {
            entry.followOriginalDestinations()
            entry.stats.publish()
        }
    }

    /// The hosts of a cluster now, or nil.
    public func hosts(of cluster: String) -> HostSet? { entries.first { $0.shared.name == cluster }?.hosts }
}

/// What makes two resolvers different.
private struct ResolverKey: Hashable {
    var resolvers: [SocketAddress]
    var useTCP: Bool
    var noDefaultSearchDomain: Bool

    init(_ dns: DNSSpec) {
        resolvers = dns.resolvers
        useTCP = dns.useTCP
        noDefaultSearchDomain = dns.noDefaultSearchDomain
    }
}

/// Calls a closure once after a time, unless it is dropped before.
private final class DeadlineOnce: TimerTarget {
    private var timer: LoopTimer?
    private let body: () -> Void

    init(loop: EventLoop, after amount: TimeAmount, _ body: @escaping () -> Void) {
        self.body = body
        let timer = LoopTimer(loop: loop, target: self)
        timer.arm(after: amount)
        self.timer = timer
    }

    func timerFired(_ timer: LoopTimer) { body() }
}
