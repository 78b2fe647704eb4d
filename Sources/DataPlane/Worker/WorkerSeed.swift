// What the main thread hands to a new worker.
import Metrics
import Reactor

/// The inputs of one worker: immutable snapshots, and things that are safe to share.
public struct WorkerSeed: Sendable {
    public var index: Int
    public var clusters: ClusterSeed
    public var stats: StatStore
    public var accessLogs: AccessLogSinks
    public var runtime: RuntimeSpec
    public var identity: ProxyIdentity
    public var flightLog: FlightLog
    /// nil: there is no overload manager.
    public var overload: OverloadState?
    /// Which of its points are configured.
    public var overloadPoints: [OverloadPoint] = []
    /// nil: there is no limit on connections over all listeners.
    public var globalLimit: GlobalConnectionLimit?

    public init(
        index: Int, clusters: ClusterSeed, stats: StatStore, accessLogs: AccessLogSinks, runtime: RuntimeSpec,
        identity: ProxyIdentity, flightLog: FlightLog
    ) {
        self.flightLog = flightLog
        self.index = index
        self.clusters = clusters
        self.stats = stats
        self.accessLogs = accessLogs
        self.runtime = runtime
        self.identity = identity
    }
}

/// Why a worker or one of its listeners could not be built. What the configuration can cause was refused before.
public enum WorkerError: Error, CustomStringConvertible {
    case socket(SystemError)
    case tls(TLSConfigurationError)
    case accessLog(AccessLogError)
    case format(FormatError)

    public var description: String {
        switch self {
        case .socket(let error): error.description
        case .tls(let error): "\(error)"
        case .accessLog(let error): "access log: \(error)"
        case .format(let error): "\(error)"
        }
    }
}
