// Outlier detection: by what a host is told to differ from the others, and for how long it is left out.
import Reactor

/// `envoy.config.cluster.v3.OutlierDetection`, with Envoy's defaults. Envoy page: "Outlier detection".
public struct OutlierSpec: Sendable, Equatable {
    /// So many failures in a row.
    public struct Consecutive: Sendable, Equatable {
        /// 0: never.
        public var threshold: Int
        /// Percent of the detections that eject.
        public var enforcing: Int

        public init(threshold: Int, enforcing: Int) {
            self.threshold = threshold
            self.enforcing = enforcing
        }
    }

    /// A share of successes that is far below the other hosts'.
    public struct SuccessRate: Sendable, Equatable {
        /// Hosts with enough requests that it takes.
        public var minimumHosts = 5
        /// Requests in an interval that make a host count.
        public var requestVolume = 100
        /// Thousandths of a standard deviation below the mean.
        public var stdevFactor = 1900
        public var enforcing = 100
        public var enforcingLocalOrigin = 100

        public init() {}
    }

    /// A share of failures that is too high in itself.
    public struct FailurePercentage: Sendable, Equatable {
        /// Percent.
        public var threshold = 85
        public var minimumHosts = 5
        public var requestVolume = 50
        public var enforcing = 0
        public var enforcingLocalOrigin = 0

        public init() {}
    }

    /// How often rates are looked at, and whether a host may come back. At least 1 ms.
    public var interval = TimeAmount.seconds(10)
    /// Times how often the host was ejected of late.
    public var baseEjectionTime = TimeAmount.seconds(30)
    /// Of that product; jitter comes on top.
    public var maxEjectionTime = TimeAmount.seconds(300)
    public var maxEjectionTimeJitter = TimeAmount.zero
    /// Of the cluster's hosts, at the same time.
    public var maxEjectionPercent = 10
    /// One host may be ejected whatever `maxEjectionPercent` says.
    public var alwaysEjectsOneHost = false
    /// Whether connects, resets and timeouts are counted apart from what hosts answer.
    public var splitsLocalOrigin = false
    public var serverErrors = Consecutive(threshold: 5, enforcing: 100)
    public var gatewayFailures = Consecutive(threshold: 5, enforcing: 0)
    /// Only where they are counted apart.
    public var localOriginFailures = Consecutive(threshold: 5, enforcing: 100)
    public var successRate = SuccessRate()
    public var failurePercentage = FailurePercentage()
    /// A host that passes its active health check comes back at once.
    public var endsWithHealthCheck = true

    public init() {}
}
