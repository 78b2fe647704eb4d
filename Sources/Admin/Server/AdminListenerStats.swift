// The counters of an admin listener: `listener.admin.`.
import Metrics

/// What `ListenerStats` is for other listeners; the main thread takes the place of a worker.
struct AdminListenerStats {
    let total: Counter
    let destroyed: Counter
    let overflow: Counter
    let globalOverflow: Counter
    let active: Gauge
    let length: Histogram
    let threadTotal: Counter
    let threadActive: Gauge

    /// - Parameter prefix: "listener.admin."
    init(_ cells: StatCells, prefix: String) {
        total = cells.counter(prefix + "downstream_cx_total")
        destroyed = cells.counter(prefix + "downstream_cx_destroy")
        globalOverflow = cells.counter(prefix + "downstream_global_cx_overflow")
        overflow = cells.counter(prefix + "downstream_cx_overflow")
        active = cells.gauge(prefix + "downstream_cx_active")
        length = cells.histogram(prefix + "downstream_cx_length_ms", unit: .milliseconds)
        threadTotal = cells.counter(prefix + "main_thread.downstream_cx_total")
        threadActive = cells.gauge(prefix + "main_thread.downstream_cx_active")
        // Envoy shows these from the start; an admin listener has nothing that moves them.
        for name in [
            "downstream_cx_overload_reject", "downstream_cx_transport_socket_connect_timeout",
            "downstream_listener_filter_error", "downstream_listener_filter_remote_close", "downstream_pre_cx_timeout",
            "no_filter_chain_match",
        ] {
            _ = cells.counter(prefix + name)
        }
        _ = cells.gauge(prefix + "downstream_pre_cx_active")
        _ = cells.histogram(prefix + "connections_accepted_per_socket_event")
    }

    func opened() {
        total.increment()
        active.increment()
        threadTotal.increment()
        threadActive.increment()
    }

    /// - Parameter life: milliseconds.
    func closed(after life: Int64) {
        destroyed.increment()
        active.decrement()
        threadActive.decrement()
        length.record(UInt64(max(0, life)))
    }
}
