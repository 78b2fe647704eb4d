// Token buckets that network filters share by their `share_key`.
import DataPlane
import EnvoyAPI
import Synchronization

/// Filters of one key and one size have one bucket, whether they come with the bootstrap or later. Any thread.
final class SharedTokenBuckets: Sendable {
    private struct Key: Hashable {
        let name: String
        /// The message's bytes.
        let size: [UInt8]
    }

    private let buckets = Mutex<[Key: TokenBucket]>([:])

    /// The bucket that is there, or else `made`, which is there from now on.
    func bucket(_ name: String, _ size: API.TokenBucket, otherwise made: TokenBucket) -> TokenBucket {
        buckets.withLock { buckets in
            // Those that nobody uses any more go: keys come and go with listeners.
            for key in Array(buckets.keys) where isKnownUniquelyReferenced(&buckets[key]) { buckets[key] = nil }
            let key = Key(name: name, size: (try? size.serializedBytes()) ?? [])
            if let found = buckets[key] { return found }
            buckets[key] = made
            return made
        }
    }
}
