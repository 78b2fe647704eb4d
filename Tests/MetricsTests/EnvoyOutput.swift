// What the real Envoy 1.40 printed: stats (kind, name, value) and its /stats/prometheus page for them.

/// Output of Envoy, cut down to the lines that show a rule.
enum EnvoyOutput {
    /// A sidecar with clusters `web`, `a.b.c` and `o:p|q`, three listeners, routes and virtual clusters.
    // swift-format-ignore
    static let plainStats = #"""
        c cluster.a.b.c.assignment_stale 0
        c cluster.a.b.c.external.upstream_rq_503 1
        c cluster.a.b.c.external.upstream_rq_5xx 2
        c cluster.a.b.c.membership_change 1
        c cluster.a.b.c.upstream_rq_5xx 2
        c cluster.a.b.c.upstream_rq_total 2
        c cluster.o_p|q.assignment_stale 0
        c cluster.o_p|q.membership_change 1
        c cluster.o_p|q.upstream_rq_total 0
        c cluster.web.assignment_stale 0
        c cluster.web.membership_change 1
        c cluster.web.upstream_rq_2xx 3
        c cluster.web.upstream_rq_404 1
        c cluster.web.upstream_rq_total 7
        c cluster_manager.cluster_added 3
        c http.ingress.downstream_rq_2xx 3
        c http.ingress.downstream_rq_5xx 2
        c http.ingress.rs_too_large 0
        c http.ingress.tracing.random_sampling 0
        c listener.127.0.0.1_18902.downstream_cx_total 7
        c listener.127.0.0.1_18902.http.ingress.downstream_rq_2xx 3
        c listener.127.0.0.1_18902.worker_0.downstream_cx_total 1
        c listener.127.0.0.1_18902.worker_1.downstream_cx_total 6
        c listener.[__1]_18904.downstream_cx_total 0
        c listener.[__1]_18904.worker_0.downstream_cx_total 0
        c listener.[__1]_18904.worker_1.downstream_cx_total 0
        c listener.my.listener.downstream_cx_total 3
        c listener.my.listener.worker_0.downstream_cx_total 1
        c listener.my.listener.worker_1.downstream_cx_total 2
        c listener_manager.listener_added 3
        c main_thread.watchdog_miss 0
        c server.main_thread.watchdog_miss 0
        c server.worker_0.watchdog_miss 0
        c tcp.d_b.x.downstream_cx_no_route 0
        c tcp.d_b.x.downstream_cx_rx_bytes_total 0
        c tcp.d_b.x.downstream_cx_total 0
        c tcp.d_b.x.downstream_cx_tx_bytes_total 0
        c tcp.d_b.x.upstream_flush_total 0
        c tcp.db.downstream_cx_rx_bytes_total 237
        c tcp.db.downstream_cx_total 3
        c tcp.db.downstream_cx_tx_bytes_total 339
        c tcp.db.upstream_flush_total 0
        c vhost.v1.route.r.upstream_rq_2xx 3
        c vhost.v1.route.r.upstream_rq_timeout 0
        c vhost.v1.route.r.upstream_rq_total 4
        c vhost.v1.route.rsp.upstream_rq_timeout 0
        c vhost.v1.route.rsp.upstream_rq_total 2
        c vhost.v1.vcluster.other.upstream_rq_timeout 0
        c vhost.v1.vcluster.other.upstream_rq_total 0
        c vhost.v1.vcluster.vc.upstream_rq_2xx 3
        c vhost.v1.vcluster.vc.upstream_rq_timeout 0
        c vhost.v1.vcluster.vc.upstream_rq_total 6
        g cluster.a.b.c.circuit_breakers.default.cx_open 0
        g cluster.a.b.c.circuit_breakers.default.rq_open 0
        g cluster.a.b.c.membership_healthy 1
        g cluster.a.b.c.upstream_rq_active 0
        g cluster.o_p|q.circuit_breakers.default.cx_open 0
        g cluster.o_p|q.circuit_breakers.default.rq_open 0
        g cluster.o_p|q.membership_healthy 1
        g cluster.o_p|q.upstream_rq_active 0
        g cluster.web.circuit_breakers.default.cx_open 0
        g cluster.web.circuit_breakers.default.rq_open 0
        g cluster.web.membership_healthy 1
        g cluster.web.upstream_rq_active 0
        g cluster_manager.active_clusters 3
        g http.ingress.downstream_rq_active 0
        g listener.127.0.0.1_18902.downstream_cx_active 0
        g listener.127.0.0.1_18902.downstream_pre_cx_active 0
        g listener.127.0.0.1_18902.worker_0.downstream_cx_active 0
        g listener.127.0.0.1_18902.worker_1.downstream_cx_active 0
        g listener.[__1]_18904.downstream_cx_active 0
        g listener.[__1]_18904.downstream_pre_cx_active 0
        g listener.[__1]_18904.worker_0.downstream_cx_active 0
        g listener.[__1]_18904.worker_1.downstream_cx_active 0
        g listener.my.listener.downstream_cx_active 0
        g listener.my.listener.downstream_pre_cx_active 0
        g listener.my.listener.worker_0.downstream_cx_active 0
        g listener.my.listener.worker_1.downstream_cx_active 0
        g listener_manager.workers_started 1
        g server.live 1
        g tcp.d_b.x.downstream_cx_rx_bytes_buffered 0
        g tcp.d_b.x.downstream_cx_tx_bytes_buffered 0
        g tcp.d_b.x.upstream_flush_active 0
        g tcp.db.downstream_cx_rx_bytes_buffered 0
        g tcp.db.downstream_cx_tx_bytes_buffered 0
        g tcp.db.upstream_flush_active 0
        g thread_local_cluster_manager.main_thread.clusters_inflated 3
        g thread_local_cluster_manager.worker_0.clusters_inflated 3
        g thread_local_cluster_manager.worker_1.clusters_inflated 3
        """#

    /// The page for `plainStats` with `--stats-tag zone:eu1` and four `stats_tags`.
    // swift-format-ignore
    static let plainPrometheus = #"""
        # TYPE envoy_cluster_assignment_stale counter
        envoy_cluster_assignment_stale{zone="eu1",fixedone="fv\"x\\y",envoy_cluster_name="o_p|q"} 0
        envoy_cluster_assignment_stale{zone="eu1",fixedone="fv\"x\\y",envoy_cluster_name="web",my_custom_tag="web"} 0
        # TYPE envoy_cluster_b_c_assignment_stale counter
        envoy_cluster_b_c_assignment_stale{zone="eu1",fixedone="fv\"x\\y",envoy_cluster_name="a"} 0
        # TYPE envoy_cluster_b_c_change counter
        envoy_cluster_b_c_change{zone="eu1",fixedone="fv\"x\\y",onlyg1="membership_",envoy_cluster_name="a"} 1
        # TYPE envoy_cluster_b_c_external_rq counter
        envoy_cluster_b_c_external_rq{envoy_response_code="503",zone="eu1",anyname="upstream",fixedone="fv\"x\\y",envoy_cluster_name="a"} 1
        # TYPE envoy_cluster_b_c_external_rq_xx counter
        envoy_cluster_b_c_external_rq_xx{envoy_response_code_class="5",zone="eu1",anyname="upstream",fixedone="fv\"x\\y",envoy_cluster_name="a"} 2
        # TYPE envoy_cluster_b_c_rq_total counter
        envoy_cluster_b_c_rq_total{zone="eu1",anyname="upstream",fixedone="fv\"x\\y",envoy_cluster_name="a"} 2
        # TYPE envoy_cluster_b_c_rq_xx counter
        envoy_cluster_b_c_rq_xx{envoy_response_code_class="5",zone="eu1",anyname="upstream",fixedone="fv\"x\\y",envoy_cluster_name="a"} 2
        # TYPE envoy_cluster_change counter
        envoy_cluster_change{zone="eu1",fixedone="fv\"x\\y",onlyg1="membership_",envoy_cluster_name="o_p|q"} 1
        envoy_cluster_change{zone="eu1",fixedone="fv\"x\\y",onlyg1="membership_",envoy_cluster_name="web",my_custom_tag="web"} 1
        # TYPE envoy_cluster_rq counter
        envoy_cluster_rq{envoy_response_code="404",zone="eu1",anyname="upstream",fixedone="fv\"x\\y",envoy_cluster_name="web",my_custom_tag="web"} 1
        # TYPE envoy_cluster_rq_total counter
        envoy_cluster_rq_total{zone="eu1",anyname="upstream",fixedone="fv\"x\\y",envoy_cluster_name="o_p|q"} 0
        envoy_cluster_rq_total{zone="eu1",anyname="upstream",fixedone="fv\"x\\y",envoy_cluster_name="web",my_custom_tag="web"} 7
        # TYPE envoy_cluster_rq_xx counter
        envoy_cluster_rq_xx{envoy_response_code_class="2",zone="eu1",anyname="upstream",fixedone="fv\"x\\y",envoy_cluster_name="web",my_custom_tag="web"} 3
        # TYPE envoy_cluster_manager_cluster_added counter
        envoy_cluster_manager_cluster_added{zone="eu1",fixedone="fv\"x\\y"} 3
        # TYPE envoy_http_downstream_rq_xx counter
        envoy_http_downstream_rq_xx{envoy_response_code_class="2",zone="eu1",fixedone="fv\"x\\y",envoy_http_conn_manager_prefix="ingress"} 3
        envoy_http_downstream_rq_xx{envoy_response_code_class="5",zone="eu1",fixedone="fv\"x\\y",envoy_http_conn_manager_prefix="ingress"} 2
        # TYPE envoy_http_rs_too_large counter
        envoy_http_rs_too_large{zone="eu1",fixedone="fv\"x\\y",envoy_http_conn_manager_prefix="ingress"} 0
        # TYPE envoy_http_tracing_random_sampling counter
        envoy_http_tracing_random_sampling{zone="eu1",fixedone="fv\"x\\y",envoy_http_conn_manager_prefix="ingress"} 0
        # TYPE envoy_listener_downstream_cx_total counter
        envoy_listener_downstream_cx_total{zone="eu1",fixedone="fv\"x\\y",envoy_listener_address="127.0.0.1_18902"} 7
        envoy_listener_downstream_cx_total{zone="eu1",fixedone="fv\"x\\y",envoy_listener_address="[__1]_18904"} 0
        # TYPE envoy_listener_http_downstream_rq_xx counter
        envoy_listener_http_downstream_rq_xx{envoy_response_code_class="2",zone="eu1",fixedone="fv\"x\\y",envoy_http_conn_manager_prefix="ingress",envoy_listener_address="127.0.0.1_18902"} 3
        # TYPE envoy_listener_listener_downstream_cx_total counter
        envoy_listener_listener_downstream_cx_total{zone="eu1",fixedone="fv\"x\\y",envoy_listener_address="my"} 3
        # TYPE envoy_listener_listener_worker_0_downstream_cx_total counter
        envoy_listener_listener_worker_0_downstream_cx_total{zone="eu1",fixedone="fv\"x\\y",envoy_listener_address="my"} 1
        # TYPE envoy_listener_listener_worker_1_downstream_cx_total counter
        envoy_listener_listener_worker_1_downstream_cx_total{zone="eu1",fixedone="fv\"x\\y",envoy_listener_address="my"} 2
        # TYPE envoy_listener_worker_downstream_cx_total counter
        envoy_listener_worker_downstream_cx_total{envoy_worker_id="0",zone="eu1",fixedone="fv\"x\\y",envoy_listener_address="127.0.0.1_18902"} 1
        envoy_listener_worker_downstream_cx_total{envoy_worker_id="1",zone="eu1",fixedone="fv\"x\\y",envoy_listener_address="127.0.0.1_18902"} 6
        envoy_listener_worker_downstream_cx_total{envoy_worker_id="0",zone="eu1",fixedone="fv\"x\\y",envoy_listener_address="[__1]_18904"} 0
        envoy_listener_worker_downstream_cx_total{envoy_worker_id="1",zone="eu1",fixedone="fv\"x\\y",envoy_listener_address="[__1]_18904"} 0
        # TYPE envoy_listener_manager_listener_added counter
        envoy_listener_manager_listener_added{zone="eu1",fixedone="fv\"x\\y"} 3
        # TYPE envoy_main_thread_watchdog_miss counter
        envoy_main_thread_watchdog_miss{zone="eu1",fixedone="fv\"x\\y"} 0
        # TYPE envoy_server_main_thread_watchdog_miss counter
        envoy_server_main_thread_watchdog_miss{zone="eu1",fixedone="fv\"x\\y"} 0
        # TYPE envoy_server_worker_watchdog_miss counter
        envoy_server_worker_watchdog_miss{envoy_worker_id="0",zone="eu1",fixedone="fv\"x\\y"} 0
        # TYPE envoy_tcp_downstream_cx_rx_bytes_total counter
        envoy_tcp_downstream_cx_rx_bytes_total{zone="eu1",fixedone="fv\"x\\y",envoy_tcp_prefix="db"} 237
        # TYPE envoy_tcp_downstream_cx_total counter
        envoy_tcp_downstream_cx_total{zone="eu1",fixedone="fv\"x\\y",envoy_tcp_prefix="db"} 3
        # TYPE envoy_tcp_downstream_cx_tx_bytes_total counter
        envoy_tcp_downstream_cx_tx_bytes_total{zone="eu1",fixedone="fv\"x\\y",envoy_tcp_prefix="db"} 339
        # TYPE envoy_tcp_flush_total counter
        envoy_tcp_flush_total{zone="eu1",anyname="upstream",fixedone="fv\"x\\y",envoy_tcp_prefix="db"} 0
        # TYPE envoy_tcp_x_downstream_cx_no_route counter
        envoy_tcp_x_downstream_cx_no_route{zone="eu1",fixedone="fv\"x\\y",envoy_tcp_prefix="d_b"} 0
        # TYPE envoy_tcp_x_downstream_cx_rx_bytes_total counter
        envoy_tcp_x_downstream_cx_rx_bytes_total{zone="eu1",fixedone="fv\"x\\y",envoy_tcp_prefix="d_b"} 0
        # TYPE envoy_tcp_x_downstream_cx_total counter
        envoy_tcp_x_downstream_cx_total{zone="eu1",fixedone="fv\"x\\y",envoy_tcp_prefix="d_b"} 0
        # TYPE envoy_tcp_x_downstream_cx_tx_bytes_total counter
        envoy_tcp_x_downstream_cx_tx_bytes_total{zone="eu1",fixedone="fv\"x\\y",envoy_tcp_prefix="d_b"} 0
        # TYPE envoy_tcp_x_flush_total counter
        envoy_tcp_x_flush_total{zone="eu1",anyname="upstream",fixedone="fv\"x\\y",envoy_tcp_prefix="d_b"} 0
        # TYPE envoy_vhost_route_rq_timeout counter
        envoy_vhost_route_rq_timeout{zone="eu1",anyname="upstream",fixedone="fv\"x\\y",envoy_virtual_host="v1",envoy_route="r"} 0
        envoy_vhost_route_rq_timeout{zone="eu1",anyname="upstream",fixedone="fv\"x\\y",envoy_virtual_host="v1",envoy_route="rsp"} 0
        # TYPE envoy_vhost_route_rq_total counter
        envoy_vhost_route_rq_total{zone="eu1",anyname="upstream",fixedone="fv\"x\\y",envoy_virtual_host="v1",envoy_route="r"} 4
        envoy_vhost_route_rq_total{zone="eu1",anyname="upstream",fixedone="fv\"x\\y",envoy_virtual_host="v1",envoy_route="rsp"} 2
        # TYPE envoy_vhost_route_rq_xx counter
        envoy_vhost_route_rq_xx{envoy_response_code_class="2",zone="eu1",anyname="upstream",fixedone="fv\"x\\y",envoy_virtual_host="v1",envoy_route="r"} 3
        # TYPE envoy_vhost_vcluster_rq_timeout counter
        envoy_vhost_vcluster_rq_timeout{zone="eu1",anyname="upstream",fixedone="fv\"x\\y",envoy_virtual_cluster="other",envoy_virtual_host="v1"} 0
        envoy_vhost_vcluster_rq_timeout{zone="eu1",anyname="upstream",fixedone="fv\"x\\y",envoy_virtual_cluster="vc",envoy_virtual_host="v1"} 0
        # TYPE envoy_vhost_vcluster_rq_total counter
        envoy_vhost_vcluster_rq_total{zone="eu1",anyname="upstream",fixedone="fv\"x\\y",envoy_virtual_cluster="other",envoy_virtual_host="v1"} 0
        envoy_vhost_vcluster_rq_total{zone="eu1",anyname="upstream",fixedone="fv\"x\\y",envoy_virtual_cluster="vc",envoy_virtual_host="v1"} 6
        # TYPE envoy_vhost_vcluster_rq_xx counter
        envoy_vhost_vcluster_rq_xx{envoy_response_code_class="2",zone="eu1",anyname="upstream",fixedone="fv\"x\\y",envoy_virtual_cluster="vc",envoy_virtual_host="v1"} 3
        # TYPE envoy_cluster_b_c_circuit_breakers_default_cx_open gauge
        envoy_cluster_b_c_circuit_breakers_default_cx_open{zone="eu1",fixedone="fv\"x\\y",envoy_cluster_name="a"} 0
        # TYPE envoy_cluster_b_c_circuit_breakers_default_rq_open gauge
        envoy_cluster_b_c_circuit_breakers_default_rq_open{zone="eu1",fixedone="fv\"x\\y",envoy_cluster_name="a"} 0
        # TYPE envoy_cluster_b_c_healthy gauge
        envoy_cluster_b_c_healthy{zone="eu1",fixedone="fv\"x\\y",onlyg1="membership_",envoy_cluster_name="a"} 1
        # TYPE envoy_cluster_b_c_rq_active gauge
        envoy_cluster_b_c_rq_active{zone="eu1",anyname="upstream",fixedone="fv\"x\\y",envoy_cluster_name="a"} 0
        # TYPE envoy_cluster_circuit_breakers_default_cx_open gauge
        envoy_cluster_circuit_breakers_default_cx_open{zone="eu1",fixedone="fv\"x\\y",envoy_cluster_name="o_p|q"} 0
        envoy_cluster_circuit_breakers_default_cx_open{zone="eu1",fixedone="fv\"x\\y",envoy_cluster_name="web",my_custom_tag="web"} 0
        # TYPE envoy_cluster_circuit_breakers_default_rq_open gauge
        envoy_cluster_circuit_breakers_default_rq_open{zone="eu1",fixedone="fv\"x\\y",envoy_cluster_name="o_p|q"} 0
        envoy_cluster_circuit_breakers_default_rq_open{zone="eu1",fixedone="fv\"x\\y",envoy_cluster_name="web",my_custom_tag="web"} 0
        # TYPE envoy_cluster_healthy gauge
        envoy_cluster_healthy{zone="eu1",fixedone="fv\"x\\y",onlyg1="membership_",envoy_cluster_name="o_p|q"} 1
        envoy_cluster_healthy{zone="eu1",fixedone="fv\"x\\y",onlyg1="membership_",envoy_cluster_name="web",my_custom_tag="web"} 1
        # TYPE envoy_cluster_rq_active gauge
        envoy_cluster_rq_active{zone="eu1",anyname="upstream",fixedone="fv\"x\\y",envoy_cluster_name="o_p|q"} 0
        envoy_cluster_rq_active{zone="eu1",anyname="upstream",fixedone="fv\"x\\y",envoy_cluster_name="web",my_custom_tag="web"} 0
        # TYPE envoy_cluster_manager_active_clusters gauge
        envoy_cluster_manager_active_clusters{zone="eu1",fixedone="fv\"x\\y"} 3
        # TYPE envoy_http_downstream_rq_active gauge
        envoy_http_downstream_rq_active{zone="eu1",fixedone="fv\"x\\y",envoy_http_conn_manager_prefix="ingress"} 0
        # TYPE envoy_listener_downstream_cx_active gauge
        envoy_listener_downstream_cx_active{zone="eu1",fixedone="fv\"x\\y",envoy_listener_address="127.0.0.1_18902"} 0
        envoy_listener_downstream_cx_active{zone="eu1",fixedone="fv\"x\\y",envoy_listener_address="[__1]_18904"} 0
        # TYPE envoy_listener_downstream_pre_cx_active gauge
        envoy_listener_downstream_pre_cx_active{zone="eu1",fixedone="fv\"x\\y",envoy_listener_address="127.0.0.1_18902"} 0
        envoy_listener_downstream_pre_cx_active{zone="eu1",fixedone="fv\"x\\y",envoy_listener_address="[__1]_18904"} 0
        # TYPE envoy_listener_listener_downstream_cx_active gauge
        envoy_listener_listener_downstream_cx_active{zone="eu1",fixedone="fv\"x\\y",envoy_listener_address="my"} 0
        # TYPE envoy_listener_listener_downstream_pre_cx_active gauge
        envoy_listener_listener_downstream_pre_cx_active{zone="eu1",fixedone="fv\"x\\y",envoy_listener_address="my"} 0
        # TYPE envoy_listener_listener_worker_0_downstream_cx_active gauge
        envoy_listener_listener_worker_0_downstream_cx_active{zone="eu1",fixedone="fv\"x\\y",envoy_listener_address="my"} 0
        # TYPE envoy_listener_listener_worker_1_downstream_cx_active gauge
        envoy_listener_listener_worker_1_downstream_cx_active{zone="eu1",fixedone="fv\"x\\y",envoy_listener_address="my"} 0
        # TYPE envoy_listener_worker_downstream_cx_active gauge
        envoy_listener_worker_downstream_cx_active{envoy_worker_id="0",zone="eu1",fixedone="fv\"x\\y",envoy_listener_address="127.0.0.1_18902"} 0
        envoy_listener_worker_downstream_cx_active{envoy_worker_id="1",zone="eu1",fixedone="fv\"x\\y",envoy_listener_address="127.0.0.1_18902"} 0
        envoy_listener_worker_downstream_cx_active{envoy_worker_id="0",zone="eu1",fixedone="fv\"x\\y",envoy_listener_address="[__1]_18904"} 0
        envoy_listener_worker_downstream_cx_active{envoy_worker_id="1",zone="eu1",fixedone="fv\"x\\y",envoy_listener_address="[__1]_18904"} 0
        # TYPE envoy_listener_manager_workers_started gauge
        envoy_listener_manager_workers_started{zone="eu1",fixedone="fv\"x\\y"} 1
        # TYPE envoy_server_live gauge
        envoy_server_live{zone="eu1",fixedone="fv\"x\\y"} 1
        # TYPE envoy_tcp_downstream_cx_rx_bytes_buffered gauge
        envoy_tcp_downstream_cx_rx_bytes_buffered{zone="eu1",fixedone="fv\"x\\y",envoy_tcp_prefix="db"} 0
        # TYPE envoy_tcp_downstream_cx_tx_bytes_buffered gauge
        envoy_tcp_downstream_cx_tx_bytes_buffered{zone="eu1",fixedone="fv\"x\\y",envoy_tcp_prefix="db"} 0
        # TYPE envoy_tcp_flush_active gauge
        envoy_tcp_flush_active{zone="eu1",anyname="upstream",fixedone="fv\"x\\y",envoy_tcp_prefix="db"} 0
        # TYPE envoy_tcp_x_downstream_cx_rx_bytes_buffered gauge
        envoy_tcp_x_downstream_cx_rx_bytes_buffered{zone="eu1",fixedone="fv\"x\\y",envoy_tcp_prefix="d_b"} 0
        # TYPE envoy_tcp_x_downstream_cx_tx_bytes_buffered gauge
        envoy_tcp_x_downstream_cx_tx_bytes_buffered{zone="eu1",fixedone="fv\"x\\y",envoy_tcp_prefix="d_b"} 0
        # TYPE envoy_tcp_x_flush_active gauge
        envoy_tcp_x_flush_active{zone="eu1",anyname="upstream",fixedone="fv\"x\\y",envoy_tcp_prefix="d_b"} 0
        # TYPE envoy_thread_local_cluster_manager_main_thread_clusters_inflated gauge
        envoy_thread_local_cluster_manager_main_thread_clusters_inflated{zone="eu1",fixedone="fv\"x\\y"} 3
        # TYPE envoy_thread_local_cluster_manager_worker_clusters_inflated gauge
        envoy_thread_local_cluster_manager_worker_clusters_inflated{envoy_worker_id="0",zone="eu1",fixedone="fv\"x\\y"} 3
        envoy_thread_local_cluster_manager_worker_clusters_inflated{envoy_worker_id="1",zone="eu1",fixedone="fv\"x\\y"} 3
        """#

    /// TLS on both sides, health checks, RDS, SDS, RBAC, PROXY protocol and local rate limit.
    // swift-format-ignore
    static let tlsStats = #"""
        c cluster.web.health_check.attempt 1
        c cluster.web.ssl.ciphers.ECDHE-ECDSA-AES128-GCM-SHA256 1
        c cluster.web.ssl.connection_error 0
        c cluster.web.ssl.curves.X25519 1
        c cluster.web.ssl.fail_verify_error 0
        c cluster.web.ssl.fail_verify_no_cert 0
        c cluster.web.ssl.fail_verify_san 0
        c cluster.web.ssl.handshake 1
        c cluster.web.ssl.no_certificate 0
        c cluster.web.ssl.session_reused 0
        c cluster.web.ssl.sigalgs.ecdsa_secp256r1_sha256 1
        c cluster.web.ssl.versions.TLSv1.2 1
        c http.ingress.rbac.rp.allowed 2
        c http.ingress.rbac.rp.denied 0
        c http.ingress.rbac.rp.policy.p1.allowed 2
        c http.ingress.rbac.shadow_allowed 0
        c http.ingress.rbac.shadow_denied 0
        c http.ingress.rds.lo.cal.update_success 1
        c listener.127.0.0.1_18902.ssl.ciphers.ECDHE-ECDSA-AES128-GCM-SHA256 1
        c listener.127.0.0.1_18902.ssl.ciphers.TLS_AES_256_GCM_SHA384 1
        c listener.127.0.0.1_18902.ssl.connection_error 6
        c listener.127.0.0.1_18902.ssl.curves.X25519 2
        c listener.127.0.0.1_18902.ssl.fail_verify_error 0
        c listener.127.0.0.1_18902.ssl.fail_verify_no_cert 0
        c listener.127.0.0.1_18902.ssl.fail_verify_san 0
        c listener.127.0.0.1_18902.ssl.handshake 2
        c listener.127.0.0.1_18902.ssl.no_certificate 2
        c listener.127.0.0.1_18902.ssl.session_reused 0
        c listener.127.0.0.1_18902.ssl.versions.TLSv1.2 1
        c listener.127.0.0.1_18902.ssl.versions.TLSv1.3 1
        c lrlx.http_local_rate_limit.enabled 0
        c lrlx.http_local_rate_limit.enforced 0
        c lrlx.http_local_rate_limit.ok 0
        c lrlx.http_local_rate_limit.rate_limited 0
        c lrlx.http_local_rate_limit.shadow_mode 0
        c proxy_proto.ppx.not_found_allowed 8
        c proxy_proto.ppx.not_found_disallowed 0
        c proxy_proto.ppx.versions.v1.disallowed 0
        c proxy_proto.ppx.versions.v1.error 0
        c proxy_proto.ppx.versions.v1.found 0
        c proxy_proto.ppx.versions.v2.disallowed 0
        c proxy_proto.ppx.versions.v2.error 0
        c proxy_proto.ppx.versions.v2.found 0
        c sds.srv.init_fetch_timeout 0
        c sds.srv.key_rotation_failed 0
        c sds.srv.update_attempt 1
        c sds.srv.update_failure 0
        c sds.srv.update_rejected 0
        c sds.srv.update_success 1
        g cluster.web.health_check.healthy 0
        g cluster.web.ssl.certificate.unnamed_cert_e3b0c442.expiration_unix_time_seconds 1795617782
        g http.ingress.rds.lo.cal.version 17241709254077376921
        g listener.127.0.0.1_18902.ssl.certificate.srv.expiration_unix_time_seconds 1795617782
        g sds.srv.update_time 1795358893520
        g sds.srv.version 17241709254077376921
        t http.ingress.rds.lo.cal.version_text ""
        t sds.srv.version_text ""
        """#

    /// The page for `tlsStats` with default tags only, with `text_readouts`.
    // swift-format-ignore
    static let tlsPrometheus = #"""
        # TYPE envoy_cluster_health_check_attempt counter
        envoy_cluster_health_check_attempt{envoy_cluster_name="web"} 1
        # TYPE envoy_cluster_ssl_ciphers counter
        envoy_cluster_ssl_ciphers{cipher_suite="ECDHE-ECDSA-AES128-GCM-SHA256",envoy_cluster_name="web"} 1
        # TYPE envoy_cluster_ssl_connection_error counter
        envoy_cluster_ssl_connection_error{envoy_cluster_name="web"} 0
        # TYPE envoy_cluster_ssl_curves counter
        envoy_cluster_ssl_curves{envoy_ssl_curve="X25519",envoy_cluster_name="web"} 1
        # TYPE envoy_cluster_ssl_fail_verify_error counter
        envoy_cluster_ssl_fail_verify_error{envoy_cluster_name="web"} 0
        # TYPE envoy_cluster_ssl_fail_verify_no_cert counter
        envoy_cluster_ssl_fail_verify_no_cert{envoy_cluster_name="web"} 0
        # TYPE envoy_cluster_ssl_fail_verify_san counter
        envoy_cluster_ssl_fail_verify_san{envoy_cluster_name="web"} 0
        # TYPE envoy_cluster_ssl_handshake counter
        envoy_cluster_ssl_handshake{envoy_cluster_name="web"} 1
        # TYPE envoy_cluster_ssl_no_certificate counter
        envoy_cluster_ssl_no_certificate{envoy_cluster_name="web"} 0
        # TYPE envoy_cluster_ssl_session_reused counter
        envoy_cluster_ssl_session_reused{envoy_cluster_name="web"} 0
        # TYPE envoy_cluster_ssl_sigalgs counter
        envoy_cluster_ssl_sigalgs{envoy_ssl_sigalg="ecdsa_secp256r1_sha256",envoy_cluster_name="web"} 1
        # TYPE envoy_cluster_ssl_versions counter
        envoy_cluster_ssl_versions{envoy_ssl_version="TLSv1.2",envoy_cluster_name="web"} 1
        # TYPE envoy_http_rbac_allowed counter
        envoy_http_rbac_allowed{envoy_rbac_http_prefix="rp",envoy_http_conn_manager_prefix="ingress"} 2
        # TYPE envoy_http_rbac_denied counter
        envoy_http_rbac_denied{envoy_rbac_http_prefix="rp",envoy_http_conn_manager_prefix="ingress"} 0
        # TYPE envoy_http_rbac_policy_allowed counter
        envoy_http_rbac_policy_allowed{envoy_rbac_policy_name="p1",envoy_rbac_http_prefix="rp",envoy_http_conn_manager_prefix="ingress"} 2
        # TYPE envoy_http_rbac_shadow_allowed counter
        envoy_http_rbac_shadow_allowed{envoy_http_conn_manager_prefix="ingress"} 0
        # TYPE envoy_http_rbac_shadow_denied counter
        envoy_http_rbac_shadow_denied{envoy_http_conn_manager_prefix="ingress"} 0
        # TYPE envoy_http_rds_update_success counter
        envoy_http_rds_update_success{envoy_rds_route_config="lo.cal",envoy_http_conn_manager_prefix="ingress"} 1
        # TYPE envoy_http_local_rate_limit_enabled counter
        envoy_http_local_rate_limit_enabled{envoy_local_http_ratelimit_prefix="lrlx"} 0
        # TYPE envoy_http_local_rate_limit_enforced counter
        envoy_http_local_rate_limit_enforced{envoy_local_http_ratelimit_prefix="lrlx"} 0
        # TYPE envoy_http_local_rate_limit_ok counter
        envoy_http_local_rate_limit_ok{envoy_local_http_ratelimit_prefix="lrlx"} 0
        # TYPE envoy_http_local_rate_limit_rate_limited counter
        envoy_http_local_rate_limit_rate_limited{envoy_local_http_ratelimit_prefix="lrlx"} 0
        # TYPE envoy_http_local_rate_limit_shadow_mode counter
        envoy_http_local_rate_limit_shadow_mode{envoy_local_http_ratelimit_prefix="lrlx"} 0
        # TYPE envoy_listener_ssl_ciphers counter
        envoy_listener_ssl_ciphers{envoy_ssl_cipher="ECDHE-ECDSA-AES128-GCM-SHA256",envoy_listener_address="127.0.0.1_18902"} 1
        envoy_listener_ssl_ciphers{envoy_ssl_cipher="TLS_AES_256_GCM_SHA384",envoy_listener_address="127.0.0.1_18902"} 1
        # TYPE envoy_listener_ssl_connection_error counter
        envoy_listener_ssl_connection_error{envoy_listener_address="127.0.0.1_18902"} 6
        # TYPE envoy_listener_ssl_curves counter
        envoy_listener_ssl_curves{envoy_ssl_curve="X25519",envoy_listener_address="127.0.0.1_18902"} 2
        # TYPE envoy_listener_ssl_fail_verify_error counter
        envoy_listener_ssl_fail_verify_error{envoy_listener_address="127.0.0.1_18902"} 0
        # TYPE envoy_listener_ssl_fail_verify_no_cert counter
        envoy_listener_ssl_fail_verify_no_cert{envoy_listener_address="127.0.0.1_18902"} 0
        # TYPE envoy_listener_ssl_fail_verify_san counter
        envoy_listener_ssl_fail_verify_san{envoy_listener_address="127.0.0.1_18902"} 0
        # TYPE envoy_listener_ssl_handshake counter
        envoy_listener_ssl_handshake{envoy_listener_address="127.0.0.1_18902"} 2
        # TYPE envoy_listener_ssl_no_certificate counter
        envoy_listener_ssl_no_certificate{envoy_listener_address="127.0.0.1_18902"} 2
        # TYPE envoy_listener_ssl_session_reused counter
        envoy_listener_ssl_session_reused{envoy_listener_address="127.0.0.1_18902"} 0
        # TYPE envoy_listener_ssl_versions counter
        envoy_listener_ssl_versions{envoy_ssl_version="TLSv1.2",envoy_listener_address="127.0.0.1_18902"} 1
        envoy_listener_ssl_versions{envoy_ssl_version="TLSv1.3",envoy_listener_address="127.0.0.1_18902"} 1
        # TYPE envoy_proxy_proto_disallowed counter
        envoy_proxy_proto_disallowed{envoy_proxy_protocol_prefix="ppx",envoy_proxy_protocol_version="1"} 0
        envoy_proxy_proto_disallowed{envoy_proxy_protocol_prefix="ppx",envoy_proxy_protocol_version="2"} 0
        # TYPE envoy_proxy_proto_error counter
        envoy_proxy_proto_error{envoy_proxy_protocol_prefix="ppx",envoy_proxy_protocol_version="1"} 0
        envoy_proxy_proto_error{envoy_proxy_protocol_prefix="ppx",envoy_proxy_protocol_version="2"} 0
        # TYPE envoy_proxy_proto_found counter
        envoy_proxy_proto_found{envoy_proxy_protocol_prefix="ppx",envoy_proxy_protocol_version="1"} 0
        envoy_proxy_proto_found{envoy_proxy_protocol_prefix="ppx",envoy_proxy_protocol_version="2"} 0
        # TYPE envoy_proxy_proto_not_found_allowed counter
        envoy_proxy_proto_not_found_allowed{envoy_proxy_protocol_prefix="ppx"} 8
        # TYPE envoy_proxy_proto_not_found_disallowed counter
        envoy_proxy_proto_not_found_disallowed{envoy_proxy_protocol_prefix="ppx"} 0
        # TYPE envoy_sds_init_fetch_timeout counter
        envoy_sds_init_fetch_timeout{envoy_xds_resource_name="srv"} 0
        # TYPE envoy_sds_key_rotation_failed counter
        envoy_sds_key_rotation_failed{envoy_xds_resource_name="srv"} 0
        # TYPE envoy_sds_update_attempt counter
        envoy_sds_update_attempt{envoy_xds_resource_name="srv"} 1
        # TYPE envoy_sds_update_failure counter
        envoy_sds_update_failure{envoy_xds_resource_name="srv"} 0
        # TYPE envoy_sds_update_rejected counter
        envoy_sds_update_rejected{envoy_xds_resource_name="srv"} 0
        # TYPE envoy_sds_update_success counter
        envoy_sds_update_success{envoy_xds_resource_name="srv"} 1
        # TYPE envoy_cluster_health_check_healthy gauge
        envoy_cluster_health_check_healthy{envoy_cluster_name="web"} 0
        # TYPE envoy_cluster_ssl_certificate_expiration_unix_time_seconds gauge
        envoy_cluster_ssl_certificate_expiration_unix_time_seconds{envoy_tls_certificate="unnamed_cert_e3b0c442",envoy_cluster_name="web"} 1795617782
        # TYPE envoy_http_rds_version gauge
        envoy_http_rds_version{envoy_rds_route_config="lo.cal",envoy_http_conn_manager_prefix="ingress"} 17241709254077376921
        # TYPE envoy_listener_ssl_certificate_expiration_unix_time_seconds gauge
        envoy_listener_ssl_certificate_expiration_unix_time_seconds{envoy_tls_certificate="srv",envoy_listener_address="127.0.0.1_18902"} 1795617782
        # TYPE envoy_sds_update_time gauge
        envoy_sds_update_time{envoy_xds_resource_name="srv"} 1795358893520
        # TYPE envoy_sds_version gauge
        envoy_sds_version{envoy_xds_resource_name="srv"} 17241709254077376921
        # TYPE envoy_http_rds_version_text gauge
        envoy_http_rds_version_text{envoy_rds_route_config="lo.cal",envoy_http_conn_manager_prefix="ingress",text_value=""} 0
        # TYPE envoy_sds_version_text gauge
        envoy_sds_version_text{envoy_xds_resource_name="srv",text_value=""} 0
        """#
}
