// Everything that comes while the process runs: from subscriptions, through the reader, to clusters and listeners.
import Admin
import Configuration
import ControlPlane
import DataPlane
import Logging
import Metrics
import Reactor

/// The dynamic half of the configuration. Main thread only.
///
/// The order at the start is Envoy's: static clusters; CDS and the endpoints of its clusters; LDS and its routes; ready. Each
/// step has its `initial_fetch_timeout`.
final class DynamicResources {
    private let spec: DynamicResourcesSpec
    private let pending: [PendingResource]
    private let clusters: ClusterDirectory
    private let desk: ResourceDesk
    private let endpoints: EndpointUpdates
    private let routes: RouteUpdates
    private let secrets: SecretUpdates
    private let clusterUpdates: ClusterUpdates
    private let listenerUpdates: ListenerUpdates

    /// `reload`: who makes TLS contexts again, once there is somebody.
    init(
        _ configuration: LoadedConfiguration, options: ConfigurationLoader.Options, shown: DynamicConfiguration,
        clusters: ClusterDirectory, listeners: ListenerManager, loop: EventLoop, cells: StatCells,
        reload: @escaping () -> CertificateReload?
    ) {
        spec = configuration.spec.dynamic
        pending = configuration.pending
        self.clusters = clusters
        let limits = spec.limits
        let subscriptions = SubscriptionManager(
            aggregated: spec.aggregated, node: spec.node, limits: limits, loop: loop, cells: cells,
            readFile: DynamicResources.readFile
        ) { source in
            GRPCTransport(source, maxMessageBytes: limits.maxResponseBytes, loop: loop) { name in
                clusters.grpcUpstream(name)
            }
        }
        desk = ResourceDesk(
            reader: ResourceReader(configuration, options: options), subscriptions: subscriptions, shown: shown,
            loop: loop, cells: cells)
        endpoints = EndpointUpdates(desk, clusters: clusters)
        routes = RouteUpdates(desk, listeners: listeners)
        secrets = SecretUpdates(desk, reload: reload)
        clusterUpdates = ClusterUpdates(desk, clusters: clusters, secrets: secrets)
        listenerUpdates = ListenerUpdates(
            desk, listeners: listeners, secrets: secrets, routes: routes,
            fixed: Set(configuration.spec.listeners.map(\.name)))
        for listener in configuration.spec.listeners { routes.expect(listener) }
    }

    private static func readFile(
        _ path: String, _ type: ResourceType
    ) -> Result<FileSubscriptions.Contents, FileSubscriptions.Problem> {
        do throws(ConfigurationErrors) {
            let file = try DiscoveryFile(path: path)
            return .success(
                FileSubscriptions.Contents(
                    version: file.version,
                    resources: file.resources.map {
                        DiscoveredResource(
                            name: $0.name, version: file.version, typeURL: $0.typeURL, bytes: [], origin: $0)
                    }))
        } catch {
            return .failure(FileSubscriptions.Problem(error.description))
        }
    }

    /// The workers are there: static clusters get their endpoints and secrets.
    func start() {
        secrets.start { [unowned self] in clusterUpdates.secretsChanged() + listenerUpdates.secretsChanged() }
        endpoints.start()
        for resource in pending where resource.kind == .cluster { clusterUpdates.hold(resource) }
    }

    /// The static clusters are there: asks for the others. `done` is called once, when the first of them are warm.
    func fetchClusters(_ done: @escaping () -> Void) {
        let known = { [unowned self] in secrets.whenAnswered { [unowned self] in clusters.whenWarm(done) } }
        guard let source = spec.clusters else { return known() }
        clusterUpdates.start(source, known)
    }

    /// All clusters are there: asks for listeners, and for the routes of those that there are. `done` is called once, when the
    /// first of them are known.
    func fetchListeners(_ done: @escaping () -> Void) {
        routes.start()
        for resource in pending where resource.kind == .listener { listenerUpdates.hold(resource) }
        let known = { [unowned self] in secrets.whenAnswered(done) }
        guard let source = spec.listeners else { return known() }
        listenerUpdates.start(source, known)
    }

    /// A worker could not build a listener. False: it is a static one.
    func rejected(_ name: String, _ error: WorkerError) -> Bool { listenerUpdates.rejected(name, error) }

    /// The types that the start waits for, in Envoy's words.
    var unansweredTypes: [String] {
        (clusterUpdates.isUnanswered ? ["CDS"] : []) + (listenerUpdates.isUnanswered ? ["LDS"] : [])
    }

    /// The secrets that listeners and clusters wait for.
    var missingSecrets: [UnreadyTargets] { secrets.missing }

    /// Reads all files with resources now. Returns how many there are.
    func lookAtFiles() -> Int { desk.subscriptions.lookAtFiles() }

    /// Nothing more comes.
    func close() {
        clusterUpdates.close()
        listenerUpdates.close()
        endpoints.close()
        routes.close()
        secrets.close()
        desk.subscriptions.close()
    }
}
