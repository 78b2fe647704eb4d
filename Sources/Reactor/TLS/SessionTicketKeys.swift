// The keys that session tickets are sealed with, shared by the contexts of all workers.
import COpenSSL
import Synchronization

/// Keys for TLS session tickets (RFC 5077): given by the configuration, or random and renewed by time.
///
/// All workers' contexts of one spec share one instance, so that a ticket from one worker is good at another. Any thread
/// may use it: given keys are immutable, random ones are under a lock that contexts take once an hour.
public final class SessionTicketKeys: Sendable {
    /// One key in Envoy's layout of 80 bytes: 16 of name, 32 for HMAC-SHA256, 32 for AES-256-CBC.
    public struct Key: Sendable, Equatable {
        /// Bytes of a key.
        public static let size = 80

        let bytes: [UInt8]

        /// None when `bytes` are not exactly 80.
        public init?(_ bytes: [UInt8]) {
            guard bytes.count == Key.size else { return nil }
            self.bytes = bytes
        }

        var name: ArraySlice<UInt8> { bytes[..<16] }
        var mac: ArraySlice<UInt8> { bytes[16..<48] }
        var cipher: ArraySlice<UInt8> { bytes[48...] }
    }

    /// The keys for a span of time: the first seals, all open.
    struct Generation: Sendable {
        var keys: [Key]
        /// Unix seconds after which the owner is asked again.
        var validUntil: Int64
    }

    /// How long a random key seals, seconds. It opens for as long again.
    static let sealingTime: Int64 = 12 * 3600
    /// How long a context uses what it got before it asks again, seconds.
    static let cachingTime: Int64 = 3600

    private struct Random: Sendable {
        var keys: [Key]
        var madeAt: Int64
    }

    private let given: [Key]
    private let random: Mutex<Random>

    private init(given: [Key]) {
        self.given = given
        random = Mutex(Random(keys: [], madeAt: 0))
    }

    /// Random keys, renewed every twelve hours; equal to any other random keys.
    public static func random() -> SessionTicketKeys { SessionTicketKeys(given: []) }

    /// Keys from the configuration: the first seals, all open. None when there is no key.
    public static func given(_ keys: [Key]) -> SessionTicketKeys? {
        keys.isEmpty ? nil : SessionTicketKeys(given: keys)
    }

    /// The keys to use at `now` (unix seconds).
    func generation(now: Int64) -> Generation {
        if !given.isEmpty { return Generation(keys: given, validUntil: .max) }
        return random.withLock { random in
            if random.keys.isEmpty || now >= random.madeAt + SessionTicketKeys.sealingTime {
                // A key that sealed until now goes on to open; one that is older than that is forgotten.
                let wasRecent = now < random.madeAt + 2 * SessionTicketKeys.sealingTime
                random.keys = [SessionTicketKeys.make()] + (wasRecent ? random.keys.prefix(1) : [])
                random.madeAt = now
            }
            return Generation(keys: random.keys, validUntil: now + SessionTicketKeys.cachingTime)
        }
    }

    private static func make() -> Key {
        var bytes = [UInt8](repeating: 0, count: Key.size)
        precondition(RAND_priv_bytes(&bytes, Int32(Key.size)) == 1, "the system has no randomness to give")
        guard let key = Key(bytes) else { preconditionFailure("a key has 80 bytes") }
        return key
    }
}

extension SessionTicketKeys: Equatable {
    /// Given keys are compared, random ones are all alike.
    public static func == (one: SessionTicketKeys, other: SessionTicketKeys) -> Bool {
        one.given == other.given
    }
}
