// A hierarchical timer wheel: arming, disarming and firing in constant time, one millisecond fine.

/// One timer's place in the wheel. Owned by its `LoopTimer`, linked into at most one list.
struct TimerNode {
    var next: UnsafeMutablePointer<TimerNode>?
    var previous: UnsafeMutablePointer<TimerNode>?
    /// When it is to fire, in milliseconds of the loop's clock; `TimerWheel.never` when disarmed.
    var deadline: UInt64
    /// What it is filed under; at most `deadline`. A later deadline is only noticed when this one comes.
    var filed: UInt64
    /// The list it is in, or `TimerWheel.unlinked`.
    var list: Int
    // Invariant: the timer frees the node in its deinit, so the reference is valid as long as the node is.
    let owner: Unmanaged<LoopTimer>
}

/// Six levels of 64 slots: a slot of level n is 64^n milliseconds wide. Timers cascade to finer levels as they get near.
///
/// Re-arming to a later time and disarming only write a field: the node stays filed where it is and is looked at when
/// that time comes. So a timer that is re-armed for every request costs nothing but one look per period.
final class TimerWheel {
    typealias Node = UnsafeMutablePointer<TimerNode>

    static let never = UInt64.max
    static let unlinked = -1
    private static let levels = 6
    private static let slotBits: UInt64 = 6
    /// Timers that were already due when they were filed: fired by the next `advance`.
    private static let dueList = levels * 64
    /// Timers that are being fired.
    private static let firingList = dueList + 1
    private static let listCount = firingList + 1
    /// How far ahead a node is filed at most; a later one is filed again when that time comes.
    private static let span: UInt64 = (1 << 36) - (1 << 30)

    // Invariant: both arrays have `listCount` entries and live as long as the wheel.
    private let heads: UnsafeMutablePointer<Node?>
    private let tails: UnsafeMutablePointer<Node?>
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

    /// Sets the deadline of a node and files it if need be.
    func arm(_ node: Node, deadline: UInt64) {
        node.pointee.deadline = min(deadline, TimerWheel.never - 1)
        if node.pointee.list != TimerWheel.unlinked {
            if node.pointee.deadline >= node.pointee.filed { return }
            unlink(node)
        }
        file(node)
    }

    /// Takes a node out before its memory goes away.
    func forget(_ node: Node) {
        if node.pointee.list != TimerWheel.unlinked { unlink(node) }
    }

    /// The next millisecond at which `advance` has something to do, or nil when no timer is filed.
    var nextExpiration: UInt64? {
        if heads[TimerWheel.dueList] != nil { return elapsed }
        return nextSlot()?.time
    }

    /// Fires what is due at `now` (milliseconds), in order of deadlines.
    func advance(to now: UInt64) {
        while let node = heads[TimerWheel.dueList] {
            unlink(node)
            append(node, to: TimerWheel.firingList)
        }
        while let slot = nextSlot(), slot.time <= now {
            elapsed = max(elapsed, slot.time)
            // Nodes of this list are filed anew in finer lists, never in this one again.
            while let node = heads[slot.list] {
                unlink(node)
                if node.pointee.deadline == TimerWheel.never { continue }
                if node.pointee.deadline <= elapsed {
                    append(node, to: TimerWheel.firingList)
                } else {
                    file(node)
                }
            }
        }
        elapsed = max(elapsed, now)
        while let node = heads[TimerWheel.firingList] {
            unlink(node)
            // A timer fired before this one may have disarmed it or put it off.
            if node.pointee.deadline == TimerWheel.never { continue }
            if node.pointee.deadline > elapsed {
                file(node)
                continue
            }
            node.pointee.deadline = TimerWheel.never
            node.pointee.owner.takeUnretainedValue().fire()
        }
    }

    private func file(_ node: Node) {
        let deadline = node.pointee.deadline
        if deadline <= elapsed {
            node.pointee.filed = elapsed
            append(node, to: TimerWheel.dueList)
            return
        }
        let time = min(deadline, elapsed &+ TimerWheel.span)
        node.pointee.filed = time
        // The highest bit in which the time differs from now decides how coarse the slot may be.
        let differing = 63 &- (elapsed ^ time | 63).leadingZeroBitCount
        let level = min(differing / Int(TimerWheel.slotBits), TimerWheel.levels - 1)
        let slot = Int(time >> (UInt64(level) &* TimerWheel.slotBits) & 63)
        append(node, to: level &* 64 &+ slot)
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

    private func append(_ node: Node, to list: Int) {
        node.pointee.list = list
        node.pointee.next = nil
        node.pointee.previous = tails[list]
        if let tail = tails[list] { tail.pointee.next = node } else { heads[list] = node }
        tails[list] = node
    }

    private func unlink(_ node: Node) {
        let list = node.pointee.list
        let next = node.pointee.next
        let previous = node.pointee.previous
        if let next { next.pointee.previous = previous } else { tails[list] = previous }
        if let previous { previous.pointee.next = next } else { heads[list] = next }
        if heads[list] == nil, list < TimerWheel.dueList {
            occupied[list / 64] &= ~(1 << UInt64(list % 64))
        }
        node.pointee.list = TimerWheel.unlinked
        node.pointee.next = nil
        node.pointee.previous = nil
    }
}
