// From bound sockets to a process that is ready: workers, names, the app, the process before.
import DataPlane
import Reactor

extension ServerProcess {
    /// Builds the workers; the rest follows from their answers.
    func startWorkers() throws {
        var identity = ProxyIdentity()
        identity.serviceCluster = configuration.spec.node.cluster
        identity.serviceNode = configuration.spec.node.id
        identity.zone = configuration.spec.node.zone
        identity.version = Version.text
        identity.health = health
        identity.localAddress = InterfaceAddresses.first(v6: options.localAddressIPVersion == .v6)
        // The workers tell the main loop how it went; only that loop touches what is captured here.
        let me = UncheckedBox(self)
        waitingForWorkers = workerCount
        flightLogs = (0..<workerCount).map { FlightLog(configuration.spec.explain, worker: $0) }
        for (index, flightLog) in flightLogs.enumerated() {
            let worker = try WorkerThread.start(index: index, main: loop.mailbox) { mailbox in
                var seed = WorkerSeed(
                    index: index, clusters: clusters.addWorker(mailbox), stats: stats, accessLogs: accessLogs,
                    runtime: configuration.spec.runtime, identity: identity,
                    flightLog: flightLog)
                if let overload, !overload.points.isEmpty {
                    seed.overload = overload.state
                    seed.overloadPoints = overload.points
                }
                seed.globalLimit = globalLimit
                return seed
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
        listenerManager.rejected = { [unowned self] name, error in
            if dynamic?.rejected(name, error) == true { return }
            if life == .starting { fail("listener '\(name)': worker: \(error)") }
        }
        listenerManager.attach(workers) { [unowned self] in
            guard life == .starting else { return }
            dynamic?.start()
            // As long as Envoy waits for a first answer of its control plane.
            clusters.start(timeout: .seconds(15)) { [unowned self] in fetch() }
        }
        do throws(SystemError) {
            try followCertificates()
            followKeySets()
        } catch {
            fail("certificate files cannot be followed: \(error)")
        }
    }

    /// The bootstrap's clusters are there: on to what comes from elsewhere.
    private func fetch() {
        guard life == .starting else { return }
        for (name, reason) in clusters.uninitialised { upstreamLog.warning("cluster '\(name)': \(reason)") }
        guard let dynamic else { return serve() }
        dynamic.fetchClusters { [unowned self] in
            guard life == .starting else { return }
            dynamic.fetchListeners { [unowned self] in serve() }
        }
    }

    private func serve() {
        guard life == .starting else { return }
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
        listenerManager.start()
        listenerManager.whenWarm { [unowned self] in
            guard life == .starting else { return }
            takeOver { [unowned self] in becomeReady() }
        }
    }

    /// Every worker accepts.
    private func becomeReady() {
        guard life == .starting else { return }
        life = .serving
        state = healthCheckFails ? .draining : .live
        listenerManager.stats.workersStarted.set(1)
        let time = loop.now - began
        serverStats.initialization.record(UInt64(max(0, time.milliseconds)))
        awaitSuccessor()
        log.info("ready after \(time)")
        StartUpMemory.release()
    }
}
