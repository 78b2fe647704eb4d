// Transports of clusters, and which endpoints have which.
import DataPlane
import Testing

@testable import Configuration

@Suite struct TransportMatchTests {
    private static let raw =
        "transport_socket: {name: raw, typed_config: {\"@type\": \(types).transport_sockets.raw_buffer.v3.RawBuffer}}"
    private static let tls =
        "transport_socket: {name: tls, typed_config: {\"@type\": \(types).transport_sockets.tls.v3.UpstreamTlsContext}}"

    @Test func matchesAndTheirTransports() throws {
        let wrapped =
            "transport_socket: {name: p, typed_config: {\"@type\": "
            + "\(types).transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport, "
            + "config: {version: V2}, \(Self.tls)}}"
        let spec = try #require(
            try loaded(
                cluster(
                    """
                    transport_socket_matches:
                    - {name: a, match: {tlsMode: istio}, \(Self.tls)}
                    - {name: b, match: {x: 1}, \(wrapped)}
                    - {name: c, match: {}, \(Self.raw)}
                    """)
            ).spec.clusters.first)
        let matches = try #require(spec.transportMatches)
        #expect(matches.map(\.name) == ["a", "b", "c"] && spec.tls == nil)
        #expect(matches.map { $0.transport.tls != nil } == [true, true, false])
        #expect(matches.map { $0.transport.proxyProtocol?.version } == [nil, .v2, nil])
        #expect(matches.map { $0.labels == nil } == [false, false, true])
    }

    @Test func whatIsWrong() {
        #expect(
            errors(cluster("transport_socket_matches: [{name: a, match: {x: y}}]")).map { $0.contains("is required") }
                == [true])
        let auto =
            "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: "
            + "{\"@type\": \(types).upstreams.http.v3.HttpProtocolOptions, auto_config: {}}}"
        let found = errors(cluster("\(Self.tls)\n\(auto)\ntransport_socket_matches: [{name: a, \(Self.raw)}]"))
        #expect(found.count == 1 && found[0].contains("transport_socket_matches[0] has no TLS transport_socket"))
        let many = (0..<300).map { "{name: n\($0), match: {x: \($0)}, \(Self.raw)}" }.joined(separator: ", ")
        #expect(errors(cluster("transport_socket_matches: [\(many)]")).map { $0.contains("at most 255") } == [true])
    }

    @Test func criteriaOfHealthChecks() throws {
        func transport(_ criteria: String) throws -> TransportIndex? {
            try loaded(
                cluster(
                    """
                    \(Self.tls)
                    transport_socket_matches: [{name: a, match: {x: y}, \(Self.raw)}]
                    health_checks:
                    - {timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {}\(criteria)}
                    """)
            ).spec.clusters[0].healthCheck?.transport
        }
        #expect(try transport("") == nil)
        #expect(try transport(", transport_socket_match_criteria: {x: y, z: 1}") == 1)
        #expect(try transport(", transport_socket_match_criteria: {x: n}") == 0)
        #expect(try transport(", transport_socket_match_criteria: {}") == 0)
    }

    @Test func localitiesKeepWhatTransportsAreChosenBy() throws {
        let endpoint = "{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}"
        func metadata(_ more: String) throws -> Metadata? {
            try loaded(
                cluster(
                    """
                    load_assignment:
                      cluster_name: a
                      endpoints:
                      - metadata: {filter_metadata: {envoy.transport_socket_match: {x: y}, other: {x: y}}}
                        lb_endpoints: [\(endpoint)]
                    \(more)
                    """)
            ).spec.clusters[0].endpoints[0].metadata
        }
        #expect(try metadata("") == nil)
        let kept = try metadata("transport_socket_matches: [{name: a, match: {x: y}, \(Self.raw)}]")
        let spec = try loaded(
            cluster("transport_socket_matches: [{name: a, match: {x: y}, \(Self.raw)}]")
        ).spec.clusters[0]
        #expect(kept != nil && spec.transport(of: nil, locality: kept) == 1)
        // Of what is there, only that.
        #expect(kept == spec.transportMatches?[0].labels)
    }
}
