// A hierarchical timer wheel: arming, disarming and firing in constant time, one millisecond fine.

/// Six levels of 64 slots: a slot of level n is 64^n milliseconds wide. Timers cascade to finer levels as they get near.
///
/// A timer is linked into at most one list. Re-arming it to a later time and disarming it only write a field: it stays
/// filed where it is and is looked at when that time comes. So a timer that is re-armed for every request costs nothing
/// but one look per period.
final class TimerWheel {
    static let never = UInt64.max
    static let unlinked: Int16 = -1
    private static let levels = 6
    private static let slotBits: UInt64 = 6
    /// Timers that were already due when they were filed: fired by the next `advance`.
    private static let dueList = levels * 64
    /// Timers that are being fired.
    private static let firingList = dueList + 1
    private static let listCount = firingList + 1
    /// How far ahead a timer is filed at most; a later one is filed again when that time comes.
    private static let span: UInt64 = (1 << 36) - (1 << 30)

    // Invariants: both arrays have `listCount` entries and live as long as the wheel. A timer takes itself out in its
    // deinit, so that whatever is in a list is there.
    private let heads: UnsafeMutablePointer<Unmanaged<LoopTimer>?>
    private let tails: UnsafeMutablePointer<Unmanaged<LoopTimer>?>
    /// One bit per non-empty slot of a level.
    private let occupied: UnsafeMutablePointer<UInt64>
    /// Everything filed up to and including this millisecond has been handled.
    private var elapsed: UInt64

    init(now: UInt64) {
        elapsed = now
        heads = .allocate(capacity: TimerWheel.listCount)
        heads.initialize(repeating: nil, count: TimerWheel.listCount)
        tails = .allocate(capacity: TimerWheel.listCount)
        tails.initialize(repeating: nil, count: TimerWheel.listCount)
        occupied = .allocate(capacity: TimerWheel.levels)
        occupied.initialize(repeating: 0, count: TimerWheel.levels)
    }

    deinit {
        heads.deallocate()
        tails.deallocate()
        occupied.deallocate()
    }

    /// Sets the deadline of a timer and files it if need be.
    func arm(_ timer: LoopTimer, deadline: UInt64) {
        timer.deadline = min(deadline, TimerWheel.never - 1)
        if timer.list != TimerWheel.unlinked {
            if timer.deadline >= timer.filed { return }
            unlink(timer)
        }
        file(timer)
    }

    /// Takes a timer out before its memory goes away.
    func forget(_ timer: LoopTimer) {
        if timer.list != TimerWheel.unlinked { unlink(timer) }
    }

    /// The next millisecond at which `advance` has something to do, or nil when no timer is filed.
    var nextExpiration: UInt64? {
        if heads[TimerWheel.dueList] != nil { return elapsed }
        return nextSlot()?.time
    }

    /// Fires what is due at `now` (milliseconds), in order of deadlines.
    func advance(to now: UInt64) {
        while let timer = first(TimerWheel.dueList) {
            unlink(timer)
            append(timer, to: TimerWheel.firingList)
        }
        while let slot = nextSlot(), slot.time <= now {
            elapsed = max(elapsed, slot.time)
            // Timers of this list are filed anew in finer lists, never in this one again.
            while let timer = first(slot.list) {
                unlink(timer)
                if timer.deadline == TimerWheel.never { continue }
                if timer.deadline <= elapsed {
                    append(timer, to: TimerWheel.firingList)
                } else {
                    file(timer)
                }
            }
        }
        elapsed = max(elapsed, now)
        while let timer = first(TimerWheel.firingList) {
            unlink(timer)
            // A timer fired before this one may have disarmed it or put it off.
            if timer.deadline == TimerWheel.never { continue }
            if timer.deadline > elapsed {
                file(timer)
                continue
            }
            timer.deadline = TimerWheel.never
            timer.fire()
        }
    }

    private func first(_ list: Int) -> LoopTimer? { heads[list]?.takeUnretainedValue() }

    private func file(_ timer: LoopTimer) {
        let deadline = timer.deadline
        if deadline <= elapsed {
            timer.filed = elapsed
            append(timer, to: TimerWheel.dueList)
            return
        }
        let time = min(deadline, elapsed &+ TimerWheel.span)
        timer.filed = time
        // The highest bit in which the time differs from now decides how coarse the slot may be.
        let differing = 63 &- (elapsed ^ time | 63).leadingZeroBitCount
        let level = min(differing / Int(TimerWheel.slotBits), TimerWheel.levels - 1)
        let slot = Int(time >> (UInt64(level) &* TimerWheel.slotBits) & 63)
        append(timer, to: level &* 64 &+ slot)
        occupied[level] |= 1 << UInt64(slot)
    }

    /// The non-empty slot whose time comes first. Finer levels always come before coarser ones.
    private func nextSlot() -> (list: Int, time: UInt64)? {
        for level in 0..<TimerWheel.levels where occupied[level] != 0 {
            let shift = UInt64(level) &* TimerWheel.slotBits
            let current = elapsed >> shift & 63
            let rotated = occupied[level] >> current | occupied[level] << ((64 &- current) & 63)
            let slot = (UInt64(rotated.trailingZeroBitCount) &+ current) & 63
            let width: UInt64 = 1 << shift
            var time = elapsed & ~(width &* 64 &- 1) &+ slot &* width
            // Only the coarsest level wraps round.
            if time <= elapsed { time = time &+ width &* 64 }
            return (level &* 64 &+ Int(slot), time)
        }
        return nil
    }

    private func append(_ timer: LoopTimer, to list: Int) {
        let link = Unmanaged.passUnretained(timer)
        timer.list = Int16(truncatingIfNeeded: list)
        timer.next = nil
        timer.previous = tails[list]
        if let tail = tails[list] { tail.takeUnretainedValue().next = link } else { heads[list] = link }
        tails[list] = link
    }

    private func unlink(_ timer: LoopTimer) {
        let list = Int(timer.list)
        let (next, previous) = (timer.next, timer.previous)
        if let next { next.takeUnretainedValue().previous = previous } else { tails[list] = previous }
        if let previous { previous.takeUnretainedValue().next = next } else { heads[list] = next }
        if heads[list] == nil, list < TimerWheel.dueList {
            occupied[list / 64] &= ~(1 << UInt64(list % 64))
        }
        timer.list = TimerWheel.unlinked
        timer.next = nil
        timer.previous = nil
    }
}
