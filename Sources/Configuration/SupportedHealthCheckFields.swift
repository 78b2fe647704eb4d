// The fields of active health checks that Outrider acts on.

extension SupportedFields {
    /// In the form of `table`.
    static let healthChecks = """
        envoy.config.core.v3.HealthCheck
          timeout interval initial_jitter interval_jitter interval_jitter_percent unhealthy_threshold healthy_threshold
          alt_port reuse_connection http_health_check tcp_health_check grpc_health_check no_traffic_interval
          no_traffic_healthy_interval unhealthy_interval unhealthy_edge_interval healthy_edge_interval event_log_path
          event_logger always_log_health_check_failures always_log_health_check_success tls_options
          transport_socket_match_criteria
        envoy.config.core.v3.HealthCheck.Payload
          text binary
        envoy.config.core.v3.HealthCheck.HttpHealthCheck
          host path send receive response_buffer_size request_headers_to_add request_headers_to_remove
          expected_statuses retriable_statuses codec_client_type service_name_matcher method
        envoy.config.core.v3.HealthCheck.TcpHealthCheck
          send receive proxy_protocol_config
        envoy.config.core.v3.HealthCheck.GrpcHealthCheck
          service_name authority initial_metadata
        envoy.config.core.v3.HealthCheck.TlsOptions
          alpn_protocols
        envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink
          event_log_path
        envoy.config.endpoint.v3.Endpoint.HealthCheckConfig
          port_value hostname address disable_active_health_check
        """
}
