// How a worker's listeners come, change and go.
import Reactor

/// An update that is built and does not serve yet.
enum PreparedUpdate {
    /// What was to be built on them could not be. They stay open until `discard`: the main thread counts on that.
    case sockets([ListeningSocket])
    case listener(Listener)
    case chains(FilterChainSet, spec: ListenerSpec, of: ListenerID)

    var listenerName: String {
        switch self {
        case .sockets: ""
        case .listener(let listener): listener.spec.name
        case .chains(_, let spec, _): spec.name
        }
    }

    var chains: [FilterChain] {
        switch self {
        case .sockets: []
        case .listener(let listener): listener.chains.all
        case .chains(let chains, _, _): chains.all
        }
    }
}

extension Worker {
    /// Builds what the update asks for; it serves from its `start` on. Takes over this worker's descriptors, and keeps
    /// them where it fails: an update is to be started or discarded.
    public func prepare(_ update: ListenerUpdate) throws(WorkerError) {
        guard let running = update.running else {
            let sockets: [ListeningSocket]
            do throws(SystemError) {
                sockets = try update.sockets.adopt(worker: index, loop: loop)
            } catch {
                throw .socket(error)
            }
            prepared[update.id] = .sockets(sockets)
            let listener = try builder.listener(update, sockets, worker: index)
            if listener.spec.keepsSources { clusters.followSources() }
            prepared[update.id] = .listener(listener)
            return
        }
        let current = listeners.first { $0.id == running }?.chains
        let chains = try builder.chains(update, current: current)
        var spec = update.sockets.spec
        spec.forgetRoutes()
        prepared[update.id] = .chains(chains, spec: spec, of: running)
    }

    /// New connections get what the update asks for. Filter chains that it takes away are asked to let go over a time,
    /// until `close`; a listener whose place it takes serves on until `retire`.
    public func start(_ update: ListenerID, drainOver time: TimeAmount = .zero) throws(WorkerError) {
        switch prepared[update] {
        case nil, .sockets: return
        case .chains(let chains, let spec, let running):
            listeners.first { $0.id == running }?.replaceChains(chains, spec, by: update, drainOver: time)
        case .listener(let listener):
            do throws(SystemError) {
                try listener.start()
            } catch {
                throw .socket(error)
            }
            listeners.append(listener)
            tellOfListeners()
        }
        prepared[update] = nil
    }

    /// An update is not wanted any more, or another worker cannot take it. A listener that has started is closed with all
    /// that it has.
    public func discard(_ update: ListenerID) {
        switch prepared.removeValue(forKey: update) {
        case .sockets(let sockets): for socket in sockets { socket.close() }
        case .listener(let listener): listener.stopAccepting()
        case .chains, nil: break
        }
        close(update)
    }

    /// The listener accepts no more, and asks who is connected to go over a time. `close` ends that.
    ///
    /// - Parameter isTakenOver: another listener has the same sockets, and so whoever waits to be accepted.
    public func retire(_ id: ListenerID, drainOver time: TimeAmount, isTakenOver: Bool) {
        guard let listener = listeners.first(where: { $0.id == id }) else { return }
        listener.retire(drainOver: time, isTakenOver: isTakenOver)
        tellOfListeners()
    }

    /// The time of a retired listener, or of the chains that an update has taken away, is nearly over: HTTP connections
    /// close with their next response, or when `idleGrace` is over.
    public func hurry(_ id: ListenerID) {
        for listener in listeners {
            listener.drainRetired(by: id, grace: Worker.idleGrace)
            if listener.id == id { listener.drainConnections(grace: Worker.idleGrace) }
        }
    }

    /// Which of these, retired listeners or updates that took chains away, have no connection left.
    public func idle(among ids: Set<ListenerID>) -> Set<ListenerID> {
        ids.filter { id in
            listeners.allSatisfy { ($0.id != id || $0.isIdle) && !$0.hasRetired(by: id) }
        }
    }

    /// Closes what a retired listener, or the chains that an update took away, still have, and forgets them.
    public func close(_ id: ListenerID) {
        // It was retired before anybody knew that it could not start here.
        if case .listener(let listener)? = prepared.removeValue(forKey: id) { listener.stopAccepting() }
        for listener in listeners { listener.closeRetired(by: id) }
        if let position = listeners.firstIndex(where: { $0.id == id }) {
            let listener = listeners.remove(at: position)
            listener.stopAccepting()
            listener.closeConnections()
            tellOfListeners()
        }
        // What was closed lets go of its routes in this turn.
        loop.later { [routes, tracers] in
            routes.forgetUnused()
            tracers.forgetUnused()
        }
    }

    /// What a subscription brought: the next request of whoever serves by it sees the new routes. Where they do not
    /// compile, the ones before stay.
    public func assign(_ routes: RouteConfigurationSpec, to subscription: RouteSubscriptionSpec) throws(FormatError) {
        try self.routes.assign(routes, to: subscription)
    }

    /// Redirected connections go to the listeners that there are now.
    private func tellOfListeners() {
        guard listeners.contains(where: \.spec.handsOnRedirected) else { return }
        let table = ListenerTable(listeners.filter { !$0.isRetired })
        for listener in listeners where listener.spec.handsOnRedirected { listener.table = table }
    }
}
