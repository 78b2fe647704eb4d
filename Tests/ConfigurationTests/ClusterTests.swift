// Clusters: what they become, and what is wrong with them.
import DataPlane
import Reactor
import Testing

@testable import Configuration

@Suite struct ClusterTests {
    private func spec(_ fields: String) throws -> ClusterSpec {
        try #require(try loaded(cluster(fields)).spec.clusters.first)
    }

    private static let address = "{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 80}}}}"
    private static let host = "{endpoint: {address: {socket_address: {address: localhost, port_value: 80}}}}"

    private static func assignment(_ endpoints: String) -> String {
        "load_assignment: {cluster_name: a, endpoints: [{lb_endpoints: [\(endpoints)]}]}"
    }

    @Test func defaults() throws {
        let spec = try spec("type: STATIC")
        #expect(spec.connectTimeout == .seconds(5))
        #expect(spec.perConnectionBufferLimit == 1 << 20)
        #expect(spec.balancer == .roundRobin)
        #expect(spec.breakers == CircuitBreakersSpec())
        #expect(spec.breakers.default.retryBudget == RetryBudgetSpec())
        #expect(spec.http == UpstreamHTTPSpec())
        #expect(spec.panicThreshold == 50)
        #expect(spec.overprovisioningFactor == 140)
    }

    @Test func endpoints() throws {
        let spec = try spec(
            """
            type: STRICT_DNS
            load_assignment:
              cluster_name: a
              policy: {overprovisioning_factor: 100}
              endpoints:
              - locality: {region: r, zone: z, sub_zone: s}
                priority: 1
                lb_endpoints:
                - endpoint: {address: {socket_address: {address: db.example, port_value: 5432}}}
                  load_balancing_weight: 3
                  health_status: DEGRADED
                - endpoint: {hostname: h, address: {socket_address: {address: "::1", port_value: 1}}}
            """)
        #expect(spec.discovery == .strictDNS)
        #expect(spec.overprovisioningFactor == 100)
        let locality = try #require(spec.endpoints.first)
        #expect(locality.locality == Locality(region: "r", zone: "z", subZone: "s"))
        #expect(locality.priority == 1)
        #expect(locality.endpoints[0].address == .name("db.example", port: 5432))
        #expect(locality.endpoints[0].hostname == "db.example")
        #expect(locality.endpoints[0].weight == 3)
        #expect(locality.endpoints[0].health == .degraded)
        #expect(locality.endpoints[1].address == .socket(.v6(.loopback, scope: 0, port: 1)))
        #expect(locality.endpoints[1].hostname == "h")
    }

    @Test func circuitBreakers() throws {
        let spec = try spec(
            """
            circuit_breakers:
              thresholds:
              - {max_connections: 1, max_pending_requests: 2, max_requests: 3, max_retries: 4, track_remaining: true}
              - {priority: HIGH, retry_budget: {budget_percent: {value: 50}}}
              per_host_thresholds: [{max_connections: 9}]
            """)
        #expect(spec.breakers.default.maxConnections == 1)
        #expect(spec.breakers.default.maxRetries == 4)
        #expect(spec.breakers.default.retryBudget == nil)
        #expect(spec.breakers.default.trackRemaining)
        #expect(spec.breakers.high.retryBudget?.percent == 50)
        #expect(spec.breakers.high.retryBudget?.minConcurrency == 3)
        #expect(spec.breakers.maxConnectionsPerHost == 9)
    }

    @Test func dnsSettings() throws {
        let spec = try spec(
            """
            cluster_type:
              name: envoy.clusters.dns
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.clusters.dns.v3.DnsCluster
                dns_refresh_rate: 1s
                dns_failure_refresh_rate: {base_interval: 2s, max_interval: 4s}
                respect_dns_ttl: true
                dns_lookup_family: V4_PREFERRED
                all_addresses_in_single_endpoint: true
                typed_dns_resolver_config:
                  name: cares
                  typed_config:
                    "@type": type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig
                    resolvers: [{socket_address: {address: 10.0.0.2, port_value: 0}}]
                    dns_resolver_options: {use_tcp_for_dns_lookups: true}
            \(Self.assignment(Self.host))
            """)
        #expect(spec.discovery == .logicalDNS)
        #expect(spec.dns.refreshRate == .seconds(1))
        #expect(spec.dns.minRefreshRate == .seconds(1))
        #expect(spec.dns.failureRefresh == BackoffSpec(base: .seconds(2), max: .seconds(4)))
        #expect(spec.dns.respectTTL)
        #expect(spec.dns.family == .v4Preferred)
        #expect(spec.dns.resolvers == [SocketAddress(parsing: "10.0.0.2", port: 53)])
        #expect(spec.dns.useTCP)
    }

    @Test func httpOptionsByBothWays() throws {
        let newer = try spec(
            """
            typed_extension_protocol_options:
              envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
                "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
                common_http_protocol_options: {idle_timeout: 0s, max_requests_per_connection: 5}
                explicit_http_config: {http_protocol_options: {header_key_format: {proper_case_words: {}}}}
            """)
        let older = try spec(
            """
            common_http_protocol_options: {idle_timeout: 0s}
            http_protocol_options: {header_key_format: {proper_case_words: {}}}
            max_requests_per_connection: 5
            """)
        #expect(newer.http == older.http)
        #expect(newer.http.idleTimeout == nil)
        #expect(newer.http.maxRequestsPerConnection == 5)
        #expect(newer.http.http1.headerCase == .proper)
    }

    @Test func theFirstKnownPolicyIsTaken() throws {
        let spec = try spec(
            """
            lb_policy: LOAD_BALANCING_POLICY_CONFIG
            load_balancing_policy:
              policies:
              - typed_extension_config:
                  name: new
                  typed_config: {"@type": type.googleapis.com/envoy.extensions.Unheard, field: 1}
              - typed_extension_config:
                  name: least
                  typed_config:
                    "@type": type.googleapis.com/envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest
                    choice_count: 5
                    active_request_bias: {default_value: 0.5, runtime_key: bias}
            """)
        #expect(spec.balancer == .leastRequest(choiceCount: 5, activeRequestBias: 0.5))
    }

    private static let problems: [(String, String)] = [
        (
            assignment(host),
            """
            .load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address: "localhost" is not \
            an IP address; a name needs a cluster of type STRICT_DNS or LOGICAL_DNS
            """
        ),
        (
            "type: LOGICAL_DNS\n" + assignment("\(host), \(host)"),
            ".load_assignment.endpoints: a LOGICAL_DNS cluster has exactly one locality with exactly one endpoint"
        ),
        (
            "type: LOGICAL_DNS",
            ".load_assignment: a LOGICAL_DNS cluster has exactly one locality with exactly one endpoint"
        ),
        (
            "lb_policy: LOAD_BALANCING_POLICY_CONFIG",
            ".load_balancing_policy: is required for LOAD_BALANCING_POLICY_CONFIG"
        ),
        (
            "circuit_breakers: {thresholds: [{max_retries: 1}, {max_retries: 2}]}",
            ".circuit_breakers.thresholds[1]: the priority DEFAULT is in the list twice"
        ),
        (
            "circuit_breakers: {per_host_thresholds: [{max_connections: 1, max_retries: 2}]}",
            ".circuit_breakers.per_host_thresholds[0].max_retries: only max_connections can be set for each host"
        ),
        (
            "type: STRICT_DNS\ndns_failure_refresh_rate: {base_interval: 5s, max_interval: 1s}",
            ".dns_failure_refresh_rate.max_interval: must be at least base_interval (5s), found 1s"
        ),
        (
            "upstream_bind_config: {source_address: {address: localhost, port_value: 0}}",
            ".upstream_bind_config.source_address.address: \"localhost\" is not an IP address"
        ),
        (
            "transport_socket: {name: envoy.transport_sockets.raw_buffer}",
            ".transport_socket.typed_config: is required: extensions are chosen by the type of their config"
        ),
        (
            "least_request_lb_config: {choice_count: 1}",
            ".least_request_lb_config.choice_count: must be at least 2, found 1"
        ),
        (
            "http2_protocol_options: {allow_metadata: true}",
            ".http2_protocol_options.allow_metadata: is an Envoy field that Outrider does not act on"
        ),
    ]

    @Test(arguments: problems)
    func namesWhatIsWrong(fields: String, expected: String) {
        let found = errors(cluster(fields)).map { String($0.drop { $0 != " " }.dropFirst()) }
        #expect(found == ["static_resources.clusters[0]" + expected])
    }

    @Test func namesAreUnique() {
        #expect(
            errors("static_resources: {clusters: [{name: a}, {name: a}]}") == [
                "f:1:49: static_resources.clusters[1].name: \"a\" is the name of another cluster (line 1)"
            ])
    }
}
