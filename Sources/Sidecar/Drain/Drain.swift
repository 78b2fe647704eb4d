// Carries a drain out: closes listeners on the workers and looks every 20 ms at what is left.
import DataPlane
import Reactor

/// The way from SIGTERM to the end of the process. Main thread only. See docs/architecture.md, "Drain".
final class Drain {
    private static let interval = TimeAmount.milliseconds(20)

    private let workers: [WorkerThread]
    private let loop: EventLoop
    private let app: AppEnd?
    private let stats: ListenerManagerStats
    private let listenerCount: (inbound: Int, outbound: Int)
    private let survey: LoadSurvey
    private let finished: (_ isCutOff: Bool) -> Void
    private var plan: DrainPlan
    private var tick: Tick?

    /// Begins. `finished` is called once.
    ///
    /// - Parameter limit: what runs then is cut off.
    init(
        of listeners: [ListenerSpec], workers: [WorkerThread], loop: EventLoop, app: AppEnd?,
        stats: ListenerManagerStats, limit: TimeAmount, finished: @escaping (_ isCutOff: Bool) -> Void
    ) {
        self.workers = workers
        self.loop = loop
        self.app = app
        self.stats = stats
        self.finished = finished
        survey = LoadSurvey(workers, main: loop.mailbox)
        let outbound = listeners.count(where: \.isOutbound)
        listenerCount = (listeners.count - outbound, outbound)
        plan = DrainPlan(now: loop.now, limit: limit, hasOutbound: outbound > 0)
        close(listenerCount.inbound) { !$0.isOutbound }
        tick = Tick(loop: loop, every: Drain.interval) { [unowned self] in look() }
        look()
    }

    private func close(_ count: Int, where chosen: @escaping @Sendable (ListenerSpec) -> Bool) {
        stats.active.add(Int64(-count))
        stats.draining.add(Int64(count))
        stats.stopped.add(UInt64(count))
        for worker in workers {
            worker.perform {
                $0.beginDrain(over: .zero, where: chosen)
                $0.stopListening(where: chosen)
            }
        }
    }

    private func look() {
        survey.ask { [weak self] load in self?.seen(load) }
    }

    private func seen(_ load: ServerLoad) {
        guard tick != nil else { return }
        let state: DrainPlan.App = app.map { $0.isOver ? .ended : .running } ?? .unknown
        switch plan.look(inbound: load.inbound, outbound: load.outbound, app: state, now: loop.now) {
        case .wait: break
        case .closeOutbound: close(listenerCount.outbound) { $0.isOutbound }
        case .end: finish(isCutOff: false)
        case .cutOff: finish(isCutOff: true)
        }
    }

    private func finish(isCutOff: Bool) {
        tick = nil
        finished(isCutOff)
    }
}
