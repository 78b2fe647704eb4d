// The parts that a sidecar's bootstrap is made of: listeners, filter chains, filters, TLS.
import Reactor

extension SidecarPreset {
    // MARK: TLS

    /// What sidecars offer by ALPN, so that an app's own TLS is not taken for theirs.
    static let httpALPN = "outrider-http"
    static let tcpALPN = "outrider-tcp"

    /// Peers' clients have to show a certificate. No ALPN is chosen, so that HTTP/2 is told by its first bytes.
    var downstreamTLS: String {
        """
        &peers
          name: envoy.transport_sockets.tls
          typed_config:
            "@type": \(type("transport_sockets.tls.v3.DownstreamTlsContext"))
            require_client_certificate: true
            common_tls_context:
        \(commonTLS(clients).indented(6))
        """
    }

    func upstreamTLS(_ alpn: String) -> String {
        """
        transport_socket:
          name: envoy.transport_sockets.tls
          typed_config:
            "@type": \(type("transport_sockets.tls.v3.UpstreamTlsContext"))
            common_tls_context:
              alpn_protocols: [\(alpn)]
        \(commonTLS(servers).indented(6))
        """
    }

    func commonTLS(_ names: [String]) -> String {
        var text = """
            tls_params: {tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3}
            tls_certificates:
            - certificate_chain: {filename: \(identity.certificate.quoted)}
              private_key: {filename: \(identity.key.quoted)}
            validation_context:
              trusted_ca: {filename: \(identity.authority.quoted)}
            """
        guard !names.isEmpty else { return text }
        text += "\n  match_typed_subject_alt_names:"
        for name in names {
            let matcher = name.hasSuffix("*") ? "prefix: \(String(name.dropLast()).quoted)" : "exact: \(name.quoted)"
            text += "\n  - {san_type: URI, matcher: {\(matcher)}}"
        }
        return text
    }

    // MARK: Parts of listeners

    static let plainHTTP = [
        "transport_protocol: raw_buffer", "application_protocols: [http/1.0, http/1.1, h2c]",
    ]

    func anyAddresses(_ port: UInt16) -> [SocketAddress] {
        let v4 = SocketAddress.v4(.any, port: port)
        return ipv6 ? [v4, .v6(.any, scope: 0, port: port)] : [v4]
    }

    func listener(
        _ name: String, _ direction: String, on addresses: [SocketAddress], filters: [String], chains: [String],
        rest: String?, patience: String?
    ) -> String {
        var parts = ["- name: \(name)\n  traffic_direction: \(direction)"]
        for (index, address) in addresses.enumerated() {
            parts.append(
                index == 0
                    ? "  address: \(socket(address))"
                    : "  additional_addresses: [{address: \(socket(address))}]")
        }
        if name == "inbound" && transparent { parts.append("  transparent: true") }
        parts.append("  listener_filters:\n" + filters.joined(separator: "\n").indented(2))
        if let patience {
            parts.append(
                "  listener_filters_timeout: \(patience)\n  continue_on_listener_filters_timeout: true")
        }
        // Of connections that no chain takes.
        if let log { parts.append("  access_log: \(log)") }
        parts.append("  filter_chains:\n" + chains.joined(separator: "\n").indented(2))
        if let rest { parts.append("  default_filter_chain:\n    filters:\n" + rest.indented(4)) }
        return parts.joined(separator: "\n")
    }

    func listenerFilter(_ name: String, _ message: String, disabledFor ports: [UInt16] = []) -> String {
        var text = """
            - name: envoy.filters.listener.\(name)
              typed_config: {"@type": \(type("filters.listener.\(name).v3.\(message)"))}
            """
        let rules = ports.map { "{destination_port_range: {start: \($0), end: \(Int($0) + 1)}}" }
        if let only = rules.first, rules.count == 1 {
            text += "\n  filter_disabled: \(only)"
        } else if !rules.isEmpty {
            text += "\n  filter_disabled:\n    or_match:\n      rules:"
            for rule in rules { text += "\n      - \(rule)" }
        }
        return text
    }

    func chain(_ name: String, match: [String], transport: String? = nil, _ filter: String) -> String {
        var text = "- name: \(name)\n  filter_chain_match:\n" + match.joined(separator: "\n").indented(4) + "\n"
        if let transport { text += "  transport_socket: \(transport.indented(2).drop { $0 == " " })\n" }
        return text + "  filters:\n" + filter.indented(2)
    }

    /// HTTP as the app would have it without a proxy: no limit on how long an answer takes, no header of the proxy's.
    func http(
        _ prefix: String, to cluster: String, isPeer: Bool = false, retries: Bool = false
    ) -> String {
        var lines = [
            "\"@type\": \(type("filters.network.http_connection_manager.v3.HttpConnectionManager"))",
            "stat_prefix: \(prefix)",
            "server_header_transformation: PASS_THROUGH",
            "preserve_external_request_id: true",
            "http_protocol_options: {accept_http_10: true}",
            "upgrade_configs: [{upgrade_type: websocket}]",
            "request_headers_timeout: 60s",
            "stream_idle_timeout: 3600s",
        ]
        if isPeer {
            lines += [
                "# x-forwarded-client-cert tells the app who calls.",
                "forward_client_cert_details: SANITIZE_SET", "set_current_client_cert_details: {uri: true}",
            ]
        }
        if traceCollector != nil { lines.append(tracing) }
        if let log { lines.append("access_log: \(log)") }
        var route = ["cluster: \(cluster)", "timeout: 0s", "max_stream_duration: {grpc_timeout_header_max: 0s}"]
        if retries {
            route.append("retry_policy: {retry_on: \"connect-failure,refused-stream,unavailable\", num_retries: 2}")
        }
        return """
            - name: envoy.filters.network.http_connection_manager
              typed_config:
            \(lines.joined(separator: "\n").indented(4))
                route_config:
                  name: \(prefix)
                  virtual_hosts:
                  - name: all
                    domains: ["*"]
                    routes:
                    - match: {prefix: "/"}
                      route:
            \(route.joined(separator: "\n").indented(12))
            \(router.indented(4))
            """
    }

    /// Every request that the hop before has not decided about; `tracing.random_sampling` in a runtime layer makes it fewer.
    private var tracing: String {
        let name = serviceName.isEmpty ? "" : "\n      service_name: \(serviceName.quoted)"
        return """
            tracing:
              provider:
                name: envoy.tracers.opentelemetry
                typed_config:
                  "@type": type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig
                  grpc_service: {envoy_grpc: {cluster_name: traces}, timeout: 5s}\(name)
            """
    }

    func tcp(_ prefix: String, to cluster: String) -> String {
        var text = """
            - name: envoy.filters.network.tcp_proxy
              typed_config:
                "@type": \(type("filters.network.tcp_proxy.v3.TcpProxy"))
                stat_prefix: \(prefix)
                cluster: \(cluster)
                # Idle as long as both sides like; keepalive finds those that are gone.
                idle_timeout: 0s
            """
        if let log { text += "\n    access_log: \(log)" }
        return text
    }

    var router: String {
        """
        http_filters:
        - name: envoy.filters.http.router
          typed_config: {"@type": \(type("filters.http.router.v3.Router")), suppress_envoy_headers: true}
        """
    }

    // MARK: Words

    var log: String? {
        switch accessLog {
        case nil: nil
        case .standardOutput:
            "[{name: stdout, typed_config: {\"@type\": \(type("access_loggers.stream.v3.StdoutAccessLog"))}}]"
        case .file(let path):
            "[{name: file, typed_config: {\"@type\": \(type("access_loggers.file.v3.FileAccessLog")), "
                + "path: \(path.quoted)}}]"
        }
    }

    func type(_ name: String) -> String { "type.googleapis.com/envoy.extensions.\(name)" }

    func socket(_ address: SocketAddress) -> String {
        guard let ip = address.ip else { return "{pipe: {path: \(address.description.quoted)}}" }
        return "{socket_address: {address: \"\(ip)\", port_value: \(address.port)}}"
    }
}

extension String {
    /// Every line of it with so many spaces before it.
    func indented(_ count: Int) -> String {
        let space = String(repeating: " ", count: count)
        return split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.isEmpty ? "" : space + $0 }.joined(separator: "\n")
    }

    /// As a YAML string in double quotes.
    var quoted: String {
        var text = "\""
        for scalar in unicodeScalars {
            switch scalar {
            case "\"", "\\": text += "\\\(scalar)"
            case let control where control.value < 0x20 || control.value == 0x7f:
                let digits = String(control.value, radix: 16)
                text += "\\x" + String(repeating: "0", count: 2 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text + "\""
    }
}
