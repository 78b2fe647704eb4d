// LDS: listeners that come, change and go.
import Configuration
import DataPlane

/// Takes in what LDS says. Main thread only.
final class ListenerUpdates: CollectionUpdates<ListenerSpec> {
    private let listeners: ListenerManager
    private let routes: RouteUpdates

    /// `fixed`: names of static listeners.
    init(
        _ desk: ResourceDesk, listeners: ListenerManager, secrets: SecretUpdates, routes: RouteUpdates,
        fixed: Set<String>
    ) {
        self.listeners = listeners
        self.routes = routes
        let kind = Kind(
            type: .listeners, shown: .listener, service: "lds", noun: "listener", statPrefix: "listener_manager.lds.",
            user: { .listener(name: $0) })
        super.init(kind, desk, secrets: secrets, fixed: fixed)
        listeners.draining.drains = { [shown = desk.shown] name, isOver in
            if isOver { shown.endDynamic(.listener, name, .draining) } else { shown.beganDraining(.listener, name) }
        }
    }

    override func read(_ bytes: ResourceBytes) throws(ConfigurationErrors) -> ReadResource<ListenerSpec> {
        try desk.reader.listener(bytes)
    }

    override func put(_ read: ReadResource<ListenerSpec>) -> Outcome {
        do throws(ConfigurationErrors) {
            try routes.check(read.spec)
        } catch {
            return .refused("its filters do not fit the routes that there are: \(error)")
        }
        routes.expect(read.spec)
        do throws(ListenerError) {
            try listeners.put(read.spec, tls: read.tls)
            return .taken
        } catch {
            // The process is on its way out, which is no fault of the listener's.
            if case .closed = error { return .left }
            return .refused("\(error)")
        }
    }

    override func drop(_ name: String) { _ = listeners.remove(name) }

    override func whenWarm(_ done: @escaping () -> Void) { listeners.whenWarm(done) }

    override var dropsFirst: Bool { true }

    /// A worker could not build a listener. False: it is not one of these.
    func rejected(_ name: String, _ error: WorkerError) -> Bool { failed(name, "worker: \(error)") }
}
