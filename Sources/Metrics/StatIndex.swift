// StatIndex: finds a stat's record by its key, 4 to 11 bytes a stat.

/// A hash table from keys to places of records; the keys themselves are in the records.
struct StatIndex: Sendable {
    /// A place plus 1, or 0 for an empty slot. The size is a power of two.
    private var slots: [UInt32] = [UInt32](repeating: 0, count: 64)
    private(set) var count = 0

    func find(_ key: UInt64, in records: [StatRecord]) -> UInt32? {
        var slot = home(key)
        while slots[slot] != 0 {
            if records[Int(slots[slot] - 1)].key == key { return slots[slot] - 1 }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    /// The key of `records[place]` is not in the table yet.
    mutating func insert(_ place: UInt32, in records: [StatRecord]) {
        if (count + 1) * 4 > slots.count * 3 {
            let old = slots
            slots = [UInt32](repeating: 0, count: old.count * 2)
            for entry in old where entry != 0 { put(entry, in: records) }
        }
        put(place + 1, in: records)
        count += 1
    }

    private mutating func put(_ entry: UInt32, in records: [StatRecord]) {
        var slot = home(records[Int(entry - 1)].key)
        while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = entry
    }

    /// Takes out the key of `records[place]` and closes the gap.
    mutating func remove(_ place: UInt32, in records: [StatRecord]) {
        let mask = slots.count - 1
        var gap = home(records[Int(place)].key)
        while slots[gap] != place + 1 {
            guard slots[gap] != 0 else { return }
            gap = (gap + 1) & mask
        }
        var slot = gap
        while true {
            slot = (slot + 1) & mask
            guard slots[slot] != 0 else { break }
            // An entry may move back to the gap when its home is not between the gap and itself.
            let distance = (slot - home(records[Int(slots[slot] - 1)].key)) & mask
            if distance >= (slot - gap) & mask {
                slots[gap] = slots[slot]
                gap = slot
            }
        }
        slots[gap] = 0
        count -= 1
    }

    private func home(_ key: UInt64) -> Int {
        // Fibonacci hashing; the high bits are the well-mixed ones.
        Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 32) & (slots.count - 1)
    }
}
