// The fields of Envoy's API that Outrider acts on. One that is neither here nor in SkippedFields is refused by name.

/// For each message the fields that are acted on, by their proto names. `#` begins a comment.
///
/// A message that is not listed has no field that is acted on. What a field means in one place and not in another is
/// checked by the spec builders.
enum SupportedFields {
    static let tables = [
        bootstrap, overload, table, shared, accessLogs, transportSockets, healthChecks, filters, tracing,
    ]

    /// Listeners, routes and clusters.
    private static let table = """
        # Listeners
        envoy.config.listener.v3.Listener
          name address additional_addresses stat_prefix filter_chains default_filter_chain
          per_connection_buffer_limit_bytes deprecated_v1 drain_type listener_filters transparent freebind
          socket_options traffic_direction reuse_port enable_reuse_port access_log tcp_backlog_size
          max_connections_to_accept_per_socket_event bind_to_port listener_filters_timeout
          continue_on_listener_filters_timeout tcp_fast_open_queue_length use_original_dst metadata
          ignore_global_conn_limit bypass_overload_manager
        envoy.config.listener.v3.Listener.DeprecatedV1
          bind_to_port
        envoy.config.listener.v3.AdditionalAddress
          address socket_options
        envoy.config.listener.v3.FilterChain
          filter_chain_match filters transport_socket transport_socket_connect_timeout name metadata
        envoy.config.listener.v3.FilterChainMatch
          destination_port prefix_ranges direct_source_prefix_ranges source_type source_prefix_ranges source_ports
          server_names transport_protocol application_protocols
        envoy.config.listener.v3.Filter
          name typed_config
        envoy.config.listener.v3.ListenerFilter
          name typed_config filter_disabled
        envoy.config.listener.v3.ListenerFilterChainMatchPredicate
          or_match and_match not_match any_match destination_port_range
        envoy.type.v3.Int32Range
          start end
        envoy.config.listener.v3.ListenerFilterChainMatchPredicate.MatchSet
          rules
        envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector
          close_connection_on_client_hello_parsing_errors max_client_hello_size
        envoy.extensions.filters.listener.original_src.v3.OriginalSrc
          mark
        envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol
          rules allow_requests_without_proxy_protocol disallowed_versions stat_prefix tlv_location
        envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.Rule
          tlv_type on_tlv_present
        envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.KeyValuePair
          metadata_namespace key
        # Network filters
        envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          codec_type stat_prefix rds route_config http_filters add_user_agent common_http_protocol_options
          http_protocol_options http2_protocol_options server_name server_header_transformation scheme_header_transformation
          max_request_headers_kb stream_idle_timeout stream_flush_timeout request_timeout request_headers_timeout
          drain_timeout delayed_close_timeout access_log access_log_flush_interval flush_access_log_on_new_request
          access_log_options use_remote_address xff_num_trusted_hops internal_address_config skip_xff_append via
          generate_request_id preserve_external_request_id always_set_request_id_in_response
          forward_client_cert_details set_current_client_cert_details upgrade_configs normalize_path merge_slashes
          path_with_escaped_slashes_action strip_matching_host_port strip_any_host_port
          stream_error_on_invalid_http_message strip_trailing_host_dot proxy_status_config append_x_forwarded_port
          local_reply_config tracing append_local_overload
        envoy.extensions.filters.network.http_connection_manager.v3.Rds
          config_source route_config_name
        envoy.extensions.filters.network.http_connection_manager.v3.LocalReplyConfig
          mappers body_format
        envoy.extensions.filters.network.http_connection_manager.v3.ResponseMapper
          filter status_code body body_format_override headers_to_add
        envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.InternalAddressConfig
          unix_sockets cidr_ranges
        envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.SetCurrentClientCertDetails
          subject cert chain dns uri
        envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig
          upgrade_type enabled
        envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ProxyStatusConfig
          remove_details remove_connection_termination_details remove_response_flags set_recommended_response_code
          use_node_id literal_proxy_name
        envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.HcmAccessLogOptions
          access_log_flush_interval flush_access_log_on_new_request
        envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter
          name typed_config disabled
        envoy.extensions.filters.http.grpc_stats.v3.FilterConfig
          individual_method_stats_allowlist stats_for_all_methods enable_upstream_stats
          replace_dots_in_grpc_service_name
        envoy.extensions.filters.http.router.v3.Router
          dynamic_stats upstream_log suppress_envoy_headers strict_check_headers respect_expected_rq_timeout
        envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix cluster weighted_clusters idle_timeout access_log max_connect_attempts backoff_options
          max_downstream_connection_duration access_log_flush_interval flush_access_log_on_connected
          access_log_options hash_policy metadata_match
        envoy.type.v3.HashPolicy
          source_ip
        envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster
          clusters
        envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight
          name weight metadata_match
        envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TcpAccessLogOptions
          access_log_flush_interval flush_access_log_on_connected
        # Routes
        envoy.config.route.v3.RouteConfiguration
          name virtual_hosts internal_only_headers response_headers_to_add response_headers_to_remove
          request_headers_to_add request_headers_to_remove most_specific_header_mutations_wins validate_clusters
          max_direct_response_body_size_bytes ignore_port_in_host_matching ignore_path_parameters_in_path_matching
          typed_per_filter_config request_mirror_policies
        envoy.config.route.v3.VirtualHost
          name domains routes require_tls virtual_clusters request_headers_to_add request_headers_to_remove
          response_headers_to_add response_headers_to_remove include_request_attempt_count
          include_attempt_count_in_response retry_policy include_is_timeout_retry_header
          per_request_buffer_limit_bytes request_body_buffer_limit typed_per_filter_config rate_limits metadata
          request_mirror_policies cors
        envoy.config.route.v3.VirtualCluster
          headers name
        envoy.config.route.v3.Route
          name match route redirect direct_response request_headers_to_add request_headers_to_remove
          response_headers_to_add response_headers_to_remove per_request_buffer_limit_bytes stat_prefix
          request_body_buffer_limit typed_per_filter_config tracing decorator metadata
        envoy.config.route.v3.RouteMatch
          prefix path safe_regex connect_matcher path_separated_prefix case_sensitive runtime_fraction headers
          query_parameters grpc tls_context
        envoy.config.route.v3.RouteMatch.TlsContextMatchOptions
          presented validated
        envoy.config.route.v3.HeaderMatcher
          name exact_match safe_regex_match range_match present_match prefix_match suffix_match contains_match
          string_match invert_match treat_missing_header_as_empty
        envoy.config.route.v3.QueryParameterMatcher
          name string_match present_match
        envoy.config.route.v3.RouteAction
          cluster cluster_header weighted_clusters cluster_not_found_response_code prefix_rewrite regex_rewrite
          path_rewrite host_rewrite_literal auto_host_rewrite host_rewrite_header host_rewrite_path_regex host_rewrite
          append_x_forwarded_host timeout idle_timeout flush_timeout retry_policy priority hash_policy
          max_grpc_timeout grpc_timeout_offset upgrade_configs max_stream_duration rate_limits
          include_vh_rate_limits metadata_match request_mirror_policies internal_redirect_policy
          cors
        envoy.config.route.v3.InternalRedirectPolicy
          max_internal_redirects redirect_response_codes predicates allow_cross_scheme_redirect
          response_headers_to_copy
        envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig
          allowed_route_names
        envoy.config.route.v3.RouteAction.RequestMirrorPolicy
          cluster cluster_header runtime_fraction trace_sampled disable_shadow_host_suffix_append
          request_headers_mutations host_rewrite_literal
        envoy.config.common.mutation_rules.v3.HeaderMutation
          remove append remove_on_match
        envoy.config.common.mutation_rules.v3.HeaderMutation.RemoveOnMatch
          key_matcher
        envoy.config.route.v3.RouteAction.HashPolicy
          header cookie connection_properties query_parameter terminal
        envoy.config.route.v3.RouteAction.HashPolicy.Header
          header_name regex_rewrite
        envoy.config.route.v3.RouteAction.HashPolicy.Cookie
          name ttl path attributes
        envoy.config.route.v3.RouteAction.HashPolicy.CookieAttribute
          name value
        envoy.config.route.v3.RouteAction.HashPolicy.ConnectionProperties
          source_ip
        envoy.config.route.v3.RouteAction.HashPolicy.QueryParameter
          name
        envoy.config.route.v3.RouteAction.UpgradeConfig
          upgrade_type enabled connect_config
        envoy.config.route.v3.RouteAction.MaxStreamDuration
          max_stream_duration grpc_timeout_header_max grpc_timeout_header_offset
        envoy.config.route.v3.WeightedCluster
          clusters
        envoy.config.route.v3.WeightedCluster.ClusterWeight
          name cluster_header weight request_headers_to_add request_headers_to_remove response_headers_to_add
          response_headers_to_remove host_rewrite_literal typed_per_filter_config metadata_match
        envoy.config.route.v3.RetryPolicy
          retry_on num_retries per_try_timeout per_try_idle_timeout retry_host_predicate
          host_selection_retry_max_attempts retriable_status_codes retry_back_off rate_limited_retry_back_off
          retriable_headers retriable_request_headers
        envoy.config.route.v3.RetryPolicy.RetryHostPredicate
          name typed_config
        envoy.config.route.v3.RetryPolicy.RetryBackOff
          base_interval max_interval
        envoy.config.route.v3.RetryPolicy.RateLimitedRetryBackOff
          reset_headers max_interval
        envoy.config.route.v3.RetryPolicy.ResetHeader
          name format
        envoy.config.route.v3.RedirectAction
          https_redirect scheme_redirect host_redirect port_redirect path_redirect prefix_rewrite regex_rewrite
          response_code strip_query
        envoy.config.route.v3.DirectResponseAction
          status body
        # Clusters
        envoy.config.cluster.v3.Cluster
          name alt_stat_name type cluster_type connect_timeout per_connection_buffer_limit_bytes lb_policy
          load_assignment eds_cluster_config max_requests_per_connection circuit_breakers upstream_http_protocol_options
          common_http_protocol_options http_protocol_options http2_protocol_options protocol_selection typed_extension_protocol_options dns_refresh_rate
          dns_jitter dns_failure_refresh_rate respect_dns_ttl dns_lookup_family dns_resolvers
          use_tcp_for_dns_lookups dns_resolution_config typed_dns_resolver_config upstream_bind_config
          least_request_lb_config round_robin_lb_config ring_hash_lb_config maglev_lb_config common_lb_config transport_socket
          upstream_connection_options original_dst_lb_config cleanup_interval
          load_balancing_policy track_timeout_budgets track_cluster_stats health_checks outlier_detection
          close_connections_on_host_health_failure ignore_health_on_host_removal wait_for_warm_on_init
          metadata transport_socket_matches lb_subset_config
        envoy.config.cluster.v3.Cluster.TransportSocketMatch
          name match transport_socket
        envoy.config.cluster.v3.Cluster.LbSubsetConfig
          fallback_policy default_subset subset_selectors locality_weight_aware scale_locality_weight panic_mode_any
          list_as_any metadata_fallback_policy
        envoy.config.cluster.v3.Cluster.LbSubsetConfig.LbSubsetSelector
          keys single_host_per_subset fallback_policy fallback_keys_subset
        envoy.config.cluster.v3.OutlierDetection
          consecutive_5xx interval base_ejection_time max_ejection_percent enforcing_consecutive_5xx
          enforcing_success_rate success_rate_minimum_hosts success_rate_request_volume success_rate_stdev_factor
          consecutive_gateway_failure enforcing_consecutive_gateway_failure split_external_local_origin_errors
          consecutive_local_origin_failure enforcing_consecutive_local_origin_failure
          enforcing_local_origin_success_rate failure_percentage_threshold enforcing_failure_percentage
          enforcing_failure_percentage_local_origin failure_percentage_minimum_hosts
          failure_percentage_request_volume max_ejection_time max_ejection_time_jitter
          successful_active_health_check_uneject_host always_eject_one_host
        envoy.config.cluster.v3.Cluster.CustomClusterType
          name typed_config
        envoy.config.cluster.v3.Cluster.EdsClusterConfig
          eds_config service_name
        envoy.config.cluster.v3.Cluster.LeastRequestLbConfig
          choice_count active_request_bias slow_start_config
        envoy.config.cluster.v3.Cluster.RoundRobinLbConfig
          slow_start_config
        envoy.config.cluster.v3.Cluster.SlowStartConfig
          slow_start_window aggression min_weight_percent
        envoy.config.cluster.v3.Cluster.RingHashLbConfig
          minimum_ring_size maximum_ring_size hash_function
        envoy.config.cluster.v3.Cluster.MaglevLbConfig
          table_size
        envoy.config.cluster.v3.Cluster.OriginalDstLbConfig
          use_http_header http_header_name upstream_port_override
        envoy.config.cluster.v3.Cluster.CommonLbConfig
          healthy_panic_threshold ignore_new_hosts_until_first_hc consistent_hashing_lb_config
          locality_weighted_lb_config zone_aware_lb_config
        envoy.config.cluster.v3.Cluster.CommonLbConfig.ZoneAwareLbConfig
          routing_enabled min_cluster_size fail_traffic_on_panic
        envoy.config.cluster.v3.Cluster.CommonLbConfig.ConsistentHashingLbConfig
          use_hostname_for_hashing hash_balance_factor
        envoy.config.cluster.v3.Cluster.RefreshRate
          base_interval max_interval
        envoy.config.cluster.v3.LoadBalancingPolicy
          policies
        envoy.config.cluster.v3.LoadBalancingPolicy.Policy
          typed_extension_config
        envoy.config.cluster.v3.UpstreamConnectionOptions
          tcp_keepalive
        envoy.config.cluster.v3.TrackClusterStats
          timeout_budgets request_response_sizes per_endpoint_stats
        envoy.config.cluster.v3.CircuitBreakers
          thresholds per_host_thresholds
        envoy.config.cluster.v3.CircuitBreakers.Thresholds
          priority max_connections max_pending_requests max_requests max_retries retry_budget track_remaining
          max_connection_pools
        envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget
          budget_percent min_retry_concurrency
        envoy.config.endpoint.v3.ClusterLoadAssignment
          cluster_name endpoints policy
        envoy.config.endpoint.v3.ClusterLoadAssignment.Policy
          overprovisioning_factor endpoint_stale_after
        envoy.config.endpoint.v3.LocalityLbEndpoints
          locality lb_endpoints load_balancer_endpoints priority load_balancing_weight metadata
        envoy.config.endpoint.v3.LocalityLbEndpoints.LbEndpointList
          lb_endpoints
        envoy.config.endpoint.v3.LbEndpoint
          endpoint health_status load_balancing_weight metadata
        envoy.config.core.v3.Metadata
          filter_metadata
        envoy.config.endpoint.v3.Endpoint
          address hostname health_check_config
        envoy.extensions.clusters.dns.v3.DnsCluster
          dns_refresh_rate dns_failure_refresh_rate respect_dns_ttl dns_jitter typed_dns_resolver_config
          dns_lookup_family all_addresses_in_single_endpoint
        envoy.extensions.clusters.dns.v3.DnsCluster.RefreshRate
          base_interval max_interval
        envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig
          resolvers dns_resolver_options
        envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin
          slow_start_config locality_lb_config
        envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest
          choice_count active_request_bias slow_start_config locality_lb_config
        envoy.extensions.load_balancing_policies.random.v3.Random
          locality_lb_config
        envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig
          zone_aware_lb_config locality_weighted_lb_config
        envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig
          routing_enabled min_cluster_size fail_traffic_on_panic force_locality_direct_routing force_local_zone
          locality_basis
        envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig.ForceLocalZone
          min_size
        envoy.extensions.load_balancing_policies.common.v3.SlowStartConfig
          slow_start_window aggression min_weight_percent
        envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash
          hash_function minimum_ring_size maximum_ring_size use_hostname_for_hashing hash_balance_factor
          consistent_hashing_lb_config locality_weighted_lb_config
        envoy.extensions.load_balancing_policies.maglev.v3.Maglev
          table_size consistent_hashing_lb_config locality_weighted_lb_config
        envoy.extensions.load_balancing_policies.common.v3.ConsistentHashingLbConfig
          use_hostname_for_hashing hash_balance_factor hash_policy
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          common_http_protocol_options upstream_http_protocol_options explicit_http_config
          use_downstream_protocol_config auto_config
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig
          http_protocol_options http2_protocol_options
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions.UseDownstreamHttpConfig
          http_protocol_options http2_protocol_options
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions.AutoHttpConfig
          http_protocol_options http2_protocol_options
        """
}
