// The way out of a process that another has taken over from.
import DataPlane
import Reactor

/// Serves what is connected until it has gone by itself. Main thread only.
///
/// Nothing is in a hurry: the successor accepts already. Responses ask their clients to connect anew, at once or ever more
/// of them over the drain time; connections that serve nothing are left alone until that time is over, so that no request
/// crosses a close on the wire.
final class Retirement {
    private static let interval = TimeAmount.milliseconds(50)

    private let workers: [WorkerThread]
    private let loop: EventLoop
    private let survey: LoadSurvey
    private let isFree: () -> Bool
    private let finished: (_ isCutOff: Bool) -> Void
    private var drainEnd: MonotonicTime
    private let end: MonotonicTime
    /// Set once connections that serve nothing have been asked to go.
    private var graceEnd: MonotonicTime?
    private var tick: Tick?

    /// Begins. `finished` is called once.
    ///
    /// - Parameters:
    ///   - isGradual: more and more responses close their connection over the drain time, and not all of them at once.
    ///   - drainTime: after it, connections that serve nothing are closed.
    ///   - limit: what runs then is cut off.
    ///   - isFree: whether anything else keeps the process from ending.
    init(
        workers: [WorkerThread], loop: EventLoop, isGradual: Bool, drainTime: TimeAmount, limit: TimeAmount,
        isFree: @escaping () -> Bool, finished: @escaping (_ isCutOff: Bool) -> Void
    ) {
        self.workers = workers
        self.loop = loop
        self.isFree = isFree
        self.finished = finished
        survey = LoadSurvey(workers, main: loop.mailbox)
        drainEnd = loop.now + drainTime
        end = loop.now + limit
        for worker in workers {
            worker.perform {
                $0.beginDrain(over: isGradual ? drainTime : .zero) { _ in true }
                $0.stopAccepting { _ in true }
            }
        }
        tick = Tick(loop: loop, every: Retirement.interval) { [unowned self] in look() }
    }

    /// Closes what serves nothing now: somebody wants this process gone.
    func hurry() { drainEnd = loop.now }

    private func look() {
        survey.ask { [weak self] load in self?.seen(load.total) }
    }

    private func seen(_ load: ListenerLoad) {
        guard tick != nil else { return }
        let now = loop.now
        if now >= end { return finish(isCutOff: load.active > 0) }
        if now >= drainEnd, graceEnd == nil {
            graceEnd = now + Worker.idleGrace
            for worker in workers { worker.perform { $0.stopListening { _ in true } } }
        }
        let countsIdle = graceEnd.map { now < $0 } ?? true
        if (countsIdle ? load.connections : load.active) == 0 && isFree() { finish(isCutOff: false) }
    }

    private func finish(isCutOff: Bool) {
        tick = nil
        finished(isCutOff)
    }
}
