// Keeps stats alive for somebody who will be gone before the process is: a cluster, an endpoint.

/// The stats that one owner has asked for, through `StatCells.held(by:)` of one thread or several. When it goes, so do
/// those that nobody else holds, with their memory. Before that nobody may write the owner's handles any more.
public final class StatHold: Sendable {
    private let store: StatStore
    // Guarded by the store's lock, but in deinit.
    private nonisolated(unsafe) var ids = StatIDs()

    init(_ store: StatStore) { self.store = store }

    deinit { store.release(ids) }

    /// Under the store's lock. False: it is held already.
    func note(_ id: UInt32) -> Bool { ids.insert(id) }
}

/// A set of stats. Who asks for many gets numbers in rows, so rows are what is kept.
struct StatIDs: Sendable {
    private struct Row {
        var first: UInt32
        var last: UInt32
    }

    private var rows: [Row] = []

    /// False when it was there.
    mutating func insert(_ id: UInt32) -> Bool {
        // Mostly it goes on where the last one ended; places that became free are given out backwards.
        var neighbour: Int?
        for index in rows.indices.reversed() {
            if id >= rows[index].first && id <= rows[index].last { return false }
            let follows = id > 0 && rows[index].last == id - 1
            let precedes = id < .max && rows[index].first == id + 1
            if neighbour == nil, follows || precedes { neighbour = index }
        }
        guard let neighbour else {
            rows.append(Row(first: id, last: id))
            return true
        }
        if id > rows[neighbour].last { rows[neighbour].last = id } else { rows[neighbour].first = id }
        return true
    }

    /// All of them, row by row.
    var all: some Sequence<UInt32> { rows.lazy.flatMap { $0.first...$0.last } }

    /// How many rows there are, for tests of what it takes.
    var rowCount: Int { rows.count }
}
