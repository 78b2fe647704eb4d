// Every stat that Envoy 1.40 has for a connection manager has to be there from the start.
import Metrics
import Testing

@testable import DataPlane

struct StatNamesTests {
    /// As `/stats` of Envoy 1.40 lists them under `http.<prefix>.`.
    private static let names = [
        "downstream_cx_active", "downstream_cx_delayed_close_timeout", "downstream_cx_destroy",
        "downstream_cx_destroy_active_rq", "downstream_cx_destroy_local", "downstream_cx_destroy_local_active_rq",
        "downstream_cx_destroy_remote", "downstream_cx_destroy_remote_active_rq", "downstream_cx_drain_close",
        "downstream_cx_http1_active", "downstream_cx_http1_soft_drain", "downstream_cx_http1_total",
        "downstream_cx_http2_active", "downstream_cx_http2_total", "downstream_cx_http3_active",
        "downstream_cx_http3_total", "downstream_cx_idle_timeout", "downstream_cx_length_ms",
        "downstream_cx_max_duration_reached", "downstream_cx_max_requests_reached",
        "downstream_cx_overload_disable_keepalive", "downstream_cx_protocol_error", "downstream_cx_rx_bytes_buffered",
        "downstream_cx_rx_bytes_total", "downstream_cx_ssl_active", "downstream_cx_ssl_total", "downstream_cx_total",
        "downstream_cx_tx_bytes_buffered", "downstream_cx_tx_bytes_total", "downstream_cx_upgrades_active",
        "downstream_cx_upgrades_total", "downstream_flow_control_paused_reading_total",
        "downstream_flow_control_resumed_reading_total", "downstream_rq_1xx", "downstream_rq_2xx",
        "downstream_rq_3xx", "downstream_rq_4xx", "downstream_rq_5xx", "downstream_rq_active",
        "downstream_rq_completed", "downstream_rq_failed_path_normalization", "downstream_rq_header_timeout",
        "downstream_rq_http1_total", "downstream_rq_http2_total", "downstream_rq_http3_total",
        "downstream_rq_idle_timeout", "downstream_rq_max_duration_reached", "downstream_rq_non_relative_path",
        "downstream_rq_overload_close", "downstream_rq_redirected_with_normalized_path",
        "downstream_rq_rejected_via_ip_detection", "downstream_rq_response_before_rq_complete",
        "downstream_rq_rx_reset", "downstream_rq_time", "downstream_rq_timeout", "downstream_rq_too_large",
        "downstream_rq_too_many_premature_resets", "downstream_rq_total", "downstream_rq_tx_reset",
        "downstream_rq_ws_on_non_ws_route", "no_cluster", "no_route", "passthrough_internal_redirect_bad_location",
        "passthrough_internal_redirect_no_route", "passthrough_internal_redirect_predicate",
        "passthrough_internal_redirect_too_many_redirects", "passthrough_internal_redirect_unsafe_scheme",
        "rq_direct_response", "rq_overload_local_reply", "rq_redirect", "rq_reset_after_downstream_response_started",
        "rq_total", "rs_too_large", "tracing.client_enabled", "tracing.health_check", "tracing.not_traceable",
        "tracing.random_sampling", "tracing.service_forced",
    ]

    @Test func allOfEnvoysStatsExist() throws {
        let rig = try HTTPRig()
        let there = Set(rig.store.snapshot().stats.map(\.name))
        for name in StatNamesTests.names where !there.contains("http.in." + name) {
            Issue.record("http.in.\(name) is missing")
        }
        for name in ["completed", "1xx", "2xx", "3xx", "4xx", "5xx"] {
            #expect(there.contains("listener.here.http.in.downstream_rq_" + name))
        }
    }
}
