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
    let overloadReject: Counter
    let globalOverflow: Counter
    /// What a monitor of connections counts over all listeners.
    let globalRefusals: Counter?
    let handshakeTimeout: Counter
    let preConnectionTimeout: Counter
    let noFilterChain: Counter
    let filterRemoteClose: Counter
    let filterError: Counter
    let active: Gauge
    let preActive: Gauge
    let length: Histogram
    let workerTotal: Counter
    let workerActive: Gauge
    /// `server.total_connections`: of all listeners of the process.
    let serverActive: Gauge
    let acceptedPerEvent: Histogram

    /// `process`: for what is counted over all listeners, and does not go with one.
    init(
        prefix: String, worker: Int, cells: StatCells, process: StatCells, globalLimit: GlobalConnectionLimitSpec? = nil
    ) {
        self.prefix = prefix
        serverActive = process.gauge("server.total_connections")
        acceptedPerEvent = cells.histogram(prefix + "connections_accepted_per_socket_event")
        total = cells.counter(prefix + "downstream_cx_total")
        destroyed = cells.counter(prefix + "downstream_cx_destroy")
        overloadReject = cells.counter(prefix + "downstream_cx_overload_reject")
        globalOverflow = cells.counter(prefix + "downstream_global_cx_overflow")
        globalRefusals = globalLimit.flatMap { GlobalConnectionLimit.refusalCounter($0) }.map { process.counter($0) }
        overflow = cells.counter(prefix + "downstream_cx_overflow")
        handshakeTimeout = cells.counter(prefix + "downstream_cx_transport_socket_connect_timeout")
        preConnectionTimeout = cells.counter(prefix + "downstream_pre_cx_timeout")
        noFilterChain = cells.counter(prefix + "no_filter_chain_match")
        filterRemoteClose = cells.counter(prefix + "downstream_listener_filter_remote_close")
        filterError = cells.counter(prefix + "downstream_listener_filter_error")
        active = cells.gauge(prefix + "downstream_cx_active")
        preActive = cells.gauge(prefix + "downstream_pre_cx_active")
        length = cells.histogram(prefix + "downstream_cx_length_ms", unit: .milliseconds)
        workerTotal = cells.counter(prefix + "worker_\(worker).downstream_cx_total")
        workerActive = cells.gauge(prefix + "worker_\(worker).downstream_cx_active")
        // What Envoy shows from the start and nothing here can move: there are no dynamic extensions.
        for name in ["extension_config_missing", "network_extension_config_missing"] {
            _ = cells.counter(prefix + name)
        }
    }
}
