// Tests of the tags: Envoy's default patterns with their oddities, and configured ones.
import Testing

@testable import Metrics

@Suite struct TagExtractorTests {
    private func extract(_ name: String, _ options: StatOptions = StatOptions()) -> String {
        let found = TagExtractor(options: options).extract(name)
        return found.name + " {" + PrometheusName.labels(found.tags) + "}"
    }

    @Test(arguments: [
        ("cluster.web.upstream_rq_200", #"cluster.upstream_rq {envoy_response_code="200",envoy_cluster_name="web"}"#),
        (
            "cluster.web.upstream_rq_2xx",
            #"cluster.upstream_rq_xx {envoy_response_code_class="2",envoy_cluster_name="web"}"#
        ),
        ("cluster.web.upstream_rq_time", #"cluster.upstream_rq_time {envoy_cluster_name="web"}"#),
        ("cluster.web.upstream_rq_20x", #"cluster.upstream_rq_20x {envoy_cluster_name="web"}"#),
        (
            "cluster.web.circuit_breakers.default.rq_open",
            #"cluster.circuit_breakers.default.rq_open {envoy_cluster_name="web"}"#
        ),
        ("cluster.a.b.c.upstream_cx_total", #"cluster.b.c.upstream_cx_total {envoy_cluster_name="a"}"#),
        ("cluster.web", "cluster.web {}"),
        ("cluster_manager.active_clusters", "cluster_manager.active_clusters {}"),
        (
            "http.ingress.downstream_rq_5xx",
            #"http.downstream_rq_xx {envoy_response_code_class="5",envoy_http_conn_manager_prefix="ingress"}"#
        ),
        (
            "listener.0.0.0.0_10000.downstream_cx_total",
            #"listener.downstream_cx_total {envoy_listener_address="0.0.0.0_10000"}"#
        ),
        (
            "listener.0.0.0.0_10000.worker_1.downstream_cx_active",
            #"listener.worker_downstream_cx_active {envoy_worker_id="1",envoy_listener_address="0.0.0.0_10000"}"#
        ),
        (
            "listener.0.0.0.0_10000.http.ingress.downstream_rq_2xx",
            #"listener.http.downstream_rq_xx {envoy_response_code_class="2",envoy_http_conn_manager_prefix="ingress","#
                + #"envoy_listener_address="0.0.0.0_10000"}"#
        ),
        (
            "listener.[__1]_18904.downstream_cx_total",
            #"listener.downstream_cx_total {envoy_listener_address="[__1]_18904"}"#
        ),
        (
            "listener.my.listener.downstream_cx_total",
            #"listener.listener.downstream_cx_total {envoy_listener_address="my"}"#
        ),
        // Four tokens that are no address: only the first is taken.
        ("listener.1.2.3.4.downstream_cx_total", #"listener.2.3.4.downstream_cx_total {envoy_listener_address="1"}"#),
        (
            "listener.1.2.3.4_x.downstream_cx_total",
            #"listener.2.3.4_x.downstream_cx_total {envoy_listener_address="1"}"#
        ),
        (
            "listener.1.2.3.4444_5.downstream_cx_total",
            #"listener.2.3.4444_5.downstream_cx_total {envoy_listener_address="1"}"#
        ),
        ("listener.admin.downstream_cx_total", "listener.admin.downstream_cx_total {}"),
        ("listener.admin.main_thread.downstream_cx_total", "listener.admin.main_thread.downstream_cx_total {}"),
        (
            "listener.admin.http.admin.downstream_rq_2xx",
            #"listener.admin.http.downstream_rq_xx {envoy_response_code_class="2",envoy_http_conn_manager_prefix="admin"}"#
        ),
        ("server.worker_0.watchdog_miss", #"server.worker_watchdog_miss {envoy_worker_id="0"}"#),
        (
            "thread_local_cluster_manager.worker_12.clusters_inflated",
            #"thread_local_cluster_manager.worker_clusters_inflated {envoy_worker_id="12"}"#
        ),
        ("server.worker_x.watchdog_miss", "server.worker_x.watchdog_miss {}"),
        (
            "vhost.v1.vcluster.vc.upstream_rq_2xx",
            #"vhost.vcluster.upstream_rq_xx {envoy_response_code_class="2",envoy_virtual_cluster="vc",envoy_virtual_host="v1"}"#
        ),
        ("tcp.db.downstream_cx_total", #"tcp.downstream_cx_total {envoy_tcp_prefix="db"}"#),
        ("tcp.d_b.x.downstream_cx_total", #"tcp.x.downstream_cx_total {envoy_tcp_prefix="d_b"}"#),
        (
            "http.ingress.rds.lo.cal.update_success",
            #"http.rds.update_success {envoy_rds_route_config="lo.cal",envoy_http_conn_manager_prefix="ingress"}"#
        ),
        (
            "http.ingress.rds.lo/cal.update_success",
            #"http.rds.lo/cal.update_success {envoy_http_conn_manager_prefix="ingress"}"#
        ),
        (
            "listener.0.0.0.0_443.ssl.ciphers.X-Y_1",
            #"listener.ssl.ciphers {envoy_ssl_cipher="X-Y_1",envoy_listener_address="0.0.0.0_443"}"#
        ),
        ("cluster.web.ssl.ciphers.X", #"cluster.ssl.ciphers {cipher_suite="X",envoy_cluster_name="web"}"#),
        (
            "cluster.web.ssl.versions.TLSv1.3",
            #"cluster.ssl.versions {envoy_ssl_version="TLSv1.3",envoy_cluster_name="web"}"#
        ),
        ("cluster.web.ssl.versions.SSLv3.0", #"cluster.ssl.versions.SSLv3.0 {envoy_cluster_name="web"}"#),
        ("cluster.web.ssl.curves.X25519", #"cluster.ssl.curves {envoy_ssl_curve="X25519",envoy_cluster_name="web"}"#),
        ("cluster.web.ssl.sigalgs.rsa_a", #"cluster.ssl.sigalgs {envoy_ssl_sigalg="rsa_a",envoy_cluster_name="web"}"#),
        (
            "cluster.web.ssl.certificate.my.expiration_unix_time_seconds",
            #"cluster.ssl.certificate.expiration_unix_time_seconds {envoy_tls_certificate="my",envoy_cluster_name="web"}"#
        ),
        (
            "cluster.web.health_check.name.hc1.attempt",
            #"cluster.health_check.attempt {envoy_health_check_name="hc1",envoy_cluster_name="web"}"#
        ),
        (
            "http.p.fault.down.delays_injected",
            #"http.fault.delays_injected {envoy_fault_downstream_cluster="down",envoy_http_conn_manager_prefix="p"}"#
        ),
        ("sds.srv.update_success", #"sds.update_success {envoy_xds_resource_name="srv"}"#),
        ("lrlx.http_local_rate_limit.ok", #"http_local_rate_limit.ok {envoy_local_http_ratelimit_prefix="lrlx"}"#),
        (
            "local_rate_limit.x.rate_limited",
            #"local_rate_limit.rate_limited {envoy_local_network_ratelimit_prefix="x"}"#
        ),
        ("server.live", "server.live {}"),
        ("", " {}"),
        (
            "cluster.a.endpoint.10.0.0.1_80.cx_total",
            #"cluster.endpoint.cx_total {envoy_cluster_name="a",envoy_endpoint_address="10.0.0.1:80"}"#
        ),
        (
            "cluster.a.endpoint.[__1]_80.rq_total",
            #"cluster.endpoint.rq_total {envoy_cluster_name="a",envoy_endpoint_address="[::1]:80"}"#
        ),
        (
            "cluster.a.endpoint./run/my_app.sock.healthy",
            #"cluster.endpoint.healthy {envoy_cluster_name="a",envoy_endpoint_address="/run/my_app.sock"}"#
        ),
        (".", ". {}"),
        ("cluster..x", #"cluster.x {envoy_cluster_name=""}"#),
        ("listener..x", "listener..x {}"),
    ])
    func defaults(name: String, expected: String) {
        #expect(extract(name) == expected)
    }

    @Test func withoutDefaults() {
        var options = StatOptions()
        options.useDefaultTags = false
        #expect(extract("cluster.web.upstream_rq_200", options) == "cluster.web.upstream_rq_200 {}")
        options.customTags = [StatTagRule(name: "envoy.response_code", source: .standard)]
        #expect(
            extract("cluster.web.upstream_rq_200", options) == #"cluster.web.upstream_rq {envoy_response_code="200"}"#)
        options.customTags = [StatTagRule(name: "envoy.http_conn_manager_prefix", source: .standard)]
        #expect(extract("http.a.x", options) == #"http.x {envoy_http_conn_manager_prefix="a"}"#)
        #expect(extract("listener.l.http.a.x", options) == #"listener.l.http.x {envoy_http_conn_manager_prefix="a"}"#)
    }

    @Test func aTagIsFoundOnce() {
        var options = StatOptions()
        options.customTags = [
            // A rule for a whole dotted cluster name, as service meshes ship it, comes after the default one.
            StatTagRule(
                name: "envoy.cluster_name",
                source: .extracted(prefix: "cluster") { _ in TagMatch(removed: 8..<14, value: 8..<13) })
        ]
        #expect(extract("cluster.a.b.c.x", options) == #"cluster.b.c.x {envoy_cluster_name="a"}"#)
        options.useDefaultTags = false
        #expect(extract("cluster.a.b.c.x", options) == #"cluster.x {envoy_cluster_name="a.b.c"}"#)
    }

    @Test func aMatchOutsideTheNameIsIgnored() {
        var options = StatOptions()
        options.customTags = [
            StatTagRule(name: "t", source: .extracted(prefix: nil) { _ in TagMatch(removed: 0..<99, value: 0..<1) })
        ]
        #expect(extract("server.live", options) == "server.live {}")
    }

    @Test func sanitizesNames() {
        #expect(StatName.sanitized("http://a:80/x.") == "http_a_80/x")
        #expect(StatName.sanitized("a:/b::c\0") == "a_b__c_")
        #expect(StatName.sanitized("[::1]:80") == "[__1]_80")
        #expect(StatName.sanitized("") == "")
    }
}
