// What control planes and files have said so far, for /config_dump.
import EnvoyAPI
import Reactor

/// The resources that are in use, on their way, or refused. Bytes until somebody asks. Main thread only.
public final class DynamicConfiguration {
    public enum Kind: Sendable, Hashable, CaseIterable { case cluster, listener, route, secret }

    /// What has become of a version of a resource.
    public enum State: Sendable, Hashable, CaseIterable {
        /// Not used yet: what it needs is not there.
        case warming
        case active
        /// Listeners: its connections are coming to their end.
        case draining
    }

    /// One version of a resource.
    public struct Resource {
        /// `version_info`
        public let version: String
        public let updated: WallTime
        fileprivate let bytes: [UInt8]
    }

    /// The last version, where it was not taken.
    public struct Failure {
        public let version: String
        public let attempted: WallTime
        /// What was wrong, as the control plane was told.
        public let details: String
        fileprivate let bytes: [UInt8]
    }

    private struct Entry {
        var states: [State: Resource] = [:]
        var failure: Failure?
        var isEmpty: Bool { states.isEmpty && failure == nil }
    }

    private var entries: [Kind: [String: Entry]] = [:]
    /// `version_info` of the last response of each kind that was taken.
    public private(set) var versions: [Kind: String] = [:]

    public init() {}

    // MARK: - What happens

    /// A response was taken as a whole.
    public func setVersion(_ version: String, of kind: Kind) { versions[kind] = version }

    /// A version of a resource is in a state from now on; `bytes` is that of `ReadResource`. What was refused before is
    /// forgotten.
    public func setDynamic(
        _ kind: Kind, _ name: String, _ state: State = .active, version: String, bytes: [UInt8], time: WallTime
    ) {
        change(kind, name) { entry in
            entry.states[state] = Resource(version: version, updated: time, bytes: bytes)
            entry.failure = nil
        }
    }

    /// What was warming serves now, in place of the version before.
    public func becameActive(_ kind: Kind, _ name: String) {
        change(kind, name) { entry in
            if let warm = entry.states.removeValue(forKey: .warming) { entry.states[.active] = warm }
        }
    }

    /// The version that is active goes with the connections that it has; another one may take its place.
    public func beganDraining(_ kind: Kind, _ name: String) {
        change(kind, name) { entry in
            if let active = entry.states.removeValue(forKey: .active) { entry.states[.draining] = active }
        }
    }

    /// What was in a state no longer is: a draining listener is gone, a warming one is active.
    public func endDynamic(_ kind: Kind, _ name: String, _ state: State) {
        change(kind, name) { $0.states[state] = nil }
    }

    /// The resource was removed: nothing is left of it but what drains.
    public func removeDynamic(_ kind: Kind, _ name: String) {
        change(kind, name) { entry in
            entry.states[.active] = nil
            entry.states[.warming] = nil
            entry.failure = nil
        }
    }

    /// A version was not taken. `bytes`: of the message, where it could be read at all.
    public func setFailed(
        _ kind: Kind, _ name: String, version: String, bytes: [UInt8], details: String, time: WallTime
    ) {
        change(kind, name) { entry in
            entry.failure = Failure(version: version, attempted: time, details: details, bytes: bytes)
        }
    }

    private func change(_ kind: Kind, _ name: String, _ body: (inout Entry) -> Void) {
        var entry = entries[kind]?[name] ?? Entry()
        body(&entry)
        entries[kind, default: [:]][name] = entry.isEmpty ? nil : entry
    }

    // MARK: - What it looks like

    /// One resource as a page shows it.
    public struct Shown {
        public let name: String
        /// With the `@type`; secrets redacted.
        public let states: [State: (resource: Resource, json: JSONValue)]
        public let failure: (failure: Failure, json: JSONValue)?
    }

    public func isEmpty(_ kind: Kind) -> Bool { entries[kind]?.isEmpty ?? true }

    /// All resources of a kind that `accepts` takes by name, sorted by name.
    public func shown(_ kind: Kind, accepts: (String) -> Bool) -> [Shown] {
        let renderer = ResourceRenderer()
        let chosen = (entries[kind] ?? [:]).filter { accepts($0.key) }.sorted { $0.key < $1.key }
        return chosen.map { name, entry in
            Shown(
                name: name,
                states: entry.states.mapValues { ($0, renderer.typed($0.bytes, as: kind.message)) },
                failure: entry.failure.map { ($0, renderer.typed($0.bytes, as: kind.message)) })
        }
    }

    /// The route configurations that stand in active listeners, each with the time of its listener.
    public func inlineRoutes() -> [(json: JSONValue, updated: WallTime)] {
        let renderer = ResourceRenderer()
        let active = (entries[.listener] ?? [:]).sorted { $0.key < $1.key }.compactMap(\.value.states[.active])
        return active.flatMap { resource -> [(json: JSONValue, updated: WallTime)] in
            let listener = try? API.Listener(serializedBytes: resource.bytes)
            return (listener?.routeConfigurations ?? []).map { (renderer.typed($0), resource.updated) }
        }
    }

    /// Whether an active listener routes.
    public func hasConnectionManagers() -> Bool {
        (entries[.listener] ?? [:]).values.contains { entry in
            guard let bytes = entry.states[.active]?.bytes else { return false }
            return (try? API.Listener(serializedBytes: bytes))?.connectionManagers.isEmpty == false
        }
    }
}

extension DynamicConfiguration.Kind {
    fileprivate var message: String {
        switch self {
        case .cluster: API.Cluster.protoMessageName
        case .listener: API.Listener.protoMessageName
        case .route: API.RouteConfiguration.protoMessageName
        case .secret: API.Secret.protoMessageName
        }
    }
}
