// The fields that are acted on: what listeners, routes and clusters share.

extension SupportedFields {
    static let shared = """
        envoy.config.core.v3.Locality
          region zone sub_zone
        envoy.config.core.v3.Address
          socket_address pipe
        envoy.config.core.v3.SocketAddress
          protocol address port_value ipv4_compat
        envoy.config.core.v3.Pipe
          path mode
        envoy.config.core.v3.CidrRange
          address_prefix prefix_len
        envoy.config.core.v3.SocketOption
          description level name int_value buf_value state type
        envoy.config.core.v3.SocketOption.SocketType
          stream datagram
        envoy.config.core.v3.SocketOptionsOverride
          socket_options
        envoy.config.core.v3.TcpKeepalive
          keepalive_probes keepalive_time keepalive_interval
        envoy.config.core.v3.BindConfig
          source_address freebind socket_options
        envoy.config.core.v3.DataSource
          filename inline_bytes inline_string environment_variable
        envoy.config.core.v3.WatchedDirectory
          path
        envoy.config.core.v3.HeaderValue
          key value
        envoy.config.core.v3.HeaderValueOption
          header append append_action keep_empty_value
        envoy.config.core.v3.TransportSocket
          name typed_config
        envoy.config.core.v3.TypedExtensionConfig
          name typed_config
        envoy.config.core.v3.RuntimeFractionalPercent
          default_value runtime_key
        envoy.config.core.v3.RuntimeDouble
          default_value runtime_key
        envoy.config.core.v3.RuntimeUInt32
          default_value runtime_key
        envoy.config.core.v3.GrpcMethodList
          services
        envoy.config.core.v3.GrpcMethodList.Service
          name method_names
        envoy.config.core.v3.BackoffStrategy
          base_interval max_interval
        envoy.config.core.v3.HttpProtocolOptions
          idle_timeout max_connection_duration max_headers_count max_response_headers_kb max_stream_duration
          headers_with_underscores_action max_requests_per_connection
        envoy.config.core.v3.Http1ProtocolOptions
          allow_absolute_url accept_http_10 default_host_for_http_10 header_key_format enable_trailers
          allow_chunked_length override_stream_error_on_invalid_http_message send_fully_qualified_url
        envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat
          proper_case_words stateful_formatter
        envoy.config.core.v3.Http2ProtocolOptions
          hpack_table_size max_concurrent_streams initial_stream_window_size initial_connection_window_size
          allow_connect max_outbound_frames max_outbound_control_frames
          max_consecutive_inbound_frames_with_empty_payload max_inbound_priority_frames_per_stream
          max_inbound_window_update_frames_per_data_frame_sent stream_error_on_invalid_http_messaging
          override_stream_error_on_invalid_http_message custom_settings_parameters connection_keepalive
        envoy.config.core.v3.Http2ProtocolOptions.SettingsParameter
          identifier value
        envoy.config.core.v3.KeepaliveSettings
          interval timeout interval_jitter connection_idle_interval
        envoy.config.core.v3.UpstreamHttpProtocolOptions
          auto_sni auto_san_validation
        envoy.config.core.v3.SchemeHeaderTransformation
          scheme_to_overwrite
        envoy.config.core.v3.SubstitutionFormatString
          text_format json_format text_format_source omit_empty_values json_format_options content_type
        envoy.config.core.v3.JsonFormatOptions
          sort_properties
        envoy.config.core.v3.DnsResolutionConfig
          resolvers dns_resolver_options
        envoy.config.core.v3.DnsResolverOptions
          use_tcp_for_dns_lookups no_default_search_domain
        envoy.type.v3.Percent
          value
        envoy.type.v3.FractionalPercent
          numerator denominator
        envoy.type.v3.Int64Range
          start end
        envoy.type.matcher.v3.StringMatcher
          exact prefix suffix safe_regex contains ignore_case
        envoy.type.matcher.v3.ListStringMatcher
          patterns
        envoy.type.matcher.v3.RegexMatcher
          google_re2 regex
        envoy.type.matcher.v3.RegexMatchAndSubstitute
          pattern substitution
        """

    static let accessLogs = """
        envoy.config.accesslog.v3.AccessLog
          name filter typed_config
        envoy.config.accesslog.v3.AccessLogFilter
          status_code_filter duration_filter not_health_check_filter runtime_filter and_filter or_filter
          header_filter response_flag_filter
        envoy.config.accesslog.v3.StatusCodeFilter
          comparison
        envoy.config.accesslog.v3.DurationFilter
          comparison
        envoy.config.accesslog.v3.ComparisonFilter
          op value
        envoy.config.accesslog.v3.RuntimeFilter
          runtime_key percent_sampled use_independent_randomness
        envoy.config.accesslog.v3.AndFilter
          filters
        envoy.config.accesslog.v3.OrFilter
          filters
        envoy.config.accesslog.v3.HeaderFilter
          header
        envoy.config.accesslog.v3.ResponseFlagFilter
          flags
        envoy.extensions.access_loggers.file.v3.FileAccessLog
          path format json_format typed_json_format log_format
        envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
          log_format
        envoy.extensions.access_loggers.stream.v3.StderrAccessLog
          log_format
        """

    static let transportSockets = """
        envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport
          config transport_socket
        envoy.config.core.v3.ProxyProtocolConfig
          version added_tlvs
        envoy.config.core.v3.TlvEntry
          type value
        envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context require_client_certificate require_sni session_ticket_keys
          session_ticket_keys_sds_secret_config disable_stateless_session_resumption
          disable_stateful_session_resumption session_timeout
          full_scan_certs_on_sni_mismatch prefer_client_ciphers
        envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
          common_tls_context sni auto_host_sni auto_sni_san_validation allow_renegotiation max_session_keys
        envoy.extensions.transport_sockets.tls.v3.CommonTlsContext
          tls_params tls_certificates tls_certificate_sds_secret_configs validation_context
          validation_context_sds_secret_config combined_validation_context alpn_protocols
        envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CombinedCertificateValidationContext
          default_validation_context validation_context_sds_secret_config
        envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext
          trusted_ca system_root_certs verify_certificate_spki verify_certificate_hash
          match_typed_subject_alt_names match_subject_alt_names crl allow_expired_certificate
          trust_chain_verification only_verify_leaf_cert_crl max_verify_depth watched_directory
        envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher
          san_type matcher oid
        envoy.extensions.transport_sockets.tls.v3.TlsCertificate
          certificate_chain private_key pkcs12 password watched_directory
        envoy.extensions.transport_sockets.tls.v3.TlsParameters
          tls_minimum_protocol_version tls_maximum_protocol_version cipher_suites ecdh_curves signature_algorithms
        envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys
          keys
        envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig
          name sds_config
        envoy.extensions.transport_sockets.tls.v3.Secret
          name tls_certificate session_ticket_keys validation_context
        """
}
