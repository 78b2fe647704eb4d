// The admin server's view of the process: what its endpoints show and what they can do.
import Configuration
import DataPlane
import Metrics
import Reactor

/// Envoy's server states, with the numbers that `server.state` has.
public enum ServerState: Int, Sendable {
    case live = 0
    case draining = 1
    case preInitializing = 2
    case initializing = 3

    /// As `/ready` and `/server_info` print it.
    public var name: String {
        switch self {
        case .live: "LIVE"
        case .draining: "DRAINING"
        case .preInitializing: "PRE_INITIALIZING"
        case .initializing: "INITIALIZING"
        }
    }
}

/// A bound listener, as `/listeners` shows it.
public struct ListenerStatus: Sendable {
    public var name: String
    /// The address first, then the additional ones.
    public var addresses: [SocketAddress]

    public init(name: String, addresses: [SocketAddress]) {
        self.name = name
        self.addresses = addresses
    }
}

/// What one part of the process waits for, as `/init_dump` shows it.
public struct UnreadyTargets: Sendable {
    /// "Server", or the part's name.
    public var manager: String
    public var targets: [String]

    public init(_ manager: String, _ targets: [String]) {
        self.manager = manager
        self.targets = targets
    }
}

/// Memory of the process in bytes.
public struct MemoryFigures: Sendable {
    /// In use, and taken from the system, by malloc.
    public var allocated: UInt64
    public var heap: UInt64
    /// Resident.
    public var physical: UInt64
    /// What the cgroup allows; nil: no limit.
    public var limit: UInt64?

    public init(allocated: UInt64, heap: UInt64, physical: UInt64, limit: UInt64? = nil) {
        self.allocated = allocated
        self.heap = heap
        self.physical = physical
        self.limit = limit
    }
}

/// Implemented by the server. Main thread only.
public protocol AdminBackend: AnyObject {
    var state: ServerState { get }
    /// Why `/ready` is 503 though the server is live, for people; nil: it is ready.
    var unreadyReason: String? { get }
    var stats: StatStore { get }
    /// Brings the gauges that are computed on demand up to date, and merges the histograms where `stats_flush_on_admin`
    /// asks for it; called before stats are shown.
    func refreshStats()
    var clusters: ClusterDirectory { get }
    /// What the workers have recorded of requests and connections that are over.
    var flightLogs: [FlightLog] { get }
    var listeners: [ListenerStatus] { get }
    /// What the start, or something that has come since, still waits for.
    var unreadyTargets: [UnreadyTargets] { get }
    /// The TLS contexts as they are now: those of listeners, then those of clusters, in the order of the configuration.
    var tlsContexts: [TLSContextSpec] { get }
    var configuration: LoadedConfiguration { get }
    /// What came after the configuration: resources of control planes and files.
    var dynamicConfiguration: DynamicConfiguration { get }
    /// "outrider <version>" and what belongs to it.
    var version: String { get }
    var uptime: TimeAmount { get }
    /// Since the first process that was restarted into this one began.
    var uptimeOfAllEpochs: TimeAmount { get }
    /// What processes have to have in common to take over from each other; nil: hot restart is off.
    var hotRestartVersion: String? { get }
    /// When the configuration was loaded: `last_updated` in `/config_dump`.
    var loadedAt: WallTime { get }
    /// The command line as `/server_info` shows it: flag names in snake case.
    var commandLineOptions: [(name: String, value: JSONValue)] { get }
    var memory: MemoryFigures { get }

    /// All components that can log, with their levels, in the order in which `/logging` lists them.
    var logLevels: [(name: String, level: String)] { get }
    /// Sets one component's level, or all of them with nil; false when the level does not exist. Asked only with
    /// components of `logLevels`.
    func setLogLevel(_ level: String, of component: String?) -> Bool

    /// Readiness goes down and responses close their connections, until `passHealthCheck`.
    func failHealthCheck()
    func passHealthCheck()
    /// Stops listening. With `graceful`, responses close their connections for the drain time first.
    func drainListeners(inboundOnly: Bool, graceful: Bool, skipExit: Bool)
    func reopenLogs()
    /// Ends the process now. Called when the answer has been written.
    func quit()
}
