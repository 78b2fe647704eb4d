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
        case ended
    }

    let configuration: LoadedConfiguration
    let options: ServerOptions
    let levels: LogLevels
    let logOutput: LogOutput
    let log = Logger(label: "main")
    /// What is said about the file.
    private let configLog = Logger(label: "config")
    /// What is said about clusters.
    private let upstreamLog = Logger(label: "upstream")
    let loop: EventLoop
    let stats: StatStore
    let cells: StatCells
    let serverStats: ServerStats
    let clusters: ClusterDirectory
    let accessLogs: AccessLogSinks
    let sockets: [ListenerSockets]
    let expirations: CertificateExpirations
    let began: MonotonicTime
    let loadedAt: WallTime
    var workers: [WorkerThread] = []
    var admin: AdminServer?
    /// `--ready-when-app`; looks at the app once everything else is there.
    var appGate: AppGate?
    /// `--exit-with`.
    var appEnd: AppEnd?
    /// The process was told to end.
    var drain: Drain?
    /// `/drain_listeners?graceful` is under way.
    var listenerDrain: Tick?
    var life = Life.starting
    var state = ServerState.preInitializing
    /// `/healthcheck/fail` was asked for.
    var healthCheckFails = false
    private let workerCount: Int
    private var signals: SignalSource?
    private var flush: Tick?
    private var waitingForWorkers = 0
    private var exitCode: Int32 = 0

    /// Binds every address; nothing is served before `run`.
    init(
        _ configuration: LoadedConfiguration, _ options: ServerOptions, levels: LogLevels, log output: LogOutput
    ) throws {
        self.configuration = configuration
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
        let budget = CPUBudget.ofThisProcess()
        workerCount = options.concurrency ?? budget.workers(limit: options.cpusetThreads ? .max : 2)
        log.info(
            "\(workerCount) worker\(workerCount == 1 ? "" : "s") (\(options.concurrency == nil ? budget.explanation : "--concurrency"))"
        )
        var logging = AccessLogOptions()
        logging.flushInterval = .milliseconds(Int64(options.fileFlushInterval))
        logging.flushSize = options.fileFlushMinSize << 10
        accessLogs = try AccessLogSinks.start(options: logging, stats: stats)
        clusters = try ClusterDirectory(spec.clusters, loop: loop, cells: cells, workers: workerCount)
        sockets = try spec.listeners.filter(\.bindToPort).map { [loop, workerCount] listener in
            do throws(SystemError) {
                return try ListenerSockets.bind(listener, workers: workerCount, loop: loop)
            } catch {
                throw StartError(what: "listener '\(listener.name)'", error: error)
            }
        }
        for listener in sockets { clusters.loops.add(listener) }
        expirations = CertificateExpirations(listeners: sockets, clusters: clusters, cells: cells)
    }

    /// Serves until it is told to end; returns the exit code.
    func run() -> Int32 {
        for line in options.compatibilityNotes { log.info("\(line)") }
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
        _ = accessLogs.finish()
        log.info("exiting")
        return exitCode
    }

    private func start() throws {
        serverStats.concurrency.set(Int64(workerCount))
        serverStats.listenersAdded.add(UInt64(sockets.count))
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
        if let spec = configuration.spec.admin {
            do {
                admin = try AdminServer(spec, loop: loop, backend: self, cells: cells, accessLogs: accessLogs)
            } catch {
                throw StartError(what: "admin", error: error)
            }
            try writeAdminAddress()
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

    private func writeAdminAddress() throws {
        guard let path = options.adminAddressPath, let address = admin?.address else { return }
        try FileContents.write(Array(address.description.utf8), to: path, mode: 0o644)
    }

    private func startWorkers() throws {
        var identity = ProxyIdentity()
        identity.serviceCluster = configuration.spec.node.cluster
        identity.serviceNode = configuration.spec.node.id
        identity.localAddress = InterfaceAddresses.first(v6: options.localAddressIPVersion == .v6)
        // The workers tell the main loop how it went; only that loop touches what is captured here.
        let me = UncheckedBox(self)
        waitingForWorkers = workerCount
        for index in 0..<workerCount {
            let worker = try WorkerThread.start(index: index, main: loop.mailbox) { mailbox in
                WorkerSeed(
                    index: index, clusters: clusters.addWorker(mailbox), listeners: sockets, stats: stats,
                    accessLogs: accessLogs, runtime: configuration.spec.runtime, identity: identity)
            } built: { error in
                me.value.workerBuilt(error)
            }
            workers.append(worker)
        }
    }

    private func workerBuilt(_ error: WorkerError?) {
        if let error { return fail("worker: \(error)") }
        waitingForWorkers -= 1
        guard waitingForWorkers == 0, life == .starting else { return }
        // As long as Envoy waits for a first answer of its control plane.
        clusters.start(timeout: .seconds(15)) { [unowned self] in serve() }
    }

    private func serve() {
        guard life == .starting else { return }
        for name in clusters.uninitialised {
            upstreamLog.warning("cluster '\(name)': no answer from DNS yet; serving without its hosts")
        }
        if options.mode == .initOnly {
            log.info("everything is built; ending because of --mode init_only")
            return end()
        }
        if let target = options.readyWhenApp {
            do throws(SystemError) {
                appGate = try AppGate(target, loop: loop, log: log)
            } catch {
                return fail("--ready-when-app: \(error)")
            }
        }
        let me = UncheckedBox(self)
        waitingForWorkers = workerCount
        for worker in workers {
            worker.ask({ $0.startError() }, main: loop.mailbox, answer: { me.value.workerStarted($0) })
        }
    }

    private func workerStarted(_ error: WorkerError?) {
        if let error { return fail("worker: \(error)") }
        waitingForWorkers -= 1
        guard waitingForWorkers == 0, life == .starting else { return }
        becomeReady()
    }

    /// Every worker accepts.
    private func becomeReady() {
        life = .serving
        state = healthCheckFails ? .draining : .live
        serverStats.workersStarted.set(1)
        serverStats.listenersActive.set(Int64(sockets.count))
        serverStats.listenersCreated.add(UInt64(sockets.count * workerCount))
        let time = loop.now - began
        serverStats.initialization.record(UInt64(max(0, time.milliseconds)))
        for listener in sockets {
            let addresses = listener.localAddresses.map(\.description).joined(separator: ", ")
            log.info("listener '\(listener.spec.name)' on \(addresses)")
        }
        log.info("ready after \(time)")
        StartUpMemory.release()
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
        clusters.stop()
        loop.stop()
    }
}

/// Something that could not be started.
struct StartError: Error, CustomStringConvertible {
    let what: String
    let error: any Error
    var description: String { "\(what): \(error)" }
}

extension Worker {
    /// Starts; what went wrong, or nil.
    fileprivate func startError() -> WorkerError? {
        do throws(WorkerError) {
            try start()
            return nil
        } catch {
            return error
        }
    }
}
