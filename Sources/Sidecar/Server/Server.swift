// What the command line calls: check a file, or run it.
import Configuration
import DataPlane
import Glibc
import Logging
import Reactor

/// The way from options to a running process.
public enum Server {
    /// Loads the configuration and does what `options.mode` says. Returns the exit code.
    public static func main(_ options: ServerOptions) -> Int32 {
        let configuration: LoadedConfiguration
        do throws(ConfigurationErrors) {
            configuration = try load(options)
        } catch {
            say(error.description)
            return 1
        }
        let name = options.bootstrap.map { _ in madeName } ?? options.configPath ?? ConfigurationLoader.overlayName
        if options.mode == .validate {
            for warning in configuration.warnings { say("warning: \(warning)") }
            print("configuration '\(name)' OK")
            return 0
        }
        do {
            let levels = LogLevels(level: options.logLevel)
            for (name, level) in options.componentLogLevels.entries { _ = levels.set(name, level) }
            let output = try LogOutput(
                path: options.logPath, format: LogFormat(options.logFormat ?? LogFormat.envoyDefault))
            LoggingSystem.bootstrap { ComponentLogHandler(component: levels.component($0), output: output) }
            let process = try ServerProcess(consume configuration, options, levels: levels, log: output)
            return process.run()
        } catch {
            say("error: \(error)")
            return 1
        }
    }

    /// The name of `options.bootstrap` in messages.
    private static let madeName = "sidecar --print-config"

    private static func load(_ options: ServerOptions) throws(ConfigurationErrors) -> LoadedConfiguration {
        guard let bootstrap = options.bootstrap else {
            return try ConfigurationLoader.load(
                path: options.configPath, overlayYAML: options.configYAML, options: .init(options))
        }
        return try ConfigurationLoader.load(
            text: Array(bootstrap.utf8), name: madeName, overlayYAML: options.configYAML.map { Array($0.utf8) },
            options: .init(options))
    }

    private static func say(_ text: String) {
        var line = text + "\n"
        line.withUTF8 { bytes in _ = write(STDERR_FILENO, bytes.baseAddress, bytes.count) }
    }
}

extension ConfigurationLoader.Options {
    init(_ options: ServerOptions) {
        self.init()
        allowUnknownStaticFields = options.allowUnknownStaticFields
        serviceNode = options.serviceNode
        serviceCluster = options.serviceCluster
        serviceZone = options.serviceZone
        unknownDynamicFields = options.unknownDynamicFields
        version = Version.parts
    }
}

extension LoadedConfiguration {
    /// Something of it comes while the process runs.
    var isDynamic: Bool {
        func takesRoutes(_ chain: FilterChainSpec) -> Bool {
            if case .http(let manager) = chain.filter { manager.routeSource != nil } else { false }
        }
        return spec.dynamic.clusters != nil || spec.dynamic.listeners != nil || !pending.isEmpty
            || spec.clusters.contains { $0.endpointSource != nil }
            || spec.listeners.contains {
                ($0.filterChains + [$0.defaultFilterChain].compactMap(\.self)).contains(where: takesRoutes)
            }
    }
}
