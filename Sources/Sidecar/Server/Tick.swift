// A closure that is called again and again.
import Reactor

/// Calls a closure every so often, until it is dropped. Loop thread only.
final class Tick: TimerTarget {
    private var timer: LoopTimer?
    private let interval: TimeAmount
    private let body: () -> Void

    init(loop: EventLoop, every interval: TimeAmount, _ body: @escaping () -> Void) {
        self.interval = interval
        self.body = body
        let timer = LoopTimer(loop: loop, target: self)
        timer.arm(after: interval)
        self.timer = timer
    }

    func timerFired(_ timer: LoopTimer) {
        timer.arm(after: interval)
        body()
    }
}
