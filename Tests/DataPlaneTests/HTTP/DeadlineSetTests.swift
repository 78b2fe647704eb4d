// Several deadlines behind one timer.
import Reactor
import Testing

@testable import DataPlane

struct DeadlineSetTests {
    private func at(_ milliseconds: UInt64) -> MonotonicTime { MonotonicTime(ns: milliseconds * 1_000_000) }

    @Test func onlyAnEarlierDeadlineMovesTheTimer() {
        var set = DeadlineSet<4>()
        // Putting one off leaves the timer alone.
        let moved = [set.set(0, at(100)), set.set(1, at(200)), set.set(2, at(50)), set.set(2, at(300))]
        #expect(moved == [true, false, true, false])
    }

    @Test func expiredOnesComeEarliestFirst() {
        var set = DeadlineSet<4>()
        _ = set.set(0, at(100))
        _ = set.set(1, at(50))
        _ = set.set(2, at(400))
        set.timerFired()
        let taken = [set.takeExpired(now: at(150)), set.takeExpired(now: at(150)), set.takeExpired(now: at(150))]
        #expect(taken == [1, 0, nil])
        // Armed after the first answer: nothing more to do.
        let wakes = [set.nextWake(), set.nextWake()]
        #expect(wakes == [at(400), nil])
    }

    @Test func clearedOnesDoNotFire() {
        var set = DeadlineSet<4>()
        _ = set.set(3, at(10))
        set.clear(3)
        set.timerFired()
        let taken = set.takeExpired(now: at(20))
        let wake = set.nextWake()
        let time = set.time(3)
        #expect(taken == nil && wake == nil && time == nil)
    }
}
