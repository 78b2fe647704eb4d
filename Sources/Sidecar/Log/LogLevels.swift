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

/// All components that logged so far or were named. Thread-safe.
public final class LogLevels: Sendable {
    private struct State {
        var defaultRank: Int
        var components: [String: LogComponent] = [:]
    }

    private let state: Mutex<State>

    /// - Parameter level: a name of `LogLevelName.all`; anything else is taken as "info".
    public init(level: String) {
        state = Mutex(State(defaultRank: LogLevelName.rank(of: level) ?? 2))
    }

    func component(_ name: String) -> LogComponent {
        state.withLock { state in
            if let known = state.components[name] { return known }
            let made = LogComponent(name: name, rank: state.defaultRank)
            state.components[name] = made
            return made
        }
    }

    /// Sets every component, those to come included. False when `level` is no level.
    public func setAll(_ level: String) -> Bool {
        guard let rank = LogLevelName.rank(of: level) else { return false }
        state.withLock { state in
            state.defaultRank = rank
            for component in state.components.values { component.rank.store(rank, ordering: .relaxed) }
        }
        return true
    }

    /// Sets one component, made when it is new. False when `level` is no level.
    public func set(_ name: String, _ level: String) -> Bool {
        guard let rank = LogLevelName.rank(of: level) else { return false }
        component(name).rank.store(rank, ordering: .relaxed)
        return true
    }

    /// Component names with their levels, sorted by name.
    public func list() -> [(name: String, level: String)] {
        state.withLock { state in
            state.components.values.map { ($0.name, LogLevelName.all[$0.rank.load(ordering: .relaxed)]) }
        }
        .sorted { $0.name < $1.name }
    }

    /// `--component-log-level upstream:debug,http:trace`. Returns what was wrong with it, or nil.
    public func apply(_ list: String) -> String? {
        for entry in list.split(separator: ",") {
            let parts = entry.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, set(String(parts[0]), String(parts[1])) else {
                return "component log level '\(entry)' is not 'component:level' with a level of "
                    + LogLevelName.all.joined(separator: ", ")
            }
        }
        return nil
    }
}
