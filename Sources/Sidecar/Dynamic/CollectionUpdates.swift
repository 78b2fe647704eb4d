// What CDS and LDS have in common: one subscription to all resources of a kind, which come, change and go.
import Configuration
import ControlPlane
import DataPlane

/// Takes in what a control plane or file says of all clusters, or of all listeners. Main thread only. Good resources of a
/// response are taken, whatever is wrong with others of it. Its subclasses know what to do with a good one.
class CollectionUpdates<Spec>: ResourceWatcher {
    /// In the words of people and of stats.
    struct Kind {
        let type: ResourceType
        let shown: DynamicConfiguration.Kind
        /// "cds"
        let service: String
        /// "cluster"
        let noun: String
        let statPrefix: String
        let user: (String) -> SecretUser
    }

    let desk: ResourceDesk
    let secrets: SecretUpdates
    private let kind: Kind
    /// Those of the bootstrap, which stay as they are.
    private var fixed: Set<String>
    /// By name: each resource that was taken, in its canonical form.
    private var taken: [String: [UInt8]] = [:]
    /// Those of which the last version was refused.
    private var refused: Set<String> = []
    /// Those that wait for secrets.
    private var held: [String: DiscoveredResource] = [:]
    private var subscription: Subscription?
    private var firstAnswer: (() -> Void)?

    init(_ kind: Kind, _ desk: ResourceDesk, secrets: SecretUpdates, fixed: Set<String> = []) {
        self.kind = kind
        self.desk = desk
        self.secrets = secrets
        self.fixed = fixed
    }

    // MARK: - What a resource is

    enum Outcome {
        case taken
        case refused(String)
        /// The bootstrap has one of this name.
        case fixed
        /// Nothing is taken any more.
        case left
    }

    func read(_ bytes: ResourceBytes) throws(ConfigurationErrors) -> ReadResource<Spec> {
        preconditionFailure("a subclass reads")
    }

    /// Puts a good resource in its place.
    func put(_ read: ReadResource<Spec>) -> Outcome { preconditionFailure("a subclass puts") }

    /// Takes it away.
    func drop(_ name: String) { preconditionFailure("a subclass drops") }

    /// An update is over. `put`: what serves, or will, as it says.
    func updated(put: [String], gone: Set<String>) {}

    /// Calls back when everything that was put so far serves.
    func whenWarm(_ done: @escaping () -> Void) { preconditionFailure("a subclass warms up") }

    /// What is gone goes before what is new comes, which may want its address.
    var dropsFirst: Bool { false }

    // MARK: - Life

    /// Begins to ask. `answered` is called once: when there is an answer, or none is waited for any more.
    func start(_ source: ConfigSourceSpec, _ answered: @escaping () -> Void) {
        firstAnswer = answered
        subscription = desk.subscriptions.subscribe(
            kind.type, .everything, from: source, statPrefix: kind.statPrefix, watcher: self)
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

    /// Takes one of the bootstrap that waits for secrets.
    func hold(_ resource: PendingResource) {
        fixed.insert(resource.name)
        held[resource.name] = DiscoveredResource(
            name: resource.name, version: "", typeURL: kind.type.typeURL, bytes: [], origin: resource.resource)
        secrets.use(resource.missing, by: kind.user(resource.name))
    }

    // MARK: - Updates

    func resourcesChanged(_ update: ResourceUpdate) -> String? {
        let known = Set(taken.keys).union(held.keys).union(refused).subtracting(fixed)
        let gone = update.missing(from: known)
        if dropsFirst { for name in gone.sorted() { remove(name) } }
        let problems = take(update.resources.filter { !isFixed($0.name) }, gone: gone)
        if problems.isEmpty { desk.shown.setVersion(update.version, of: kind.shown) }
        answered()
        return ResourceDesk.joined(problems)
    }

    /// A secret has come that some may have waited for.
    func secretsChanged() -> [String] { take(held.sorted { $0.key < $1.key }.map(\.value), gone: []) }

    private func isFixed(_ name: String) -> Bool {
        guard fixed.contains(name) else { return false }
        noteFixed(name)
        return true
    }

    private func noteFixed(_ name: String) {
        desk.log.warning(
            "\(kind.service) '\(name)': there is a static \(kind.noun) of this name, which stays as it is")
    }

    private func take(_ resources: [DiscoveredResource], gone: Set<String>) -> [String] {
        var problems: [String] = []
        var put: [String] = []
        for resource in resources { problems += take(resource, &put) }
        if !dropsFirst { for name in gone.sorted() { remove(name) } }
        updated(put: put, gone: gone)
        if !put.isEmpty { showWhenWarm(put) }
        return problems
    }

    private func take(_ resource: DiscoveredResource, _ put: inout [String]) -> [String] {
        let read: ReadResource<Spec>
        do throws(ConfigurationErrors) {
            read = try self.read(desk.bytes(resource, place: kind.service))
        } catch {
            return refuse(resource, bytes: [], error.description)
        }
        let isRepeated = taken[read.name] == read.bytes
        if isRepeated, !refused.contains(read.name), held[read.name] == nil { return [] }
        desk.note(read)
        guard read.missing.isEmpty else {
            secrets.use(more: read.missing, by: kind.user(read.name))
            held[read.name] = resource
            show(read, resource.version)
            return []
        }
        secrets.use(read.tls.controlPlaneSecrets, by: kind.user(read.name))
        held[read.name] = nil
        if !isRepeated {
            switch self.put(read) {
            case .taken: break
            case .left: return []
            case .refused(let why):
                return refuse(resource, bytes: read.bytes, "\(kind.service) '\(read.name)': \(why)")
            case .fixed:
                noteFixed(read.name)
                return []
            }
        }
        refused.remove(read.name)
        taken[read.name] = read.bytes
        show(read, resource.version)
        put.append(read.name)
        return []
    }

    private func refuse(_ resource: DiscoveredResource, bytes: [UInt8], _ details: String) -> [String] {
        refused.insert(resource.name)
        desk.shown.setFailed(
            kind.shown, resource.name, version: resource.version, bytes: bytes, details: details,
            time: desk.loop.wallNow)
        return [details]
    }

    /// It turned out to be no good after the control plane was told that all is well; what it was to replace may still
    /// serve, and is removed with it. False: it is not one of these.
    func failed(_ name: String, _ details: String) -> Bool {
        guard let bytes = taken[name] else { return false }
        taken[name] = []
        refused.insert(name)
        desk.shown.setFailed(
            kind.shown, name, version: "", bytes: bytes, details: details, time: desk.loop.wallNow)
        return true
    }

    private func remove(_ name: String) {
        held[name] = nil
        refused.remove(name)
        secrets.use([], by: kind.user(name))
        // What serves is shown as long as it drains.
        defer { desk.shown.removeDynamic(kind.shown, name) }
        guard taken.removeValue(forKey: name) != nil else { return }
        drop(name)
        desk.log.info("\(kind.noun) '\(name)' was removed by \(kind.service.uppercased())")
    }

    // MARK: - What admin shows

    private func show(_ read: ReadResource<Spec>, _ version: String) {
        desk.shown.setDynamic(
            kind.shown, read.name, .warming, version: version, bytes: read.bytes, time: desk.loop.wallNow)
    }

    private func showWhenWarm(_ names: [String]) {
        let versions = names.map { ($0, taken[$0]) }
        whenWarm { [weak self] in
            guard let self else { return }
            for (name, bytes) in versions where bytes != nil && taken[name] == bytes {
                desk.shown.becameActive(kind.shown, name)
            }
        }
    }
}
