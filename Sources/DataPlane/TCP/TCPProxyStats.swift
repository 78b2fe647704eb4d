// The counters of a TCP proxy on one worker.
import Metrics

/// `tcp.<stat_prefix>.`, in one worker's cells.
struct TCPProxyStats {
    let connections: Counter
    let noRoute: Counter
    let sent: Counter
    let received: Counter
    let paused: Counter
    let resumed: Counter
    let idleTimeout: Counter
    let maxDuration: Counter
    let upstreamFlush: Counter
    let sentBuffered: Gauge
    let receivedBuffered: Gauge
    let upstreamFlushActive: Gauge

    init(prefix: String, cells: StatCells) {
        let prefix = "tcp." + prefix + "."
        connections = cells.counter(prefix + "downstream_cx_total")
        noRoute = cells.counter(prefix + "downstream_cx_no_route")
        sent = cells.counter(prefix + "downstream_cx_tx_bytes_total")
        received = cells.counter(prefix + "downstream_cx_rx_bytes_total")
        paused = cells.counter(prefix + "downstream_flow_control_paused_reading_total")
        resumed = cells.counter(prefix + "downstream_flow_control_resumed_reading_total")
        idleTimeout = cells.counter(prefix + "idle_timeout")
        maxDuration = cells.counter(prefix + "max_downstream_connection_duration")
        upstreamFlush = cells.counter(prefix + "upstream_flush_total")
        sentBuffered = cells.gauge(prefix + "downstream_cx_tx_bytes_buffered")
        receivedBuffered = cells.gauge(prefix + "downstream_cx_rx_bytes_buffered")
        upstreamFlushActive = cells.gauge(prefix + "upstream_flush_active")
        // Envoy shows these from the start; nothing here can move them: TCP sessions go on while the rest drains, load shed
        // points of TCP proxies are refused, and there is no data before the route is known.
        for name in [
            "downstream_cx_drain_close", "downstream_cx_overload_close", "early_data_received_count_total",
            "route_delayed_total",
        ] {
            _ = cells.counter(prefix + name)
        }
    }
}
