// Random numbers for request ids, jitter and drain decisions: fast, good, not for secrets.

/// xoshiro256** seeded from the system's generator. One a worker; not thread-safe.
public struct FastRandom: RandomNumberGenerator {
    private var s0: UInt64
    private var s1: UInt64
    private var s2: UInt64
    private var s3: UInt64

    /// A sequence of its own.
    public init() {
        var system = SystemRandomNumberGenerator()
        self.init(seed: (system.next(), system.next(), system.next(), system.next()))
    }

    /// A given sequence, for tests. All zeros would yield nothing but zeros and is changed.
    public init(seed: (UInt64, UInt64, UInt64, UInt64)) {
        s0 = seed.0
        s1 = seed.1
        s2 = seed.2
        s3 = seed.3 | (seed.0 | seed.1 | seed.2 | seed.3 == 0 ? 1 : 0)
    }

    /// The next 64 random bits.
    public mutating func next() -> UInt64 {
        let product = s1 &* 5
        let result = (product << 7 | product >> 57) &* 9
        let shifted = s1 << 17
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= shifted
        s3 = s3 << 45 | s3 >> 19
        return result
    }

    /// A number in `0..<bound`; 0 when the bound is 0. The bias is below bound/2^64.
    mutating func below(_ bound: UInt64) -> UInt64 { next().multipliedFullWidth(by: bound).high }

    /// True with the given probability (0...1).
    mutating func chance(_ probability: Double) -> Bool {
        Double(next() >> 11) * 0x1p-53 < probability
    }
}
