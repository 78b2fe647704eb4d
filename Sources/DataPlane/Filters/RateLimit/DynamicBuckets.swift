// The token buckets of a descriptor that takes any value: one for each value that comes.
import Reactor
import Synchronization

/// Buckets of one rate that are made as they are asked for. There are `limit` at most (`max_dynamic_descriptors`); the one
/// that was not asked for the longest makes room, and is full when its value comes again. Any thread, under a lock: they
/// hold over all workers, and so does their order.
///
/// A bucket is known by the digest of its descriptor, so that its size is not the client's to choose: two descriptors of
/// one digest would share their bucket, and nobody outside can look for such.
final class DynamicBuckets: Sendable {
    private struct Bucket {
        var digest: Int
        var emptyAt: Int64
        /// Neighbours in the order of use; -1: none.
        var newer: Int
        var older: Int
    }

    private struct State {
        var places: [Int: Int] = [:]
        var buckets: [Bucket] = []
        var newest = -1
        var oldest = -1

        mutating func unlink(_ place: Int) {
            let (newer, older) = (buckets[place].newer, buckets[place].older)
            if newer >= 0 { buckets[newer].older = older } else { newest = older }
            if older >= 0 { buckets[older].newer = newer } else { oldest = newer }
        }

        mutating func putFirst(_ place: Int) {
            buckets[place].newer = -1
            buckets[place].older = newest
            if newest >= 0 { buckets[newest].newer = place } else { oldest = place }
            newest = place
        }
    }

    struct Answer {
        let isWithin: Bool
        let quota: TokenRate.Quota
        /// Another value's bucket was given up.
        let hasEvicted: Bool
    }

    let rate: TokenRate
    private let limit: Int
    private let state = Mutex(State())

    /// - Parameter limit: 0 counts as 1.
    init(_ rate: TokenRate, limit: Int) {
        self.rate = rate
        self.limit = max(1, limit)
    }

    /// Takes a token from the bucket of a descriptor.
    func take(_ digest: Int, now: MonotonicTime) -> Answer {
        state.withLock { state in
            let (place, hasEvicted) = find(digest, &state)
            let next = rate.taking(from: state.buckets[place].emptyAt, now: now)
            if let next { state.buckets[place].emptyAt = next }
            return Answer(
                isWithin: next != nil, quota: rate.quota(emptyAt: state.buckets[place].emptyAt, now: now),
                hasEvicted: hasEvicted)
        }
    }

    var count: Int { state.withLock { $0.buckets.count } }

    /// The place of a bucket, which is the newest then.
    private func find(_ digest: Int, _ state: inout State) -> (place: Int, hasEvicted: Bool) {
        if let place = state.places[digest] {
            if place != state.newest {
                state.unlink(place)
                state.putFirst(place)
            }
            return (place, false)
        }
        let made = Bucket(digest: digest, emptyAt: TokenRate.longAgo, newer: -1, older: -1)
        let place: Int
        let isFull = state.buckets.count >= limit
        if isFull {
            place = state.oldest
            state.unlink(place)
            state.places[state.buckets[place].digest] = nil
            state.buckets[place] = made
        } else {
            place = state.buckets.count
            state.buckets.append(made)
        }
        state.places[digest] = place
        state.putFirst(place)
        return (place, isFull)
    }
}
