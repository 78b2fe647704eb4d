// CDS: clusters that come, change and go.
import Configuration
import ControlPlane
import DataPlane
import Metrics

/// Takes in what CDS says. Main thread only. Good clusters of a response are taken, whatever is wrong with others of it.
final class ClusterUpdates: ResourceWatcher {
    private let desk: ResourceDesk
    private let clusters: ClusterDirectory
    private let secrets: SecretUpdates
    /// By name: each cluster that was taken, in its canonical form.
    private var taken: [String: [UInt8]] = [:]
    /// Those of which the last version was refused.
    private var refused: Set<String> = []
    /// Those that wait for secrets.
    private var held: [String: DiscoveredResource] = [:]
    /// Of the bootstrap, which came late because of their secrets: CDS has no say in them.
    private var fixed: Set<String> = []
    /// Of the clusters that were put since the last call of `follow`.
    private var sources: [TLSContextSources] = []
    private let reloads: Counter
    private let reloadTime: Gauge
    private var subscription: Subscription?
    private var firstAnswer: (() -> Void)?

    init(_ desk: ResourceDesk, clusters: ClusterDirectory, secrets: SecretUpdates) {
        self.desk = desk
        self.clusters = clusters
        self.secrets = secrets
        reloads = desk.cells.counter("cluster_manager.cds.config_reload")
        reloadTime = desk.cells.gauge("cluster_manager.cds.config_reload_time_ms")
        reloadTime.set(0)
    }

    /// Begins to ask. `answered` is called once: when there is an answer, or none is waited for any more.
    func start(_ source: ConfigSourceSpec, _ answered: @escaping () -> Void) {
        firstAnswer = answered
        subscription = desk.subscriptions.subscribe(
            .clusters, .everything, from: source, statPrefix: "cluster_manager.cds.", watcher: self)
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

    func resourcesChanged(_ update: ResourceUpdate) -> String? {
        var problems: [String] = []
        var put: [String] = []
        for resource in update.resources where !isFixed(resource) { problems += take(resource, &put) }
        let known = Set(taken.keys).union(held.keys).union(refused).subtracting(fixed)
        let gone = update.missing(from: known)
        for name in gone.sorted() { remove(name) }
        follow(put)
        if !put.isEmpty || !gone.isEmpty {
            reloads.increment()
            reloadTime.set(desk.loop.wallNow.unixNanoseconds / 1_000_000)
        }
        if problems.isEmpty { desk.shown.setVersion(update.version, of: .cluster) }
        answered()
        return ResourceDesk.joined(problems)
    }

    /// A secret has come that clusters may have waited for.
    func secretsChanged() -> [String] {
        var problems: [String] = []
        var put: [String] = []
        for (_, resource) in held.sorted(by: { $0.key < $1.key }) { problems += take(resource, &put) }
        follow(put)
        return problems
    }

    /// Takes a static cluster that waits for secrets.
    func hold(_ resource: PendingResource) {
        fixed.insert(resource.name)
        held[resource.name] = DiscoveredResource(
            name: resource.name, version: "", typeURL: ResourceType.clusters.typeURL, bytes: [],
            origin: resource.resource)
        secrets.use(resource.missing, by: .cluster(name: resource.name))
    }

    private func isFixed(_ resource: DiscoveredResource) -> Bool {
        guard fixed.contains(resource.name) else { return false }
        noteFixed(resource.name)
        return true
    }

    private func noteFixed(_ name: String) {
        desk.log.warning("cds '\(name)': there is a static cluster of this name, which stays as it is")
    }

    private func take(_ resource: DiscoveredResource, _ put: inout [String]) -> [String] {
        let read: ReadResource<ClusterSpec>
        do throws(ConfigurationErrors) {
            read = try desk.reader.cluster(desk.bytes(resource, place: "cds"))
        } catch {
            return refuse(resource, bytes: [], error.description)
        }
        let isRepeated = taken[read.name] == read.bytes
        if isRepeated, !refused.contains(read.name), held[read.name] == nil { return [] }
        desk.note(read)
        guard read.missing.isEmpty else {
            secrets.use(more: read.missing, by: .cluster(name: read.name))
            held[read.name] = resource
            show(read, .warming, resource.version)
            return []
        }
        secrets.use(read.tls.controlPlaneSecrets, by: .cluster(name: read.name))
        held[read.name] = nil
        if !isRepeated {
            do throws(ClusterError) {
                guard try clusters.put(read.spec) else {
                    noteFixed(read.name)
                    return []
                }
            } catch {
                return refuse(resource, bytes: read.bytes, "cds '\(read.name)': \(error)")
            }
            sources.append(read.tls)
        }
        put.append(read.name)
        refused.remove(read.name)
        taken[read.name] = read.bytes
        desk.reader.clusterNames.insert(read.name)
        show(read, .warming, resource.version)
        return []
    }

    private func show(_ read: ReadResource<ClusterSpec>, _ state: DynamicConfiguration.State, _ version: String) {
        desk.shown.setDynamic(
            .cluster, read.name, state, version: version, bytes: read.bytes, time: desk.loop.wallNow)
    }

    private func refuse(_ resource: DiscoveredResource, bytes: [UInt8], _ details: String) -> [String] {
        refused.insert(resource.name)
        desk.shown.setFailed(
            .cluster, resource.name, version: resource.version, bytes: bytes, details: details,
            time: desk.loop.wallNow)
        return [details]
    }

    private func remove(_ name: String) {
        held[name] = nil
        refused.remove(name)
        secrets.use([], by: .cluster(name: name))
        secrets.follow([], of: [.cluster(name)])
        desk.shown.removeDynamic(.cluster, name)
        guard taken.removeValue(forKey: name) != nil else { return }
        clusters.remove(name)
        desk.reader.clusterNames.remove(name)
        desk.log.info("cluster '\(name)' was removed by CDS")
    }

    /// Shows these as active once they are.
    private func follow(_ names: [String]) {
        guard !names.isEmpty else { return }
        secrets.follow(sources, of: names.map { .cluster($0) })
        sources = []
        let versions = names.map { ($0, taken[$0]) }
        clusters.whenWarm { [weak self] in
            guard let self else { return }
            for (name, bytes) in versions where bytes != nil && taken[name] == bytes {
                desk.shown.becameActive(.cluster, name)
            }
        }
    }
}
