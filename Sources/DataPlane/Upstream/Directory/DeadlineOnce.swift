// A closure that is called once after a time.
import Reactor

/// Calls a closure once after a time, unless it is dropped before.
final class DeadlineOnce: TimerTarget {
    private var timer: LoopTimer?
    private let body: () -> Void

    init(loop: EventLoop, after amount: TimeAmount, _ body: @escaping () -> Void) {
        self.body = body
        let timer = LoopTimer(loop: loop, target: self)
        timer.arm(after: amount)
        self.timer = timer
    }

    func timerFired(_ timer: LoopTimer) { body() }
}
