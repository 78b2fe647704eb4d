// A timer of an event loop: armed, put off and disarmed as often as one likes, for next to nothing.

/// Who is told when a timer fires.
public protocol TimerTarget: AnyObject {
    /// The timer's time has come. It is disarmed now and may be armed again. Called on the loop's thread.
    func timerFired(_ timer: LoopTimer)
}

/// One deadline on a loop. Fires once per arming, never early, at most about a millisecond late on an idle loop.
/// Dropping the last reference disarms it. Used on the loop's thread.
public final class LoopTimer {
    private let loop: EventLoop
    private unowned let target: TimerTarget
    private let shortTag: Int32

    // The wheel's, and its alone but for `disarm`.

    /// The list it is in, or `TimerWheel.unlinked`.
    var list = TimerWheel.unlinked
    /// Its neighbours in that list.
    var next: Unmanaged<LoopTimer>?
    var previous: Unmanaged<LoopTimer>?
    /// When it is to fire, in milliseconds of the loop's clock; `TimerWheel.never` when disarmed.
    var deadline = TimerWheel.never
    /// What it is filed under; at most `deadline`. A later deadline is only noticed when this one comes.
    var filed = TimerWheel.never

    /// A disarmed timer. The target is not retained and must outlive the timer: usually it owns it.
    public init(loop: EventLoop, target: TimerTarget, tag: Int = 0) {
        self.loop = loop
        self.target = target
        shortTag = Int32(tag)
    }

    deinit { loop.wheel.forget(self) }

    /// For the target, to tell its timers apart.
    public var tag: Int { Int(shortTag) }

    /// True from arming until it fires or is disarmed.
    public var isArmed: Bool { deadline != TimerWheel.never }

    /// Fires `amount` after the loop's cached `now`; replaces an earlier arming. Nothing or less means: as soon as the
    /// loop looks at its timers.
    public func arm(after amount: TimeAmount) {
        arm(at: loop.now + amount)
    }

    /// Fires at `time`; replaces an earlier arming.
    public func arm(at time: MonotonicTime) {
        loop.wheel.arm(self, deadline: time.millisecondsRoundedUp)
    }

    /// Does not fire any more.
    public func disarm() {
        deadline = TimerWheel.never
    }

    func fire() {
        target.timerFired(self)
    }
}

extension MonotonicTime {
    /// Milliseconds, rounded down: what time it is on the wheel.
    var millisecondsRoundedDown: UInt64 { ns / 1_000_000 }
    /// Milliseconds, rounded up: so that no timer fires early.
    var millisecondsRoundedUp: UInt64 { ns / 1_000_000 &+ (ns % 1_000_000 == 0 ? 0 : 1) }
}
