// EDS: the endpoints of clusters.
import Configuration
import ControlPlane
import DataPlane
import Metrics
import Reactor

/// Keeps a subscription for each service whose endpoints a cluster wants. Main thread only.
final class EndpointUpdates {
    private let desk: ResourceDesk
    private let clusters: ClusterDirectory
    private var watchers: [EndpointSubscriptionSpec: EndpointWatcher] = [:]

    init(_ desk: ResourceDesk, clusters: ClusterDirectory) {
        self.desk = desk
        self.clusters = clusters
    }

    /// Begins with what is wanted already.
    func start() { clusters.endpointsWanted = { [unowned self] added, removed in change(added, removed) } }

    func close() { for watcher in watchers.values { watcher.close() } }

    private func change(_ added: [EndpointSubscriptionSpec], _ removed: [EndpointSubscriptionSpec]) {
        for one in removed { watchers.removeValue(forKey: one)?.close() }
        for one in added {
            let watcher = EndpointWatcher(one, desk, clusters)
            watchers[one] = watcher
            watcher.start()
        }
    }
}

/// One service.
private final class EndpointWatcher: ResourceWatcher {
    private let spec: EndpointSubscriptionSpec
    private let desk: ResourceDesk
    private unowned let clusters: ClusterDirectory
    private var subscription: Subscription?
    private var hasTaken = false

    init(_ spec: EndpointSubscriptionSpec, _ desk: ResourceDesk, _ clusters: ClusterDirectory) {
        self.spec = spec
        self.desk = desk
        self.clusters = clusters
    }

    func start() {
        // The directory counts, for each of the clusters.
        clusters.assignmentAsked(spec)
        subscription = desk.subscriptions.subscribe(
            .endpoints, .named([spec.service]), from: spec.source, statPrefix: nil, watcher: self)
    }

    func close() { subscription?.close() }

    func noFirstAnswer(isTimeout: Bool) {
        if isTimeout { clusters.assignmentTimedOut(spec) } else { clusters.assign(nil, to: spec) }
    }

    func subscriptionFailed(isRejected: Bool) { clusters.assignmentFailed(spec, isRejected: isRejected) }

    func resourcesChanged(_ update: ResourceUpdate) -> String? {
        guard let resource = update.resources.first else {
            clusters.assign(nil, to: spec)
            return nil
        }
        do throws(ConfigurationErrors) {
            let read = try desk.reader.endpoints(desk.bytes(resource, place: "eds"))
            desk.note(read)
            hasTaken = true
            clusters.assign(read.spec, to: spec, version: update.version)
            return nil
        } catch {
            clusters.assignmentFailed(spec, isRejected: true)
            // A first answer that is no good is not waited for any more, as in Envoy.
            if !hasTaken { clusters.assign(nil, to: spec) }
            return error.description
        }
    }
}
