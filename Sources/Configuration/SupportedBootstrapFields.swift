// The fields that are acted on: the bootstrap's own, and where resources come from that it does not hold itself.

extension SupportedFields {
    static let bootstrap = """
        envoy.config.bootstrap.v3.Bootstrap
          node static_resources dynamic_resources admin stats_config stats_flush_interval stats_flush_on_admin layered_runtime
          use_tcp_for_dns_lookups dns_resolution_config typed_dns_resolver_config cluster_manager
          overload_manager
        envoy.config.bootstrap.v3.ClusterManager
          upstream_bind_config outlier_detection local_cluster_name
        envoy.config.bootstrap.v3.ClusterManager.OutlierDetection
          event_log_path
        envoy.config.bootstrap.v3.Bootstrap.StaticResources
          listeners clusters secrets
        envoy.config.bootstrap.v3.Bootstrap.DynamicResources
          lds_config cds_config ads_config
        envoy.config.bootstrap.v3.Admin
          address access_log access_log_path socket_options allow_paths ignore_global_conn_limit
        envoy.config.bootstrap.v3.LayeredRuntime
          layers
        envoy.config.bootstrap.v3.RuntimeLayer
          name static_layer
        envoy.config.metrics.v3.StatsConfig
          stats_tags use_all_default_tags stats_matcher histogram_bucket_settings
        envoy.config.metrics.v3.StatsMatcher
          reject_all exclusion_list inclusion_list
        envoy.config.metrics.v3.TagSpecifier
          tag_name regex fixed_value
        envoy.config.metrics.v3.HistogramBucketSettings
          match buckets
        # Who we are
        envoy.config.core.v3.Node
          id cluster locality metadata user_agent_name client_features listening_addresses
        # Where resources come from
        envoy.config.core.v3.ConfigSource
          path path_config_source api_config_source ads initial_fetch_timeout resource_api_version
        envoy.config.core.v3.PathConfigSource
          path watched_directory
        envoy.config.core.v3.ApiConfigSource
          api_type transport_api_version cluster_names grpc_services rate_limit_settings set_node_on_first_message_only
        envoy.config.core.v3.RateLimitSettings
          max_tokens fill_rate
        envoy.config.core.v3.GrpcService
          envoy_grpc initial_metadata timeout
        envoy.config.core.v3.GrpcService.EnvoyGrpc
          cluster_name authority retry_policy
        envoy.config.core.v3.RetryPolicy
          retry_back_off
        envoy.service.discovery.v3.DiscoveryResponse
          version_info resources type_url
        envoy.service.discovery.v3.Resource
          name version resource
        """
}
