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

/// A set of stats. Who asks for many gets numbers in rows, so rows are what is kept; mostly there is one.
struct StatIDs: Sendable {
    private struct Row {
        var first: UInt32
        var last: UInt32

        /// Whether it has the number, after growing by it if that is next to its ends.
        mutating func take(_ id: UInt32) -> Bool {
            if last < .max, id == last + 1 {
                last = id
            } else if first > 0, id == first - 1 {
                first = id
            }
            return contains(id)
        }

        func contains(_ id: UInt32) -> Bool { id >= first && id <= last }
    }

    private var row: Row?
    private var others: [Row] = []

    /// False when it was there.
    mutating func insert(_ id: UInt32) -> Bool {
        guard let row else {
            row = Row(first: id, last: id)
            return true
        }
        if row.contains(id) || others.contains(where: { $0.contains(id) }) { return false }
        if self.row?.take(id) == true { return true }
        for index in others.indices where others[index].take(id) { return true }
        others.append(Row(first: id, last: id))
        return true
    }

    /// All of them, row by row.
    var all: some Sequence<UInt32> {
        ((row.map { [$0] } ?? []) + others).lazy.flatMap { $0.first...$0.last }
    }

    /// How many rows there are, for tests of what it takes.
    var rowCount: Int { (row == nil ? 0 : 1) + others.count }
}
