// Driving a loop from a test: turn by turn, until what the test waits for has happened.
import Reactor

extension EventLoop {
    /// Turns until `condition` holds. Gives up after `limit` of real time without it, and returns false: for a test to
    /// fail on, never to measure by.
    @discardableResult
    public func turn(until condition: () -> Bool, limit: TimeAmount = .seconds(20)) -> Bool {
        let clock = SystemClock()
        let end = clock.monotonicNow() + limit
        while !condition() {
            if clock.monotonicNow() > end { return false }
            turn(maxWait: .milliseconds(50))
        }
        return true
    }

    /// Turns until nothing is left to do at this moment.
    public func turnWhileBusy() {
        var quiet = 0
        while quiet < 3 {
            quiet = turn(maxWait: .zero) == 0 ? quiet + 1 : 0
        }
    }
}
