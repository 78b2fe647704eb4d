// Carries a drain out: closes listeners on the workers and looks every 20 ms at what is left.
import DataPlane
import Logging
import Reactor

/// The way from SIGTERM to the end of the process. Main thread only. See docs/architecture.md, "Drain".
final class Drain {
    private static let interval = TimeAmount.milliseconds(20)

    private let workers: [WorkerThread]
    private let loop: EventLoop
    private let app: AppEnd?
    private let stats: ServerStats
    private let listenerCount: (inbound: Int, outbound: Int)
    private let finished: (_ isCutOff: Bool) -> Void
    private var plan: DrainPlan
    private var tick: Tick?
    private var isLooking = false

    /// Begins. `finished` is called once.
    ///
    /// - Parameter limit: what runs then is cut off.
    init(
        of listeners: [ListenerSpec], workers: [WorkerThread], loop: EventLoop, app: AppEnd?, stats: ServerStats,
        limit: TimeAmount, finished: @escaping (_ isCutOff: Bool) -> Void
    ) {
        self.workers = workers
        self.loop = loop
        self.app = app
        self.stats = stats
        self.finished = finished
        let outbound = listeners.count(where: Drain.isOutbound)
        listenerCount = (listeners.count - outbound, outbound)
        plan = DrainPlan(now: loop.now, limit: limit, hasOutbound: outbound > 0)
        close(listenerCount.inbound) { !Drain.isOutbound($0) }
        tick = Tick(loop: loop, every: Drain.interval) { [unowned self] in look() }
        look()
    }

    /// Listeners that carry what the app itself asks for.
    private static func isOutbound(_ listener: ListenerSpec) -> Bool { listener.direction == .outbound }

    private func close(_ count: Int, where chosen: @escaping @Sendable (ListenerSpec) -> Bool) {
        stats.listenersActive.add(Int64(-count))
        stats.listenersDraining.add(Int64(count))
        stats.listenersStopped.add(UInt64(count))
        for worker in workers {
            worker.perform {
                $0.beginDrain(over: .zero, where: chosen)
                $0.stopListening(where: chosen)
            }
        }
    }

    private func look() {
        guard !isLooking else { return }
        isLooking = true
        let question: @Sendable (Worker) -> (inbound: ListenerLoad, outbound: ListenerLoad) = { worker in
            (worker.load { !Drain.isOutbound($0) }, worker.load(where: Drain.isOutbound))
        }
        var sum = (inbound: ListenerLoad(), outbound: ListenerLoad())
        var waiting = workers.count
        let collect = UncheckedBox { [weak self] (load: (inbound: ListenerLoad, outbound: ListenerLoad)) in
            sum.inbound += load.inbound
            sum.outbound += load.outbound
            waiting -= 1
            if waiting == 0 { self?.seen(sum.inbound, sum.outbound) }
        }
        for worker in workers {
            worker.ask(question, main: loop.mailbox, answer: { collect.value($0) })
        }
    }

    private func seen(_ inbound: ListenerLoad, _ outbound: ListenerLoad) {
        isLooking = false
        guard tick != nil else { return }
        let state: DrainPlan.App = app.map { $0.isOver ? .ended : .running } ?? .unknown
        switch plan.look(inbound: inbound, outbound: outbound, app: state, now: loop.now) {
        case .wait: break
        case .closeOutbound: close(listenerCount.outbound, where: Drain.isOutbound)
        case .end: finish(isCutOff: false)
        case .cutOff: finish(isCutOff: true)
        }
    }

    private func finish(isCutOff: Bool) {
        tick = nil
        finished(isCutOff)
    }
}
