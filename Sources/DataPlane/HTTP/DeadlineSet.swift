// Several deadlines behind one timer: what a stream or a connection waits for, at no cost per request.
import Reactor

/// A fixed number of deadlines, addressed by small integers. Loop thread only.
///
/// Moving a deadline writes one word. The owner's timer is only touched when a deadline comes before the moment at
/// which the timer fires anyway; when it fires early, it looks at the set and is armed for what is left.
struct DeadlineSet<let slots: Int>: ~Copyable {
    private var at = InlineArray<slots, UInt64>(repeating: .max)
    /// When the owner's timer fires; `.max`: it is not armed.
    private var wake = UInt64.max

    init() {}

    /// Sets a deadline. True: the owner arms its timer for `time`.
    mutating func set(_ slot: Int, _ time: MonotonicTime) -> Bool {
        at[slot] = time.ns
        guard time.ns < wake else { return false }
        wake = time.ns
        return true
    }

    mutating func clear(_ slot: Int) { at[slot] = .max }

    mutating func clearAll() {
        for slot in 0..<slots { at[slot] = .max }
    }

    /// The deadline of a slot, if one is set.
    func time(_ slot: Int) -> MonotonicTime? { at[slot] == .max ? nil : MonotonicTime(ns: at[slot]) }

    /// The owner's timer has fired: it is not armed any more.
    mutating func timerFired() { wake = .max }

    /// Takes the earliest deadline that has passed.
    mutating func takeExpired(now: MonotonicTime) -> Int? {
        var found: Int?
        var earliest = UInt64.max
        for slot in 0..<slots where at[slot] <= now.ns && at[slot] < earliest {
            earliest = at[slot]
            found = slot
        }
        if let found { at[found] = .max }
        return found
    }

    /// When the owner has to arm its timer again after it fired and everything expired was taken; nil: nothing is left
    /// or the timer is armed early enough.
    mutating func nextWake() -> MonotonicTime? {
        var earliest = UInt64.max
        for slot in 0..<slots where at[slot] < earliest { earliest = at[slot] }
        guard earliest < wake else { return nil }
        wake = earliest
        return MonotonicTime(ns: earliest)
    }
}
