// `listener_manager.*`: how listeners come and go.
import Metrics

/// In the main thread's cells. Main thread only.
struct ListenerManagerStats {
    let workersStarted: Gauge
    let active: Gauge
    let warming: Gauge
    let draining: Gauge
    let chainsDraining: Gauge
    let added: Counter
    let modified: Counter
    let removed: Counter
    let updatedInPlace: Counter
    /// Once a worker, as in Envoy.
    let created: Counter
    let notCreated: Counter
    let stopped: Counter

    init(_ cells: StatCells) {
        workersStarted = cells.gauge("listener_manager.workers_started")
        active = cells.gauge("listener_manager.total_listeners_active")
        warming = cells.gauge("listener_manager.total_listeners_warming")
        draining = cells.gauge("listener_manager.total_listeners_draining")
        chainsDraining = cells.gauge("listener_manager.total_filter_chains_draining")
        added = cells.counter("listener_manager.listener_added")
        modified = cells.counter("listener_manager.listener_modified")
        removed = cells.counter("listener_manager.listener_removed")
        updatedInPlace = cells.counter("listener_manager.listener_in_place_updated")
        created = cells.counter("listener_manager.listener_create_success")
        notCreated = cells.counter("listener_manager.listener_create_failure")
        stopped = cells.counter("listener_manager.listener_stopped")
        // Workers are never pinned to CPUs.
        _ = cells.gauge("listener_manager.workers_pinned")
    }
}
