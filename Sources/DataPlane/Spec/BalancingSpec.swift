// Balancing beyond the policy: hash tables.

/// What few clusters have beside `ClusterSpec.balancer`.
public struct BalancingSpec: DefaultedSpec {
    /// RING_HASH or MAGLEV.
    public var hashing: HashingSpec?

    public init() {}
}

/// `RingHash` or `Maglev`, and `ConsistentHashingLbConfig`.
public struct HashingSpec: Sendable, Equatable {
    /// `RingHash`. Sizes are places.
    public struct Ring: Sendable, Equatable {
        public enum Function: Sendable { case xxHash, murmurHash2 }
        public var minSize: UInt64 = 1024
        public var maxSize: UInt64 = 8 << 20
        public var function = Function.xxHash

        public init() {}
    }

    public enum Table: Sendable, Equatable {
        case ring(Ring)
        /// A prime number of places.
        case maglev(size: Int)
    }

    public var table: Table
    /// Hosts are known by their names and not by their addresses.
    public var usesHostname = false
    /// Percent of the average load that a host may have, 100 or more; nil: any.
    public var balanceFactor: UInt32?

    /// `Maglev.table_size`.
    public static let standardMaglevSize = 65_537

    public init(_ table: Table) { self.table = table }
}
