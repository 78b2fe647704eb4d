// The bootstraps of the demo's two sidecars: real Envoy v3 files, written to be read and copied.
import Reactor

/// Makes the YAML that the demo's sidecars run on. Envoy runs on the same files.
enum DemoBootstrap {
    static let trustDomain = "outrider.demo"
    /// The workload that calls, and the one that is called.
    static let frontend = "frontend"
    static let backend = "backend"
    static let frontendID = DevelopmentCertificates.spiffeID(trustDomain: trustDomain, service: frontend)
    static let backendID = DevelopmentCertificates.spiffeID(trustDomain: trustDomain, service: backend)

    /// In front of the app: mutual TLS from the network, plain HTTP to the app.
    static func inbound(certificates folder: String, app: SocketAddress) -> String {
        """
        # Inbound sidecar: takes mutual TLS from the network and hands plain HTTP to the app beside it.
        node: {id: demo-inbound, cluster: \(backend)}
        admin:
          address: {socket_address: {address: 127.0.0.1, port_value: 0}}
        stats_flush_interval: 0.2s
        static_resources:
          listeners:
          - name: inbound
            traffic_direction: INBOUND
            # 0: the kernel chooses the port; GET /listeners on the admin port shows it.
            address: {socket_address: {address: 127.0.0.1, port_value: 0}}
            filter_chains:
            - transport_socket:
                name: envoy.transport_sockets.tls
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
                  # No certificate, or one of somebody else: no connection.
                  require_client_certificate: true
                  common_tls_context:
                    tls_params: {tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3}
                    tls_certificates:
                    - certificate_chain: {filename: "\(folder)/\(backend).crt"}
                      private_key: {filename: "\(folder)/\(backend).key"}
                    validation_context:
                      trusted_ca: {filename: "\(folder)/ca.crt"}
                      match_typed_subject_alt_names:
                      - san_type: URI
                        matcher: {exact: "\(frontendID)"}
              filters:
              - name: envoy.filters.network.http_connection_manager
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                  stat_prefix: inbound
                  codec_type: HTTP1
                  # x-forwarded-client-cert tells the app who calls.
                  forward_client_cert_details: SANITIZE_SET
                  set_current_client_cert_details: {uri: true}
                  route_config:
                    name: inbound
                    virtual_hosts:
                    - name: app
                      domains: ["*"]
                      routes:
                      - match: {prefix: "/"}
                        route: {cluster: app, timeout: 5s}
                  http_filters:
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
          clusters:
          - name: app
            type: STATIC
            connect_timeout: 1s
            load_assignment:
              cluster_name: app
              endpoints:
              - lb_endpoints:
                - endpoint: {address: {socket_address: {address: \(host(app)), port_value: \(app.port)}}}

        """
    }

    /// Beside the client: plain HTTP from the client, mutual TLS to the service, and retries.
    static func outbound(certificates folder: String, inbound: SocketAddress) -> String {
        """
        # Outbound sidecar: takes plain HTTP from the client beside it and sends it on over mutual TLS, with retries.
        node: {id: demo-outbound, cluster: \(frontend)}
        admin:
          address: {socket_address: {address: 127.0.0.1, port_value: 0}}
        stats_flush_interval: 0.2s
        static_resources:
          listeners:
          - name: outbound
            traffic_direction: OUTBOUND
            # 0: the kernel chooses the port; GET /listeners on the admin port shows it.
            address: {socket_address: {address: 127.0.0.1, port_value: 0}}
            filter_chains:
            - filters:
              - name: envoy.filters.network.http_connection_manager
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                  stat_prefix: outbound
                  codec_type: HTTP1
                  route_config:
                    name: outbound
                    virtual_hosts:
                    - name: backend
                      domains: ["*"]
                      routes:
                      - match: {prefix: "/"}
                        route:
                          cluster: \(backend)
                          timeout: 5s
                          retry_policy:
                            retry_on: "5xx,reset,connect-failure"
                            num_retries: 5
                            per_try_timeout: 1s
                            retry_back_off: {base_interval: 0.005s, max_interval: 0.05s}
                  http_filters:
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
          clusters:
          - name: \(backend)
            type: STATIC
            connect_timeout: 1s
            circuit_breakers:
              thresholds:
              # At most a quarter of the requests under way may be retries, but 10 always may.
              - retry_budget: {budget_percent: {value: 25}, min_retry_concurrency: 10}
            load_assignment:
              cluster_name: \(backend)
              endpoints:
              - lb_endpoints:
                - endpoint: {address: {socket_address: {address: \(host(inbound)), port_value: \(inbound.port)}}}
            transport_socket:
              name: envoy.transport_sockets.tls
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
                sni: \(backend).\(trustDomain)
                common_tls_context:
                  # Without this, a client speaks TLS 1.2 at most.
                  tls_params: {tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3}
                  tls_certificates:
                  - certificate_chain: {filename: "\(folder)/\(frontend).crt"}
                    private_key: {filename: "\(folder)/\(frontend).key"}
                  validation_context:
                    trusted_ca: {filename: "\(folder)/ca.crt"}
                    match_typed_subject_alt_names:
                    - san_type: URI
                      matcher: {exact: "\(backendID)"}

        """
    }

    private static func host(_ address: SocketAddress) -> String { address.ip?.description ?? "127.0.0.1" }
}
