// What faults keep of one stream: the delay that it waits for, and that it is counted.
import Reactor

/// One a stream that a fault was for, used again for its later requests. Loop thread only.
final class StreamFault: FilterHold, TimerTarget {
    private struct Delay {
        let fault: HTTPFault
        let stream: HTTPStream
        let filters: StreamFilters
    }

    private let loop: EventLoop
    private var delay: Delay?
    /// Those that count the stream as one of theirs.
    private var counting: [HTTPFault] = []
    private lazy var timer = LoopTimer(loop: loop, target: self)

    init(loop: EventLoop) { self.loop = loop }

    deinit { forget() }

    func wait(_ time: TimeAmount, _ fault: HTTPFault, _ stream: HTTPStream, _ filters: StreamFilters) -> StreamFault {
        delay = Delay(fault: fault, stream: stream, filters: filters)
        timer.arm(after: time)
        return self
    }

    func cancel() {
        guard delay != nil else { return }
        delay = nil
        timer.disarm()
    }

    func timerFired(_ timer: LoopTimer) {
        guard let last = delay else { return }
        delay = nil
        if !last.fault.abort(last.stream, last.filters) { last.filters.release(last.stream) }
    }

    func counts(_ fault: HTTPFault) -> Bool { counting.contains { $0 === fault } }

    func count(_ fault: HTTPFault) { counting.append(fault) }

    /// The stream's request is over.
    func forget() {
        for fault in counting { fault.end() }
        if !counting.isEmpty { counting.removeAll(keepingCapacity: true) }
    }
}
