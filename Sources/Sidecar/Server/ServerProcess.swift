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
    /// `/drain_listeners?graceful` is under way.
    var listenerDrain: FlushTick?
    var life = Life.starting
    var state = ServerState.preInitializing
    /// `/healthcheck/fail` was asked for.
    var healthCheckFails = false
    private let workerCount: Int
    private var signals: SignalSource?
    private var flush: FlushTick?
    private(set) var drainDeadline: MonotonicTime?
    /// Until then connections that serve nothing are left to their clients.
    private var idleGraceEnd = MonotonicTime(ns: 0)
    private var drainTick: FlushTick?
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
            flush = FlushTick(loop: loop, every: configuration.spec.stats.flushInterval) { [unowned self] in
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
        let me = UncheckedBox(self)
        let main = loop.mailbox
        for worker in workers {
            worker.perform { worker in
                do throws(WorkerError) { try worker.start() } catch {
                    let text = "\(error)"
                    main.post { me.value.fail(text) }
                }
            }
        }
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

    private func fail(_ text: String) {
        log.critical("\(text)")
        exitCode = 1
        end()
    }

    // MARK: Signals and the end

    private func received(_ signal: Int32) {
        switch signal {
        case SIGUSR1: reopenLogs()
        case SIGHUP: log.info("SIGHUP: nothing is reloaded; ignored")
        default:
            let name = signal == SIGTERM ? "SIGTERM" : "SIGINT"
            if life == .serving {
                log.info("\(name): draining for at most \(options.drainTime) s; once more ends at once")
                drainAndEnd()
            } else {
                log.info("\(name): ending now")
                end()
            }
        }
    }

    /// Stops at once; running requests are cut off.
    func end() {
        guard life != .ended else { return }
        life = .ended
        clusters.stop()
        loop.stop()
    }

    /// Readiness goes down, responses close their connections, listeners close; the process ends with the last request.
    private func drainAndEnd() {
        life = .draining
        state = .draining
        drainDeadline = loop.now + .seconds(Int64(options.drainTime))
        idleGraceEnd = loop.now + Worker.idleGrace
        serverStats.listenersDraining.set(Int64(sockets.count))
        serverStats.listenersActive.set(0)
        serverStats.listenersStopped.add(UInt64(sockets.count))
        for worker in workers {
            worker.perform {
                $0.beginDrain(over: .zero) { _ in true }
                $0.stopListening { _ in true }
            }
        }
        drainTick = FlushTick(loop: loop, every: .milliseconds(20)) { [unowned self] in checkDrained() }
        checkDrained()
    }

    private func checkDrained() {
        if let drainDeadline, loop.now >= drainDeadline {
            log.warning("--drain-time-s \(options.drainTime) has passed: running requests are cut off")
            return end()
        }
        // Idle connections count until their grace is over.
        let countsIdle = loop.now < idleGraceEnd
        let figure: @Sendable (Worker) -> Int = { countsIdle ? $0.connectionCount : $0.activeCount }
        sum(figure) { [unowned self] left in
            if left == 0 && life == .draining { end() }
        }
    }

    /// Sums up a figure of the workers.
    private func sum(_ figure: @escaping @Sendable (Worker) -> Int, _ answer: @escaping (Int) -> Void) {
        var sum = 0
        var waiting = workers.count
        let collect = UncheckedBox { (count: Int) in
            sum += count
            waiting -= 1
            if waiting == 0 { answer(sum) }
        }
        for worker in workers {
            worker.ask(figure, main: loop.mailbox, answer: { collect.value($0) })
        }
    }
}

/// Something that could not be started.
struct StartError: Error, CustomStringConvertible {
    let what: String
    let error: any Error
    var description: String { "\(what): \(error)" }
}

/// Calls a closure again and again.
final class FlushTick: TimerTarget {
    private var timer: LoopTimer?
    private let interval: TimeAmount
    private let body: () -> Void

    init(loop: EventLoop, every interval: TimeAmount, _ body: @escaping () -> Void) {
        self.interval = interval
        self.body = body
        let timer = LoopTimer(loop: loop, target: self)
        timer.arm(after: interval)
        self.timer = timer
    }

    func timerFired(_ timer: LoopTimer) {
        timer.arm(after: interval)
        body()
    }
}
