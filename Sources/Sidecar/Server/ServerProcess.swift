// The composition root: one loaded configuration, its workers and its admin port.
import Admin
import Configuration
import DataPlane
import Glibc
import Logging
import Metrics
import Reactor

/// A running proxy. Made and used on the main thread.
final class ServerProcess {
    enum Life {
        case starting
        case serving
        /// SIGTERM came: what runs is finished, nothing new is taken.
        case draining
        /// Another process has taken over; what is connected is served to its end.
        case replaced
        case ended
    }

    /// Without the specs of clusters and listeners: `clusters` and `listenerManager` have them.
    let configuration: LoadedConfiguration
    let dynamicConfiguration = DynamicConfiguration()
    let options: ServerOptions
    let levels: LogLevels
    let logOutput: LogOutput
    let log = Logger(label: "main")
    /// What is said about the file.
    private let configLog = Logger(label: "config")
    /// What is said about clusters.
    let upstreamLog = Logger(label: "upstream")
    /// What is said about certificates and keys.
    let secretLog = Logger(label: "secret")
    let loop: EventLoop
    let stats: StatStore
    let cells: StatCells
    let serverStats: ServerStats
    let clusters: ClusterDirectory
    let accessLogs: AccessLogSinks
    /// Where ejections of hosts are written, if the file asks for it.
    private let outlierEvents: OutlierEventLog?
    /// nil: the file asks for no limit on connections over all listeners.
    let globalLimit: GlobalConnectionLimit?
    /// nil: the file has no overload manager that would watch anything.
    let overload: OverloadManager?
    let listenerManager: ListenerManager
    let certificates: CertificatesInUse
    let certificateAges: CertificateAges
    var ageCheck: Tick?
    /// nil: nothing comes while the process runs.
    private(set) var dynamic: DynamicResources?
    /// nil: no TLS context depends on a file that is followed, nor can one that comes later.
    var certificateReload: CertificateReload?
    /// nil: no listener has had keys from a file.
    var keySetReload: KeySetReload?
    let began: MonotonicTime
    let loadedAt: WallTime
    var workers: [WorkerThread] = []
    /// What workers have recorded of requests and connections that are over, one log a worker.
    var flightLogs: [FlightLog] = []
    /// The port for stats alone, where there is one, then the admin port; and what a successor knows them by.
    var adminPorts: [(server: AdminServer, identity: SocketIdentity)] = []
    /// `--ready-when-app`; looks at the app once everything else is there.
    var appGate: AppGate?
    /// `--exit-with`.
    var appEnd: AppEnd?
    /// The process was told to end.
    var drain: Drain?
    /// Hot restart: who was there before, who comes after, and how this process waits for it and gives way.
    let predecessor: Predecessor?
    var succession: Succession?
    var successor: Successor?
    var retirement: Retirement?
    /// A signal has come since this process was replaced.
    var wasHurried = false
    /// Copies of their descriptors, made when they are first offered.
    var adminDescriptors: [(identity: SocketIdentity, descriptor: Int32)] = []
    /// `/drain_listeners?graceful` is under way.
    var listenerDrain: Tick?
    var life = Life.starting
    var state = ServerState.preInitializing
    /// `/healthcheck/fail` was asked for.
    var healthCheckFails = false
    /// The same for the workers, and at the end of the process, too.
    let health = ProxyHealth()
    let workerCount: Int
    let grants: GrantWatch
    private var grantCheck: Tick?
    private var signals: SignalSource?
    var flush: Tick?
    /// Stats that there was no room for, as far as they are counted and told of.
    var countedOverflow: UInt64 = 0
    /// Workers that have not said yet how their last task went.
    var waitingForWorkers = 0
    private var exitCode: Int32 = 0

    /// Binds every address; nothing is served before `run`.
    init(
        _ configuration: LoadedConfiguration, _ options: ServerOptions, levels: LogLevels, log output: LogOutput
    ) throws {
        var kept = configuration
        kept.spec.clusters = []
        kept.spec.listeners = []
        self.configuration = kept
        self.options = options
        self.levels = levels
        logOutput = output
        ProcessLimits.ignoreBrokenPipes()
        ProcessLimits.raiseOpenFiles()
        SignalSource.block([SIGTERM, SIGINT, SIGUSR1, SIGHUP])
        loop = try EventLoop()
        began = loop.now
        loadedAt = loop.wallNow
        let spec = configuration.spec
        stats = StatStore(options: StatOptions(spec.stats, fixedTags: options.statsTags))
        cells = stats.makeCells()
        serverStats = ServerStats(cells, runtime: spec.runtime)
        globalLimit = spec.overload.connectionLimit.map(GlobalConnectionLimit.init)
        overload = ServerProcess.overloadManager(spec.overload, cells: cells, log: log, connections: globalLimit)
        let budget = CPUBudget(.ofThisProcess)
        let workerLimit = options.cpusetThreads ? Int.max : 2
        workerCount = options.concurrency ?? budget.workers(limit: workerLimit)
        grants = GrantWatch(
            .ofThisProcess, workers: workerCount, workerLimit: options.concurrency == nil ? workerLimit : nil)
        log.info(
            "\(workerCount) worker\(workerCount == 1 ? "" : "s") (\(options.concurrency == nil ? budget.explanation : "--concurrency"))"
        )
        log.info("\(grants.memory.map { "memory limit of the cgroup: \($0 >> 20) MiB" } ?? "no memory limit")")
        var logging = AccessLogOptions()
        logging.flushInterval = .milliseconds(Int64(options.fileFlushInterval))
        logging.flushSize = options.fileFlushMinSize << 10
        accessLogs = try AccessLogSinks.start(options: logging, stats: stats)
        do throws(SystemError) {
            outlierEvents = try spec.outlierEventLog.map { [loop, cells, accessLogs] path throws(SystemError) in
                try OutlierEventLog(path: path, loop: loop, sinks: accessLogs, cells: cells)
            }
        } catch {
            throw StartError(what: "outlier_detection.event_log_path", error: error)
        }
        clusters = try ClusterDirectory(
            spec.clusters, loop: loop, cells: cells, workers: workerCount, logs: accessLogs,
            outlierEvents: outlierEvents, zone: LocalZone(spec))
        let isServing = options.mode == .serve
        predecessor = try options.hotRestart.flatMap { [loop, log] restart in
            isServing ? try Predecessor.find(restart, loop: loop, log: log) : nil
        }
        certificates = CertificatesInUse(clusters: clusters, cells: cells)
        var settings = ListenerManager.Settings(
            workers: workerCount, drainTime: .seconds(Int64(options.drainTime)))
        settings.isGradual = options.drainStrategy == .gradual
        listenerManager = ListenerManager(
            settings, loop: loop, log: log, stats: ListenerManagerStats(cells), loops: clusters.loops,
            certificates: certificates
        ) { [predecessor] in predecessor?.takeListener($0) ?? [] }
        for listener in spec.listeners {
            do throws(ListenerError) {
                try listenerManager.put(listener)
            } catch {
                throw StartError(what: "listener '\(listener.name)'", error: error)
            }
        }
        certificateAges = CertificateAges(log: secretLog)
        if configuration.isDynamic {
            dynamic = DynamicResources(
                configuration, options: .init(options), shown: dynamicConfiguration, clusters: clusters,
                listeners: listenerManager, loop: loop, cells: cells,
                reload: { [unowned self] in certificateReload })
        }
    }

    /// How many hot restarts there were before this process.
    var restartEpoch: UInt64 { predecessor?.epoch ?? 0 }
    /// When the first of them began, unix seconds.
    var firstBegan: Int64 { predecessor?.began ?? loadedAt.unixSeconds }

    /// Serves until it is told to end; returns the exit code.
    func run() -> Int32 {
        for line in configuration.skipped { configLog.info("\(line)") }
        for warning in configuration.warnings { configLog.warning("\(warning)") }
        do {
            try start()
        } catch {
            log.critical("\(error)")
            return 1
        }
        loop.run()
        for worker in workers { worker.shutDown() }
        outlierEvents?.flush()
        _ = accessLogs.finish()
        leaveToSuccessor()
        log.info("exiting")
        return exitCode
    }

    private func start() throws {
        serverStats.concurrency.set(Int64(workerCount))
        serverStats.restartEpoch.set(Int64(restartEpoch))
        // As in Envoy, where the first process is generation 1.
        serverStats.restartGeneration.set(Int64(restartEpoch) + 1)
        serverStats.unknownFields.add(UInt64(configuration.warnings.count { $0.kind == .unknownField }))
        signals = try SignalSource(loop: loop, signals: [SIGTERM, SIGINT, SIGUSR1, SIGHUP]) {
            [unowned self] signal in received(signal)
        }
        if let app = options.exitWith {
            do {
                appEnd = try AppEnd(app, loop: loop) { [unowned self] in appEnded($0) }
            } catch {
                throw StartError(what: "--exit-with", error: error)
            }
        }
        try startOverloadManager()
        try openAdminPorts()
        if let path = options.hotRestart?.baseIDPath, let id = options.hotRestart?.baseID {
            try FileContents.write(Array("\(id)".utf8), to: path, mode: 0o644)
        }
        grantCheck = Tick(loop: loop, every: GrantWatch.interval) { [unowned self] in
            for line in grants.look() { log.info("\(line)") }
        }
        state = .initializing
        try startWorkers()
        if !configuration.spec.stats.flushOnAdmin {
            flush = Tick(loop: loop, every: configuration.spec.stats.flushInterval) { [unowned self] in
                publishGauges()
                stats.mergeHistograms()
            }
        }
    }

    /// Ends with exit code 1.
    func fail(_ text: String) {
        log.critical("\(text)")
        exitCode = 1
        end()
    }

    /// Stops at once; running requests are cut off.
    func end() {
        guard life != .ended else { return }
        life = .ended
        dynamic?.close()
        clusters.stop()
        certificateReload?.close()
        keySetReload?.close()
        loop.stop()
    }
}

/// Something that could not be started.
struct StartError: Error, CustomStringConvertible {
    let what: String
    let error: any Error
    var description: String { "\(what): \(error)" }
}
