// Timers by a clock that the test moves: order, laziness, far deadlines, and what callbacks may do.
import Reactor
import TestKit
import Testing

private final class Recorder: TimerTarget {
    var fired: [Int] = []
    var onFire: ((LoopTimer) -> Void)?

    func timerFired(_ timer: LoopTimer) {
        fired.append(timer.tag)
        onFire?(timer)
    }
}

@Suite struct TimerTests {
    let clock = TestClock()
    let loop: EventLoop
    private let recorder = Recorder()

    init() throws {
        loop = try EventLoop(clock: clock)
    }

    private func timer(_ tag: Int = 0) -> LoopTimer { LoopTimer(loop: loop, target: recorder, tag: tag) }

    private func pass(_ amount: TimeAmount) {
        clock.advance(by: amount)
        loop.turn(maxWait: .zero)
    }

    @Test func firesOnceAtItsTimeAndNeverEarly() {
        let timer = timer(1)
        timer.arm(after: .milliseconds(10))
        #expect(timer.isArmed)
        pass(.nanoseconds(9_999_999))
        #expect(recorder.fired.isEmpty)
        pass(.nanoseconds(1))
        #expect(recorder.fired == [1] && !timer.isArmed)
        pass(.hours(1))
        #expect(recorder.fired == [1])
    }

    @Test func firesInOrderOfDeadlinesAfterAJump() {
        let delays: [Int64] = [70_000, 5, 64, 63, 65, 4096, 4095, 1, 300_000_000, 3_600_000, 128, 127]
        let timers = delays.enumerated().map { index, delay in
            let timer = timer(index)
            timer.arm(after: .milliseconds(delay))
            return timer
        }
        pass(.hours(1000))
        #expect(recorder.fired == delays.indices.sorted { delays[$0] < delays[$1] })
        #expect(timers.allSatisfy { !$0.isArmed })
    }

    @Test(arguments: [1, 63, 64, 65, 1000, 4095, 4096, 5000, 262_143, 262_144, 1_000_000])
    func firesExactlyOnItsMillisecond(delay: Int64) {
        // From an odd start, so that the slots of coarse levels are not aligned with the deadline.
        pass(.milliseconds(777))
        let timer = timer()
        timer.arm(after: .milliseconds(delay))
        pass(.milliseconds(delay - 1))
        #expect(recorder.fired.isEmpty)
        pass(.milliseconds(1))
        #expect(recorder.fired == [0])
        timer.disarm()
    }

    @Test func rearmingReplacesTheDeadlineBothWays() {
        let timer = timer()
        timer.arm(after: .seconds(1))
        pass(.milliseconds(900))
        timer.arm(after: .seconds(1))
        pass(.milliseconds(999))
        #expect(recorder.fired.isEmpty)
        timer.arm(after: .seconds(100))
        timer.arm(after: .milliseconds(5))
        pass(.milliseconds(5))
        #expect(recorder.fired == [0])
        pass(.hours(1))
        #expect(recorder.fired == [0])
    }

    @Test func disarmedTimersStaySilentAndCanBeArmedAgain() {
        let timer = timer()
        timer.arm(after: .seconds(1))
        timer.disarm()
        #expect(!timer.isArmed)
        pass(.seconds(2))
        #expect(recorder.fired.isEmpty)
        timer.arm(after: .seconds(1))
        timer.disarm()
        timer.arm(after: .milliseconds(500))
        pass(.milliseconds(500))
        #expect(recorder.fired == [0])
    }

    @Test func farAndOddDeadlinesDoNotTrap() {
        let far = timer(1)
        far.arm(at: .distantFuture)
        let days = timer(2)
        days.arm(after: .hours(24 * 400 * 10))
        let never = timer(3)
        never.arm(after: .max)
        let past = timer(4)
        past.arm(after: .seconds(-5))
        loop.turn(maxWait: .zero)
        #expect(recorder.fired == [4])
        for _ in 0..<10 { pass(.hours(24 * 399)) }
        #expect(recorder.fired == [4])
        pass(.hours(24 * 10))
        #expect(recorder.fired == [4, 2])
        #expect(far.isArmed && never.isArmed)
        pass(.max)
        pass(.max)
        #expect(Set(recorder.fired) == [4, 2, 3] || Set(recorder.fired) == [4, 2, 3, 1])
        withExtendedLifetime((days, past)) {}
    }

    @Test func callbacksMayRearmDisarmAndDropTimers() {
        let first = timer(1)
        let second = timer(2)
        var third: LoopTimer? = timer(3)
        for timer in [first, second] { timer.arm(after: .milliseconds(5)) }
        third?.arm(after: .milliseconds(5))
        recorder.onFire = { timer in
            guard timer.tag == 1 else { return }
            second.disarm()
            third = nil
            if self.recorder.fired.count < 3 { timer.arm(after: .zero) }
        }
        pass(.milliseconds(5))
        #expect(recorder.fired == [1])
        loop.turn(maxWait: .zero)
        loop.turn(maxWait: .zero)
        loop.turn(maxWait: .zero)
        #expect(recorder.fired == [1, 1, 1] && third == nil)
    }

    @Test func droppedTimersAreForgotten() {
        do {
            let timer = timer()
            timer.arm(after: .milliseconds(1))
        }
        pass(.seconds(1))
        #expect(recorder.fired.isEmpty)
    }

    /// Random arming against the plain definition: at each step exactly the timers whose time has come fire.
    @Test func agreesWithASortedList() {
        var random = SplitMix(state: 42)
        let timers = (0..<64).map { timer($0) }
        var deadlines: [Int: MonotonicTime] = [:]
        for _ in 0..<5000 {
            let index = Int(random.next() % 64)
            switch random.next() % 4 {
            case 0:
                timers[index].disarm()
                deadlines[index] = nil
            case 1, 2:
                let delay = TimeAmount.milliseconds(Int64(1 + random.next() % (1 << (random.next() % 18))))
                timers[index].arm(after: delay)
                deadlines[index] = loop.now + delay
            default:
                recorder.fired = []
                pass(.milliseconds(Int64(random.next() % (1 << (random.next() % 12)))))
                let due = deadlines.filter { $0.value <= loop.now }
                #expect(Set(recorder.fired) == Set(due.keys) && recorder.fired.count == due.count)
                let times = recorder.fired.compactMap { due[$0] }
                #expect(times == times.sorted())
                for key in due.keys { deadlines[key] = nil }
            }
        }
    }

    @Test func realClockLoopsSleepUntilATimerIsDue() throws {
        let loop = try EventLoop()
        let recorder = Recorder()
        let timer = LoopTimer(loop: loop, target: recorder)
        timer.arm(after: .milliseconds(20))
        recorder.onFire = { _ in loop.stop() }
        loop.run()
        #expect(recorder.fired == [0])
    }
}

/// A small random generator with a seed.
struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
