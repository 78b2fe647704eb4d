// What the admin port sees of the process and does to it.
import Admin
import Configuration
import DataPlane
import Metrics
import Reactor

extension ServerProcess {
    /// Binds the port for stats alone, and the admin port.
    func openAdminPorts() throws {
        if let address = configuration.spec.statsAddress {
            let port = try openAdmin(AdminSpec(listen: ListenAddress(address)), access: .stats, name: "stats")
            log.info("stats are on \(port.address), too: /ready, /stats and /stats/prometheus, and nothing else")
        }
        guard let spec = configuration.spec.admin else { return }
        let port = try openAdmin(spec, access: .full, name: "admin")
        guard let path = options.adminAddressPath else { return }
        try FileContents.write(Array(port.address.description.utf8), to: path, mode: 0o644)
    }

    private func openAdmin(_ spec: AdminSpec, access: AdminAccess, name: String) throws -> AdminServer {
        let identity = AdminServer.identity(spec, name: name)
        do {
            let server = try AdminServer(
                spec, loop: loop, backend: self, cells: cells, accessLogs: accessLogs, access: access, name: name,
                inherited: predecessor?.takeAdmin(identity), globalLimit: globalLimit)
            adminPorts.append((server, identity))
            return server
        } catch {
            throw StartError(what: access == .full ? "admin" : "outrider.admin.stats_address", error: error)
        }
    }
}

extension ServerProcess: AdminBackend {
    var version: String { Version.line }

    var unreadyReason: String? { appGate?.failure }

    var uptime: TimeAmount { loop.now - began }

    var uptimeOfAllEpochs: TimeAmount { max(uptime, .seconds(loop.wallNow.unixSeconds - firstBegan)) }

    var hotRestartVersion: String? { options.hotRestart == nil ? nil : HotRestartOptions.version }

    var listeners: [ListenerStatus] {
        listenerManager.sockets.map { ListenerStatus(name: $0.spec.name, addresses: $0.localAddresses) }
    }

    /// Names as Envoy's init managers and targets have them, where it has these.
    var unreadyTargets: [UnreadyTargets] {
        let clusters = clusters.uninitialised.map { "cluster \($0.cluster)" }
        let server = UnreadyTargets("Server", clusters + (dynamic?.unansweredTypes ?? []))
        return [server] + (dynamic?.missingSecrets ?? [])
            + listenerManager.missingRoutes.map { listener, routes in
                UnreadyTargets(
                    "Listener-local-init-manager \(listener)",
                    routes.map { "shared target RdsRouteConfigSubscription RDS init \($0)" })
            }
    }

    var memory: MemoryFigures {
        let memory = ProcessMemory()
        return MemoryFigures(
            allocated: memory.allocated, heap: memory.heap, physical: memory.resident, limit: grants.memory)
    }

    var tlsContexts: [TLSContextSpec] { certificates.all }

    var logLevels: [(name: String, level: String)] { levels.list() }

    func setLogLevel(_ level: String, of component: String?) -> Bool {
        component.map { levels.set($0, level) } ?? levels.setAll(level)
    }

    func refreshStats() {
        publishGauges()
        if configuration.spec.stats.flushOnAdmin { stats.mergeHistograms() }
    }

    /// Gauges that nobody keeps up to date as things happen.
    func publishGauges() {
        noteOverflow()
        clusters.publishGauges()
        certificates.publish(now: loop.wallNow.unixSeconds)
        let memory = self.memory
        serverStats.uptime.set(uptime.seconds)
        serverStats.memoryAllocated.set(Int64(clamping: memory.allocated))
        serverStats.memoryHeap.set(Int64(clamping: memory.heap))
        serverStats.memoryPhysical.set(Int64(clamping: memory.physical))
        serverStats.state.set(Int64(state.rawValue))
        serverStats.live.set(state == .live ? 1 : 0)
    }

    private func noteOverflow() {
        let overflowed = stats.overflowed
        guard overflowed > countedOverflow else { return }
        if countedOverflow == 0 {
            log.warning(
                """
                there are as many stats as outrider.stats.max_series (\(configuration.spec.stats.maxSeries)) allows: \
                others are not kept; stats.overflow counts them
                """)
        }
        serverStats.overflow.add(overflowed - countedOverflow)
        countedOverflow = overflowed
    }

    func failHealthCheck() {
        guard !healthCheckFails else { return }
        healthCheckFails = true
        health.failsChecks = true
        guard life == .serving else { return }
        state = .draining
        // As in Envoy: who may check the proxy is to see at once that it fails.
        listenerManager.beginDrain(over: .zero) { $0.drainType == .default }
    }

    func passHealthCheck() {
        healthCheckFails = false
        guard life == .serving else { return }
        health.failsChecks = false
        state = .live
        listenerManager.cancelDrain()
    }

    func drainListeners(inboundOnly: Bool, graceful: Bool, skipExit: Bool) {
        let chosen: @Sendable (ListenerSpec) -> Bool = { !inboundOnly || $0.direction == .inbound }
        if graceful { listenerManager.beginDrain(where: chosen) }
        if graceful && skipExit { return }
        let stop = { [unowned self] in listenerManager.stop(where: chosen) }
        guard graceful, drainTime > .zero else { return stop() }
        listenerDrain = Tick(loop: loop, every: drainTime) { [unowned self] in
            listenerDrain = nil
            stop()
        }
    }

    func reopenLogs() {
        log.info("reopening logs")
        logOutput.reopen()
        accessLogs.reopen()
    }

    func quit() { end() }

    var commandLineOptions: [(name: String, value: JSONValue)] {
        [
            ("concurrency", .number("\(workers.count)")),
            ("mode", .string(options.mode == .initOnly ? "InitOnly" : "Serve")),
            ("config_path", .string(options.configPath ?? "")),
            ("config_yaml", .string(options.configYAML ?? "")),
            ("allow_unknown_static_fields", .bool(options.allowUnknownStaticFields)),
            ("reject_unknown_dynamic_fields", .bool(options.unknownDynamicFields == .rejected)),
            ("ignore_unknown_dynamic_fields", .bool(options.unknownDynamicFields == .ignored)),
            ("admin_address_path", .string(options.adminAddressPath ?? "")),
            ("local_address_ip_version", .string(options.localAddressIPVersion.rawValue)),
            ("log_level", .string(options.logLevel)),
            ("component_log_level", .string(options.componentLogLevels.text)),
            ("log_format", .string(options.logFormat ?? LogFormat.envoyDefault)),
            ("log_path", .string(options.logPath ?? "")),
            ("service_cluster", .string(configuration.spec.node.cluster)),
            ("service_node", .string(configuration.spec.node.id)),
            ("service_zone", .string(configuration.spec.node.zone)),
            ("drain_strategy", .string(options.drainStrategy == .gradual ? "Gradual" : "Immediate")),
            ("drain_time", .string("\(options.drainTime)s")),
            ("parent_shutdown_time", .string("\(options.parentShutdownTime)s")),
            ("restart_epoch", .number("\(restartEpoch)")),
            ("base_id", .string(options.hotRestart?.baseID.map(String.init) ?? "0")),
            ("disable_hot_restart", .bool(options.hotRestart == nil)),
            ("socket_path", .string(options.hotRestart?.path ?? "")),
            ("file_flush_interval", .string(durationText(milliseconds: options.fileFlushInterval))),
            ("file_flush_min_size_kb", .number("\(options.fileFlushMinSize)")),
            ("stats_tag", .array(options.statsTags.map { .string("\($0.name):\($0.value)") })),
        ]
    }

    /// As protobuf's JSON has it: seconds, with three digits behind the point where there is a fraction.
    private func durationText(milliseconds: Int) -> String {
        let (seconds, rest) = milliseconds.quotientAndRemainder(dividingBy: 1000)
        return rest == 0 ? "\(seconds)s" : "\(seconds).\(String(1000 + rest).dropFirst())s"
    }

    private var drainTime: TimeAmount { .seconds(Int64(options.drainTime)) }
}
