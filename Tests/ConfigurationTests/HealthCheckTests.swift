// Health checks: what they become, and what is wrong with them.
import DataPlane
import Reactor
import Testing

@testable import Configuration

@Suite struct HealthCheckTests {
    private static let common = "timeout: 1s, interval: 2s, unhealthy_threshold: 3, healthy_threshold: 4"

    private func check(_ fields: String, cluster more: String = "") throws -> HealthCheckSpec {
        let text = cluster("health_checks: [{\(Self.common), \(fields)}]\n\(more)")
        return try #require(try loaded(text).spec.clusters.first?.healthCheck)
    }

    private func problem(_ fields: String, cluster more: String = "") -> [String] {
        errors(cluster("health_checks: [{\(Self.common), \(fields)}]\n\(more)"))
    }

    private static let place = "static_resources.clusters[0].health_checks[0]"

    @Test func defaults() throws {
        let spec = try check("http_health_check: {path: /up}")
        #expect(spec.timeout == .seconds(1))
        #expect(spec.interval == .seconds(2))
        #expect(spec.unhealthyThreshold == 3)
        #expect(spec.healthyThreshold == 4)
        #expect(spec.reusesConnection)
        #expect(spec.initialJitter == .zero)
        #expect(spec.noTrafficInterval == .seconds(60))
        #expect(spec.noTrafficHealthyInterval == .seconds(60))
        #expect(spec.unhealthyInterval == .seconds(2))
        #expect(spec.unhealthyEdgeInterval == .seconds(2))
        #expect(spec.healthyEdgeInterval == .seconds(2))
        #expect(spec.altPort == nil)
        #expect(spec.alpn == nil)
        #expect(spec.events == HealthEventSpec())
        guard case .http(let http) = spec.kind else { throw Unexpected() }
        #expect(http.path == "/up")
        #expect(http.method == "GET")
        #expect(http.expectedStatuses == [200..<201])
        #expect(http.bodyLimit == 1024)
        #expect(!http.usesHTTP2)
    }

    private struct Unexpected: Error {}

    @Test func everyField() throws {
        let spec = try check(
            """
            initial_jitter: 5s, interval_jitter: 6s, interval_jitter_percent: 7, reuse_connection: false,
              no_traffic_interval: 8s, unhealthy_interval: 9s, healthy_edge_interval: 10s, alt_port: 11,
              tls_options: {alpn_protocols: [h2]}, event_log_path: /a, always_log_health_check_failures: true,
              always_log_health_check_success: true, event_logger: [{name: f, typed_config: {
                "@type": \(types).health_check.event_sinks.file.v3.HealthCheckEventFileSink, event_log_path: /b}}],
              http_health_check: {host: h, path: /, method: PUT, send: {text: "0aFf"},
                receive: [{text: "41"}, {binary: Qg==}], response_buffer_size: 0,
                request_headers_to_add: [{header: {key: a, value: b}}], request_headers_to_remove: [User-Agent],
                expected_statuses: [{start: 200, end: 300}], retriable_statuses: [{start: 500, end: 501}],
                codec_client_type: HTTP2, service_name_matcher: {prefix: s}}
            """)
        #expect(spec.initialJitter == .seconds(5))
        #expect(spec.intervalJitter == .seconds(6))
        #expect(spec.intervalJitterPercent == 7)
        #expect(!spec.reusesConnection)
        #expect(spec.noTrafficInterval == .seconds(8))
        #expect(spec.noTrafficHealthyInterval == .seconds(8))
        #expect(spec.unhealthyInterval == .seconds(9))
        #expect(spec.unhealthyEdgeInterval == .seconds(9))
        #expect(spec.healthyEdgeInterval == .seconds(10))
        #expect(spec.altPort == 11)
        #expect(spec.alpn == ["h2"])
        let fields = [
            "health_checks[0].event_log_path", "health_checks[0].event_logger[0].typed_config.event_log_path",
        ]
        #expect(spec.events.files == zip(["/a", "/b"], fields).map { .init(path: $0, field: $1) })
        #expect(spec.events.alwaysLogsFailures)
        #expect(spec.events.alwaysLogsSuccesses)
        guard case .http(let http) = spec.kind else { throw Unexpected() }
        #expect(http.host == "h")
        #expect(http.method == "PUT")
        #expect(http.body == [0x0a, 0xff])
        #expect(http.receive == [[0x41], [0x42]])
        #expect(http.bodyLimit == nil)
        #expect(http.headersToAdd.map(\.name) == ["a"])
        #expect(http.headersToRemove == ["user-agent"])
        #expect(http.expectedStatuses == [200..<300])
        #expect(http.retriableStatuses == [500..<501])
        #expect(http.usesHTTP2)
        #expect(http.serviceName?.matches("service") == true)
    }

    @Test func tcpAndGRPC() throws {
        let tcp = try check(
            "tcp_health_check: {send: {text: \"01\"}, receive: [{text: \"02\"}], proxy_protocol_config: {version: V2}}")
        guard case .tcp(let tcp) = tcp.kind else { throw Unexpected() }
        #expect(tcp.send == [1])
        #expect(tcp.receive == [[2]])
        #expect(tcp.proxyProtocol == .v2)
        let grpc = try check(
            "grpc_health_check: {service_name: s, authority: a, initial_metadata: [{header: {key: k, value: v}}]}",
            cluster: "http2_protocol_options: {}")
        guard case .grpc(let grpc) = grpc.kind else { throw Unexpected() }
        #expect(grpc.service == "s")
        #expect(grpc.authority == "a")
        #expect(grpc.metadata.map(\.name) == ["k"])
    }

    @Test func clusterFields() throws {
        let text = cluster(
            """
            common_lb_config: {ignore_new_hosts_until_first_hc: true}
            close_connections_on_host_health_failure: true
            ignore_health_on_host_removal: true
            wait_for_warm_on_init: false
            load_assignment: {cluster_name: a, endpoints: [{lb_endpoints: [{endpoint: {
              address: {socket_address: {address: 127.0.0.1, port_value: 80}}, health_check_config: {port_value: 81,
              hostname: h, address: {socket_address: {address: 127.0.0.2, port_value: 1}}, disable_active_health_check: true}}}]}]}
            """)
        let spec = try #require(try loaded(text).spec.clusters.first)
        #expect(spec.ignoresUncheckedHosts)
        #expect(spec.closesOnHealthFailure)
        #expect(spec.removesHealthyHosts)
        #expect(!spec.waitsForNames)
        let settings = try #require(spec.endpoints[0].endpoints[0].healthCheck)
        #expect(settings.port == 81)
        #expect(settings.hostname == "h")
        #expect(settings.address == SocketAddress("127.0.0.2:1"))
        #expect(settings.isDisabled)
    }

    @Test func theRuntimeBoundsIntervals() throws {
        let runtime = """
            layered_runtime: {layers: [{name: r, static_layer: {health_check.min_interval: 100,
              health_check.max_interval: 200, health_check.verify_cluster: 0}}]}

            """
        let text =
            runtime
            + cluster(
                "health_checks: [{\(Self.common), http_health_check: {path: /, service_name_matcher: {exact: s}}}]")
        let spec = try #require(try loaded(text).spec.clusters.first?.healthCheck)
        #expect(spec.shortestInterval == .milliseconds(100))
        #expect(spec.longestInterval == .milliseconds(200))
        guard case .http(let http) = spec.kind else { throw Unexpected() }
        #expect(http.serviceName == nil)
    }

    @Test func whatIsWrongIsNamedWithItsPlace() {
        #expect(
            problem("http_health_check: {path: /, send: {text: \"00\"}}").first?.hasSuffix(
                "\(Self.place).http_health_check.send: a request with method GET has no body") == true)
        #expect(
            problem("tcp_health_check: {send: {text: abc}}").first?.contains(
                "\(Self.place).tcp_health_check.send.text: must be pairs of hexadecimal digits") == true)
        #expect(
            problem("http_health_check: {path: /, receive: [{text: \"0000\"}], response_buffer_size: 1}").first?
                .contains("asks for 2 bytes, and response_buffer_size is 1") == true)
        #expect(
            problem("http_health_check: {path: /, expected_statuses: [{start: 99, end: 200}]}").first?.contains(
                "must be a range of statuses from 100 to 600") == true)
        #expect(
            problem("grpc_health_check: {}").first?.contains("it needs http2_protocol_options") == true)
        #expect(problem("alt_port: 70000, tcp_health_check: {}").first?.contains("must be a port") == true)
        #expect(problem("http_health_check: {path: /, method: CONNECT}").count == 1)
        #expect(problem("interval_jitter_percent: 1").count == 1)
    }

    @Test(arguments: [
        ("custom_health_check: {name: redis}", "custom_health_check"),
        ("tcp_health_check: {}, event_service: {}", "event_service"),
        ("http_health_check: {path: /, codec_client_type: HTTP3}", "codec_client_type"),
        (
            "tcp_health_check: {receive: [{text: \"00\"}], proxy_protocol_config: {added_tlvs: [{type: 1, value: AA==}]}}",
            "added_tlvs"
        ),
    ])
    func whatIsNotDoneIsRefusedByName(_ fields: String, _ name: String) {
        #expect(problem(fields).contains { $0.contains(name) })
    }

    @Test func oneCheckAClusterAndNoneOfOriginalDestinations() {
        let two = errors(
            cluster("health_checks: [{\(Self.common), tcp_health_check: {}}, {\(Self.common), tcp_health_check: {}}]"))
        #expect(two.first?.contains("health_checks[1]: Outrider makes one health check") == true)
        let original = problem("tcp_health_check: {}", cluster: "type: ORIGINAL_DST\nlb_policy: CLUSTER_PROVIDED")
        #expect(original.contains { $0.contains("ORIGINAL_DST") })
    }
}
