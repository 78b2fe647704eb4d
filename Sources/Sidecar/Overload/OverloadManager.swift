// The overload manager: reads resources by the clock, and publishes how far each action goes.
import DataPlane
import Logging
import Metrics
import Reactor

/// `overload_manager` of the bootstrap. Main thread only; workers read `state`. Envoy page: "Overload manager".
final class OverloadManager {
    /// While `shrink_heap` is saturated, free memory is given back this often, as in Envoy.
    static let shrinkInterval = TimeAmount.seconds(10)

    let state: OverloadState
    let points: [OverloadPoint]
    /// Called when something has changed that workers have to be told of (`OverloadPoint.concernsWaiting`).
    var changed: (() -> Void)?
    private let resources: [WatchedResource]
    private let actions: [WatchedAction]
    private let delay: Histogram
    private let shrinks: Counter?
    private let release: () -> Void
    private var shrunk: MonotonicTime?
    private var refreshed: MonotonicTime?
    private var tick: Tick?

    /// Nothing is read before `start`.
    ///
    /// - Parameters:
    ///   - cells: the main thread's.
    ///   - monitor: makes what reads a resource, from the least pressure at which a trigger of it asks for something.
    ///   - release: gives free memory back to the system.
    init(
        _ spec: OverloadSpec, cells: StatCells, log: Logger,
        monitor: (ResourceMonitorSpec, Double) -> any ResourceMonitor,
        release: @escaping () -> Void = HeapMemory.release
    ) {
        let triggers = spec.actions.flatMap(\.triggers)
        let resources = spec.monitors.map { resource in
            let begin = triggers.filter { $0.resource == resource.name }.map(\.begin).min() ?? .infinity
            return WatchedResource(resource, monitor(resource, begin), cells: cells, log: log)
        }
        self.resources = resources
        actions = spec.actions.map { WatchedAction($0, resources, cells: cells, log: log) }
        points = spec.actions.map(\.point)
        state = OverloadState(spec.actions, causes: actions.map(\.causes))
        delay = cells.histogram("overload.refresh_interval_delay", unit: .milliseconds)
        shrinks =
            points.contains(.shrinkHeap)
            ? cells.counter("overload.\(OverloadPoint.shrinkHeap.name).shrink_count") : nil
        self.release = release
    }

    /// Reads now, and then by the clock. Fails where a resource cannot be read that has to be there.
    func start(loop: EventLoop, every interval: TimeAmount) throws(ResourceFailure) {
        refresh(now: loop.now)
        for resource in resources {
            if let failure = resource.missing { throw failure }
        }
        tick = Tick(loop: loop, every: interval) { [unowned self, loop] in refresh(now: loop.now) }
    }

    /// Reads every resource, and does what follows.
    func refresh(now: MonotonicTime) {
        if let refreshed { delay.record(UInt64(max(0, (now - refreshed).milliseconds))) }
        refreshed = now
        for resource in resources { resource.refresh(now: now) }
        var concernsWaiting = false
        for action in actions {
            if action.update(now: now) {
                state.set(action.point, action.level)
                if action.point.concernsWaiting { concernsWaiting = true }
            }
            action.tell(state.reason(action.point), now: now)
            if action.point == .shrinkHeap { shrink(action.level, now: now) }
        }
        if concernsWaiting { changed?() }
    }

    private func shrink(_ level: OverloadState.Level, now: MonotonicTime) {
        guard level.share >= 1 else {
            shrunk = nil
            return
        }
        if let shrunk, now - shrunk < OverloadManager.shrinkInterval { return }
        shrunk = now
        release()
        shrinks?.increment()
    }
}
