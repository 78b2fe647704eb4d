// `server.*`: what the process knows of itself.
import Admin
import DataPlane
import Metrics
import Reactor

/// Gauges and counters of the process, in the main thread's cells. Main thread only.
struct ServerStats {
    let uptime: Gauge
    let concurrency: Gauge
    let memoryAllocated: Gauge
    let memoryHeap: Gauge
    let memoryPhysical: Gauge
    let live: Gauge
    let restartEpoch: Gauge
    let restartGeneration: Gauge
    let state: Gauge
    let initialization: Histogram
    let unknownFields: Counter
    /// Stats that there was no room for.
    let overflow: Counter

    /// - Parameter runtime: what does not change while the process runs.
    init(_ cells: StatCells, runtime: RuntimeSpec) {
        cells.gauge("runtime.num_keys").set(Int64(runtime.values.count))
        cells.gauge("runtime.num_layers").set(Int64(runtime.layerNames.count))
        cells.counter("runtime.load_success").increment()
        uptime = cells.gauge("server.uptime")
        concurrency = cells.gauge("server.concurrency")
        memoryAllocated = cells.gauge("server.memory_allocated")
        memoryHeap = cells.gauge("server.memory_heap_size")
        memoryPhysical = cells.gauge("server.memory_physical_size")
        live = cells.gauge("server.live")
        state = cells.gauge("server.state")
        restartEpoch = cells.gauge("server.hot_restart_epoch")
        restartGeneration = cells.gauge("server.hot_restart_generation")
        initialization = cells.histogram("server.initialization_time_ms", unit: .milliseconds)
        overflow = cells.counter("stats.overflow")
        unknownFields = cells.counter("server.static_unknown_fields")
        // Envoy shows these from the start; nothing here can move them.
        for name in [
            "server.parent_connections",
            "server.seconds_until_first_ocsp_response_expiring", "server.stats_recent_lookups",
            "server.compilation_settings.fips_mode", "runtime.admin_overrides_active",
            "runtime.deprecated_feature_seen_since_process_start",
        ] {
            _ = cells.gauge(name)
        }
        for name in [
            "server.dynamic_unknown_fields", "server.debug_assertion_failures", "server.envoy_bug_failures",
            "server.dropped_stat_flushes", "server.envoy_notifications", "server.wip_protos", "runtime.load_error",
            "runtime.override_dir_exists", "runtime.override_dir_not_exists", "runtime.deprecated_feature_use",
        ] {
            _ = cells.counter(name)
        }
        cells.gauge("server.version").set(Version.number)
    }
}
