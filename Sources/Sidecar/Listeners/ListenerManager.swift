// The listeners of the process at this moment: they come, change and go while it runs.
import Configuration
import DataPlane
import Logging
import Reactor

/// All listeners, static ones too. Main thread only; workers hear of changes by their mailboxes.
///
/// A listener that is put is bound at once, built on every worker, and *warming* until its route subscriptions have had
/// their first answers; then it accepts, and what it replaces drains. Until then whatever it is to replace serves on, and
/// so it does for good where a worker cannot build the new one. The files: this one takes listeners in and lets them go;
/// `ListenerManager+Warming.swift` is their way to the workers; `ListenerManager+Routes.swift` is about their routes.
final class ListenerManager {
    /// What a manager needs to know about the process.
    struct Settings {
        /// How many workers there are.
        var workers: Int
        /// How long connections of what was removed or replaced may take to go.
        var drainTime: TimeAmount
        /// They are asked to go ever more of them over that time, and not all at once.
        var isGradual = true
    }

    let loop: EventLoop
    let log: Logger
    let settings: Settings
    let stats: ListenerManagerStats
    let draining: DrainingListeners
    private let loops: LoopGuard
    private let certificates: CertificatesInUse
    /// Gives away sockets of another process.
    private let inherited: (SocketIdentity) -> [Int32]
    var workers: [any ListenerWorker] = []
    /// Those that accept, in the order in which they came.
    var active: [ManagedListener] = []
    var warming: [ManagedListener] = []
    var subscriptions: [RouteSubscriptionSpec: RouteInterest] = [:]
    /// Those that `routesWanted` has told of.
    var toldSubscriptions: Set<RouteSubscriptionSpec> = []
    /// Those of which listeners have come or gone since `tellOfSubscriptions`.
    var touchedSubscriptions: Set<RouteSubscriptionSpec> = []
    /// Whether listeners that are warm may start.
    var isStarted = false
    private var isClosed = false
    private var nextNumber: UInt64 = 0
    /// Who waits for which listeners to be warm.
    var waiters: [(ids: Set<ListenerID>, done: () -> Void)] = []
    var builtWaiters: [() -> Void] = []
    /// Sockets of removed listeners that the workers may still be about to close.
    private var leaving: [SocketIdentity: [Int32]] = [:]
    /// Which listeners were told to drain (`/healthcheck/fail`, `/drain_listeners`), and which to stop for good.
    private var drainRule: (chosen: @Sendable (ListenerSpec) -> Bool, over: TimeAmount)?
    private var stopRules: [@Sendable (ListenerSpec) -> Bool] = []

    /// Called when the set of route subscriptions that listeners have changes. `assign` answers them.
    var routesWanted: (_ added: [RouteSubscriptionSpec], _ removed: [RouteSubscriptionSpec]) -> Void = { _, _ in }
    /// Called when a worker could not build or start a listener. What it was to replace serves on.
    var rejected: (_ name: String, _ error: WorkerError) -> Void = { _, _ in }
    /// Called with the sources of a listener's TLS contexts when it was taken.
    var sourcesAdded: (TLSContextSources) -> Void = { _ in }
    /// Called with the files of keys that a listener brings.
    var keySetsAdded: ([KeySetFile]) -> Void = { _ in }
    /// Called when these TLS contexts have nobody any more.
    var ownersGone: ([TLSContextOwner]) -> Void = { _ in }

    init(
        _ settings: Settings, loop: EventLoop, log: Logger, stats: ListenerManagerStats, loops: LoopGuard,
        certificates: CertificatesInUse, inherited: @escaping (SocketIdentity) -> [Int32] = { _ in [] }
    ) {
        self.settings = settings
        self.loop = loop
        self.log = log
        self.stats = stats
        self.loops = loops
        self.certificates = certificates
        self.inherited = inherited
        draining = DrainingListeners(loop: loop, stats: stats, drainTime: settings.drainTime)
    }

    // MARK: Taking in

    /// Adds a listener, or updates the one of that name. An update whose addresses and socket options are the same takes
    /// the sockets over; one that changes nothing but filter chains leaves the connections of the other chains alone.
    ///
    /// - Parameter tls: from what its TLS contexts are made again when their files change.
    /// - Throws: when it cannot be bound, or clashes with another listener. Nothing has changed then.
    func put(_ spec: ListenerSpec, tls: TLSContextSources = TLSContextSources()) throws(ListenerError) {
        guard !isClosed else { throw .closed }
        countAsServing(spec.name)
        for other in active + warming where other.name != spec.name {
            if let address = other.commonAddress(with: spec) { throw .addressTaken(address, by: other.name) }
        }
        let current = active.first { $0.name == spec.name }
        let before = warming.first { $0.name == spec.name }
        if let current, current.spec.enableReusePort != spec.enableReusePort { throw .reusePortChanges }
        let record = try bind(spec, before: before, current: current)
        let isUpdate = before != nil || current != nil
        (isUpdate ? stats.modified : stats.added).increment()
        hold(record)
        if let before { discard(before, for: record) }
        warming.append(record)
        stats.warming.increment()
        certificates.add(record.sockets, id: record.id, isInPlace: record.running != nil)
        loops.add(record.sockets)
        sourcesAdded(tls)
        keySetsAdded(spec.keySetFiles)
        tellOfSubscriptions()
        build(record)
    }

    private func bind(
        _ spec: ListenerSpec, before: ManagedListener?, current: ManagedListener?
    ) throws(ListenerError) -> ManagedListener {
        let id = ListenerID(nextNumber)
        nextNumber += 1
        if let current, current.differsInChainsOnly(from: spec) {
            return ManagedListener(
                id, running: current.serving, sockets: current.sockets.with(spec), inherited: [])
        }
        var taken: Set<SocketIdentity> = []
        do throws(SystemError) {
            let bound = try ListenerSockets.bind(spec, workers: settings.workers, loop: loop) { identity in
                let known = self.sockets(identity, of: [before, current].compactMap { $0 })
                if !known.isEmpty { taken.insert(identity) }
                return known.isEmpty ? inherited(identity) : known
            }
            return ManagedListener(id, running: nil, sockets: bound, inherited: taken)
        } catch {
            throw .socket(error)
        }
    }

    /// Descriptors of a socket that a listener here has, or had until just now.
    private func sockets(_ identity: SocketIdentity, of listeners: [ManagedListener]) -> [Int32] {
        for listener in listeners where !isStopped(listener.spec) {
            let copies = listener.sockets.duplicates(of: identity)
            if !copies.isEmpty { return copies }
        }
        return leaving.removeValue(forKey: identity) ?? []
    }

    // MARK: Letting go

    /// Removes a listener: it accepts no more, and its connections drain. False: there is none of that name.
    func remove(_ name: String) -> Bool {
        countAsServing(name)
        let before = warming.first { $0.name == name }
        let current = active.first { $0.name == name }
        guard before != nil || current != nil else { return false }
        stats.removed.increment()
        if let before { discard(before, for: nil) }
        if let current {
            active.removeAll { $0 === current }
            stats.active.decrement()
            keepSockets(of: current)
            retire(current, isTakenOver: false)
        }
        tellOfSubscriptions()
        return true
    }

    /// A listener that comes next may want the same address, and the workers have not closed it yet.
    private func keepSockets(of listener: ManagedListener) {
        guard !isStopped(listener.spec) else { return }
        for (identity, _) in listener.sockets.bound {
            let copies = listener.sockets.duplicates(of: identity)
            PacketSocket.close(leaving.updateValue(copies, forKey: identity) ?? [])
        }
    }

    private func closeLeaving(_ identities: [SocketIdentity]) {
        for identity in identities { PacketSocket.close(leaving.removeValue(forKey: identity) ?? []) }
    }

    /// What it has is served to its end; see `DrainingListeners`.
    func retire(_ listener: ManagedListener, isTakenOver: Bool) {
        forget(listener)
        draining.add(listener: listener.serving, listener.name)
        let (id, time) = (listener.serving, drainOver)
        let identities = listener.sockets.bound.map(\.identity)
        let me = UncheckedBox(self)
        let countdown = UncheckedBox(Countdown(workers.count))
        for worker in workers {
            worker.ask(
                { $0.retire(id, drainOver: time, isTakenOver: isTakenOver) }, main: loop.mailbox,
                answer: { _ in if countdown.value.isLast() { me.value.closeLeaving(identities) } })
        }
    }

    /// An update that does not serve yet is not wanted any more.
    ///
    /// - Parameter newer: whoever waits for it waits for this one now.
    func discard(_ listener: ManagedListener, for newer: ManagedListener?) {
        warming.removeAll { $0 === listener }
        stats.warming.decrement()
        forget(listener)
        if listener.stage == .bound {
            if listener.running == nil { PacketSocket.close(listener.sockets.bound.flatMap(\.descriptors)) }
        } else {
            let id = listener.id
            for worker in workers { worker.perform { $0.discard(id) } }
        }
        settled(listener.id, by: newer?.id)
    }

    /// It is neither active nor warming any more.
    func forget(_ listener: ManagedListener) {
        loops.remove(listener.sockets)
        release(listener)
        let gone = certificates.remove(listener.id)
        if !gone.isEmpty { ownersGone(gone) }
    }

    // MARK: The process

    /// The files of keys that listeners have.
    var keySetFiles: [KeySetFile] { (active + warming).flatMap(\.spec.keySetFiles) }

    /// What the listeners that accept are bound to.
    var sockets: [ListenerSockets] { active.map(\.sockets) }

    /// The sockets that a successor may have.
    var offer: [(identity: SocketIdentity, descriptors: [Int32])] {
        active.filter { !isStopped($0.spec) }.flatMap(\.sockets.bound)
    }

    /// No listener comes or changes any more: the process is on its way out. Those that are warming are given up.
    func close() {
        isClosed = true
        for listener in warming { countAsServing(listener.name) }
        for listener in warming { discard(listener, for: nil) }
        tellOfSubscriptions()
    }

    /// How long it takes until every response closes its connection.
    var drainOver: TimeAmount { settings.isGradual ? settings.drainTime : .zero }

    /// Responses of the chosen listeners close their connections, those of listeners that come later, too, until
    /// `cancelDrain`.
    ///
    /// - Parameter time: over which connections are asked to go elsewhere; nil: as `--drain-strategy` says.
    func beginDrain(over time: TimeAmount? = nil, where chosen: @escaping @Sendable (ListenerSpec) -> Bool) {
        let time = time ?? drainOver
        drainRule = (chosen, time)
        for worker in workers { worker.perform { $0.beginDrain(over: time, where: chosen) } }
    }

    func cancelDrain() {
        drainRule = nil
        for worker in workers { worker.perform { $0.cancelDrain() } }
    }

    /// The chosen listeners accept no more, for good; those that come later do not even begin.
    func stop(where chosen: @escaping @Sendable (ListenerSpec) -> Bool) {
        stats.stopped.add(UInt64(active.count { chosen($0.spec) && !isStopped($0.spec) }))
        stopRules.append(chosen)
        for worker in workers { worker.perform { $0.stopListening(where: chosen) } }
    }

    func isStopped(_ spec: ListenerSpec) -> Bool { stopRules.contains { $0(spec) } }

    /// Brings a listener that has just started to where the others are.
    func applyRules(to listener: ManagedListener) {
        let (spec, id) = (listener.spec, listener.serving)
        if let (chosen, time) = drainRule, chosen(spec) {
            for worker in workers { worker.perform { $0.beginDrain(of: id, over: time) } }
        }
        if isStopped(spec) { for worker in workers { worker.perform { $0.stopListening(id) } } }
    }
}

/// Counts answers down. One thread.
private final class Countdown {
    private var left: Int
    init(_ count: Int) { left = count }

    func isLast() -> Bool {
        left -= 1
        return left == 0
    }
}
