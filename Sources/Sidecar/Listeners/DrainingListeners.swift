// What listeners and filter chains leave behind when they go: connections, which end in peace or when the time is over.
import DataPlane
import Reactor

/// Looks after what drains, in three steps: its connections are asked to go over the drain time; then those that serve
/// nothing close; and `Worker.idleGrace` later all that is left. Without connections it is over at once. Main thread only.
final class DrainingListeners {
    private static let interval = TimeAmount.milliseconds(250)

    private struct Entry {
        /// The listener that drains as a whole, by name; nil: only chains of it do.
        let listener: String?
        let chains: Int
        let end: MonotonicTime
        var closesAt: MonotonicTime?
    }

    private let loop: EventLoop
    private let stats: ListenerManagerStats
    private let drainTime: TimeAmount
    private var workers: [any ListenerWorker] = []
    private var entries: [ListenerID: Entry] = [:]
    private var tick: Tick?
    private var waiting = 0
    private var idle: Set<ListenerID> = []
    /// Called when a listener begins to drain as a whole, and when nothing that drains is left of that name.
    var drains: (_ listener: String, _ isOver: Bool) -> Void = { _, _ in }

    init(loop: EventLoop, stats: ListenerManagerStats, drainTime: TimeAmount) {
        self.loop = loop
        self.stats = stats
        self.drainTime = drainTime
    }

    func attach(_ workers: [any ListenerWorker]) { self.workers = workers }

    /// The workers were told that this listener is retired.
    func add(listener id: ListenerID, _ name: String) {
        stats.draining.increment()
        add(id, Entry(listener: name, chains: 0, end: loop.now + drainTime))
        drains(name, false)
    }

    /// The workers were told to start this update, which takes so many chains away.
    func add(chains: Int, of update: ListenerID) {
        guard chains > 0 else { return }
        stats.chainsDraining.add(Int64(chains))
        add(update, Entry(listener: nil, chains: chains, end: loop.now + drainTime))
    }

    private func add(_ id: ListenerID, _ entry: Entry) {
        entries[id] = entry
        if tick == nil { tick = Tick(loop: loop, every: DrainingListeners.interval) { [unowned self] in look() } }
    }

    private func look() {
        for (id, entry) in entries.sorted(by: { $0.key < $1.key }) {
            if let end = entry.closesAt {
                if loop.now >= end { close(id) }
            } else if loop.now >= entry.end {
                entries[id]?.closesAt = loop.now + Worker.idleGrace
                for worker in workers { worker.perform { $0.hurry(id) } }
            }
        }
        guard waiting == 0, !entries.isEmpty else { return }
        let ids = Set(entries.keys)
        (waiting, idle) = (workers.count, ids)
        let me = UncheckedBox(self)
        for worker in workers {
            worker.ask({ $0.idle(among: ids) }, main: loop.mailbox, answer: { me.value.seen($0) })
        }
    }

    private func seen(_ idle: Set<ListenerID>) {
        self.idle.formIntersection(idle)
        waiting -= 1
        guard waiting == 0 else { return }
        for id in self.idle.sorted() where entries[id] != nil { close(id) }
    }

    private func close(_ id: ListenerID) {
        guard let entry = entries.removeValue(forKey: id) else { return }
        for worker in workers { worker.perform { $0.close(id) } }
        if let name = entry.listener {
            stats.draining.decrement()
            if !entries.values.contains(where: { $0.listener == name }) { drains(name, true) }
        } else {
            stats.chainsDraining.add(Int64(-entry.chains))
        }
        if entries.isEmpty { tick = nil }
    }
}
