// PlaceTable: a hash table of places in some array, 5 to 6.3 bytes an entry.

/// Finds places by hash. What is hashed and compared stays where the places lead to.
struct PlaceTable: Sendable {
    /// A place plus 1, or 0 for an empty slot.
    private var slots: [UInt32] = [UInt32](repeating: 0, count: 64)
    private(set) var count = 0

    /// The place with this hash for which `isIt` is true.
    @inline(__always)
    func find(_ hash: UInt64, where isIt: (UInt32) -> Bool) -> UInt32? {
        var slot = home(hash)
        while slots[slot] != 0 {
            if isIt(slots[slot] - 1) { return slots[slot] - 1 }
            slot = after(slot)
        }
        return nil
    }

    /// Adds a place that is not in the table yet. `hash` is asked about it, and about others.
    mutating func insert(_ place: UInt32, hash: (UInt32) -> UInt64) {
        if (count + 1) * 5 > slots.count * 4 {
            let old = slots
            slots = [UInt32](repeating: 0, count: old.count + old.count / 4)
            for entry in old where entry != 0 { put(entry, hash(entry - 1)) }
        }
        put(place + 1, hash(place))
        count += 1
    }

    private mutating func put(_ entry: UInt32, _ hash: UInt64) {
        var slot = home(hash)
        while slots[slot] != 0 { slot = after(slot) }
        slots[slot] = entry
    }

    /// Takes a place out and closes the gap.
    mutating func remove(_ place: UInt32, hash: (UInt32) -> UInt64) {
        var gap = home(hash(place))
        while slots[gap] != place + 1 {
            guard slots[gap] != 0 else { return }
            gap = after(gap)
        }
        var slot = gap
        while true {
            slot = after(slot)
            guard slots[slot] != 0 else { break }
            // An entry may move back to the gap when its home is not between the gap and itself.
            if distance(from: home(hash(slots[slot] - 1)), to: slot) >= distance(from: gap, to: slot) {
                slots[gap] = slots[slot]
                gap = slot
            }
        }
        slots[gap] = 0
        count -= 1
    }

    private func after(_ slot: Int) -> Int { slot + 1 == slots.count ? 0 : slot + 1 }

    private func distance(from start: Int, to end: Int) -> Int {
        end >= start ? end - start : end - start + slots.count
    }

    /// The high half of the hash chooses a part of the table.
    private func home(_ hash: UInt64) -> Int {
        Int(truncatingIfNeeded: (hash >> 32 &* UInt64(slots.count)) >> 32)
    }
}
