// Log levels by component, changed while running by the admin port.
import Logging
import Synchronization

/// The names of Envoy's levels over swift-log's.
public enum LogLevelName {
    /// From most to least talkative, as `/logging` lists them.
    public static let all = ["trace", "debug", "info", "warning", "error", "critical", "off"]

    /// nil when the name is none of Envoy's. "off" lets nothing but a crash through.
    static func rank(of name: String) -> Int? {
        switch name {
        case "warn": return 3
        case "err": return 4
        default: return all.firstIndex(of: name)
        }
    }

    static func rank(of level: Logger.Level) -> Int {
        switch level {
        case .trace: 0
        case .debug: 1
        case .info, .notice: 2
        case .warning: 3
        case .error: 4
        case .critical: 5
        }
    }
}

/// One component's level: read by every log call, written by the admin port. Thread-safe.
final class LogComponent: Sendable {
    let name: String
    let rank: Atomic<Int>

    init(name: String, rank: Int) {
        self.name = name
        self.rank = Atomic(rank)
    }
}

/// The levels of all components. Thread-safe.
public final class LogLevels: Sendable {
    /// What Envoy calls its loggers, in its order: all of them, so that its command lines and scripts work here too.
    /// Outrider writes under `main`, `config`, `upstream`, `connection` and `secret`.
    public static let names = [
        "a2a", "admin", "ai_protocol_manager", "alternate_protocols_cache", "aws", "assert", "backtrace", "basic_auth",
        "cache_filter", "client", "config", "connection", "conn_handler", "compression", "credential_injector",
        "decompression", "dns", "dubbo", "envoy_bug", "ext_authz", "ext_proc", "rocketmq", "file", "filter",
        "forward_proxy", "geolocation", "grpc", "happy_eyeballs", "hc", "health_checker", "http", "http2", "hystrix",
        "init", "io", "jwt", "json_rpc", "kafka", "key_value_store", "lua", "local_rate_limit", "main", "matcher",
        "mcp",
        "misc", "mongo", "multi_connection", "notification", "oauth2", "quic", "quic_stream", "pool",
        "rate_limit_quota", "rbac", "rds", "redis", "router", "runtime", "stats", "secret", "sse", "tap", "testing",
        "thrift", "tracing", "upstream", "udp", "wasm", "websocket", "golang", "stats_sinks", "dynamic_modules",
        "ip_tagging",
    ]
    /// Takes what is logged under a name that is none of `names`.
    private static let other = "misc"

    private let components: [LogComponent]
    private let byName: [String: LogComponent]

    /// - Parameter level: a name of `LogLevelName.all`; anything else is taken as "info".
    public init(level: String) {
        let rank = LogLevelName.rank(of: level) ?? 2
        let components = Self.names.map { LogComponent(name: $0, rank: rank) }
        self.components = components
        byName = Dictionary(uniqueKeysWithValues: components.map { ($0.name, $0) })
    }

    /// The component that `label` logs under.
    func component(_ label: String) -> LogComponent {
        byName[label] ?? byName[Self.other] ?? LogComponent(name: label, rank: 2)
    }

    /// Sets every component. False when `level` is no level.
    public func setAll(_ level: String) -> Bool {
        guard let rank = LogLevelName.rank(of: level) else { return false }
        for component in components { component.rank.store(rank, ordering: .relaxed) }
        return true
    }

    /// Sets one component. False when there is no such component, or `level` is no level.
    public func set(_ name: String, _ level: String) -> Bool {
        guard let rank = LogLevelName.rank(of: level), let component = byName[name] else { return false }
        component.rank.store(rank, ordering: .relaxed)
        return true
    }

    /// Component names with their levels, in Envoy's order.
    public func list() -> [(name: String, level: String)] {
        components.map { ($0.name, LogLevelName.all[$0.rank.load(ordering: .relaxed)]) }
    }
}

/// `--component-log-level upstream:debug,http:trace`.
public struct ComponentLogLevels: Sendable {
    /// As it was given.
    public let text: String
    /// In the order given; a later one wins.
    public let entries: [(name: String, level: String)]

    /// No component has a level of its own.
    public init() {
        text = ""
        entries = []
    }

    /// - Throws: what is wrong with the first entry that cannot be taken.
    public init(_ text: String) throws(ComponentLogLevelError) {
        var entries: [(name: String, level: String)] = []
        if !text.isEmpty {
            for entry in text.split(separator: ",", omittingEmptySubsequences: false) {
                let parts = entry.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
                guard parts.count == 2 else {
                    throw ComponentLogLevelError("'\(entry)' is not component:level")
                }
                guard LogLevels.names.contains(parts[0]) else {
                    throw ComponentLogLevelError(
                        "there is no component '\(parts[0])'; it is one of \(LogLevels.names.joined(separator: ", "))")
                }
                guard LogLevelName.rank(of: parts[1]) != nil else {
                    throw ComponentLogLevelError(
                        "'\(parts[1])' is no level; it is one of \(LogLevelName.all.joined(separator: ", "))")
                }
                entries.append((parts[0], parts[1]))
            }
        }
        self.text = text
        self.entries = entries
    }
}

/// A list of component levels that cannot be taken.
public struct ComponentLogLevelError: Error, Equatable, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}
