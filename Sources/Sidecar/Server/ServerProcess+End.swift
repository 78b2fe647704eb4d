// How a process ends: by a signal, or with the app that it stands beside.
import DataPlane
import Glibc
import Reactor

extension ServerProcess {
    func received(_ signal: Int32) {
        switch signal {
        case SIGUSR1: reopenLogs()
        case SIGHUP: lookAtFiles()
        default:
            let name = signal == SIGTERM ? "SIGTERM" : "SIGINT"
            switch life {
            case .serving: drainAndEnd(because: name)
            case .replaced where !wasHurried:
                log.info("\(name): connections that serve nothing are closed; a signal ends at once")
                wasHurried = true
                retirement?.hurry()
            default:
                log.info("\(name): ending now")
                end()
            }
        }
    }

    /// Reads all files that are followed. That they have changed is known without a signal, but not at once where the
    /// kernel does not tell of it.
    private func lookAtFiles() {
        let count =
            (certificateReload?.lookAtAll() ?? 0) + (keySetReload?.lookAtAll() ?? 0) + (dynamic?.lookAtFiles() ?? 0)
        log.info(
            count == 0
                ? "SIGHUP: no file is followed; ignored (the bootstrap is read at the start only)"
                : "SIGHUP: reading the \(count) file\(count == 1 ? "" : "s") of certificates and configuration that are followed"
        )
    }

    /// The app of `--exit-with` is gone: nobody is left to serve.
    func appEnded(_ app: AppEnd) {
        switch life {
        case .starting:
            log.info("\(app.name) has ended: ending now")
            end()
        case .serving: drainAndEnd(because: "\(app.name) has ended")
        case .draining: log.info("\(app.name) has ended")
        case .replaced, .ended: break
        }
    }

    /// Readiness goes down and inbound listeners close; outbound ones serve until the app needs them no more. The process
    /// ends with the last request.
    private func drainAndEnd(because reason: String) {
        life = .draining
        state = .draining
        health.failsChecks = true
        appGate = nil
        succession?.close()
        log.info("\(reason): draining for at most \(options.drainTime) s; a signal ends at once")
        listenerManager.close()
        drain = Drain(
            of: listenerManager.sockets.map(\.spec), workers: workers, loop: loop, app: appEnd,
            stats: listenerManager.stats, limit: .seconds(Int64(options.drainTime))
        ) { [unowned self] isCutOff in
            if isCutOff { log.warning("--drain-time-s \(options.drainTime) has passed: running requests are cut off") }
            end()
        }
    }
}
