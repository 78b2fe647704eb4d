// What one configuration file asks for, checked and free of protobuf: the data plane's input.
import Matching
import Reactor

/// A whole checked bootstrap. Immutable; made by `Configuration`, handed to every worker as it is.
public struct BootstrapSpec: Sendable {
    public var node = NodeSpec()
    /// Absent: no admin listener is opened (as in Envoy).
    public var admin: AdminSpec?
    /// A port that answers `/ready` and `/stats`, and nothing else; nil: there is none. Runtime key:
    /// `outrider.admin.stats_address`.
    public var statsAddress: SocketAddress?
    public var listeners: [ListenerSpec] = []
    public var clusters: [ClusterSpec] = []
    /// `dynamic_resources`
    public var dynamic = DynamicResourcesSpec()
    public var stats = StatsSpec()
    public var runtime = RuntimeSpec()
    public var explain = ExplainSpec()
    public var overload = OverloadSpec()
    /// `cluster_manager.local_cluster_name`; empty: there is none.
    public var localCluster = ""
    /// `cluster_manager.outlier_detection.event_log_path`; nil: ejections are not written to a file.
    public var outlierEventLog: String?

    public init() {}
}

/// Who this proxy is (`node`): shown in `/server_info` and in headers that name the service.
public struct NodeSpec: Sendable, Equatable {
    public var id = ""
    public var cluster = ""
    public var region = ""
    public var zone = ""
    public var subZone = ""

    public init() {}
}

/// `stats_config` and `stats_flush_interval`.
public struct StatsSpec: Sendable {
    /// How often histograms are merged, 5 s by default.
    public var flushInterval = TimeAmount.seconds(5)
    /// `stats_flush_on_admin`: merge when the admin port asks, and not by the clock.
    public var flushOnAdmin = false
    public var useAllDefaultTags = true
    /// Stats that there may be, whoever makes them; 0: as many as are asked for. Runtime key: `outrider.stats.max_series`.
    public var maxSeries = 2_000_000
    public var tags: [StatTag] = []
    public var admission = Admission.all
    public var bucketOverrides: [BucketOverride] = []

    /// One of `stats_tags`.
    public struct StatTag: Sendable {
        public enum Value: Sendable {
            /// Group 1 is cut out of the name, group 2 (or 1) is the value.
            case extracted(Regex)
            case fixed(String)
        }
        public var name: String
        public var value: Value
        public init(name: String, value: Value) {
            self.name = name
            self.value = value
        }
    }

    /// `stats_matcher`: which stats exist at all.
    public enum Admission: Sendable {
        case all
        case none
        case excluding([StringMatcher])
        case including([StringMatcher])
    }

    /// One of `histogram_bucket_settings`; the first whose matcher takes the name decides.
    public struct BucketOverride: Sendable {
        public var name: StringMatcher
        public var buckets: [Double]
        public init(name: StringMatcher, buckets: [Double]) {
            self.name = name
            self.buckets = buckets
        }
    }

    public init() {}
}

/// The static layers of `layered_runtime`, merged: later layers win.
public struct RuntimeSpec: Sendable {
    public enum Value: Sendable, Equatable {
        case number(Double)
        case text(String)
        /// A `FractionalPercent` written as an object.
        case fraction(Fraction)
    }
    public var layerNames: [String] = []
    public var values: [String: Value] = [:]

    public init() {}
}

/// `FractionalPercent`: `numerator` out of `denominator` (100, 10 000 or 1 000 000).
public struct Fraction: Sendable, Equatable {
    public var numerator: UInt32
    public var denominator: UInt32

    public init(numerator: UInt32, denominator: UInt32) {
        self.numerator = numerator
        self.denominator = denominator
    }

    public static let always = Fraction(numerator: 100, denominator: 100)
}

/// `RuntimeFractionalPercent`: the fraction that holds, unless the runtime has a value under `key`.
public struct RuntimeFraction: Sendable, Equatable {
    public var fraction: Fraction
    public var key: String

    public init(_ fraction: Fraction, key: String = "") {
        self.fraction = fraction
        self.key = key
    }
}
