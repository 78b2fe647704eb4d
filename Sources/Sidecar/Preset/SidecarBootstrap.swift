// The bootstrap of a sidecar: a real Envoy file, written to be read.
import Reactor

extension SidecarPreset {
    /// The YAML. Envoy runs on it, too.
    public var bootstrap: String {
        let listeners = [inboundListener, outboundListener, metricsListener].compactMap { $0 }
        return """
            # Made by outrider sidecar.
            admin:
              address: \(socket(admin))
            static_resources:
              listeners:
            \(listeners.joined(separator: "\n").indented(2))
              clusters:
            \(clusters.joined(separator: "\n").indented(2))

            """
    }

    // MARK: Listeners

    /// Mutual TLS comes in, and the app gets what is inside.
    private var inboundListener: String? {
        guard let inbound else { return nil }
        var filters: [String] = [listenerFilter("original_dst", "OriginalDst")]
        if transparent {
            filters.append(
                """
                # The app sees the client's address; the mark leads its answers back here.
                - name: envoy.filters.listener.original_src
                  typed_config:
                    "@type": \(type("filters.listener.original_src.v3.OriginalSrc"))
                    mark: \(transparentMark)
                """)
        }
        filters.append(listenerFilter("tls_inspector", "TlsInspector", disabledFor: plaintextPorts))
        if acceptsPlaintext {
            filters.append(listenerFilter("http_inspector", "HttpInspector", disabledFor: plaintextPorts + tcpPorts))
        }
        // Sidecars say by ALPN that they are sidecars, and whether they carry HTTP.
        var chains = [
            chain(
                "mesh-http", match: ["transport_protocol: tls", "application_protocols: [\(Self.httpALPN)]"],
                transport: downstreamTLS, http("inbound", to: "inbound", isPeer: true)),
            chain(
                "mesh-tcp", match: ["transport_protocol: tls", "application_protocols: [\(Self.tcpALPN)]"],
                transport: "*peers", tcp("inbound-tcp", to: "inbound")),
        ]
        chains += plaintextPorts.map { port in
            chain(
                "plaintext-\(port)", match: ["destination_port: \(port)"],
                tcp("inbound-plaintext", to: "inbound"))
        }
        if acceptsPlaintext {
            chains.append(
                chain(
                    "plaintext-http", match: Self.plainHTTP, http("inbound-plaintext", to: "inbound")))
        }
        return listener(
            "inbound", "INBOUND", on: anyAddresses(inbound), filters: filters, chains: chains,
            rest: acceptsPlaintext ? tcp("inbound-plaintext", to: "inbound") : nil,
            // A ClientHello takes a round trip; without one, only clients without a sidecar are left to wait for.
            patience: acceptsPlaintext ? "1s" : nil)
    }

    /// The app's connections go where they wanted to go: to peers in mutual TLS, to all others as they are.
    private var outboundListener: String? {
        guard let outbound else { return nil }
        let filters = [
            listenerFilter("original_dst", "OriginalDst"),
            listenerFilter("http_inspector", "HttpInspector", disabledFor: plaintextPorts + tcpPorts),
        ]
        var chains = plaintextPorts.map { port in
            chain(
                "plaintext-\(port)", match: ["destination_port: \(port)"],
                tcp("outbound-plaintext", to: "passthrough"))
        }
        if !mesh.isEmpty {
            let peers =
                ["prefix_ranges:"] + mesh.map { "- {address_prefix: \"\($0.prefix)\", prefix_len: \($0.length)}" }
            chains.append(
                chain("mesh-http", match: peers + Self.plainHTTP, http("outbound", to: "mesh", retries: true)))
            // A chain that named no transport would lose to the one above before its protocol is looked at.
            chains.append(
                chain(
                    "mesh-tcp", match: peers + ["transport_protocol: raw_buffer"],
                    tcp("outbound-tcp", to: "mesh-tcp")))
        }
        chains.append(
            chain("passthrough-http", match: Self.plainHTTP, http("passthrough", to: "passthrough", retries: true)))
        var addresses = [SocketAddress.v4(.loopback, port: outbound)]
        if ipv6 { addresses.append(.v6(.loopback, scope: 0, port: outbound)) }
        return listener(
            "outbound", "OUTBOUND", on: addresses, filters: filters, chains: chains,
            rest: tcp("passthrough-tcp", to: "passthrough"),
            // The app is near: who says nothing for so long waits for the server to speak first.
            patience: "0.1s")
    }

    /// Two pages of the admin port, for others than this host.
    private var metricsListener: String? {
        guard let metrics else { return nil }
        return """
            # For Prometheus and for probes: two pages of the admin port, and nothing else of it.
            - name: metrics
              address: \(socket(metrics))
              filter_chains:
              - filters:
                - name: envoy.filters.network.http_connection_manager
                  typed_config:
                    "@type": \(type("filters.network.http_connection_manager.v3.HttpConnectionManager"))
                    stat_prefix: metrics
                    route_config:
                      name: metrics
                      virtual_hosts:
                      - name: metrics
                        domains: ["*"]
                        routes:
                        - match: {path: /stats/prometheus}
                          route: {cluster: admin, timeout: 10s}
                        - match: {path: /ready}
                          route: {cluster: admin, timeout: 10s}
            \(router.indented(8))
            """
    }

    // MARK: Clusters

    private var clusters: [String] {
        var clusters: [String] = []
        if inbound != nil {
            switch app {
            case .originalDestination:
                clusters.append(cluster("inbound", comment: "The app, where the client called it."))
            case .address(let address):
                clusters.append(
                    cluster("inbound", comment: "The app.", type: "STATIC", extra: [endpoint(address, of: "inbound")]))
            }
        }
        if outbound != nil {
            if !mesh.isEmpty {
                clusters.append(
                    cluster(
                        "mesh", comment: "Peers, HTTP.", extra: [upstreamTLS(Self.httpALPN)], isMarked: true))
                clusters.append(
                    cluster(
                        "mesh-tcp", comment: "Peers, all other protocols.",
                        extra: [upstreamTLS(Self.tcpALPN)], isMarked: true))
            }
            clusters.append(cluster("passthrough", comment: "Everybody else.", isMarked: true))
        }
        if metrics != nil {
            clusters.append(
                """
                - name: admin
                  type: STATIC
                  connect_timeout: 1s
                \(endpoint(admin, of: "admin").indented(2))
                """)
        }
        if let traceCollector {
            var parts = [
                """
                # Spans go here.
                - name: traces
                  type: STATIC
                  connect_timeout: 5s
                  typed_extension_protocol_options:
                    envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
                      "@type": \(type("upstreams.http.v3.HttpProtocolOptions"))
                      explicit_http_config: {http2_protocol_options: {}}
                """
            ]
            if let mark { parts.append(marked(mark)) }
            parts.append(endpoint(traceCollector, of: "traces").indented(2))
            clusters.append(parts.joined(separator: "\n"))
        }
        return clusters
    }

    private func marked(_ mark: UInt32) -> String {
        """
          # SO_MARK: by it the redirect rules know this proxy's connections.
          upstream_bind_config:
            socket_options: [{level: 1, name: 36, int_value: \(mark), state: STATE_PREBIND}]
        """
    }

    private func cluster(
        _ name: String, comment: String, type: String = "ORIGINAL_DST", extra: [String] = [], isMarked: Bool = false
    ) -> String {
        var parts = [
            """
            # \(comment)
            - name: \(name)
              type: \(type)
            """
        ]
        if type == "ORIGINAL_DST" { parts.append("  lb_policy: CLUSTER_PROVIDED") }
        parts.append(
            """
              connect_timeout: 5s
              # Dead peers are found; a retry must not become a storm.
              upstream_connection_options:
                tcp_keepalive: {keepalive_time: 60, keepalive_probes: 3, keepalive_interval: 10}
              circuit_breakers:
                thresholds:
                - max_connections: 65536
                  max_pending_requests: 65536
                  max_requests: 65536
                  retry_budget: {budget_percent: {value: 20}, min_retry_concurrency: 3}
              # HTTP/1.1 stays HTTP/1.1, HTTP/2 stays HTTP/2.
              typed_extension_protocol_options:
                envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
                  "@type": \(self.type("upstreams.http.v3.HttpProtocolOptions"))
                  common_http_protocol_options: {idle_timeout: 300s}
                  use_downstream_protocol_config: {http_protocol_options: {}, http2_protocol_options: {}}
            """)
        if isMarked, let mark { parts.append(marked(mark)) }
        parts += extra.map { $0.indented(2) }
        return parts.joined(separator: "\n")
    }

    private func endpoint(_ address: SocketAddress, of cluster: String) -> String {
        """
        load_assignment:
          cluster_name: \(cluster)
          endpoints:
          - lb_endpoints:
            - endpoint: {address: \(socket(address))}
        """
    }
}
