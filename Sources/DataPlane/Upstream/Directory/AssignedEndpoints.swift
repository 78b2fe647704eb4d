// What a cluster of type EDS remembers of its assignment beside the hosts.
import Reactor

/// Whether endpoints came, and for how long they are good. Main thread only.
final class AssignedEndpoints: TimerTarget {
    private let loop: EventLoop
    /// There was an answer, or none came in time.
    var isAnswered = false
    /// The answer was an assignment.
    var wasAssigned = false
    private var timer: LoopTimer?
    private var end: MonotonicTime?
    /// Called when `endpoint_stale_after` has passed without news.
    var expired: () -> Void = {}

    init(loop: EventLoop) { self.loop = loop }

    /// News have come, which are good for this long; nil or zero: until the next.
    func keep(for amount: TimeAmount?) {
        timer = nil
        end = nil
        guard let amount, amount > .zero else { return }
        let timer = LoopTimer(loop: loop, target: self)
        timer.arm(after: amount)
        self.timer = timer
        end = loop.now + amount
    }

    /// How long they are good from now on; nil: until the next news.
    var timeLeft: TimeAmount? { end.map { max(.milliseconds(1), $0 - loop.now) } }

    func stop() {
        timer = nil
        expired = {}
    }

    func timerFired(_ timer: LoopTimer) {
        end = nil
        expired()
    }
}
