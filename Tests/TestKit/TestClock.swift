// A loop clock that only moves when the test says so.
import Reactor

/// A clock for `EventLoop(clock:)`: stands still until it is advanced. Used on one thread.
public final class TestClock: LoopClock {
    private var monotonic = MonotonicTime(ns: 1_000_000_000)
    private var wall: WallTime

    /// Starts at a fixed civil time, 2024-01-01T00:00:00Z unless told otherwise.
    public init(wall: WallTime = WallTime(unixNanoseconds: 1_704_067_200_000_000_000)) {
        self.wall = wall
    }

    public func monotonicNow() -> MonotonicTime { monotonic }
    public func wallNow() -> WallTime { wall }
    public var runsByItself: Bool { false }

    /// Moves both times forward.
    public func advance(by amount: TimeAmount) {
        monotonic = monotonic + amount
        wall = wall + amount
    }
}
