// Envoy's flags, in the groups that --help shows.
import ArgumentParser
import Sidecar

extension ServerOptions.Mode: ExpressibleByArgument {}
extension ServerOptions.DrainStrategy: ExpressibleByArgument {}
extension ServerOptions.IPVersion: ExpressibleByArgument {}

struct ConfigurationFlags: ParsableArguments {
    @Option(name: [.short, .customLong("config-path")], help: "The bootstrap: .yaml, .yml or .json.")
    var configPath: String?

    @Option(help: "YAML text that is merged over the file.")
    var configYaml: String?

    @Option(help: "serve; validate: check the file and end; init_only: build everything and end.")
    var mode: ServerOptions.Mode = .serve

    @Flag(help: "Skip fields that do not exist in Envoy's API, with one log line each, and not refuse them.")
    var allowUnknownStaticFields = false

    func apply(to options: inout ServerOptions) {
        options.configPath = configPath
        options.configYAML = configYaml
        options.mode = mode
        options.allowUnknownStaticFields = allowUnknownStaticFields
    }
}

struct RunFlags: ParsableArguments {
    @Option(help: "Worker threads. Default: the CPU quota of the cgroup, at most 2.")
    var concurrency: Int?

    @Flag(help: "As many workers as CPUs are granted (affinity and cgroup quota), without the limit of 2.")
    var cpusetThreads = false

    @Option(help: "Write the admin listener's address to this file once it is bound.")
    var adminAddressPath: String?

    @Option(
        help: ArgumentHelp(
            "/ready is 503 while this does not answer: tcp://HOST:PORT, http://HOST:PORT/PATH or unix://PATH.",
            valueName: "URL"),
        transform: { try ProbeTarget($0) })
    var readyWhenApp: ProbeTarget?

    @Option(
        help: ArgumentHelp(
            "The app: on SIGTERM outbound listeners serve until it has ended; when it ends, so does this process.",
            valueName: "PID|cgroup:PATH"),
        transform: { try AppProcess($0) })
    var exitWith: AppProcess?

    @Option(help: "Seconds that draining may take before the process ends anyway.")
    var drainTimeS = 600

    @Option(help: "gradual: ever more responses close their connection; immediate: all of them do.")
    var drainStrategy: ServerOptions.DrainStrategy = .gradual

    func check() throws {
        if let concurrency, !(0...1024).contains(concurrency) {
            throw ValidationError("--concurrency \(concurrency) is not in 0...1024")
        }
        guard (0...1_000_000).contains(drainTimeS) else {
            throw ValidationError("--drain-time-s \(drainTimeS) is not in 0...1000000")
        }
    }

    func apply(to options: inout ServerOptions) {
        // Envoy takes 0 as "one worker".
        options.concurrency = concurrency.map { max(1, $0) }
        options.cpusetThreads = cpusetThreads
        options.adminAddressPath = adminAddressPath
        options.readyWhenApp = readyWhenApp
        options.exitWith = exitWith
        options.drainTime = drainTimeS
        options.drainStrategy = drainStrategy
    }
}

struct LoggingFlags: ParsableArguments {
    @Option(name: [.short, .long], help: "trace, debug, info, warning, error, critical or off.")
    var logLevel = "info"

    @Option(
        help: "Levels of single components: upstream:debug,http:trace.", transform: { try ComponentLogLevels($0) })
    var componentLogLevel = ComponentLogLevels()

    @Option(help: "The pattern of a log line, in spdlog's flags.")
    var logFormat: String?

    @Option(help: "The file to log to. Default: standard error.")
    var logPath: String?

    @Option(help: "Milliseconds between flushes of access-log files.")
    var fileFlushIntervalMsec = 10_000

    @Option(help: "KiB of buffered access log that are flushed at once.")
    var fileFlushMinSizeKb = 64

    func validate() throws {
        guard LogLevelName.all.contains(logLevel) || ["warn", "err"].contains(logLevel) else {
            throw ValidationError("-l \(logLevel) is none of \(LogLevelName.all.joined(separator: ", "))")
        }
        guard (1...86_400_000).contains(fileFlushIntervalMsec) else {
            throw ValidationError("--file-flush-interval-msec \(fileFlushIntervalMsec) is not in 1...86400000")
        }
        guard (1...65536).contains(fileFlushMinSizeKb) else {
            throw ValidationError("--file-flush-min-size-kb \(fileFlushMinSizeKb) is not in 1...65536")
        }
    }

    func apply(to options: inout ServerOptions) {
        options.logLevel = logLevel
        options.componentLogLevels = componentLogLevel
        options.logFormat = logFormat
        options.logPath = logPath
        options.fileFlushInterval = fileFlushIntervalMsec
        options.fileFlushMinSize = fileFlushMinSizeKb
    }
}

struct IdentityFlags: ParsableArguments {
    @Option(help: "The service this proxy stands beside: node.cluster where the file has none.")
    var serviceCluster = ""

    @Option(help: "This proxy's own name: node.id where the file has none.")
    var serviceNode = ""

    @Option(help: "The zone: node.locality.zone where the file has none.")
    var serviceZone = ""

    @Option(
        name: .customLong("stats-tag"), help: "name:value, added to every metric. Can be given again.",
        transform: { try StatsTag($0) })
    var statsTags: [StatsTag] = []

    func apply(to options: inout ServerOptions) {
        options.serviceCluster = serviceCluster
        options.serviceNode = serviceNode
        options.serviceZone = serviceZone
        options.statsTags = statsTags
    }
}

struct CompatibilityFlags: ParsableArguments {
    @Option(help: "v4 or v6: the kind of address that stands for this proxy in headers and logs.")
    var localAddressIpVersion: ServerOptions.IPVersion = .v4

    @Flag(help: "Refuse what a control plane sends with fields that Envoy's API does not have. Default: a warning.")
    var rejectUnknownDynamicFields = false

    @Flag(help: "No warning of fields from a control plane that Envoy's API does not have.")
    var ignoreUnknownDynamicFields = false

    func apply(to options: inout ServerOptions) {
        options.localAddressIPVersion = localAddressIpVersion
        options.unknownDynamicFields =
            rejectUnknownDynamicFields ? .rejected : ignoreUnknownDynamicFields ? .ignored : .warned
    }
}
