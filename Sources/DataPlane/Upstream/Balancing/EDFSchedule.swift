// Weighted picks, evenly spaced: earliest deadline first.

/// A priority queue in which each entry comes due every 1/weight. Picks of unequal weights are spread out rather than
/// clustered (a:2, b:1 gives a b a), as in Envoy's EdfScheduler. O(log n) a pick, no allocation.
struct EDFSchedule {
    private struct Entry {
        var deadline: Double
        /// Order of entry among equal deadlines.
        var order: UInt64
        var value: Int

        func isBefore(_ other: Entry) -> Bool {
            deadline < other.deadline || (deadline == other.deadline && order < other.order)
        }
    }

    private var heap: [Entry] = []
    private var time = 0.0
    private var nextOrder: UInt64 = 0

    /// Entries 0..<count. Weights are above 0.
    init(count: Int, weight: (Int) -> Double) {
        heap.reserveCapacity(count)
        for value in 0..<count {
            heap.append(Entry(deadline: 1 / weight(value), order: nextOrder, value: value))
            nextOrder &+= 1
            siftUp(heap.count - 1)
        }
    }

    /// The entry that is due first; it comes due again after 1/weight. nil when there is none.
    mutating func next(weight: (Int) -> Double) -> Int? {
        guard var top = heap.first else { return nil }
        time = top.deadline
        if time > 0x1p30 { rebase() }
        top.deadline = time + 1 / weight(top.value)
        top.order = nextOrder
        nextOrder &+= 1
        heap[0] = top
        siftDown()
        return top.value
    }

    /// Keeps deadlines small, so that small differences do not drown in rounding.
    private mutating func rebase() {
        for index in heap.indices { heap[index].deadline -= time }
        time = 0
    }

    private mutating func siftUp(_ start: Int) {
        var index = start
        while index > 0 {
            let parent = (index - 1) / 2
            guard heap[index].isBefore(heap[parent]) else { return }
            heap.swapAt(index, parent)
            index = parent
        }
    }

    private mutating func siftDown() {
        var index = 0
        while true {
            let left = 2 * index + 1
            guard left < heap.count else { return }
            let right = left + 1
            let least = right < heap.count && heap[right].isBefore(heap[left]) ? right : left
            guard heap[least].isBefore(heap[index]) else { return }
            heap.swapAt(index, least)
            index = least
        }
    }
}
