// From bound sockets to a process that is ready: workers, names, the app, the process before.
import DataPlane
import Reactor

extension ServerProcess {
    /// Builds the workers; the rest follows from their answers.
    func startWorkers() throws {
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
        for (name, reason) in clusters.uninitialised { upstreamLog.warning("cluster '\(name)': \(reason)") }
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
        takeOver { [unowned self] in becomeReady() }
    }

    /// Every worker accepts.
    private func becomeReady() {
        guard life == .starting else { return }
        life = .serving
        state = healthCheckFails ? .draining : .live
        serverStats.workersStarted.set(1)
        serverStats.listenersActive.set(Int64(sockets.count))
        serverStats.listenersCreated.add(UInt64(sockets.count * workerCount))
        let time = loop.now - began
        serverStats.initialization.record(UInt64(max(0, time.milliseconds)))
        for listener in sockets {
            let addresses = listener.localAddresses.map(\.description).joined(separator: ", ")
            let role = listener.spec.bindToPort ? "on" : "for connections redirected from"
            log.info("listener '\(listener.spec.name)' \(role) \(addresses)")
        }
        awaitSuccessor()
        log.info("ready after \(time)")
        StartUpMemory.release()
    }
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
