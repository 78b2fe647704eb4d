// The counters of a connection manager: `http.<prefix>.`, and `listener.<address>.http.<prefix>.`.
import Metrics

/// Stat handles, resolved once per worker and connection manager. Envoy page: HTTP connection manager, "Statistics".
public final class HTTPManagerStats {
    // Connections
    let cxTotal: Counter
    let cxSSLTotal: Counter
    let cxHTTP1Total: Counter
    let cxHTTP2Total: Counter
    let cxUpgradesTotal: Counter
    let cxDestroy: Counter
    let cxDestroyRemote: Counter
    let cxDestroyLocal: Counter
    let cxDestroyActiveRq: Counter
    let cxDestroyLocalActiveRq: Counter
    let cxDestroyRemoteActiveRq: Counter
    let cxProtocolError: Counter
    let cxRxBytesTotal: Counter
    let cxTxBytesTotal: Counter
    let cxDrainClose: Counter
    let cxOverloadDisableKeepalive: Counter
    let cxIdleTimeout: Counter
    let cxMaxDurationReached: Counter
    let cxMaxRequestsReached: Counter
    let cxDelayedCloseTimeout: Counter
    let cxActive: Gauge
    let cxSSLActive: Gauge
    let cxHTTP1Active: Gauge
    let cxHTTP2Active: Gauge
    let cxUpgradesActive: Gauge
    let cxRxBytesBuffered: Gauge
    let cxTxBytesBuffered: Gauge
    let cxLength: Histogram

    // Requests
    let rqTotal: Counter
    let rqHTTP1Total: Counter
    let rqHTTP2Total: Counter
    let rqCompleted: Counter
    let rq1xx: Counter
    let rq2xx: Counter
    let rq3xx: Counter
    let rq4xx: Counter
    let rq5xx: Counter
    let rqResponseBeforeComplete: Counter
    let rqRxReset: Counter
    let rqTxReset: Counter
    let rqNonRelativePath: Counter
    let rqTooLarge: Counter
    let rqOverloadClose: Counter
    let rqUpgradeRefused: Counter
    let rqIdleTimeout: Counter
    let rqMaxDurationReached: Counter
    let rqTimeout: Counter
    let rqHeaderTimeout: Counter
    let rqFailedPathNormalization: Counter
    let rqRedirectedWithNormalizedPath: Counter
    let rqTooManyPrematureResets: Counter
    let flowControlPaused: Counter
    let flowControlResumed: Counter
    let rqActive: Gauge
    let rqTime: Histogram

    // The same per listener
    let listenerRqCompleted: Counter
    let listenerRq1xx: Counter
    let listenerRq2xx: Counter
    let listenerRq3xx: Counter
    let listenerRq4xx: Counter
    let listenerRq5xx: Counter

    /// Keeps them.
    private let cells: StatCells

    /// `listenerPrefix` is "listener.<address or stat_prefix>."; empty where there is no listener.
    public init(_ cells: StatCells, statPrefix: String, listenerPrefix: String) {
        self.cells = cells
        let prefix = "http." + statPrefix + ".downstream_"
        func counter(_ name: String) -> Counter { cells.counter(prefix + name) }
        func gauge(_ name: String) -> Gauge { cells.gauge(prefix + name) }
        cxTotal = counter("cx_total")
        cxSSLTotal = counter("cx_ssl_total")
        cxHTTP1Total = counter("cx_http1_total")
        cxHTTP2Total = counter("cx_http2_total")
        cxUpgradesTotal = counter("cx_upgrades_total")
        cxDestroy = counter("cx_destroy")
        cxDestroyRemote = counter("cx_destroy_remote")
        cxDestroyLocal = counter("cx_destroy_local")
        cxDestroyActiveRq = counter("cx_destroy_active_rq")
        cxDestroyLocalActiveRq = counter("cx_destroy_local_active_rq")
        cxDestroyRemoteActiveRq = counter("cx_destroy_remote_active_rq")
        cxProtocolError = counter("cx_protocol_error")
        cxRxBytesTotal = counter("cx_rx_bytes_total")
        cxTxBytesTotal = counter("cx_tx_bytes_total")
        cxDrainClose = counter("cx_drain_close")
        cxOverloadDisableKeepalive = counter("cx_overload_disable_keepalive")
        cxIdleTimeout = counter("cx_idle_timeout")
        cxMaxDurationReached = counter("cx_max_duration_reached")
        cxMaxRequestsReached = counter("cx_max_requests_reached")
        cxDelayedCloseTimeout = counter("cx_delayed_close_timeout")
        cxActive = gauge("cx_active")
        cxSSLActive = gauge("cx_ssl_active")
        cxHTTP1Active = gauge("cx_http1_active")
        cxHTTP2Active = gauge("cx_http2_active")
        cxUpgradesActive = gauge("cx_upgrades_active")
        cxRxBytesBuffered = gauge("cx_rx_bytes_buffered")
        cxTxBytesBuffered = gauge("cx_tx_bytes_buffered")
        cxLength = cells.histogram(prefix + "cx_length_ms", unit: .milliseconds)
        rqTotal = counter("rq_total")
        rqHTTP1Total = counter("rq_http1_total")
        rqHTTP2Total = counter("rq_http2_total")
        rqCompleted = counter("rq_completed")
        rq1xx = counter("rq_1xx")
        rq2xx = counter("rq_2xx")
        rq3xx = counter("rq_3xx")
        rq4xx = counter("rq_4xx")
        rq5xx = counter("rq_5xx")
        rqResponseBeforeComplete = counter("rq_response_before_rq_complete")
        rqRxReset = counter("rq_rx_reset")
        rqTxReset = counter("rq_tx_reset")
        rqNonRelativePath = counter("rq_non_relative_path")
        rqTooLarge = counter("rq_too_large")
        rqOverloadClose = counter("rq_overload_close")
        rqUpgradeRefused = counter("rq_ws_on_non_ws_route")
        rqIdleTimeout = counter("rq_idle_timeout")
        rqMaxDurationReached = counter("rq_max_duration_reached")
        rqTimeout = counter("rq_timeout")
        rqHeaderTimeout = counter("rq_header_timeout")
        rqFailedPathNormalization = counter("rq_failed_path_normalization")
        rqRedirectedWithNormalizedPath = counter("rq_redirected_with_normalized_path")
        rqTooManyPrematureResets = counter("rq_too_many_premature_resets")
        flowControlPaused = counter("flow_control_paused_reading_total")
        flowControlResumed = counter("flow_control_resumed_reading_total")
        rqActive = gauge("rq_active")
        rqTime = cells.histogram(prefix + "rq_time", unit: .milliseconds)
        HTTPManagerStats.declareUnused(cells, prefix: "http." + statPrefix + ".")

        let listener = listenerPrefix + "http." + statPrefix + ".downstream_"
        listenerRqCompleted = cells.counter(listener + "rq_completed")
        listenerRq1xx = cells.counter(listener + "rq_1xx")
        listenerRq2xx = cells.counter(listener + "rq_2xx")
        listenerRq3xx = cells.counter(listener + "rq_3xx")
        listenerRq4xx = cells.counter(listener + "rq_4xx")
        listenerRq5xx = cells.counter(listener + "rq_5xx")
    }

    /// Stats that stay at zero here but that dashboards ask for: HTTP/3, tracing.
    private static func declareUnused(_ cells: StatCells, prefix: String) {
        for name in [
            "downstream_cx_http3_total", "downstream_rq_http3_total", "downstream_rq_rejected_via_ip_detection",
            "rs_too_large", "tracing.client_enabled",
            "tracing.health_check", "tracing.not_traceable", "tracing.random_sampling", "tracing.service_forced",
        ] {
            _ = cells.counter(prefix + name)
        }
        _ = cells.gauge(prefix + "downstream_cx_http1_soft_drain")
        _ = cells.gauge(prefix + "downstream_cx_http3_active")
    }

    /// Charges a response head that goes downstream (1xx included).
    func chargeResponse(_ status: Int) {
        rqCompleted.increment()
        listenerRqCompleted.increment()
        switch status / 100 {
        case 1:
            rq1xx.increment()
            listenerRq1xx.increment()
        case 2:
            rq2xx.increment()
            listenerRq2xx.increment()
        case 3:
            rq3xx.increment()
            listenerRq3xx.increment()
        case 4:
            rq4xx.increment()
            listenerRq4xx.increment()
        case 5:
            rq5xx.increment()
            listenerRq5xx.increment()
        default:
            break
        }
    }
}
