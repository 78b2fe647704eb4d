// From text to message: what is taken, and the exact words for what is not.
import Testing

@testable import Configuration

@Suite struct ReaderTests {
    /// A file must not be able to write lines of its own into a log, or speak to a terminal.
    @Test func aProblemIsOneLine() {
        #expect(
            problems("\"a\\nb\\e[31m\\u2028\": 1") == [
                "f:1:1: a\\nb?[31m?: unknown field of envoy.config.bootstrap.v3.Bootstrap"
            ])
    }

    @Test func tablesNameOnlyWhatTheSchemaHas() {
        #expect(SupportTables().unknownEntries(in: schema) == [])
    }

    @Test(arguments: [
        ("connect_timeout: 0.25s", [String]()),
        ("connectTimeout: 1s", []),
        ("connect_timeout: {seconds: 1, nanos: 5}", []),
        ("lb_policy: round_robin", []),
        ("lb_policy: 3", []),
        ("respect_dns_ttl: y", []),
        ("respect_dns_ttl: \"on\"", []),
        ("per_connection_buffer_limit_bytes: 0x10", []),
        ("per_connection_buffer_limit_bytes: \"123\"", []),
        ("per_connection_buffer_limit_bytes: 1e3", []),
        ("per_connection_buffer_limit_bytes: {value: 7}", []),
        ("load_assignment: null", []),
        ("alt_stat_name: 5", []),
        ("alt_stat_name: yes", []),
        ("dns_resolvers: {socket_address: {address: 1.1.1.1, port_value: 53}}", []),
        ("connection_pool_per_downstream_connection: false", []),
        ("lrs_report_endpoint_metrics: []", []),
    ])
    func takesWhatEnvoyTakes(fields: String, expected: [String]) {
        #expect(problems(cluster(fields)) == expected)
    }

    @Test(arguments: [
        (
            "conect_timeout: 1s",
            "f:4:5: static_resources.clusters[0].conect_timeout: unknown field; did you mean \"connect_timeout\"?"
        ),
        (
            "wholly_new: 1",
            "f:4:5: static_resources.clusters[0].wholly_new: unknown field of envoy.config.cluster.v3.Cluster"
        ),
        (
            "preconnect_policy: {}",
            "f:4:5: static_resources.clusters[0].preconnect_policy: is an Envoy field that Outrider does not act on"
        ),
        (
            "connect_timeout: 5",
            "f:4:22: static_resources.clusters[0].connect_timeout: expected a duration in seconds, such as \"1.5s\", "
                + "found \"5\"; did you mean \"5s\"?"
        ),
        (
            "connect_timeout: 250ms",
            "f:4:22: static_resources.clusters[0].connect_timeout: expected a duration in seconds, such as \"1.5s\", "
                + "found \"250ms\"; did you mean \"0.25s\"?"
        ),
        (
            "connect_timeout: 0s",
            "f:4:22: static_resources.clusters[0].connect_timeout: must be greater than 0s"
        ),
        (
            "connect_timeout: -1s",
            "f:4:22: static_resources.clusters[0].connect_timeout: a duration cannot be negative, found \"-1s\""
        ),
        (
            "lb_policy: ROUND_ROBN",
            "f:4:16: static_resources.clusters[0].lb_policy: \"ROUND_ROBN\" is not a value of this field; did you mean "
                + "\"ROUND_ROBIN\"?"
        ),
        (
            "lb_policy: FIRST",
            "f:4:16: static_resources.clusters[0].lb_policy: \"FIRST\" is not a value of this field; it takes "
                + "ROUND_ROBIN, LEAST_REQUEST, RING_HASH, RANDOM, MAGLEV, CLUSTER_PROVIDED, LOAD_BALANCING_POLICY_CONFIG"
        ),
        (
            "upstream_bind_config: {source_address: {protocol: UDP, address: 0.0.0.0, port_value: 0}}",
            "f:4:55: static_resources.clusters[0].upstream_bind_config.source_address.protocol: UDP is an Envoy value "
                + "that Outrider does not act on; it takes TCP"
        ),
        (
            "per_connection_buffer_limit_bytes: 4294967296",
            "f:4:40: static_resources.clusters[0].per_connection_buffer_limit_bytes: must be from 0 to 4294967295, "
                + "found 4294967296"
        ),
        (
            "per_connection_buffer_limit_bytes: 1.5",
            "f:4:40: static_resources.clusters[0].per_connection_buffer_limit_bytes: expected a whole number, found "
                + "\"1.5\""
        ),
        (
            "respect_dns_ttl: 1",
            "f:4:22: static_resources.clusters[0].respect_dns_ttl: expected true or false, found \"1\""
        ),
        (
            "load_assignment: [1]",
            "f:4:22: static_resources.clusters[0].load_assignment: expected a mapping with the fields of "
                + "envoy.config.endpoint.v3.ClusterLoadAssignment, found a list"
        ),
        (
            "lb_policy: RANDOM\nlbPolicy: RANDOM",
            "f:5:5: static_resources.clusters[0].lb_policy: is set twice (first at line 4)"
        ),
        (
            "lb_policy: RANDOM\nlb_policy: RANDOM",
            "f:5:5: duplicate key \"lb_policy\" (first at line 4)"
        ),
        (
            "type: STATIC\ncluster_type: {name: x}",
            "f:5:5: static_resources.clusters[0].cluster_type: only one of type (line 4) and cluster_type may be set"
        ),
        (
            "load_assignment: {cluster_name: a, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: "
                + "{address: 1.1.1.1, prt_value: 80}}}}]}]}",
            "f:4:125: static_resources.clusters[0].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address"
                + ".socket_address.prt_value: unknown field; did you mean \"port_value\"?"
        ),
        (
            "load_assignment: {cluster_name: a, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: "
                + "{address: 1.1.1.1}}}}]}]}",
            "f:4:106: static_resources.clusters[0].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address"
                + ".socket_address: port_value is required"
        ),
        (
            "load_assignment: {cluster_name: a, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: "
                + "{address: 1.1.1.1, port_value: 65536}}}}]}]}",
            "f:4:137: static_resources.clusters[0].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address"
                + ".socket_address.port_value: must be at most 65535, found 65536"
        ),
        (
            "transport_socket: {name: t, typed_config: {\"@type\": type.googleapis.com/envoy.Nothing}}",
            "f:4:57: static_resources.clusters[0].transport_socket.typed_config: Outrider has no extension of type "
                + "\"envoy.Nothing\"; here it has envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, "
                + "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, "
                + "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer, "
                + "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport"
        ),
        (
            "transport_socket: {name: t, typed_config: {sni: a}}",
            "f:4:47: static_resources.clusters[0].transport_socket.typed_config: \"@type\" is required"
        ),
        (
            "typed_extension_protocol_options: {x: {\"@type\": type.googleapis.com/"
                + "envoy.extensions.upstreams.http.v3.HttpProtocolOption}}",
            "f:4:53: static_resources.clusters[0].typed_extension_protocol_options[\"x\"]: unknown type "
                + "\"envoy.extensions.upstreams.http.v3.HttpProtocolOption\"; did you mean "
                + "\"envoy.extensions.upstreams.http.v3.HttpProtocolOptions\"?"
        ),
    ])
    func namesWhatIsWrong(fields: String, expected: String) {
        #expect(problems(cluster(fields)) == [expected])
    }

    @Test func reportsAllProblemsInTheOrderOfTheText() {
        let text = """
            static_resources:
              clusters:
              - connect_timeout: soon
                type: STATIK
              - name: b
                lb_polic: RANDOM
            admn: {}
            """
        #expect(
            problems(text) == [
                "f:3:5: static_resources.clusters[0].name: is required",
                "f:3:22: static_resources.clusters[0].connect_timeout: expected a duration in seconds, such as "
                    + "\"1.5s\", found \"soon\"",
                "f:4:11: static_resources.clusters[0].type: \"STATIK\" is not a value of this field; did you mean "
                    + "\"STATIC\"?",
                "f:6:5: static_resources.clusters[1].lb_polic: unknown field; did you mean \"lb_policy\"?",
                "f:7:1: admn: unknown field; did you mean \"admin\"?",
            ])
    }

    @Test func skippedFieldsAreNamedOnce() {
        let text = """
            watchdog: {}
            static_resources:
              clusters:
              - {name: a, common_lb_config: {update_merge_window: 1s}}
              - {name: b, common_lb_config: {update_merge_window: 2s}}
            """
        let (_, report) = read(text)
        #expect(report.errors.issues.isEmpty)
        #expect(
            report.skipped == [
                "f:1:1: watchdog: skipped: watches Envoy's own threads; no request depends on it",
                "f:4:34: static_resources.clusters[0].common_lb_config.update_merge_window: skipped: "
                    + "delays news of weights and health; Outrider takes them at once",
            ])
    }
}
