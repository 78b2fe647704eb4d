// One thread's handles on the stats of one cluster: `cluster.<name>.*`.
import Metrics

/// Handles on a cluster's stats, made once; writing one is a load and a store. Loop thread only.
///
/// The pools count connections, pending requests and bytes; the router counts responses, timeouts and retries.
public final class ClusterStats {
    // Connections.
    public let cxTotal, cxHTTP1Total, cxHTTP2Total, cxHTTP3Total: Counter
    public let cxConnectFail, cxConnectTimeout, cxConnectAttemptsExceeded, cxOverflow, cxPoolOverflow: Counter
    public let cxIdleTimeout, cxMaxDurationReached, cxMaxRequests, cxCloseNotify, cxProtocolError: Counter
    public let cxDestroy, cxDestroyLocal, cxDestroyRemote: Counter
    public let cxDestroyWithActiveRq, cxDestroyLocalWithActiveRq, cxDestroyRemoteWithActiveRq: Counter
    /// The local address could not be bound.
    public let bindErrors: Counter
    /// No host could be chosen.
    public let cxNoneHealthy: Counter
    public let cxRxBytesTotal, cxTxBytesTotal: Counter
    public let cxActive, cxRxBytesBuffered, cxTxBytesBuffered: Gauge
    public let cxConnectMs, cxLengthMs: Histogram
    /// Outrider's own: idle connections found closed by the peer before they were used again.
    public let cxIdleClosedByPeer: Counter

    // Requests, as the pools see them.
    public let rqTotal, rqPendingTotal, rqPendingOverflow, rqActiveOverflow, rqPendingFailureEject, rqCancelled: Counter
    public let rqActive, rqPendingActive: Gauge
    public let rqPerCx: Histogram
    public let rqRxReset, rqRxResetNoError, rqTxReset: Counter
    public let flowPausedReading, flowResumedReading, flowBackedUp, flowDrained: Counter

    // Requests, as the router sees them.
    public let rqMaintenanceMode, rqTimeout, rqMaxDurationReached, rqPerTryTimeout, rqPerTryIdleTimeout: Counter
    public let rqRetry, rqRetryBackoffExponential, rqRetryBackoffRatelimited, rqRetryLimitExceeded: Counter
    public let rqRetrySuccess, rqRetryOverflow, retryOrShadowAbandoned: Counter
    public let internalRedirectFailed, internalRedirectSucceeded: Counter
    /// Outrider's own: tries on a reused connection that died before a byte came back, repeated on a fresh one.
    public let rqReplacedStale: Counter
    /// Outrider's own: tries that HTTP/2 servers refused without looking at them, sent once more.
    public let rqReplayedRefused: Counter
    /// `upstream_rq_<code>`, `upstream_rq_<n>xx`, `upstream_rq_completed`, `upstream_rq_time`.
    public let responses: ResponseStats
    /// The same under `canary.`, `internal.`, `external.`, and for responses that were retried, `retry.`.
    public let canary, `internal`, external, retry: ResponseStats
    /// Percent of the timeout used, with `track_cluster_stats.timeout_budgets`.
    public let timeoutBudget: TimeoutBudgetStats?
    /// Sizes, with `track_cluster_stats.request_response_sizes`.
    public let sizes: MessageSizeStats?

    // Balancing.
    public let lbHealthyPanic: Counter
    /// Headers that named an original destination and were no address.
    public let originalDestinationInvalid: Counter

    /// `cluster` is the name as it stands in stats.
    public init(cells: StatCells, cluster: String, trackTimeoutBudgets: Bool = false, trackSizes: Bool = false) {
        let prefix = "cluster.\(cluster)."
        func cx(_ name: String) -> Counter { cells.counter(prefix + "upstream_cx_" + name) }
        func rq(_ name: String) -> Counter { cells.counter(prefix + "upstream_rq_" + name) }
        func flow(_ name: String) -> Counter { cells.counter("\(prefix)upstream_flow_control_\(name)_total") }

        cxTotal = cx("total")
        cxHTTP1Total = cx("http1_total")
        cxHTTP2Total = cx("http2_total")
        cxHTTP3Total = cx("http3_total")
        cxConnectFail = cx("connect_fail")
        cxConnectTimeout = cx("connect_timeout")
        cxConnectAttemptsExceeded = cx("connect_attempts_exceeded")
        cxOverflow = cx("overflow")
        cxPoolOverflow = cx("pool_overflow")
        cxIdleTimeout = cx("idle_timeout")
        cxMaxDurationReached = cx("max_duration_reached")
        cxMaxRequests = cx("max_requests")
        cxCloseNotify = cx("close_notify")
        cxProtocolError = cx("protocol_error")
        cxDestroy = cx("destroy")
        cxDestroyLocal = cx("destroy_local")
        cxDestroyRemote = cx("destroy_remote")
        cxDestroyWithActiveRq = cx("destroy_with_active_rq")
        cxDestroyLocalWithActiveRq = cx("destroy_local_with_active_rq")
        cxDestroyRemoteWithActiveRq = cx("destroy_remote_with_active_rq")
        bindErrors = cells.counter(prefix + "bind_errors")
        cxNoneHealthy = cx("none_healthy")
        cxRxBytesTotal = cx("rx_bytes_total")
        cxTxBytesTotal = cx("tx_bytes_total")
        cxActive = cells.gauge(prefix + "upstream_cx_active")
        cxRxBytesBuffered = cells.gauge(prefix + "upstream_cx_rx_bytes_buffered")
        cxTxBytesBuffered = cells.gauge(prefix + "upstream_cx_tx_bytes_buffered")
        cxConnectMs = cells.histogram(prefix + "upstream_cx_connect_ms", unit: .milliseconds)
        cxLengthMs = cells.histogram(prefix + "upstream_cx_length_ms", unit: .milliseconds)
        cxIdleClosedByPeer = cx("idle_closed_by_peer")

        rqTotal = rq("total")
        rqPendingTotal = rq("pending_total")
        rqPendingOverflow = rq("pending_overflow")
        rqActiveOverflow = rq("active_overflow")
        rqPendingFailureEject = rq("pending_failure_eject")
        rqCancelled = rq("cancelled")
        rqActive = cells.gauge(prefix + "upstream_rq_active")
        rqPendingActive = cells.gauge(prefix + "upstream_rq_pending_active")
        rqPerCx = cells.histogram(prefix + "upstream_rq_per_cx")
        rqRxReset = rq("rx_reset")
        rqRxResetNoError = rq("rx_reset_no_error")
        rqTxReset = rq("tx_reset")
        flowPausedReading = flow("paused_reading")
        flowResumedReading = flow("resumed_reading")
        flowBackedUp = flow("backed_up")
        flowDrained = flow("drained")

        rqMaintenanceMode = rq("maintenance_mode")
        rqTimeout = rq("timeout")
        rqMaxDurationReached = rq("max_duration_reached")
        rqPerTryTimeout = rq("per_try_timeout")
        rqPerTryIdleTimeout = rq("per_try_idle_timeout")
        rqRetry = rq("retry")
        rqRetryBackoffExponential = rq("retry_backoff_exponential")
        rqRetryBackoffRatelimited = rq("retry_backoff_ratelimited")
        rqRetryLimitExceeded = rq("retry_limit_exceeded")
        rqRetrySuccess = rq("retry_success")
        rqRetryOverflow = rq("retry_overflow")
        retryOrShadowAbandoned = cells.counter(prefix + "retry_or_shadow_abandoned")
        internalRedirectFailed = cells.counter(prefix + "upstream_internal_redirect_failed_total")
        internalRedirectSucceeded = cells.counter(prefix + "upstream_internal_redirect_succeeded_total")
        rqReplacedStale = rq("replaced_stale")
        rqReplayedRefused = rq("replayed_refused")
        responses = ResponseStats(cells: cells, prefix: prefix)
        // Envoy shows this one from the start, unlike the other response stats.
        _ = rq("completed")
        canary = ResponseStats(cells: cells, prefix: prefix + "canary.")
        `internal` = ResponseStats(cells: cells, prefix: prefix + "internal.")
        external = ResponseStats(cells: cells, prefix: prefix + "external.")
        retry = ResponseStats(cells: cells, prefix: prefix + "retry.")
        timeoutBudget = trackTimeoutBudgets ? TimeoutBudgetStats(cells: cells, prefix: prefix) : nil
        sizes = trackSizes ? MessageSizeStats(cells: cells, prefix: prefix) : nil

        lbHealthyPanic = cells.counter(prefix + "lb_healthy_panic")
        originalDestinationInvalid = cells.counter(prefix + "original_dst_host_invalid")
    }

    /// Charges a response's status to all that count it.
    func charge(status: Int, isCanary: Bool, isInternal: Bool) {
        responses.record(status: status)
        if isCanary { canary.record(status: status) }
        if isInternal { `internal`.record(status: status) } else { external.record(status: status) }
    }

    /// Charges the time that a response took.
    func charge(milliseconds: UInt64, isCanary: Bool, isInternal: Bool) {
        responses.recordTime(milliseconds: milliseconds)
        if isCanary { canary.recordTime(milliseconds: milliseconds) }
        if isInternal {
            `internal`.recordTime(milliseconds: milliseconds)
        } else {
            external.recordTime(milliseconds: milliseconds)
        }
    }

    /// Names of stats that stay 0 here but that Envoy shows for every cluster, so that dashboards find them.
    static let alwaysZero = [
        "lb_local_cluster_not_ok", "lb_recalculate_zone_structures", "lb_zone_cluster_too_small",
        "lb_zone_no_capacity_left", "lb_zone_routing_all_directly", "lb_zone_routing_cross_zone",
        "lb_zone_routing_sampled", "assignment_stale", "assignment_timeout_received",
        "assignment_use_cached", "lb_subsets_created", "lb_subsets_fallback",
        "lb_subsets_fallback_panic", "lb_subsets_removed", "lb_subsets_selected", "upstream_cx_connect_with_0_rtt",
        "upstream_cx_preconnect_skipped", "upstream_http3_broken", "upstream_rq_0rtt",
    ]
}

/// `upstream_rq_timeout_budget_percent_used` and its per-try form.
public final class TimeoutBudgetStats {
    public let percentUsed, perTryPercentUsed: Histogram

    init(cells: StatCells, prefix: String) {
        percentUsed = cells.histogram(prefix + "upstream_rq_timeout_budget_percent_used")
        perTryPercentUsed = cells.histogram(prefix + "upstream_rq_timeout_budget_per_try_percent_used")
    }
}

/// `upstream_{rq,rs}_{headers_size,headers_count,body_size}`.
public final class MessageSizeStats {
    public let rqHeadersSize, rqHeadersCount, rqBodySize: Histogram
    public let rsHeadersSize, rsHeadersCount, rsBodySize: Histogram

    init(cells: StatCells, prefix: String) {
        rqHeadersSize = cells.histogram(prefix + "upstream_rq_headers_size", unit: .bytes)
        rqHeadersCount = cells.histogram(prefix + "upstream_rq_headers_count")
        rqBodySize = cells.histogram(prefix + "upstream_rq_body_size", unit: .bytes)
        rsHeadersSize = cells.histogram(prefix + "upstream_rs_headers_size", unit: .bytes)
        rsHeadersCount = cells.histogram(prefix + "upstream_rs_headers_count")
        rsBodySize = cells.histogram(prefix + "upstream_rs_body_size", unit: .bytes)
    }
}
