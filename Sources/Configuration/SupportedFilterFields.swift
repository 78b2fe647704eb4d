// The fields of filters that let in or turn away that Outrider acts on.

extension SupportedFields {
    /// In the form of `table`.
    static let filters = """
        envoy.config.route.v3.FilterConfig
          config disabled
        envoy.config.rbac.v3.RBAC
          action policies
        envoy.config.rbac.v3.Policy
          permissions principals
        envoy.config.rbac.v3.Permission
          and_rules or_rules any header url_path destination_ip destination_port destination_port_range not_rule
          requested_server_name
        envoy.config.rbac.v3.Permission.Set
          rules
        envoy.config.rbac.v3.Principal
          and_ids or_ids any authenticated source_ip direct_remote_ip remote_ip header url_path not_id
        envoy.config.rbac.v3.Principal.Set
          ids
        envoy.config.rbac.v3.Principal.Authenticated
          principal_name
        envoy.type.matcher.v3.PathMatcher
          path
        envoy.extensions.filters.http.rbac.v3.RBAC
          rules rules_stat_prefix shadow_rules shadow_rules_stat_prefix track_per_rule_stats
        envoy.extensions.filters.http.rbac.v3.RBACPerRoute
          rbac
        envoy.extensions.filters.network.rbac.v3.RBAC
          rules shadow_rules shadow_rules_stat_prefix stat_prefix delay_deny
        envoy.type.v3.TokenBucket
          max_tokens tokens_per_fill fill_interval
        envoy.type.v3.HttpStatus
          code
        envoy.config.core.v3.RuntimeFeatureFlag
          default_value runtime_key
        envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
          stat_prefix status token_bucket filter_enabled filter_enforced request_headers_to_add_when_not_enforced
          response_headers_to_add local_rate_limit_per_downstream_connection enable_x_ratelimit_headers
          rate_limited_as_resource_exhausted descriptors stage vh_rate_limits always_consume_default_token_bucket
          rate_limits max_dynamic_descriptors
        envoy.extensions.common.ratelimit.v3.LocalRateLimitDescriptor
          entries token_bucket
        envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.Entry
          key value
        envoy.extensions.common.ratelimit.v3.RateLimitDescriptor
          entries
        envoy.config.ratelimit.v3.RateLimitServiceConfig
          grpc_service transport_api_version
        envoy.extensions.filters.http.ratelimit.v3.RateLimit
          domain stage request_type timeout failure_mode_deny rate_limited_as_resource_exhausted rate_limit_service
          enable_x_ratelimit_headers disable_x_envoy_ratelimited_header rate_limited_status response_headers_to_add
          status_on_error stat_prefix filter_enabled filter_enforced failure_mode_deny_percent rate_limits
        envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute
          vh_rate_limits rate_limits domain
        envoy.extensions.filters.network.ratelimit.v3.RateLimit
          stat_prefix domain descriptors timeout failure_mode_deny rate_limit_service
        envoy.config.route.v3.RateLimit
          stage disable_key actions hits_addend apply_on_stream_done
        envoy.config.route.v3.RateLimit.HitsAddend
          number format
        envoy.config.route.v3.RateLimit.Action
          source_cluster destination_cluster request_headers query_parameters remote_address generic_key
          header_value_match masked_remote_address query_parameter_value_match
        envoy.config.route.v3.RateLimit.Action.RequestHeaders
          header_name descriptor_key skip_if_absent
        envoy.config.route.v3.RateLimit.Action.QueryParameters
          query_parameter_name descriptor_key skip_if_absent
        envoy.config.route.v3.RateLimit.Action.MaskedRemoteAddress
          v4_prefix_mask_len v6_prefix_mask_len
        envoy.config.route.v3.RateLimit.Action.GenericKey
          descriptor_value descriptor_key
        envoy.config.route.v3.RateLimit.Action.HeaderValueMatch
          descriptor_key descriptor_value expect_match headers
        envoy.config.route.v3.RateLimit.Action.QueryParameterValueMatch
          descriptor_key descriptor_value expect_match query_parameters
        envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit
          stat_prefix token_bucket runtime_enabled share_key
        envoy.extensions.filters.http.fault.v3.HTTPFault
          delay abort upstream_cluster headers downstream_nodes max_active_faults delay_percent_runtime
          abort_percent_runtime delay_duration_runtime abort_http_status_runtime max_active_faults_runtime
          abort_grpc_status_runtime disable_downstream_cluster_stats
        envoy.config.route.v3.CorsPolicy
          allow_origin_string_match allow_methods allow_headers expose_headers max_age allow_credentials filter_enabled
          shadow_enabled allow_private_network_access forward_not_matching_preflights
        envoy.extensions.filters.http.cors.v3.CorsPolicy
          allow_origin_string_match allow_methods allow_headers expose_headers max_age allow_credentials filter_enabled
          shadow_enabled allow_private_network_access forward_not_matching_preflights
        envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
          mutations most_specific_header_mutations_wins
        envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute
          mutations
        envoy.extensions.filters.http.header_mutation.v3.Mutations
          request_mutations query_parameter_mutations response_mutations
        envoy.config.core.v3.KeyValueMutation
          append remove
        envoy.config.core.v3.KeyValueAppend
          record action
        envoy.config.core.v3.KeyValuePair
          key value
        envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
          providers rules bypass_cors_preflight requirement_map strip_failure_response stat_prefix
        envoy.extensions.filters.http.jwt_authn.v3.JwtProvider
          issuer audiences subjects require_expiration max_lifetime remote_jwks local_jwks forward from_headers from_params
          from_cookies forward_payload_header pad_forward_payload_header clock_skew_seconds jwt_cache_config
          claim_to_headers
        envoy.extensions.filters.http.jwt_authn.v3.JwtCacheConfig
          jwt_cache_size jwt_max_token_size
        envoy.extensions.filters.http.jwt_authn.v3.RemoteJwks
          http_uri cache_duration async_fetch
        envoy.extensions.filters.http.jwt_authn.v3.JwksAsyncFetch
          failed_refetch_duration
        envoy.extensions.filters.http.jwt_authn.v3.JwtHeader
          name value_prefix
        envoy.extensions.filters.http.jwt_authn.v3.JwtClaimToHeader
          header_name claim_name
        envoy.extensions.filters.http.jwt_authn.v3.ProviderWithAudiences
          provider_name audiences
        envoy.extensions.filters.http.jwt_authn.v3.JwtRequirement
          provider_name provider_and_audiences requires_any requires_all allow_missing_or_failed allow_missing
        envoy.extensions.filters.http.jwt_authn.v3.JwtRequirementOrList
          requirements
        envoy.extensions.filters.http.jwt_authn.v3.JwtRequirementAndList
          requirements
        envoy.extensions.filters.http.jwt_authn.v3.RequirementRule
          match requires requirement_name
        envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig
          disabled requirement_name
        envoy.extensions.filters.http.health_check.v3.HealthCheck
          pass_through_mode cache_time cluster_min_healthy_percentages headers
        envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
          grpc_service http_service transport_api_version failure_mode_allow failure_mode_allow_header_add
          with_request_body clear_route_cache status_on_error filter_enabled deny_at_disable include_peer_certificate
          stat_prefix allowed_headers disallowed_headers include_tls_session charge_cluster_response_stats
          enable_dynamic_metadata_ingestion
        envoy.extensions.filters.http.ext_authz.v3.BufferSettings
          max_request_bytes allow_partial_message pack_as_bytes
        envoy.extensions.filters.http.ext_authz.v3.HttpService
          server_uri path_prefix authorization_request authorization_response
        envoy.extensions.filters.http.ext_authz.v3.AuthorizationRequest
          allowed_headers headers_to_add
        envoy.extensions.filters.http.ext_authz.v3.AuthorizationResponse
          allowed_upstream_headers allowed_upstream_headers_to_append allowed_client_headers
          allowed_client_headers_on_success
        envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute
          disabled check_settings
        envoy.extensions.filters.http.ext_authz.v3.CheckSettings
          context_extensions disable_request_body_buffering with_request_body
        envoy.config.core.v3.HttpUri
          uri cluster timeout
        envoy.extensions.filters.common.fault.v3.FaultDelay
          fixed_delay header_delay percentage
        envoy.extensions.filters.http.fault.v3.FaultAbort
          http_status grpc_status header_abort percentage
        """
}
