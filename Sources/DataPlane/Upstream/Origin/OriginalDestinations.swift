// The hosts of an ORIGINAL_DST cluster over all workers: made on demand, bounded, and given up when nobody has them.
import Reactor
import Synchronization

/// The destinations that any worker knows. Any thread: there is a lock, which a worker takes when it meets a destination
/// for the first time and when it gives some up, and not for a request to a destination that it knows.
final class OriginalDestinations: Sendable {
    private struct Entry {
        let host: Host
        let number: UInt64
        /// How many workers have it.
        var holders: Int
    }

    private struct State {
        var entries: [SocketAddress: Entry] = [:]
        var made: UInt64 = 0
        var changes: UInt64 = 0
    }

    private let clusterName: String
    private let limit: Int
    private let workers: Int
    private let watch: OutlierWatch?
    private let state = Mutex(State())

    /// `limit`: destinations at the same time, over all workers; 0: no limit.
    init(cluster: String, limit: Int, workers: Int, watch: OutlierWatch? = nil) {
        clusterName = cluster
        self.limit = limit == 0 ? .max : limit
        self.workers = workers
        self.watch = watch
    }

    /// The host of a destination, for a worker that has not got it; `giveUp` is called once for it. nil: there are too
    /// many.
    func take(_ address: SocketAddress) -> Host? {
        state.withLock { state in
            if let known = state.entries[address] {
                state.entries[address]?.holders += 1
                return known.host
            }
            guard state.entries.count < limit else { return nil }
            // The name is Envoy's.
            let host = Host(
                address: address, hostname: clusterName + address.description,
                state: HostState(flags: [], workers: workers, watch: watch))
            state.entries[address] = Entry(host: host, number: state.made, holders: 1)
            state.made += 1
            state.changes += 1
            return host
        }
    }

    /// A worker has these no longer. Together they are one change of the membership, as in Envoy.
    func giveUp(_ addresses: [SocketAddress]) {
        state.withLock { state in
            var isChanged = false
            for address in addresses {
                guard let holders = state.entries[address]?.holders else { continue }
                if holders > 1 {
                    state.entries[address]?.holders = holders - 1
                } else {
                    state.entries[address] = nil
                    isChanged = true
                }
            }
            if isChanged { state.changes += 1 }
        }
    }

    /// How many there are.
    var count: Int { state.withLock { $0.entries.count } }

    /// All hosts, the oldest first, and how often the membership has changed; nil when it has done so `seen` times.
    func membership(unless seen: UInt64) -> (hosts: [Host], changes: UInt64)? {
        state.withLock { state in
            guard state.changes != seen else { return nil }
            return (state.entries.values.sorted { $0.number < $1.number }.map(\.host), state.changes)
        }
    }
}
