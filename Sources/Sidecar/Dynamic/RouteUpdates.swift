// RDS: routes for the connection managers that ask for them.
import Configuration
import ControlPlane
import DataPlane
import Metrics
import Reactor

/// Keeps a subscription for each route configuration that a listener wants. Main thread only.
final class RouteUpdates {
    private let desk: ResourceDesk
    private let listeners: ListenerManager
    private var watchers: [RouteSubscriptionSpec: RouteWatcher] = [:]
    /// Under whose name a subscription is counted: the connection manager's that wanted it first, as in Envoy.
    private var prefixes: [RouteSubscriptionSpec: String] = [:]

    init(_ desk: ResourceDesk, listeners: ListenerManager) {
        self.desk = desk
        self.listeners = listeners
    }

    /// Begins with what is wanted already.
    func start() {
        listeners.routesWanted = { [unowned self] added, removed in change(added, removed) }
        change(Array(listeners.toldSubscriptions), [])
    }

    func close() { for watcher in watchers.values { watcher.close() } }

    /// Listeners of this kind are about to be put.
    func expect(_ spec: ListenerSpec) {
        for chain in spec.allChains {
            guard case .http(let manager) = chain.filter, let source = manager.routeSource, prefixes[source] == nil
            else { continue }
            prefixes[source] = manager.statPrefix
        }
    }

    /// Whether the filters of a listener fit the routes that there are.
    ///
    /// - Throws: what routes change about a filter is another filter's.
    func check(_ spec: ListenerSpec) throws(ConfigurationErrors) {
        for chain in spec.allChains {
            guard case .http(let manager) = chain.filter, let source = manager.routeSource,
                let bytes = watchers[source]?.taken
            else { continue }
            try desk.reader.check(manager.filters, fit: bytes, of: source.name)
        }
    }

    private func change(_ added: [RouteSubscriptionSpec], _ removed: [RouteSubscriptionSpec]) {
        for one in removed {
            watchers.removeValue(forKey: one)?.close()
            prefixes[one] = nil
            desk.shown.removeDynamic(.route, one.name)
        }
        for one in added {
            let watcher = RouteWatcher(one, prefix: prefixes[one] ?? "", desk, listeners)
            watchers[one] = watcher
            watcher.start()
        }
    }
}

/// One route configuration.
private final class RouteWatcher: ResourceWatcher {
    private let spec: RouteSubscriptionSpec
    private let desk: ResourceDesk
    private unowned let listeners: ListenerManager
    private let statPrefix: String
    /// Names of route configurations come and go; so do their stats.
    private let stats: StatHold
    private let reloads, empty: Counter
    private let reloadTime: Gauge
    private var subscription: Subscription?
    /// In its canonical form.
    private(set) var taken: [UInt8]?

    init(_ spec: RouteSubscriptionSpec, prefix: String, _ desk: ResourceDesk, _ listeners: ListenerManager) {
        self.spec = spec
        self.desk = desk
        self.listeners = listeners
        statPrefix = "http.\(prefix).rds.\(spec.name.statName)."
        stats = desk.cells.store.makeHold()
        let cells = desk.cells.held(by: stats)
        reloads = cells.counter(statPrefix + "config_reload")
        empty = cells.counter(statPrefix + "update_empty")
        reloadTime = cells.gauge(statPrefix + "config_reload_time_ms")
        reloadTime.set(0)
    }

    func start() {
        subscription = desk.subscriptions.subscribe(
            .routes, .named([spec.name]), from: spec.source, statPrefix: statPrefix, hold: stats, watcher: self)
    }

    func close() {
        subscription?.close()
        desk.keepForThisTurn(self)
    }

    func noFirstAnswer(isTimeout: Bool) { listeners.assign(nil, to: spec) }

    func resourcesChanged(_ update: ResourceUpdate) -> String? {
        guard let resource = update.resources.first else {
            // As in Envoy, routes that were there stay.
            empty.increment()
            listeners.assign(nil, to: spec)
            return nil
        }
        let read: ReadResource<RouteConfigurationSpec>
        do throws(ConfigurationErrors) {
            read = try desk.reader.routes(desk.bytes(resource, place: "rds"), for: listeners.filters(of: spec))
        } catch {
            desk.shown.setFailed(
                .route, spec.name, version: update.version, bytes: [], details: error.description,
                time: desk.loop.wallNow)
            if taken == nil { listeners.assign(nil, to: spec) }
            return error.description
        }
        desk.shown.setDynamic(
            .route, spec.name, version: resource.version, bytes: read.bytes, time: desk.loop.wallNow)
        desk.shown.setVersion(update.version, of: .route)
        guard taken != read.bytes else { return nil }
        taken = read.bytes
        desk.note(read)
        reloads.increment()
        reloadTime.set(desk.loop.wallNow.unixNanoseconds / 1_000_000)
        listeners.assign(read.spec, to: spec)
        return nil
    }
}

extension String {
    /// As it stands in the names of stats: `:` separates nothing there, and is none of their characters.
    var statName: String { String(map { $0 == ":" ? "_" : $0 }) }
}
