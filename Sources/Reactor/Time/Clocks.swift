// Points in time, and the clocks a loop takes them from.
import Glibc

/// A point on a clock that only runs forward: nanoseconds since an arbitrary start.
public struct MonotonicTime: Comparable, Hashable, Sendable {
    /// Nanoseconds since the clock's start.
    public let ns: UInt64

    /// The clock's start.
    public static let zero = MonotonicTime(ns: 0)
    /// A time that never comes.
    public static let distantFuture = MonotonicTime(ns: .max)

    @inlinable public init(ns: UInt64) {
        self.ns = ns
    }

    @inlinable public static func < (left: MonotonicTime, right: MonotonicTime) -> Bool { left.ns < right.ns }

    /// Saturates at the clock's start and at `distantFuture`.
    @inlinable public static func + (left: MonotonicTime, right: TimeAmount) -> MonotonicTime {
        if right.nanoseconds >= 0 {
            let (sum, overflow) = left.ns.addingReportingOverflow(right.nanoseconds.magnitude)
            return MonotonicTime(ns: overflow ? .max : sum)
        }
        let (difference, overflow) = left.ns.subtractingReportingOverflow(right.nanoseconds.magnitude)
        return MonotonicTime(ns: overflow ? 0 : difference)
    }

    /// The time from `right` to `left`; saturates.
    @inlinable public static func - (left: MonotonicTime, right: MonotonicTime) -> TimeAmount {
        if left.ns >= right.ns {
            return TimeAmount(nanoseconds: Int64(clamping: left.ns &- right.ns))
        }
        return TimeAmount(nanoseconds: 0 &- Int64(clamping: right.ns &- left.ns))
    }
}

/// A point in civil time: nanoseconds since 1970-01-01T00:00:00Z. May jump when the machine's clock is set.
public struct WallTime: Comparable, Hashable, Sendable {
    /// Nanoseconds since the Unix epoch.
    public let unixNanoseconds: Int64

    @inlinable public init(unixNanoseconds: Int64) {
        self.unixNanoseconds = unixNanoseconds
    }

    /// Whole seconds since the Unix epoch, rounded down.
    @inlinable public var unixSeconds: Int64 {
        let (seconds, rest) = unixNanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        return rest < 0 ? seconds &- 1 : seconds
    }

    /// Nanoseconds after `unixSeconds`, from 0 up to 999 999 999.
    @inlinable public var nanosecondOfSecond: Int64 {
        let rest = unixNanoseconds % 1_000_000_000
        return rest < 0 ? rest &+ 1_000_000_000 : rest
    }

    @inlinable public static func < (left: WallTime, right: WallTime) -> Bool {
        left.unixNanoseconds < right.unixNanoseconds
    }

    /// Saturates.
    @inlinable public static func + (left: WallTime, right: TimeAmount) -> WallTime {
        WallTime(unixNanoseconds: (TimeAmount(nanoseconds: left.unixNanoseconds) + right).nanoseconds)
    }

    /// The time from `right` to `left`; saturates.
    @inlinable public static func - (left: WallTime, right: WallTime) -> TimeAmount {
        TimeAmount(nanoseconds: left.unixNanoseconds) - TimeAmount(nanoseconds: right.unixNanoseconds)
    }
}

/// Where a loop takes its time from: the system, or a test.
public protocol LoopClock: AnyObject {
    /// The monotonic time now.
    func monotonicNow() -> MonotonicTime
    /// The civil time now.
    func wallNow() -> WallTime
    /// True when the clock runs by itself, so that a loop may sleep until a timer is due. A clock that a test moves
    /// answers false: the loop then only waits as long as it is told to.
    var runsByItself: Bool { get }
}

/// The machine's clocks.
public final class SystemClock: LoopClock, Sendable {
    public init() {}

    public func monotonicNow() -> MonotonicTime {
        let (seconds, nanoseconds) = SystemClock.read(CLOCK_MONOTONIC)
        return MonotonicTime(ns: UInt64(clamping: seconds) &* 1_000_000_000 &+ UInt64(clamping: nanoseconds))
    }

    public func wallNow() -> WallTime {
        let (seconds, nanoseconds) = SystemClock.read(CLOCK_REALTIME)
        return WallTime(unixNanoseconds: seconds &* 1_000_000_000 &+ nanoseconds)
    }

    public var runsByItself: Bool { true }

    private static func read(_ clock: clockid_t) -> (seconds: Int64, nanoseconds: Int64) {
        var time = timespec()
        clock_gettime(clock, &time)
        return (Int64(time.tv_sec), Int64(time.tv_nsec))
    }
}
