// From the names of clusters to their places in a worker's set.
import Reactor

/// An open hash table of places, by names that stand elsewhere. Takes names in and lets them go.
struct ClusterPlaces {
    /// 1 + place; 0 for none. A power of two, always twice as many as names at least.
    private var slots = [Int32](repeating: 0, count: 4)
    private var count = 0
    /// Request headers choose the name: seeded, so that nobody can make names collide.
    private let seed = UInt64.random(in: .min ... .max)

    /// The place of a name, or nil. `isNamed`: whether a place has it. Allocates nothing.
    func find(_ name: ByteView, isNamed: (Int) -> Bool) -> Int? {
        var slot = home(name)
        while slots[slot] != 0 {
            let place = Int(slots[slot]) - 1
            if isNamed(place) { return place }
            slot = next(slot)
        }
        return nil
    }

    /// Takes in a name that is not there. `nameOf`: of a place.
    mutating func insert(_ name: String, _ place: Int, nameOf: (Int) -> String) {
        count += 1
        if count * 2 > slots.count {
            let old = slots
            slots = [Int32](repeating: 0, count: old.count * 2)
            for slot in old where slot != 0 { put(nameOf(Int(slot) - 1), slot) }
        }
        put(name, Int32(truncatingIfNeeded: place + 1))
    }

    private mutating func put(_ name: String, _ value: Int32) {
        var slot = home(name)
        while slots[slot] != 0 { slot = next(slot) }
        slots[slot] = value
    }

    /// Lets go of a name that is there. What was pushed on by it moves up, so that no look-up ends too early.
    mutating func remove(_ name: String, _ place: Int, nameOf: (Int) -> String) {
        var hole = home(name)
        while slots[hole] != Int32(truncatingIfNeeded: place + 1) {
            if slots[hole] == 0 { return }
            hole = next(hole)
        }
        slots[hole] = 0
        count -= 1
        var slot = next(hole)
        while slots[slot] != 0 {
            let wanted = home(nameOf(Int(slots[slot]) - 1))
            // How far each is from where it wants to be, going round.
            if (slot &- wanted) & mask >= (slot &- hole) & mask {
                slots[hole] = slots[slot]
                slots[slot] = 0
                hole = slot
            }
            slot = next(slot)
        }
    }

    private var mask: Int { slots.count - 1 }
    private func next(_ slot: Int) -> Int { (slot + 1) & mask }
    private func home(_ name: ByteView) -> Int { Int(truncatingIfNeeded: name.hash(seed: seed)) & mask }
    private func home(_ name: String) -> Int { FixedBytes(name).withView { home($0) } }
}
