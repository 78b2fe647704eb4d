// Faults that are injected into requests on purpose.
import Reactor
import Synchronization

/// `envoy.extensions.filters.http.fault.v3.HTTPFault`.
public struct HTTPFaultSpec: Sendable {
    public struct Delay: Sendable, Equatable {
        /// nil: as `x-envoy-fault-delay-request` of the request says, in milliseconds.
        public var time: TimeAmount?
        /// Of all requests.
        public var share: Fraction

        public init(time: TimeAmount?, share: Fraction) {
            self.time = time
            self.share = share
        }
    }

    public struct Abort: Sendable, Equatable {
        public enum Status: Sendable, Equatable {
            case http(Int)
            case grpc(UInt32)
            /// As `x-envoy-fault-abort-request` or `x-envoy-fault-abort-grpc-request` of the request says.
            case header
        }

        public var status: Status
        /// Of all requests.
        public var share: Fraction

        public init(status: Status, share: Fraction) {
            self.status = status
            self.share = share
        }
    }

    /// Keys under which the runtime may have other values.
    public struct Keys: Sendable {
        public var delayPercent = "fault.http.delay.fixed_delay_percent"
        public var delayDuration = "fault.http.delay.fixed_duration_ms"
        public var abortPercent = "fault.http.abort.abort_percent"
        public var abortHTTPStatus = "fault.http.abort.http_status"
        public var abortGRPCStatus = "fault.http.abort.grpc_status"
        public var maxActiveFaults = "fault.http.max_active_faults"

        public init() {}

        /// Those that are read before or in place of the others for requests of one downstream cluster.
        init(cluster: String) {
            let prefix = Keys.prefix + cluster
            delayPercent = prefix + Keys.suffixes[0]
            delayDuration = prefix + Keys.suffixes[1]
            abortPercent = prefix + Keys.suffixes[2]
            abortHTTPStatus = prefix + Keys.suffixes[3]
            abortGRPCStatus = prefix + Keys.suffixes[4]
        }

        /// All keys, for a check of what the runtime sets.
        public var all: [String] {
            [delayPercent, delayDuration, abortPercent, abortHTTPStatus, abortGRPCStatus, maxActiveFaults]
        }

        private static let prefix = "fault.http."
        private static let suffixes = [
            ".delay.fixed_delay_percent", ".delay.fixed_duration_ms", ".abort.abort_percent", ".abort.http_status",
            ".abort.grpc_status",
        ]

        /// The downstream cluster that a key of the runtime is for; nil: the key is none of these.
        public static func cluster(of key: String) -> String? {
            guard key.hasPrefix(prefix) else { return nil }
            let rest = key.dropFirst(prefix.count)
            guard let suffix = suffixes.first(where: { rest.hasSuffix($0) }) else { return nil }
            let name = rest.dropLast(suffix.count)
            return name.isEmpty ? nil : String(name)
        }
    }

    public var delay: Delay?
    public var abort: Abort?
    /// Requests of routes to this cluster only; empty: to any.
    public var upstreamCluster = ""
    /// Requests that pass all of these only.
    public var headers: [HeaderMatchSpec] = []
    /// Requests of these nodes (`x-envoy-downstream-service-node`) only; empty: of any.
    public var downstreamNodes: [String] = []
    /// nil: no limit.
    public var maxActiveFaults: UInt64?
    /// Each `x-envoy-downstream-service-cluster` has counters of its own.
    public var countsDownstreamClusters = true
    public var keys = Keys()
    /// Shared by all workers, and by the faults of routes that stand for this one.
    public let active = ActiveFaults()

    public init() {}
}

/// How many requests have a fault at this moment. Any thread.
public final class ActiveFaults: Sendable {
    private let count = Atomic<UInt64>(0)

    public init() {}

    /// Counts one more. False, and nothing is counted: there are `limit` already.
    func tryBegin(limit: UInt64) -> Bool {
        if count.wrappingAdd(1, ordering: .relaxed).oldValue < limit { return true }
        end()
        return false
    }

    func end() { count.wrappingSubtract(1, ordering: .relaxed) }
}
