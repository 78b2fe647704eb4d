// The counters of a listener on one worker.
import Metrics
import Reactor

/// `listener.<address or stat_prefix>.` and its `worker_N.` part, in one worker's cells.
struct ListenerStats {
    /// "listener.<address or stat_prefix>."
    let prefix: String
    let total: Counter
    let destroyed: Counter
    let overflow: Counter
    let handshakeTimeout: Counter
    let preConnectionTimeout: Counter
    let noFilterChain: Counter
    let active: Gauge
    let preActive: Gauge
    let length: Histogram
    let workerTotal: Counter
    let workerActive: Gauge

    /// - Parameter address: the first bound address; `:` becomes `_` in the name.
    init(_ spec: ListenerSpec, address: SocketAddress, worker: Int, cells: StatCells) {
        let name = spec.statPrefix.isEmpty ? address.description : spec.statPrefix
        let prefix = "listener." + name.map { $0 == ":" ? "_" : String($0) }.joined() + "."
        self.prefix = prefix
        total = cells.counter(prefix + "downstream_cx_total")
        destroyed = cells.counter(prefix + "downstream_cx_destroy")
        overflow = cells.counter(prefix + "downstream_cx_overflow")
        handshakeTimeout = cells.counter(prefix + "downstream_cx_transport_socket_connect_timeout")
        preConnectionTimeout = cells.counter(prefix + "downstream_pre_cx_timeout")
        noFilterChain = cells.counter(prefix + "no_filter_chain_match")
        active = cells.gauge(prefix + "downstream_cx_active")
        preActive = cells.gauge(prefix + "downstream_pre_cx_active")
        length = cells.histogram(prefix + "downstream_cx_length_ms", unit: .milliseconds)
        workerTotal = cells.counter(prefix + "worker_\(worker).downstream_cx_total")
        workerActive = cells.gauge(prefix + "worker_\(worker).downstream_cx_active")
        // What Envoy shows from the start and nothing here can move: there are no listener filters with a life of
        // their own, no overload manager and no dynamic extensions.
        for name in [
            "downstream_cx_overload_reject", "downstream_global_cx_overflow", "global_cx_overflow",
            "extension_config_missing", "network_extension_config_missing", "downstream_listener_filter_remote_close",
            "downstream_listener_filter_error",
        ] {
            _ = cells.counter(prefix + name)
        }
    }
}
