// What a check finds, and who makes one.

/// The outcome of one check.
enum CheckResult: Equatable {
    case healthy(degraded: Bool)
    case failed(CheckFailure)
}

/// Why a check failed.
struct CheckFailure: Equatable {
    /// `envoy.data.core.v3.HealthCheckFailureType`.
    enum Kind: String {
        /// The host answered, and the answer is no.
        case active = "ACTIVE"
        /// It said so by itself, in a response to ordinary traffic.
        case passive = "PASSIVE"
        case network = "NETWORK"
        case timeout = "NETWORK_TIMEOUT"

        var isNetwork: Bool { self == .network || self == .timeout }
    }

    var kind: Kind
    /// In words, for the log.
    var reason: String
    /// Counts up to `unhealthy_threshold`, as network failures do.
    var isRetriable = false
    /// Of an HTTP answer; 0 without one.
    var status = 0
    /// The host asked not to be counted among those that could serve (`x-envoy-immediate-health-check-fail`).
    var excludesHost = false
}

/// Asks one host, again and again. Main thread only.
protocol HealthProbe: AnyObject {
    /// Asks once. The owner hears how it went, maybe before this returns.
    func begin(_ host: Host)
    /// The time for an answer is over: nothing more is told of this one.
    func giveUp()
    /// Closes everything and says nothing more.
    func close()
}

/// Who made a probe.
protocol HealthProbeOwner: AnyObject {
    func probeEnded(_ result: CheckResult)
}
