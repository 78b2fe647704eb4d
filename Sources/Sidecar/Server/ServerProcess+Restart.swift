// Hot restart: how this process takes over from one, and gives way to another.
import Admin
import DataPlane
import Reactor

extension ServerProcess {
    /// How long admin connections that ask for nothing stay open when the port changes hands.
    private static let adminGrace = TimeAmount.milliseconds(100)

    /// What this process gives to its successor: the sockets that it accepts on.
    private func offer() -> Succession.Offer {
        var offer = Succession.Offer(listeners: listenerManager.offer, epoch: restartEpoch, began: firstBegan)
        if adminDescriptors.isEmpty {
            adminDescriptors = adminPorts.compactMap { port in
                (try? port.server.duplicateDescriptor()).map { (port.identity, $0) }
            }
        }
        offer.admin = adminDescriptors
        return offer
    }

    /// This process accepts. The one before it, if there is one, stops; then the admin port opens, and a successor may
    /// come.
    func takeOver(_ done: @escaping () -> Void) {
        guard let predecessor else { return done() }
        log.info("taking over from \(predecessor.name)")
        let takesStats = options.hotRestart?.takesStats ?? false
        predecessor.take(statsInto: takesStats ? cells : nil) { [unowned self] in
            for port in adminPorts { port.server.open() }
            done()
        }
    }

    func awaitSuccessor() {
        guard let restart = options.hotRestart else { return }
        do throws(SystemError) {
            succession = try Succession(
                restart, loop: loop, log: log, offer: { [unowned self] in offer() },
                replaced: { [unowned self] in replaced(by: $0) })
        } catch {
            log.error("no hot restart of this process: \(error)")
        }
    }

    private func replaced(by successor: Successor) {
        log.info(
            "process \(successor.process) has taken over: draining for at most \(options.parentShutdownTime) s")
        life = .replaced
        state = .draining
        stats.keepReleased()
        appGate = nil
        appEnd = nil
        self.successor = successor
        listenerManager.close()
        retirement = Retirement(
            workers: workers, loop: loop, isGradual: options.drainStrategy == .gradual,
            drainTime: .seconds(Int64(options.drainTime)), limit: .seconds(Int64(options.parentShutdownTime)),
            isFree: { [unowned self] in predecessor?.isDone ?? true },
            finished: { [unowned self] in retired(isCutOff: $0) })
        handAdminOver(to: successor)
    }

    /// Ends the admin port before the stats go over: what this process answers is never more than its successor knows.
    private func handAdminOver(to successor: Successor) {
        for port in adminPorts { port.server.retire(grace: ServerProcess.adminGrace) }
        let limit = loop.now + ServerProcess.adminGrace * 4
        flush = Tick(loop: loop, every: .milliseconds(5)) { [unowned self] in
            let isIdle = adminPorts.allSatisfy { $0.server.connectionCount == 0 }
            guard isIdle || loop.now >= limit else { return }
            for port in adminPorts { port.server.close() }
            successor.tell(stats)
            successor.sayComplete()
            flush = Tick(loop: loop, every: .seconds(1)) { [unowned self] in successor.tell(stats) }
        }
    }

    private func retired(isCutOff: Bool) {
        if isCutOff {
            let limit = options.parentShutdownTime
            log.warning("--parent-shutdown-time-s \(limit) has passed: running requests are cut off")
        }
        end()
    }

    /// After the loop and the workers have ended.
    func leaveToSuccessor() {
        guard let successor, let restart = options.hotRestart else { return }
        successor.sayGoodbye(stats)
        guard Caretaker.isNeeded else { return }
        flush = nil
        Caretaker(restart.path, loop: loop, log: log).run()
    }
}
