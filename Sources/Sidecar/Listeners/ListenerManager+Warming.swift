// A listener's way to the workers: built on all of them, warm, started, and in its place.
import DataPlane
import Reactor

extension ListenerManager {
    /// The workers are there: builds on them what was put so far. `built` is called when they have done so.
    func attach(_ workers: [any ListenerWorker], built: @escaping () -> Void) {
        self.workers = workers
        draining.attach(workers)
        builtWaiters.append(built)
        for listener in warming { build(listener) }
        tellBuilt()
    }

    /// Listeners may accept from now on.
    func start() {
        isStarted = true
        for listener in warming { startIfWarm(listener) }
    }

    /// Calls back when every listener that was put so far accepts, or was given up.
    func whenWarm(_ done: @escaping () -> Void) {
        guard !warming.isEmpty else { return done() }
        waiters.append((Set(warming.map(\.id)), done))
    }

    func build(_ listener: ManagedListener) {
        guard !workers.isEmpty, listener.stage == .bound else { return }
        listener.stage = .building(workers.count)
        let id = listener.id
        let update = ListenerUpdate(
            id: id, running: listener.running, sockets: listener.sockets,
            routes: routes(of: listener.subscriptions))
        ask({ worker throws(WorkerError) in try worker.prepare(update) }, then: { $0.built(id, $1) })
    }

    private func ask(
        _ task: @escaping @Sendable (Worker) throws(WorkerError) -> Void,
        then: @escaping @Sendable (ListenerManager, WorkerError?) -> Void
    ) {
        let me = UncheckedBox(self)
        for worker in workers {
            worker.ask(
                { worker -> WorkerError? in
                    do throws(WorkerError) {
                        try task(worker)
                        return nil
                    } catch {
                        return error
                    }
                },
                main: loop.mailbox, answer: { then(me.value, $0) })
        }
    }

    private func built(_ id: ListenerID, _ error: WorkerError?) {
        guard let listener = warming.first(where: { $0.id == id }), case .building(let left) = listener.stage else {
            return
        }
        if let error { return reject(listener, error) }
        listener.stage = left > 1 ? .building(left - 1) : .built
        guard listener.stage == .built else { return }
        listener.sockets.forgetRoutes()
        startIfWarm(listener)
        tellBuilt()
    }

    private func tellBuilt() {
        guard !warming.contains(where: { if case .building = $0.stage { true } else { false } }) else { return }
        let waiters = builtWaiters
        builtWaiters = []
        for done in waiters { done() }
    }

    func startIfWarm(_ listener: ManagedListener) {
        guard isStarted, listener.stage == .built, listener.missing.isEmpty else { return }
        let (id, time) = (listener.id, drainOver)
        if listener.running != nil {
            // There is nothing in it that could fail.
            for worker in workers { worker.perform { try? $0.start(id, drainOver: time) } }
            return nowServes(listener)
        }
        listener.stage = .starting(workers.count)
        ask({ worker throws(WorkerError) in try worker.start(id) }, then: { $0.started(id, $1) })
    }

    /// Workers that were told to start a listener may have accepted by now, whether they have answered or not: it cannot be
    /// discarded any more.
    func countAsServing(_ name: String) {
        guard let listener = warming.first(where: { $0.name == name }), case .starting = listener.stage else { return }
        nowServes(listener)
    }

    private func started(_ id: ListenerID, _ error: WorkerError?) {
        guard let listener = warming.first(where: { $0.id == id }), case .starting(let left) = listener.stage else {
            return
        }
        if let error { return reject(listener, error) }
        listener.stage = .starting(left - 1)
        if left == 1 { nowServes(listener) }
    }

    private func reject(_ listener: ManagedListener, _ error: WorkerError) {
        stats.notCreated.increment()
        log.error("listener '\(listener.name)' is not taken: worker: \(error)")
        discard(listener, for: nil)
        tellOfSubscriptions()
        rejected(listener.name, error)
        tellBuilt()
    }

    /// Every worker has it: what it replaces goes.
    private func nowServes(_ listener: ManagedListener) {
        listener.stage = .serving
        warming.removeAll { $0 === listener }
        stats.warming.decrement()
        stats.created.add(UInt64(workers.count))
        if let place = active.firstIndex(where: { $0.name == listener.name }) {
            let old = active[place]
            active[place] = listener
            if listener.running != nil {
                stats.updatedInPlace.increment()
                draining.add(chains: old.chainCount(missingIn: listener.spec), of: listener.id)
                forget(old)
            } else {
                retire(old, isTakenOver: old.sockets.bound.allSatisfy { listener.inherited.contains($0.identity) })
            }
        } else {
            active.append(listener)
            stats.active.increment()
        }
        applyRules(to: listener)
        tell(listener)
        tellOfSubscriptions()
        settled(listener.id, by: nil)
    }

    private func tell(_ listener: ManagedListener) {
        let addresses = listener.sockets.localAddresses.map(\.description).joined(separator: ", ")
        let role = listener.spec.bindToPort ? "on" : "for connections redirected from"
        log.info("listener '\(listener.name)' \(role) \(addresses)")
    }

    /// - Parameter newer: the listener that takes its place among those that are waited for.
    func settled(_ id: ListenerID, by newer: ListenerID?) {
        for index in waiters.indices where waiters[index].ids.remove(id) != nil {
            if let newer { waiters[index].ids.insert(newer) }
        }
        let done = waiters.filter(\.ids.isEmpty)
        waiters.removeAll(where: \.ids.isEmpty)
        for waiter in done { waiter.done() }
    }
}
