// The command line's settings, in the form the server takes them.
import Configuration

/// What the command line asks of a run. Times as on the command line of Envoy.
public struct ServerOptions: Sendable {
    public enum Mode: String, Sendable, CaseIterable {
        case serve
        case validate
        /// Everything is built, ports are bound, and the process ends before it serves.
        case initOnly = "init_only"
    }

    public enum DrainStrategy: String, Sendable, CaseIterable {
        /// The chance that a response closes its connection grows over the drain time.
        case gradual
        /// Every response closes its connection at once.
        case immediate
    }

    public enum IPVersion: String, Sendable, CaseIterable { case v4, v6 }

    public var configPath: String?
    public var configYAML: String?
    /// A bootstrap in memory, in place of the file.
    public var bootstrap: String?
    public var mode = Mode.serve
    /// nil: what the machine grants (`cpuBudget`), at most 2.
    public var concurrency: Int?
    public var cpusetThreads = false
    public var logLevel = "info"
    public var componentLogLevels = ComponentLogLevels()
    public var logFormat: String?
    public var logPath: String?
    /// A file that gets the admin listener's address once it is bound.
    public var adminAddressPath: String?
    /// While this does not answer, `/ready` is 503.
    public var readyWhenApp: ProbeTarget?
    /// Seconds that a drain may take.
    public var drainTime = 600
    public var drainStrategy = DrainStrategy.gradual
    /// The app beside this process: it is served until its end, and this process ends after it.
    public var exitWith: AppProcess?
    /// Seconds after which a replaced process ends.
    public var parentShutdownTime = 900
    /// nil: nobody is taken over from, and nobody can take over.
    public var hotRestart: HotRestartOptions?
    public var serviceCluster = ""
    public var serviceNode = ""
    public var serviceZone = ""
    /// Tags that every stat carries.
    public var statsTags: [StatsTag] = []
    /// Milliseconds between flushes of access-log files.
    public var fileFlushInterval = 10_000
    /// KiB of buffered access log that flush at once.
    public var fileFlushMinSize = 64
    public var allowUnknownStaticFields = false
    public var unknownDynamicFields = ConfigurationLoader.UnknownDynamicFields.warned
    public var localAddressIPVersion = IPVersion.v4

    public init() {}
}
