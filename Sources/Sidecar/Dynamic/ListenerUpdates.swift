// LDS: listeners that come, change and go.
import Configuration
import ControlPlane
import DataPlane

/// Takes in what LDS says. Main thread only. Good listeners of a response are taken, whatever is wrong with others of it.
final class ListenerUpdates: ResourceWatcher {
    private let desk: ResourceDesk
    private let listeners: ListenerManager
    private let secrets: SecretUpdates
    private let routes: RouteUpdates
    /// Of the bootstrap: they stay as they are.
    private var fixed: Set<String>
    /// By name: each listener that was taken, in its canonical form.
    private var taken: [String: [UInt8]] = [:]
    /// Those of which the last version was refused.
    private var refused: Set<String> = []
    /// Those that wait for secrets.
    private var held: [String: DiscoveredResource] = [:]
    private var subscription: Subscription?
    private var firstAnswer: (() -> Void)?

    init(
        _ desk: ResourceDesk, listeners: ListenerManager, secrets: SecretUpdates, routes: RouteUpdates,
        fixed: Set<String>
    ) {
        self.desk = desk
        self.listeners = listeners
        self.secrets = secrets
        self.routes = routes
        self.fixed = fixed
        listeners.draining.drains = { [shown = desk.shown] name, isOver in
            if isOver { shown.endDynamic(.listener, name, .draining) } else { shown.beganDraining(.listener, name) }
        }
    }

    /// Begins to ask. `answered` is called once: when there is an answer, or none is waited for any more.
    func start(_ source: ConfigSourceSpec, _ answered: @escaping () -> Void) {
        firstAnswer = answered
        subscription = desk.subscriptions.subscribe(
            .listeners, .everything, from: source, statPrefix: "listener_manager.lds.", watcher: self)
    }

    /// Somebody waits for the first answer.
    var isUnanswered: Bool { firstAnswer != nil }

    func close() { subscription?.close() }

    func noFirstAnswer(isTimeout: Bool) { answered() }

    private func answered() {
        let body = firstAnswer
        firstAnswer = nil
        body?()
    }

    /// What is gone goes first: what comes may want its address.
    func resourcesChanged(_ update: ResourceUpdate) -> String? {
        let known = Set(taken.keys).union(held.keys).union(refused).subtracting(fixed)
        let gone = update.missing(from: known)
        for name in gone.sorted() { remove(name) }
        let problems = take(update.resources.filter { !isFixed($0) })
        if problems.isEmpty { desk.shown.setVersion(update.version, of: .listener) }
        answered()
        return ResourceDesk.joined(problems)
    }

    /// A secret has come that listeners may have waited for.
    func secretsChanged() -> [String] { take(held.sorted { $0.key < $1.key }.map(\.value)) }

    /// Takes a static listener that waits for secrets.
    func hold(_ resource: PendingResource) {
        fixed.insert(resource.name)
        held[resource.name] = DiscoveredResource(
            name: resource.name, version: "", typeURL: ResourceType.listeners.typeURL, bytes: [],
            origin: resource.resource)
        secrets.use(resource.missing, by: .listener(name: resource.name))
    }

    private func isFixed(_ resource: DiscoveredResource) -> Bool {
        guard fixed.contains(resource.name) else { return false }
        desk.log.warning("lds '\(resource.name)': there is a static listener of this name, which stays as it is")
        return true
    }

    private func take(_ resources: [DiscoveredResource]) -> [String] {
        var problems: [String] = []
        var put: [String] = []
        for resource in resources { problems += take(resource, &put) }
        guard !put.isEmpty else { return problems }
        let versions = put.map { ($0, taken[$0]) }
        listeners.whenWarm { [weak self] in
            guard let self else { return }
            for (name, bytes) in versions where bytes != nil && taken[name] == bytes {
                desk.shown.becameActive(.listener, name)
            }
        }
        return problems
    }

    private func take(_ resource: DiscoveredResource, _ put: inout [String]) -> [String] {
        let read: ReadResource<ListenerSpec>
        do throws(ConfigurationErrors) {
            read = try desk.reader.listener(desk.bytes(resource, place: "lds"))
        } catch {
            return refuse(resource, bytes: [], error.description)
        }
        let isRepeated = taken[read.name] == read.bytes
        if isRepeated, !refused.contains(read.name), held[read.name] == nil { return [] }
        desk.note(read)
        guard read.missing.isEmpty else {
            secrets.use(more: read.missing, by: .listener(name: read.name))
            held[read.name] = resource
            show(read, resource.version)
            return []
        }
        secrets.use(read.tls.controlPlaneSecrets, by: .listener(name: read.name))
        held[read.name] = nil
        if !isRepeated {
            routes.expect(read.spec)
            do throws(ListenerError) {
                try listeners.put(read.spec, tls: read.tls)
            } catch {
                // The process is on its way out, which is no fault of the listener's.
                if case .closed = error { return [] }
                return refuse(resource, bytes: read.bytes, "lds '\(read.name)': \(error)")
            }
        }
        refused.remove(read.name)
        taken[read.name] = read.bytes
        show(read, resource.version)
        put.append(read.name)
        return []
    }

    private func show(_ read: ReadResource<ListenerSpec>, _ version: String) {
        desk.shown.setDynamic(
            .listener, read.name, .warming, version: version, bytes: read.bytes, time: desk.loop.wallNow)
    }

    private func refuse(_ resource: DiscoveredResource, bytes: [UInt8], _ details: String) -> [String] {
        refused.insert(resource.name)
        desk.shown.setFailed(
            .listener, resource.name, version: resource.version, bytes: bytes, details: details,
            time: desk.loop.wallNow)
        return [details]
    }

    /// A worker could not build it, after the control plane was told that all is well. False: it is not one of these.
    func rejected(_ name: String, _ error: WorkerError) -> Bool {
        // What it was to replace may still serve, and is removed with it.
        guard let bytes = taken.updateValue([], forKey: name) else {
            taken[name] = nil
            return false
        }
        refused.insert(name)
        desk.shown.setFailed(
            .listener, name, version: "", bytes: bytes, details: "worker: \(error)", time: desk.loop.wallNow)
        return true
    }

    private func remove(_ name: String) {
        held[name] = nil
        refused.remove(name)
        secrets.use([], by: .listener(name: name))
        // What serves is shown as long as it drains.
        defer { desk.shown.removeDynamic(.listener, name) }
        guard taken.removeValue(forKey: name) != nil else { return }
        _ = listeners.remove(name)
        desk.log.info("listener '\(name)' was removed by LDS")
    }
}
