// Metadata of the configuration: what is kept of it.
import DataPlane
import Testing

@testable import Configuration

@Suite struct MetadataTests {
    private static let values = "metadata: {filter_metadata: {istio: {workload: a}, other: {n: 1}}}"
    private static let endpoint = "endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}"

    private static func logged(_ operators: String, dynamic: String = "") -> String {
        """
        admin:
          address: {socket_address: {address: 127.0.0.1, port_value: 0}}
          access_log:
          - name: l
            typed_config:
              "@type": \(types).access_loggers.stream.v3.StdoutAccessLog
              log_format: {text_format_source: {inline_string: "\(operators)"}}
        \(dynamic)
        static_resources:
          clusters:
          - name: a
            \(values)
            load_assignment:
              cluster_name: a
              endpoints: [{lb_endpoints: [{\(endpoint), \(values)}, {\(endpoint)}]}]
          - name: b
            \(values)
        """
    }

    @Test func nothingIsKeptThatNobodyReads() throws {
        let spec = try loaded(Self.logged("%METADATA(ROUTE:istio)% %METADATA(CLUSTER:none)%")).spec
        #expect(spec.clusters.allSatisfy { $0.metadata == nil })
        #expect(spec.clusters[0].endpoints[0].endpoints.allSatisfy { $0.metadata == nil })
    }

    @Test func whatFormatsReadIsKept() throws {
        let spec = try loaded(Self.logged("%CLUSTER_METADATA(istio:workload)% %UPSTREAM_METADATA(other)%")).spec
        let cluster = try #require(spec.clusters[0].metadata)
        #expect(cluster === spec.clusters[1].metadata)
        let hosts = spec.clusters[0].endpoints[0].endpoints.map(\.metadata)
        #expect(hosts[0] != nil && hosts[1] == nil && hosts[0] != cluster)
    }

    @Test func whatMayBeReadLaterIsKept() throws {
        let dynamic =
            "node: {id: n, cluster: c}\ndynamic_resources: {lds_config: {path_config_source: {path: /nowhere/l.yaml}}}"
        let spec = try loaded(Self.logged("x", dynamic: dynamic)).spec
        #expect(spec.clusters[0].metadata != nil)
        #expect(spec.clusters[0].metadata === spec.clusters[0].endpoints[0].endpoints[0].metadata)
    }

    @Test func routesAndListenersHaveTheirs() throws {
        let spec = try loaded(
            """
            static_resources:
              listeners:
              - name: l
                address: {socket_address: {address: 127.0.0.1, port_value: 10000}}
                \(Self.values)
                filter_chains:
                - \(Self.values)
                  filters:
                  - name: hcm
                    typed_config:
                      "@type": \(types).filters.network.http_connection_manager.v3.HttpConnectionManager
                      stat_prefix: p
                      http_filters: [\(router)]
                      route_config:
                        virtual_hosts:
                        - name: v
                          domains: ["*"]
                          \(Self.values)
                          routes: [{match: {prefix: /}, direct_response: {status: 200}, \(Self.values)}]
            """
        ).spec
        let listener = try #require(spec.listeners.first)
        let metadata = try #require(listener.metadata)
        #expect(listener.filterChains[0].metadata === metadata)
        guard case .http(let manager) = listener.filterChains[0].filter else { return #expect(Bool(false)) }
        #expect(manager.routes.virtualHosts[0].metadata === metadata)
        #expect(manager.routes.virtualHosts[0].routes[0].metadata === metadata)
    }

    @Test func typedMetadataIsSkipped() throws {
        let typed = "typed_filter_metadata: {x: {\"@type\": type.googleapis.com/google.protobuf.Empty}}"
        #expect(errors(cluster("metadata: {\(typed)}")) == [])
    }
}
