// Balancing beyond the policy: hash tables, localities, slow start.
import Reactor

/// What few clusters have beside `ClusterSpec.balancer`.
public struct BalancingSpec: DefaultedSpec {
    /// RING_HASH or MAGLEV.
    public var hashing: HashingSpec?
    /// `locality_weighted_lb_config`.
    public var weighsLocalities = false
    /// `zone_aware_lb_config`: for clusters beside a local one.
    public var zone = ZoneAwareSpec()
    /// `slow_start_config` of ROUND_ROBIN and LEAST_REQUEST.
    public var slowStart: SlowStartSpec?
    /// `lb_subset_config`
    public var subsets: SubsetSpec?

    public init() {}
}

/// `ZoneAwareLbConfig`.
public struct ZoneAwareSpec: Sendable, Equatable {
    /// `routing_enabled`: percent of requests that zones are looked at for.
    public var percent: UInt32 = 100
    /// Healthy hosts that a cluster must have.
    public var minClusterSize = 6
    /// Nobody is chosen where health would be ignored.
    public var failsOnPanic = false
    /// `force_local_zone`: healthy hosts that the own locality must have for all requests to stay there, whatever its load;
    /// nil: load counts.
    public var forcedLocalHosts: Int?
    /// `locality_basis`: localities are as large as their hosts' weights, and not as their number.
    public var sharesByWeight = false

    public init() {}
}

/// `SlowStartConfig`.
public struct SlowStartSpec: Sendable, Equatable {
    public var window: TimeAmount
    /// Above 0: 1 is even, more is faster at first.
    public var aggression = 1.0
    /// Of a host's weight, that it has at once: 0...1.
    public var leastPart = 0.1

    public init(window: TimeAmount) { self.window = window }
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
