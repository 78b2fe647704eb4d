// Made by scripts/generate-envoy-api: every modelled message's fields, numbers, kinds and validation rules.

/// The schema of the modelled messages, one line per enum, message, oneof and field.
/// `Configuration` reads it once per load; nothing else needs it.
public let envoySchemaTable: StaticString = #"""
    E envoy.config.accesslog.v3.ComparisonFilter.Op EQ=0 GE=1 LE=2 NE=3
    E envoy.config.accesslog.v3.GrpcStatusFilter.Status OK=0 CANCELED=1 UNKNOWN=2 INVALID_ARGUMENT=3 DEADLINE_EXCEEDED=4 NOT_FOUND=5 ALREADY_EXISTS=6 PERMISSION_DENIED=7 RESOURCE_EXHAUSTED=8 FAILED_PRECONDITION=9 ABORTED=10 OUT_OF_RANGE=11 UNIMPLEMENTED=12 INTERNAL=13 UNAVAILABLE=14 DATA_LOSS=15 UNAUTHENTICATED=16
    E envoy.config.cluster.v3.Cluster.ClusterProtocolSelection USE_CONFIGURED_PROTOCOL=0 USE_DOWNSTREAM_PROTOCOL=1
    E envoy.config.cluster.v3.Cluster.DiscoveryType STATIC=0 STRICT_DNS=1 LOGICAL_DNS=2 EDS=3 ORIGINAL_DST=4
    E envoy.config.cluster.v3.Cluster.DnsLookupFamily AUTO=0 V4_ONLY=1 V6_ONLY=2 V4_PREFERRED=3 ALL=4
    E envoy.config.cluster.v3.Cluster.LbPolicy ROUND_ROBIN=0 LEAST_REQUEST=1 RING_HASH=2 RANDOM=3 MAGLEV=5 CLUSTER_PROVIDED=6 LOAD_BALANCING_POLICY_CONFIG=7
    E envoy.config.cluster.v3.Cluster.LbSubsetConfig.LbSubsetFallbackPolicy NO_FALLBACK=0 ANY_ENDPOINT=1 DEFAULT_SUBSET=2
    E envoy.config.cluster.v3.Cluster.LbSubsetConfig.LbSubsetMetadataFallbackPolicy METADATA_NO_FALLBACK=0 FALLBACK_LIST=1
    E envoy.config.cluster.v3.Cluster.LbSubsetConfig.LbSubsetSelector.LbSubsetSelectorFallbackPolicy NOT_DEFINED=0 NO_FALLBACK=1 ANY_ENDPOINT=2 DEFAULT_SUBSET=3 KEYS_SUBSET=4
    E envoy.config.cluster.v3.Cluster.RingHashLbConfig.HashFunction XX_HASH=0 MURMUR_HASH_2=1
    E envoy.config.core.v3.ApiConfigSource.ApiType DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE=0 REST=1 GRPC=2 DELTA_GRPC=3 AGGREGATED_GRPC=5 AGGREGATED_DELTA_GRPC=6
    E envoy.config.core.v3.ApiVersion AUTO=0 V2=1 V3=2
    E envoy.config.core.v3.HeaderValueOption.HeaderAppendAction APPEND_IF_EXISTS_OR_ADD=0 ADD_IF_ABSENT=1 OVERWRITE_IF_EXISTS_OR_ADD=2 OVERWRITE_IF_EXISTS=3
    E envoy.config.core.v3.HealthStatus UNKNOWN=0 HEALTHY=1 UNHEALTHY=2 DRAINING=3 TIMEOUT=4 DEGRADED=5
    E envoy.config.core.v3.HttpProtocolOptions.HeadersWithUnderscoresAction ALLOW=0 REJECT_REQUEST=1 DROP_HEADER=2
    E envoy.config.core.v3.KeyValueAppend.KeyValueAppendAction APPEND_IF_EXISTS_OR_ADD=0 ADD_IF_ABSENT=1 OVERWRITE_IF_EXISTS_OR_ADD=2 OVERWRITE_IF_EXISTS=3
    E envoy.config.core.v3.ProxyProtocolConfig.Version V1=0 V2=1
    E envoy.config.core.v3.ProxyProtocolPassThroughTLVs.PassTLVsMatchType INCLUDE_ALL=0 INCLUDE=1
    E envoy.config.core.v3.RequestMethod METHOD_UNSPECIFIED=0 GET=1 HEAD=2 POST=3 PUT=4 DELETE=5 CONNECT=6 OPTIONS=7 TRACE=8 PATCH=9
    E envoy.config.core.v3.RoutingPriority DEFAULT=0 HIGH=1
    E envoy.config.core.v3.SocketAddress.Protocol TCP=0 UDP=1
    E envoy.config.core.v3.SocketOption.SocketState STATE_PREBIND=0 STATE_BOUND=1 STATE_LISTENING=2
    E envoy.config.core.v3.TrafficDirection UNSPECIFIED=0 INBOUND=1 OUTBOUND=2
    E envoy.config.listener.v3.FilterChainMatch.ConnectionSourceType ANY=0 SAME_IP_OR_LOOPBACK=1 EXTERNAL=2
    E envoy.config.listener.v3.Listener.DrainType DEFAULT=0 MODIFY_ONLY=1
    E envoy.config.overload.v3.ScaleTimersOverloadActionConfig.TimerType UNSPECIFIED=0 HTTP_DOWNSTREAM_CONNECTION_IDLE=1 HTTP_DOWNSTREAM_STREAM_IDLE=2 TRANSPORT_SOCKET_CONNECT=3 HTTP_DOWNSTREAM_CONNECTION_MAX=4 HTTP_DOWNSTREAM_STREAM_FLUSH=5
    E envoy.config.rbac.v3.RBAC.Action ALLOW=0 DENY=1 LOG=2
    E envoy.config.route.v3.RedirectAction.RedirectResponseCode MOVED_PERMANENTLY=0 FOUND=1 SEE_OTHER=2 TEMPORARY_REDIRECT=3 PERMANENT_REDIRECT=4
    E envoy.config.route.v3.RetryPolicy.ResetHeaderFormat SECONDS=0 UNIX_TIMESTAMP=1
    E envoy.config.route.v3.RouteAction.ClusterNotFoundResponseCode SERVICE_UNAVAILABLE=0 NOT_FOUND=1 INTERNAL_SERVER_ERROR=2
    E envoy.config.route.v3.RouteAction.InternalRedirectAction PASS_THROUGH_INTERNAL_REDIRECT=0 HANDLE_INTERNAL_REDIRECT=1
    E envoy.config.route.v3.VirtualHost.TlsRequirementType NONE=0 EXTERNAL_ONLY=1 ALL=2
    E envoy.config.trace.v3.ZipkinConfig.CollectorEndpointVersion DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE=0 HTTP_JSON=1 HTTP_PROTO=2 GRPC=3
    E envoy.config.trace.v3.ZipkinConfig.TraceContextOption USE_B3=0 USE_B3_WITH_W3C_PROPAGATION=1
    E envoy.data.accesslog.v3.AccessLogType NotSet=0 TcpUpstreamConnected=1 TcpPeriodic=2 TcpConnectionEnd=3 DownstreamStart=4 DownstreamPeriodic=5 DownstreamEnd=6 UpstreamPoolReady=7 UpstreamPeriodic=8 UpstreamEnd=9 DownstreamTunnelSuccessfullyEstablished=10 UdpTunnelUpstreamConnected=11 UdpPeriodic=12 UdpSessionEnd=13
    E envoy.extensions.clusters.common.dns.v3.DnsLookupFamily UNSPECIFIED=0 AUTO=1 V4_ONLY=2 V6_ONLY=3 V4_PREFERRED=4 ALL=5
    E envoy.extensions.common.ratelimit.v3.VhRateLimitsOptions OVERRIDE=0 INCLUDE=1 IGNORE=2
    E envoy.extensions.common.ratelimit.v3.XRateLimitHeadersRFCVersion OFF=0 DRAFT_VERSION_03=1
    E envoy.extensions.filters.http.ratelimit.v3.RateLimit.XRateLimitHeadersRFCVersion OFF=0 DRAFT_VERSION_03=1
    E envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute.OverrideOptions DEFAULT=0 OVERRIDE_POLICY=1 INCLUDE_POLICY=2 IGNORE_POLICY=3
    E envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute.VhRateLimitsOptions OVERRIDE=0 INCLUDE=1 IGNORE=2
    E envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.TlvLocation DYNAMIC_METADATA=0 FILTER_STATE=1
    E envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.CodecType AUTO=0 HTTP1=1 HTTP2=2 HTTP3=3
    E envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ForwardClientCertDetails SANITIZE=0 FORWARD_ONLY=1 APPEND_FORWARD=2 SANITIZE_SET=3 ALWAYS_FORWARD_ONLY=4
    E envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.PathWithEscapedSlashesAction IMPLEMENTATION_SPECIFIC_DEFAULT=0 KEEP_UNCHANGED=1 REJECT_REQUEST=2 UNESCAPE_AND_REDIRECT=3 UNESCAPE_AND_FORWARD=4
    E envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ServerHeaderTransformation OVERWRITE=0 APPEND_IF_ABSENT=1 PASS_THROUGH=2
    E envoy.extensions.filters.network.rbac.v3.RBAC.EnforcementType ONE_TIME_ON_FIRST_BYTE=0 CONTINUOUS=1
    E envoy.extensions.filters.network.tcp_proxy.v3.UpstreamConnectMode IMMEDIATE=0 ON_DOWNSTREAM_DATA=1 ON_DOWNSTREAM_TLS_HANDSHAKE=2
    E envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig.FormatterTypeOnEnvoyHeaders DEFAULT=0 PROPER_CASE=1
    E envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig.LocalityBasis HEALTHY_HOSTS_NUM=0 HEALTHY_HOSTS_WEIGHT=1
    E envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest.SelectionMethod N_CHOICES=0 FULL_SCAN=1
    E envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash.HashFunction DEFAULT_HASH=0 XX_HASH=1 MURMUR_HASH_2=2
    E envoy.extensions.resource_monitors.cpu_utilization.v3.CpuUtilizationConfig.UtilizationComputeStrategy HOST=0 CONTAINER=1
    E envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.TrustChainVerification VERIFY_TRUST_CHAIN=0 ACCEPT_UNTRUSTED=1
    E envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext.OcspStaplePolicy LENIENT_STAPLING=0 STRICT_STAPLING=1 MUST_STAPLE=2
    E envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher.SanType SAN_TYPE_UNSPECIFIED=0 EMAIL=1 DNS=2 URI=3 IP_ADDRESS=4 OTHER_NAME=5
    E envoy.extensions.transport_sockets.tls.v3.TlsParameters.CompliancePolicy FIPS_202205=0
    E envoy.extensions.transport_sockets.tls.v3.TlsParameters.TlsProtocol TLS_AUTO=0 TLSv1_0=1 TLSv1_1=2 TLSv1_2=3 TLSv1_3=4
    E envoy.type.v3.CodecClientType HTTP1=0 HTTP2=1 HTTP3=2
    E envoy.type.v3.FractionalPercent.DenominatorType HUNDRED=0 TEN_THOUSAND=1 MILLION=2
    E envoy.type.v3.StatusCode Empty=0 Continue=100 OK=200 Created=201 Accepted=202 NonAuthoritativeInformation=203 NoContent=204 ResetContent=205 PartialContent=206 MultiStatus=207 AlreadyReported=208 IMUsed=226 MultipleChoices=300 MovedPermanently=301 Found=302 SeeOther=303 NotModified=304 UseProxy=305 TemporaryRedirect=307 PermanentRedirect=308 BadRequest=400 Unauthorized=401 PaymentRequired=402 Forbidden=403 NotFound=404 MethodNotAllowed=405 NotAcceptable=406 ProxyAuthenticationRequired=407 RequestTimeout=408 Conflict=409 Gone=410 LengthRequired=411 PreconditionFailed=412 PayloadTooLarge=413 URITooLong=414 UnsupportedMediaType=415 RangeNotSatisfiable=416 ExpectationFailed=417 MisdirectedRequest=421 UnprocessableEntity=422 Locked=423 FailedDependency=424 UpgradeRequired=426 PreconditionRequired=428 TooManyRequests=429 RequestHeaderFieldsTooLarge=431 InternalServerError=500 NotImplemented=501 BadGateway=502 ServiceUnavailable=503 GatewayTimeout=504 HTTPVersionNotSupported=505 VariantAlsoNegotiates=506 InsufficientStorage=507 LoopDetected=508 NotExtended=510 NetworkAuthenticationRequired=511
    M envoy.config.accesslog.v3.AccessLog
    O config_type
    1 name s
    2 filter m1
    4 typed_config A o0
    M envoy.config.accesslog.v3.AccessLogFilter
    O filter_specifier r
    1 status_code_filter m12 o0
    2 duration_filter m4 o0
    3 not_health_check_filter m8 o0
    4 traceable_filter m13 o0
    5 runtime_filter m11 o0
    6 and_filter m2 o0
    7 or_filter m9 o0
    8 header_filter m6 o0
    9 response_flag_filter m10 o0
    10 grpc_status_filter m5 o0
    11 extension_filter X o0
    12 metadata_filter X o0
    13 log_type_filter m7 o0
    M envoy.config.accesslog.v3.AndFilter
    1 filters *m1 min_items=2
    M envoy.config.accesslog.v3.ComparisonFilter
    1 op e0 defined_only
    2 value m107 r
    M envoy.config.accesslog.v3.DurationFilter
    1 comparison m3 r
    M envoy.config.accesslog.v3.GrpcStatusFilter
    1 statuses *e1 items( defined_only )
    2 exclude b
    M envoy.config.accesslog.v3.HeaderFilter
    1 header m168 r
    M envoy.config.accesslog.v3.LogTypeFilter
    1 types *e34 items( defined_only )
    2 exclude b
    M envoy.config.accesslog.v3.NotHealthCheckFilter
    M envoy.config.accesslog.v3.OrFilter
    2 filters *m1 min_items=2
    M envoy.config.accesslog.v3.ResponseFlagFilter
    1 flags *s items( in=LH,UH,UT,LR,UR,UF,UC,UO,NR,DI,FI,RL,UAEX,RLSE,DC,URX,SI,IH,DPE,UMSDR,RFCF,NFCF,DT,UPE,NC,OM,DF,DO,DR,UDO )
    M envoy.config.accesslog.v3.RuntimeFilter
    1 runtime_key s min_len=1
    2 percent_sampled m353
    3 use_independent_randomness b
    M envoy.config.accesslog.v3.StatusCodeFilter
    1 comparison m3 r
    M envoy.config.accesslog.v3.TraceableFilter
    M envoy.config.bootstrap.v3.Admin
    1 access_log_path s d
    2 profile_path s
    3 address m52
    4 socket_options *m110
    5 access_log *m0
    6 ignore_global_conn_limit b
    7 allow_paths *m347
    M envoy.config.bootstrap.v3.Bootstrap
    O stats_flush
    O stats_eviction
    1 node m96
    2 static_resources m17
    3 dynamic_resources m16
    4 cluster_manager m18
    5 flags_path s
    6 stats_sinks *X
    7 stats_flush_interval D lt=300000000000 gte=1000000
    8 watchdog X d
    9 tracing m214 d
    12 admin m14
    13 stats_config m143
    14 hds_config m54
    15 overload_manager m149
    16 enable_dispatcher_stats b
    17 layered_runtime m20
    18 header_prefix s
    19 stats_server_version_override WU
    20 use_tcp_for_dns_lookups b d
    21 bootstrap_extensions *m119
    22 config_sources *m59
    23 default_config_source m59
    24 default_socket_interface s
    25 certificate_provider_instances %m119
    26 node_context_params *s
    27 watchdogs X
    28 fatal_actions *X
    29 stats_flush_on_admin b o0 const
    30 dns_resolution_config m62 d
    31 typed_dns_resolver_config m119
    32 inline_headers *X
    33 perf_tracing_file_path s
    34 default_regex_engine m119
    35 xds_delegate_extension m119
    36 xds_config_tracker_extension m119
    37 listener_manager m119
    38 application_log_config X
    39 deferred_stat_options X
    40 grpc_async_client_manager_config X
    41 memory_allocator_manager X
    42 stats_eviction_interval D o1 gte=1000000
    M envoy.config.bootstrap.v3.Bootstrap.DynamicResources
    1 lds_config m59
    2 cds_config m59
    3 ads_config m54
    5 lds_resources_locator s
    6 cds_resources_locator s
    M envoy.config.bootstrap.v3.Bootstrap.StaticResources
    1 listeners *m135
    2 clusters *m28
    3 secrets *m327
    M envoy.config.bootstrap.v3.ClusterManager
    1 local_cluster_name s
    2 outlier_detection m19
    3 upstream_bind_config m56
    4 load_stats_config m54
    5 enable_deferred_cluster_creation b
    M envoy.config.bootstrap.v3.ClusterManager.OutlierDetection
    1 event_log_path s
    2 event_service X
    M envoy.config.bootstrap.v3.LayeredRuntime
    1 layers *m22
    M envoy.config.bootstrap.v3.Runtime
    1 symlink_root s
    2 subdirectory s
    3 override_subdirectory s
    4 base S
    M envoy.config.bootstrap.v3.RuntimeLayer
    O layer_specifier r
    1 name s min_len=1
    2 static_layer S o0
    3 disk_layer m24 o0
    4 admin_layer m23 o0
    5 rtds_layer X o0
    M envoy.config.bootstrap.v3.RuntimeLayer.AdminLayer
    M envoy.config.bootstrap.v3.RuntimeLayer.DiskLayer
    1 symlink_root s
    2 append_service_cluster b
    3 subdirectory s
    M envoy.config.cluster.v3.CircuitBreakers
    1 thresholds *m26
    2 per_host_thresholds *m26
    M envoy.config.cluster.v3.CircuitBreakers.Thresholds
    1 priority e19 defined_only
    2 max_connections Wu
    3 max_pending_requests Wu
    4 max_requests Wu
    5 max_retries Wu
    6 track_remaining b
    7 max_connection_pools Wu
    8 retry_budget m27
    M envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget
    1 budget_percent m359
    2 min_retry_concurrency Wu
    M envoy.config.cluster.v3.Cluster
    O cluster_discovery_type
    O lb_config
    1 name s min_len=1
    2 type e3 o0 defined_only
    3 eds_cluster_config m34
    4 connect_timeout D gt=0
    5 per_connection_buffer_limit_bytes Wu
    6 lb_policy e5 defined_only
    8 health_checks *m73
    9 max_requests_per_connection Wu d
    10 circuit_breakers m25
    13 http_protocol_options m80 d
    14 http2_protocol_options m83 d
    16 dns_refresh_rate D d gt=1000000
    17 dns_lookup_family e4 defined_only
    18 dns_resolvers *m52 d
    19 outlier_detection m47
    20 cleanup_interval D gt=0
    21 upstream_bind_config m56
    22 lb_subset_config m35
    23 ring_hash_lb_config m41 o1
    24 transport_socket m118
    25 metadata m95
    26 protocol_selection e2 d
    27 common_lb_config m29
    28 alt_stat_name s
    29 common_http_protocol_options m85 d
    30 upstream_connection_options m49
    31 close_connections_on_host_health_failure b
    32 ignore_health_on_host_removal b
    33 load_assignment m122
    34 original_dst_lb_config m39 o1
    36 typed_extension_protocol_options %A
    37 least_request_lb_config m37 o1
    38 cluster_type m33 o0
    39 respect_dns_ttl b d
    40 filters *X
    41 load_balancing_policy m45
    42 lrs_server m59
    43 transport_socket_matches *m44
    44 dns_failure_refresh_rate m40 d
    45 use_tcp_for_dns_lookups b d
    46 upstream_http_protocol_options m120 d
    47 track_timeout_budgets b d
    48 upstream_config m119
    49 track_cluster_stats m48
    50 preconnect_policy X
    51 connection_pool_per_downstream_connection b
    52 maglev_lb_config m38 o1
    53 dns_resolution_config m62 d
    54 wait_for_warm_on_init Wb
    55 typed_dns_resolver_config m119
    56 round_robin_lb_config m42 o1
    57 lrs_report_endpoint_metrics *s
    58 dns_jitter D d gte=0
    59 transport_socket_matcher X
    M envoy.config.cluster.v3.Cluster.CommonLbConfig
    O locality_config_specifier
    1 healthy_panic_threshold m359
    2 zone_aware_lb_config m32 o0
    3 locality_weighted_lb_config m31 o0
    4 update_merge_window D
    5 ignore_new_hosts_until_first_hc b
    6 close_connections_on_host_set_change b
    7 consistent_hashing_lb_config m30
    8 override_host_status m79
    M envoy.config.cluster.v3.Cluster.CommonLbConfig.ConsistentHashingLbConfig
    1 use_hostname_for_hashing b
    2 hash_balance_factor Wu gte=100
    M envoy.config.cluster.v3.Cluster.CommonLbConfig.LocalityWeightedLbConfig
    M envoy.config.cluster.v3.Cluster.CommonLbConfig.ZoneAwareLbConfig
    1 routing_enabled m359
    2 min_cluster_size WU
    3 fail_traffic_on_panic b
    M envoy.config.cluster.v3.Cluster.CustomClusterType
    1 name s min_len=1
    2 typed_config A
    M envoy.config.cluster.v3.Cluster.EdsClusterConfig
    1 eds_config m59
    2 service_name s
    M envoy.config.cluster.v3.Cluster.LbSubsetConfig
    1 fallback_policy e6 defined_only
    2 default_subset S
    3 subset_selectors *m36
    4 locality_weight_aware b
    5 scale_locality_weight b
    6 panic_mode_any b
    7 list_as_any b
    8 metadata_fallback_policy e7 defined_only
    M envoy.config.cluster.v3.Cluster.LbSubsetConfig.LbSubsetSelector
    1 keys *s
    2 fallback_policy e8 defined_only
    3 fallback_keys_subset *s
    4 single_host_per_subset b
    M envoy.config.cluster.v3.Cluster.LeastRequestLbConfig
    1 choice_count Wu gte=2
    2 active_request_bias m103
    3 slow_start_config m43
    M envoy.config.cluster.v3.Cluster.MaglevLbConfig
    1 table_size WU lte=5000011
    M envoy.config.cluster.v3.Cluster.OriginalDstLbConfig
    1 use_http_header b
    2 http_header_name s
    3 upstream_port_override Wu lte=65535
    4 metadata_key X
    M envoy.config.cluster.v3.Cluster.RefreshRate
    1 base_interval D r gt=1000000
    2 max_interval D gt=1000000
    M envoy.config.cluster.v3.Cluster.RingHashLbConfig
    1 minimum_ring_size WU lte=8388608
    3 hash_function e9 defined_only
    4 maximum_ring_size WU lte=8388608
    M envoy.config.cluster.v3.Cluster.RoundRobinLbConfig
    1 slow_start_config m43
    M envoy.config.cluster.v3.Cluster.SlowStartConfig
    1 slow_start_window D
    2 aggression m103
    3 min_weight_percent m359
    M envoy.config.cluster.v3.Cluster.TransportSocketMatch
    1 name s min_len=1
    2 match S
    3 transport_socket m118
    M envoy.config.cluster.v3.LoadBalancingPolicy
    1 policies *m46
    M envoy.config.cluster.v3.LoadBalancingPolicy.Policy
    4 typed_extension_config m119
    M envoy.config.cluster.v3.OutlierDetection
    1 consecutive_5xx Wu
    2 interval D gt=0
    3 base_ejection_time D gt=0
    4 max_ejection_percent Wu lte=100
    5 enforcing_consecutive_5xx Wu lte=100
    6 enforcing_success_rate Wu lte=100
    7 success_rate_minimum_hosts Wu
    8 success_rate_request_volume Wu
    9 success_rate_stdev_factor Wu
    10 consecutive_gateway_failure Wu
    11 enforcing_consecutive_gateway_failure Wu lte=100
    12 split_external_local_origin_errors b
    13 consecutive_local_origin_failure Wu
    14 enforcing_consecutive_local_origin_failure Wu lte=100
    15 enforcing_local_origin_success_rate Wu lte=100
    16 failure_percentage_threshold Wu lte=100
    17 enforcing_failure_percentage Wu lte=100
    18 enforcing_failure_percentage_local_origin Wu lte=100
    19 failure_percentage_minimum_hosts Wu
    20 failure_percentage_request_volume Wu
    21 max_ejection_time D gt=0
    22 max_ejection_time_jitter D
    23 successful_active_health_check_uneject_host Wb
    24 monitors *m119
    25 always_eject_one_host Wb
    M envoy.config.cluster.v3.TrackClusterStats
    1 timeout_budgets b
    2 request_response_sizes b
    3 per_endpoint_stats b
    M envoy.config.cluster.v3.UpstreamConnectionOptions
    1 tcp_keepalive m116
    2 set_local_interface_name_on_upstream_connections b
    3 happy_eyeballs_config X
    M envoy.config.common.mutation_rules.v3.HeaderMutation
    O action r
    1 remove s o0 header_value lenient
    2 append m72 o0
    3 remove_on_match m51 o0
    M envoy.config.common.mutation_rules.v3.HeaderMutation.RemoveOnMatch
    1 key_matcher m347 r
    M envoy.config.core.v3.Address
    O address r
    1 socket_address m109 o0
    2 pipe m98 o0
    3 envoy_internal_address m64 o0
    M envoy.config.core.v3.AggregatedConfigSource
    M envoy.config.core.v3.ApiConfigSource
    1 api_type e10 defined_only
    2 cluster_names *s
    3 refresh_delay D
    4 grpc_services *m69
    5 request_timeout D gt=0
    6 rate_limit_settings m101
    7 set_node_on_first_message_only b
    8 transport_api_version e11 defined_only
    9 config_validators *m119
    M envoy.config.core.v3.BackoffStrategy
    1 base_interval D r gte=1000000
    2 max_interval D gt=0
    M envoy.config.core.v3.BindConfig
    1 source_address m109
    2 freebind Wb
    3 socket_options *m110
    4 additional_source_addresses *m109 d
    5 extra_source_addresses *m66
    6 local_address_selector m119
    M envoy.config.core.v3.BuildVersion
    1 version m360
    2 metadata S
    M envoy.config.core.v3.CidrRange
    1 address_prefix s min_len=1
    2 prefix_len Wu lte=128
    M envoy.config.core.v3.ConfigSource
    O config_source_specifier r
    1 path s o0 d
    2 api_config_source m54 o0
    3 ads m53 o0
    4 initial_fetch_timeout D
    5 self X o0
    6 resource_api_version e11 defined_only
    7 authorities *X
    8 path_config_source m97 o0
    M envoy.config.core.v3.ControlPlane
    1 identifier s
    M envoy.config.core.v3.DataSource
    O specifier r
    1 filename s o0 min_len=1
    2 inline_bytes y o0
    3 inline_string s o0
    4 environment_variable s o0 min_len=1
    5 watched_directory m121
    M envoy.config.core.v3.DnsResolutionConfig
    1 resolvers *m52 min_items=1
    2 dns_resolver_options m63
    M envoy.config.core.v3.DnsResolverOptions
    1 use_tcp_for_dns_lookups b
    2 no_default_search_domain b
    M envoy.config.core.v3.EnvoyInternalAddress
    O address_name_specifier r
    1 server_listener_name s o0
    2 endpoint_id s
    M envoy.config.core.v3.Extension
    1 name s
    2 category s
    3 type_descriptor s d
    4 version m57
    5 disabled b
    6 type_urls *s
    M envoy.config.core.v3.ExtraSourceAddress
    1 address m109 r
    2 socket_options m114
    M envoy.config.core.v3.GrpcMethodList
    1 services *m68
    M envoy.config.core.v3.GrpcMethodList.Service
    1 name s min_len=1
    2 method_names *s min_items=1
    M envoy.config.core.v3.GrpcService
    O target_specifier r
    1 envoy_grpc m70 o0
    2 google_grpc X o0
    3 timeout D
    5 initial_metadata *m71
    6 retry_policy m102
    M envoy.config.core.v3.GrpcService.EnvoyGrpc
    1 cluster_name s min_len=1
    2 authority s min_len=0 max_bytes=16384 header_value lenient
    3 retry_policy m102
    4 max_receive_message_length Wu
    5 skip_envoy_headers b
    M envoy.config.core.v3.HeaderValue
    1 key s min_len=1 max_bytes=16384 header_name lenient
    2 value s max_bytes=16384 header_value lenient
    3 raw_value y min_len=0 max_len=16384
    M envoy.config.core.v3.HeaderValueOption
    1 header m71 r
    2 append Wb d
    3 append_action e12 defined_only
    4 keep_empty_value b
    M envoy.config.core.v3.HealthCheck
    O health_checker r
    1 timeout D r gt=0
    2 interval D r gt=0
    3 interval_jitter D
    4 unhealthy_threshold Wu r
    5 healthy_threshold Wu r
    6 alt_port Wu
    7 reuse_connection Wb
    8 http_health_check m75 o0
    9 tcp_health_check m77 o0
    11 grpc_health_check m74 o0
    12 no_traffic_interval D gt=0
    13 custom_health_check X o0
    14 unhealthy_interval D gt=0
    15 unhealthy_edge_interval D gt=0
    16 healthy_edge_interval D gt=0
    17 event_log_path s d
    18 interval_jitter_percent u
    19 always_log_health_check_failures b
    20 initial_jitter D
    21 tls_options m78
    22 event_service X
    23 transport_socket_match_criteria S
    24 no_traffic_healthy_interval D gt=0
    25 event_logger *m119
    26 always_log_health_check_success b
    M envoy.config.core.v3.HealthCheck.GrpcHealthCheck
    1 service_name s
    2 authority s header_value lenient
    3 initial_metadata *m72 max_items=1000
    M envoy.config.core.v3.HealthCheck.HttpHealthCheck
    1 host s header_value
    2 path s min_len=1 header_value
    3 send m76
    4 receive *m76
    6 request_headers_to_add *m72 max_items=1000
    8 request_headers_to_remove *s items( header_name lenient )
    9 expected_statuses *m358
    10 codec_client_type e58 defined_only
    11 service_name_matcher m347
    12 retriable_statuses *m358
    13 method e18 defined_only not_in=6
    14 response_buffer_size WU gte=0
    M envoy.config.core.v3.HealthCheck.Payload
    O payload r
    1 text s o0 min_len=1
    2 binary y o0
    M envoy.config.core.v3.HealthCheck.TcpHealthCheck
    1 send m76
    2 receive *m76
    3 proxy_protocol_config m99
    M envoy.config.core.v3.HealthCheck.TlsOptions
    1 alpn_protocols *s
    M envoy.config.core.v3.HealthStatusSet
    1 statuses *e13 items( defined_only )
    M envoy.config.core.v3.Http1ProtocolOptions
    1 allow_absolute_url Wb
    2 accept_http_10 b
    3 default_host_for_http_10 s
    4 header_key_format m81
    5 enable_trailers b
    6 allow_chunked_length b
    7 override_stream_error_on_invalid_http_message Wb
    8 send_fully_qualified_url b
    9 use_balsa_parser Wb d
    10 allow_custom_methods b
    11 ignore_http_11_upgrade *m347
    M envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat
    O header_format r
    1 proper_case_words m82 o0
    8 stateful_formatter m119 o0
    M envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat.ProperCaseWords
    M envoy.config.core.v3.Http2ProtocolOptions
    1 hpack_table_size Wu
    2 max_concurrent_streams Wu lte=2147483647 gte=1
    3 initial_stream_window_size Wu lte=2147483647 gte=65535
    4 initial_connection_window_size Wu lte=2147483647 gte=65535
    5 allow_connect b
    6 allow_metadata b
    7 max_outbound_frames Wu gte=1
    8 max_outbound_control_frames Wu gte=1
    9 max_consecutive_inbound_frames_with_empty_payload Wu
    10 max_inbound_priority_frames_per_stream Wu
    11 max_inbound_window_update_frames_per_data_frame_sent Wu gte=1
    12 stream_error_on_invalid_http_messaging b d
    13 custom_settings_parameters *m84
    14 override_stream_error_on_invalid_http_message Wb
    15 connection_keepalive m89
    16 use_oghttp2_codec Wb
    17 max_metadata_size WU
    M envoy.config.core.v3.Http2ProtocolOptions.SettingsParameter
    1 identifier Wu r lte=65535 gte=0
    2 value Wu r
    M envoy.config.core.v3.HttpProtocolOptions
    1 idle_timeout D
    2 max_headers_count Wu gte=1
    3 max_connection_duration D
    4 max_stream_duration D
    5 headers_with_underscores_action e14
    6 max_requests_per_connection Wu
    7 max_response_headers_kb Wu lte=8192 gt=0
    M envoy.config.core.v3.HttpService
    1 http_uri m87
    2 request_headers_to_add *m72 max_items=1000
    M envoy.config.core.v3.HttpUri
    O http_upstream_type r
    1 uri s min_len=1
    2 cluster s o0 min_len=1
    3 timeout D r lt=4294967296000000000 gte=0
    M envoy.config.core.v3.JsonFormatOptions
    1 sort_properties b d
    M envoy.config.core.v3.KeepaliveSettings
    1 interval D gte=1000000
    2 timeout D r gte=1000000
    3 interval_jitter m359
    4 connection_idle_interval D gte=1000000
    M envoy.config.core.v3.KeyValue
    1 key s d min_len=1 max_bytes=16384
    2 value y d
    M envoy.config.core.v3.KeyValueAppend
    1 entry m90 d
    2 action e15 defined_only
    3 record m93
    M envoy.config.core.v3.KeyValueMutation
    1 append m91
    2 remove s max_bytes=16384
    M envoy.config.core.v3.KeyValuePair
    1 key s min_len=1 max_bytes=16384
    2 value V
    M envoy.config.core.v3.Locality
    1 region s
    2 zone s
    3 sub_zone s
    M envoy.config.core.v3.Metadata
    1 filter_metadata %S keys( min_len=1 )
    2 typed_filter_metadata %A keys( min_len=1 )
    M envoy.config.core.v3.Node
    O user_agent_version_type
    1 id s
    2 cluster s
    3 metadata S
    4 locality m94
    6 user_agent_name s
    7 user_agent_version s o0
    8 user_agent_build_version m57 o0
    9 extensions *m65
    10 client_features *s
    11 listening_addresses *m52 d
    12 dynamic_parameters %X
    M envoy.config.core.v3.PathConfigSource
    1 path s min_len=1
    2 watched_directory m121
    M envoy.config.core.v3.Pipe
    1 path s min_len=1
    2 mode u lte=511
    M envoy.config.core.v3.ProxyProtocolConfig
    1 version e16
    2 pass_through_tlvs m100
    3 added_tlvs *m117
    M envoy.config.core.v3.ProxyProtocolPassThroughTLVs
    1 match_type e17
    2 tlv_type *u items( lt=256 )
    M envoy.config.core.v3.RateLimitSettings
    1 max_tokens Wu
    2 fill_rate Wd gt=0
    M envoy.config.core.v3.RetryPolicy
    1 retry_back_off m55
    2 num_retries Wu
    3 retry_on s
    4 retry_priority X
    5 retry_host_predicate *X
    6 host_selection_retry_max_attempts I
    M envoy.config.core.v3.RuntimeDouble
    1 default_value d
    2 runtime_key s
    M envoy.config.core.v3.RuntimeFeatureFlag
    1 default_value Wb r
    2 runtime_key s
    M envoy.config.core.v3.RuntimeFractionalPercent
    1 default_value m353 r
    2 runtime_key s
    M envoy.config.core.v3.RuntimePercent
    1 default_value m359
    2 runtime_key s
    M envoy.config.core.v3.RuntimeUInt32
    2 default_value u
    3 runtime_key s
    M envoy.config.core.v3.SchemeHeaderTransformation
    O transformation
    1 scheme_to_overwrite s o0 in=http,https
    2 match_upstream b
    M envoy.config.core.v3.SocketAddress
    O port_specifier r
    1 protocol e20 defined_only
    2 address s min_len=1
    3 port_value u o0 lte=65535
    4 named_port s o0
    5 resolver_name s
    6 ipv4_compat b
    7 network_namespace_filepath s
    M envoy.config.core.v3.SocketOption
    O value r
    1 description s
    2 level I
    3 name I
    4 int_value I o0
    5 buf_value y o0
    6 state e21 defined_only
    7 type m111
    M envoy.config.core.v3.SocketOption.SocketType
    1 stream m113
    2 datagram m112
    M envoy.config.core.v3.SocketOption.SocketType.Datagram
    M envoy.config.core.v3.SocketOption.SocketType.Stream
    M envoy.config.core.v3.SocketOptionsOverride
    1 socket_options *m110
    M envoy.config.core.v3.SubstitutionFormatString
    O format r
    1 text_format s o0 d
    2 json_format S o0 r
    3 omit_empty_values b
    4 content_type s header_value lenient
    5 text_format_source m61 o0
    6 formatters *m119
    7 json_format_options m88
    M envoy.config.core.v3.TcpKeepalive
    1 keepalive_probes Wu
    2 keepalive_time Wu
    3 keepalive_interval Wu
    M envoy.config.core.v3.TlvEntry
    1 type u lt=256
    2 value y
    3 format_string m115
    M envoy.config.core.v3.TransportSocket
    O config_type
    1 name s min_len=1
    3 typed_config A o0
    M envoy.config.core.v3.TypedExtensionConfig
    1 name s min_len=1
    2 typed_config A r
    M envoy.config.core.v3.UpstreamHttpProtocolOptions
    1 auto_sni b
    2 auto_san_validation b
    3 override_auto_sni_header s header_name ignore_empty
    M envoy.config.core.v3.WatchedDirectory
    1 path s min_len=1
    M envoy.config.endpoint.v3.ClusterLoadAssignment
    1 cluster_name s min_len=1
    2 endpoints *m129
    4 policy m123
    5 named_endpoints %m125
    M envoy.config.endpoint.v3.ClusterLoadAssignment.Policy
    2 drop_overloads *m124
    3 overprovisioning_factor Wu gt=0
    4 endpoint_stale_after D gt=0
    6 weighted_priority_health b
    M envoy.config.endpoint.v3.ClusterLoadAssignment.Policy.DropOverload
    1 category s min_len=1
    2 drop_percentage m353
    M envoy.config.endpoint.v3.Endpoint
    1 address m52
    2 health_check_config m127
    3 hostname s
    4 additional_addresses *m126
    M envoy.config.endpoint.v3.Endpoint.AdditionalAddress
    1 address m52
    M envoy.config.endpoint.v3.Endpoint.HealthCheckConfig
    1 port_value u lte=65535
    2 hostname s
    3 address m52
    4 disable_active_health_check b
    M envoy.config.endpoint.v3.LbEndpoint
    O host_identifier
    1 endpoint m125 o0
    2 health_status e13
    3 metadata m95
    4 load_balancing_weight Wu gte=1
    5 endpoint_name s o0
    M envoy.config.endpoint.v3.LocalityLbEndpoints
    O lb_config
    1 locality m94
    2 lb_endpoints *m128
    3 load_balancing_weight Wu gte=1
    5 priority u lte=128
    6 proximity Wu
    7 load_balancer_endpoints m130 o0 d
    8 leds_cluster_locality_config X o0
    9 metadata m95
    M envoy.config.endpoint.v3.LocalityLbEndpoints.LbEndpointList
    1 lb_endpoints *m128
    M envoy.config.listener.v3.AdditionalAddress
    1 address m52
    2 socket_options m114
    M envoy.config.listener.v3.Filter
    O config_type
    1 name s min_len=1
    4 typed_config A o0
    5 config_discovery X o0
    M envoy.config.listener.v3.FilterChain
    1 filter_chain_match m134
    3 filters *m132
    4 use_proxy_proto Wb d
    5 metadata m95
    6 transport_socket m118
    7 name s
    9 transport_socket_connect_timeout D
    M envoy.config.listener.v3.FilterChainMatch
    3 prefix_ranges *m58
    4 address_suffix s
    5 suffix_len Wu
    6 source_prefix_ranges *m58
    7 source_ports *u items( lte=65535 gte=1 )
    8 destination_port Wu lte=65535 gte=1
    9 transport_protocol s
    10 application_protocols *s
    11 server_names *s
    12 source_type e23 defined_only
    13 direct_source_prefix_ranges *m58
    M envoy.config.listener.v3.Listener
    O listener_specifier
    1 name s
    2 address m52
    3 filter_chains *m133
    4 use_original_dst Wb
    5 per_connection_buffer_limit_bytes Wu
    6 metadata m95
    7 deprecated_v1 m138 d
    8 drain_type e24
    9 listener_filters *m139
    10 transparent Wb
    11 freebind Wb
    12 tcp_fast_open_queue_length Wu
    13 socket_options *m110
    15 listener_filters_timeout D
    16 traffic_direction e22
    17 continue_on_listener_filters_timeout b
    18 udp_listener_config X
    19 api_listener X
    20 connection_balance_config m136
    21 reuse_port b d
    22 access_log *m0
    24 tcp_backlog_size Wu
    25 default_filter_chain m133
    26 bind_to_port Wb
    27 internal_listener X o0
    28 stat_prefix s
    29 enable_reuse_port Wb
    30 enable_mptcp b
    31 ignore_global_conn_limit b
    32 filter_chain_matcher X
    33 additional_addresses *m131
    34 max_connections_to_accept_per_socket_event Wu gt=0
    35 bypass_overload_manager b
    36 fcds_config X
    M envoy.config.listener.v3.Listener.ConnectionBalanceConfig
    O balance_type r
    1 exact_balance m137 o0
    2 extend_balance m119 o0
    M envoy.config.listener.v3.Listener.ConnectionBalanceConfig.ExactBalance
    M envoy.config.listener.v3.Listener.DeprecatedV1
    1 bind_to_port Wb
    M envoy.config.listener.v3.ListenerFilter
    O config_type
    1 name s min_len=1
    3 typed_config A o0
    4 filter_disabled m140
    5 config_discovery X o0
    M envoy.config.listener.v3.ListenerFilterChainMatchPredicate
    O rule r
    1 or_match m141 o0
    2 and_match m141 o0
    3 not_match m140 o0
    4 any_match b o0 const
    5 destination_port_range m357 o0
    M envoy.config.listener.v3.ListenerFilterChainMatchPredicate.MatchSet
    1 rules *m140 min_items=2
    M envoy.config.metrics.v3.HistogramBucketSettings
    1 match m347 r
    2 buckets *d unique items( gt=0 )
    3 bins Wu lte=46082 gt=0
    M envoy.config.metrics.v3.StatsConfig
    1 stats_tags *m145
    2 use_all_default_tags Wb
    3 stats_matcher m144
    4 histogram_bucket_settings *m142
    M envoy.config.metrics.v3.StatsMatcher
    O stats_matcher r
    1 reject_all b o0
    2 exclusion_list m342 o0
    3 inclusion_list m342 o0
    M envoy.config.metrics.v3.TagSpecifier
    O tag_value
    1 tag_name s
    2 regex s o0 max_bytes=1024
    3 fixed_value s o0
    M envoy.config.overload.v3.BufferFactoryConfig
    1 minimum_account_to_track_power_of_two u lte=56 gte=10
    M envoy.config.overload.v3.LoadShedPoint
    1 name s min_len=1
    2 triggers *m155 min_items=1
    M envoy.config.overload.v3.OverloadAction
    1 name s min_len=1
    2 triggers *m155 min_items=1
    3 typed_config A
    M envoy.config.overload.v3.OverloadManager
    1 refresh_interval D
    2 resource_monitors *m150 min_items=1
    3 actions *m148
    4 buffer_factory_config m146
    5 loadshed_points *m147
    M envoy.config.overload.v3.ResourceMonitor
    O config_type
    1 name s min_len=1
    3 typed_config A o0
    M envoy.config.overload.v3.ScaleTimersOverloadActionConfig
    1 timer_scale_factors *m152 min_items=1
    M envoy.config.overload.v3.ScaleTimersOverloadActionConfig.ScaleTimer
    O overload_adjust r
    1 timer e25 defined_only not_in=0
    2 min_timeout D o0
    3 min_scale m359 o0
    M envoy.config.overload.v3.ScaledTrigger
    1 scaling_threshold d lte=1 gte=0
    2 saturation_threshold d lte=1 gte=0
    M envoy.config.overload.v3.ThresholdTrigger
    1 value d lte=1 gte=0
    M envoy.config.overload.v3.Trigger
    O trigger_oneof r
    1 name s min_len=1
    2 threshold m154 o0
    3 scaled m153 o0
    M envoy.config.ratelimit.v3.RateLimitServiceConfig
    2 grpc_service m69 r
    4 transport_api_version e11 defined_only
    M envoy.config.rbac.v3.Permission
    O rule r
    1 and_rules m158 o0
    2 or_rules m158 o0
    3 any b o0 const
    4 header m168 o0
    5 destination_ip m58 o0
    6 destination_port u o0 lte=65535
    7 metadata X o0 d
    8 not_rule m157 o0
    9 requested_server_name m347 o0
    10 url_path m343 o0
    11 destination_port_range m357 o0
    12 matcher m119 o0
    13 uri_template m119 o0
    14 sourced_metadata X o0
    M envoy.config.rbac.v3.Permission.Set
    1 rules *m157 min_items=1
    M envoy.config.rbac.v3.Policy
    1 permissions *m157 min_items=1
    2 principals *m160 min_items=1
    3 condition X
    4 checked_condition X
    5 cel_config X
    M envoy.config.rbac.v3.Principal
    O identifier r
    1 and_ids m162 o0
    2 or_ids m162 o0
    3 any b o0 const
    4 authenticated m161 o0
    5 source_ip m58 o0 d
    6 header m168 o0
    7 metadata X o0 d
    8 not_id m160 o0
    9 url_path m343 o0
    10 direct_remote_ip m58 o0
    11 remote_ip m58 o0
    12 filter_state X o0
    13 sourced_metadata X o0
    14 custom m119 o0
    M envoy.config.rbac.v3.Principal.Authenticated
    2 principal_name m347
    M envoy.config.rbac.v3.Principal.Set
    1 ids *m160 min_items=1
    M envoy.config.rbac.v3.RBAC
    1 action e26 defined_only
    2 policies %m159
    3 audit_logging_options X
    M envoy.config.route.v3.CorsPolicy
    O enabled_specifier
    2 allow_methods s
    3 allow_headers s
    4 expose_headers s
    5 max_age s
    6 allow_credentials Wb
    9 filter_enabled m105 o0
    10 shadow_enabled m105
    11 allow_origin_string_match *m347
    12 allow_private_network_access Wb
    13 forward_not_matching_preflights Wb
    M envoy.config.route.v3.Decorator
    1 operation s min_len=1
    2 propagate Wb
    M envoy.config.route.v3.DirectResponseAction
    1 status u lt=600 gte=200
    2 body m61
    3 body_format m115
    M envoy.config.route.v3.FilterConfig
    1 config A
    2 is_optional b
    3 disabled b
    M envoy.config.route.v3.HeaderMatcher
    O header_match_specifier
    1 name s min_len=1 header_name lenient
    4 exact_match s o0 d
    6 range_match m358 o0
    7 present_match b o0
    8 invert_match b
    9 prefix_match s o0 d min_len=1
    10 suffix_match s o0 d min_len=1
    11 safe_regex_match m345 o0 d
    12 contains_match s o0 d min_len=1
    13 string_match m347 o0
    14 treat_missing_header_as_empty b
    M envoy.config.route.v3.InternalRedirectPolicy
    1 max_internal_redirects Wu
    2 redirect_response_codes *u max_items=5
    3 predicates *m119
    4 allow_cross_scheme_redirect b
    5 response_headers_to_copy *s unique items( header_name lenient )
    M envoy.config.route.v3.NonForwardingAction
    M envoy.config.route.v3.QueryParameterMatcher
    O query_parameter_match_specifier
    1 name s min_len=1 max_bytes=1024
    5 string_match m347 o0 r
    6 present_match b o0
    M envoy.config.route.v3.RateLimit
    1 stage Wu lte=10
    2 disable_key s
    3 actions *m173 min_items=1
    4 limit X
    5 hits_addend m183
    6 apply_on_stream_done b
    M envoy.config.route.v3.RateLimit.Action
    O action_specifier r
    1 source_cluster m182 o0
    2 destination_cluster m174 o0
    3 request_headers m181 o0
    4 remote_address m180 o0
    5 generic_key m175 o0
    6 header_value_match m176 o0
    7 dynamic_metadata X o0 d
    8 metadata X o0
    9 extension m119 o0
    10 masked_remote_address m177 o0
    11 query_parameter_value_match m178 o0
    12 query_parameters m179 o0
    M envoy.config.route.v3.RateLimit.Action.DestinationCluster
    M envoy.config.route.v3.RateLimit.Action.GenericKey
    1 descriptor_value s min_len=1
    2 descriptor_key s
    M envoy.config.route.v3.RateLimit.Action.HeaderValueMatch
    1 descriptor_value s min_len=1
    2 expect_match Wb
    3 headers *m168 min_items=1
    4 descriptor_key s
    M envoy.config.route.v3.RateLimit.Action.MaskedRemoteAddress
    1 v4_prefix_mask_len Wu lte=32
    2 v6_prefix_mask_len Wu lte=128
    M envoy.config.route.v3.RateLimit.Action.QueryParameterValueMatch
    1 descriptor_value s min_len=1
    2 expect_match Wb
    3 query_parameters *m171 min_items=1
    4 descriptor_key s
    M envoy.config.route.v3.RateLimit.Action.QueryParameters
    1 query_parameter_name s min_len=1
    2 descriptor_key s min_len=1
    3 skip_if_absent b
    M envoy.config.route.v3.RateLimit.Action.RemoteAddress
    M envoy.config.route.v3.RateLimit.Action.RequestHeaders
    1 header_name s min_len=1 header_name lenient
    2 descriptor_key s min_len=1
    3 skip_if_absent b
    M envoy.config.route.v3.RateLimit.Action.SourceCluster
    M envoy.config.route.v3.RateLimit.HitsAddend
    1 number WU lte=1000000000
    2 format s prefix=% suffix=% ignore_empty
    M envoy.config.route.v3.RedirectAction
    O scheme_rewrite_specifier
    O path_rewrite_specifier
    1 host_redirect s header_value lenient
    2 path_redirect s o1 header_value lenient
    3 response_code e27 defined_only
    4 https_redirect b o0
    5 prefix_rewrite s o1 header_value lenient
    6 strip_query b
    7 scheme_redirect s o0
    8 port_redirect u
    9 regex_rewrite m344 o1
    M envoy.config.route.v3.RetryPolicy
    1 retry_on s
    2 num_retries Wu
    3 per_try_timeout D
    4 retry_priority X
    5 retry_host_predicate *m189
    6 host_selection_retry_max_attempts I
    7 retriable_status_codes *u
    8 retry_back_off m188
    9 retriable_headers *m168
    10 retriable_request_headers *m168
    11 rate_limited_retry_back_off m186
    12 retry_options_predicates *m119
    13 per_try_idle_timeout D
    M envoy.config.route.v3.RetryPolicy.RateLimitedRetryBackOff
    1 reset_headers *m187 min_items=1
    2 max_interval D gt=0
    M envoy.config.route.v3.RetryPolicy.ResetHeader
    1 name s min_len=1 header_name lenient
    2 format e28 defined_only
    M envoy.config.route.v3.RetryPolicy.RetryBackOff
    1 base_interval D r gt=0
    2 max_interval D gt=0
    M envoy.config.route.v3.RetryPolicy.RetryHostPredicate
    O config_type
    1 name s min_len=1
    3 typed_config A o0
    M envoy.config.route.v3.Route
    O action r
    1 match m204 r
    2 route m191 o0
    3 redirect m184 o0
    4 metadata m95
    5 decorator m165
    7 direct_response m166 o0
    9 request_headers_to_add *m72 max_items=1000
    10 response_headers_to_add *m72 max_items=1000
    11 response_headers_to_remove *s items( min_len=1 header_name lenient )
    12 request_headers_to_remove *s items( min_len=1 header_name lenient )
    13 typed_per_filter_config %A
    14 name s
    15 tracing m208
    16 per_request_buffer_limit_bytes Wu d
    17 filter_action X o0
    18 non_forwarding_action m170 o0
    19 stat_prefix s
    20 request_body_buffer_limit WU
    M envoy.config.route.v3.RouteAction
    O cluster_specifier r
    O host_rewrite_specifier
    1 cluster s o0 min_len=1
    2 cluster_header s o0 min_len=1 header_name lenient
    3 weighted_clusters m211 o0
    4 metadata_match m95
    5 prefix_rewrite s header_value lenient
    6 host_rewrite_literal s o1 header_value lenient
    7 auto_host_rewrite Wb o1
    8 timeout D
    9 retry_policy m185
    11 priority e19 defined_only
    13 rate_limits *m172
    14 include_vh_rate_limits Wb d
    15 hash_policy *m192
    17 cors m164 d
    20 cluster_not_found_response_code e29 defined_only
    23 max_grpc_timeout D d
    24 idle_timeout D
    25 upgrade_configs *m201
    26 internal_redirect_action e30 d
    27 hedge_policy X
    28 grpc_timeout_offset D d
    29 host_rewrite_header s o1 header_name lenient
    30 request_mirror_policies *m200
    31 max_internal_redirects Wu d
    32 regex_rewrite m344
    33 retry_policy_typed_config A
    34 internal_redirect_policy m169
    35 host_rewrite_path_regex m344 o1
    36 max_stream_duration m199
    37 cluster_specifier_plugin s o0
    38 append_x_forwarded_host b
    39 inline_cluster_specifier_plugin X o0
    40 early_data_policy m119
    41 path_rewrite_policy m119
    42 flush_timeout D
    44 host_rewrite s o1
    45 path_rewrite s
    M envoy.config.route.v3.RouteAction.HashPolicy
    O policy_specifier r
    1 header m197 o0
    2 cookie m194 o0
    3 connection_properties m193 o0
    4 terminal b
    5 query_parameter m198 o0
    6 filter_state m196 o0
    M envoy.config.route.v3.RouteAction.HashPolicy.ConnectionProperties
    1 source_ip b
    M envoy.config.route.v3.RouteAction.HashPolicy.Cookie
    1 name s min_len=1
    2 ttl D
    3 path s
    4 attributes *m195
    M envoy.config.route.v3.RouteAction.HashPolicy.CookieAttribute
    1 name s min_len=1 max_bytes=16384 header_name lenient
    2 value s max_bytes=16384 header_value lenient
    M envoy.config.route.v3.RouteAction.HashPolicy.FilterState
    1 key s min_len=1
    M envoy.config.route.v3.RouteAction.HashPolicy.Header
    1 header_name s min_len=1 header_name lenient
    2 regex_rewrite m344
    M envoy.config.route.v3.RouteAction.HashPolicy.QueryParameter
    1 name s min_len=1
    M envoy.config.route.v3.RouteAction.MaxStreamDuration
    1 max_stream_duration D
    2 grpc_timeout_header_max D
    3 grpc_timeout_header_offset D
    M envoy.config.route.v3.RouteAction.RequestMirrorPolicy
    1 cluster s
    3 runtime_fraction m105
    4 trace_sampled Wb
    5 cluster_header s header_name lenient
    6 disable_shadow_host_suffix_append b
    7 request_headers_mutations *m50 max_items=1000
    8 host_rewrite_literal s header_value lenient
    M envoy.config.route.v3.RouteAction.UpgradeConfig
    1 upgrade_type s min_len=1 header_value lenient
    2 enabled Wb
    3 connect_config m202
    M envoy.config.route.v3.RouteAction.UpgradeConfig.ConnectConfig
    1 proxy_protocol_config m99
    2 allow_post b
    M envoy.config.route.v3.RouteConfiguration
    1 name s
    2 virtual_hosts *m210
    3 internal_only_headers *s items( header_name lenient )
    4 response_headers_to_add *m72 max_items=1000
    5 response_headers_to_remove *s items( header_name lenient )
    6 request_headers_to_add *m72 max_items=1000
    7 validate_clusters Wb
    8 request_headers_to_remove *s items( header_name lenient )
    9 vhds X
    10 most_specific_header_mutations_wins b
    11 max_direct_response_body_size_bytes Wu
    12 cluster_specifier_plugins *X
    13 request_mirror_policies *m200
    14 ignore_port_in_host_matching b
    15 ignore_path_parameters_in_path_matching b
    16 typed_per_filter_config %A
    17 metadata m95
    18 vhost_header s
    M envoy.config.route.v3.RouteMatch
    O path_specifier r
    1 prefix s o0
    2 path s o0
    4 case_sensitive Wb
    6 headers *m168
    7 query_parameters *m171
    8 grpc m206
    9 runtime_fraction m105
    10 safe_regex m345 o0 r
    11 tls_context m207
    12 connect_matcher m205 o0
    13 dynamic_metadata *X
    14 path_separated_prefix s o0 pattern=^[^?#]+[^?#/]$
    15 path_match_policy m119 o0
    16 filter_state *X
    M envoy.config.route.v3.RouteMatch.ConnectMatcher
    M envoy.config.route.v3.RouteMatch.GrpcRouteMatchOptions
    M envoy.config.route.v3.RouteMatch.TlsContextMatchOptions
    1 presented Wb
    2 validated Wb
    M envoy.config.route.v3.Tracing
    1 client_sampling m353
    2 random_sampling m353
    3 overall_sampling m353
    4 custom_tags *m348
    5 operation s
    6 upstream_operation s
    M envoy.config.route.v3.VirtualCluster
    2 name s min_len=1
    4 headers *m168
    M envoy.config.route.v3.VirtualHost
    1 name s min_len=1
    2 domains *s min_items=1 items( header_value lenient )
    3 routes *m190
    4 require_tls e31 defined_only
    5 virtual_clusters *m209
    6 rate_limits *m172
    7 request_headers_to_add *m72 max_items=1000
    8 cors m164 d
    10 response_headers_to_add *m72 max_items=1000
    11 response_headers_to_remove *s items( min_len=1 header_name lenient )
    13 request_headers_to_remove *s items( min_len=1 header_name lenient )
    14 include_request_attempt_count b
    15 typed_per_filter_config %A
    16 retry_policy m185
    17 hedge_policy X
    18 per_request_buffer_limit_bytes Wu d
    19 include_attempt_count_in_response b
    20 retry_policy_typed_config A
    21 matcher X
    22 request_mirror_policies *m200
    23 include_is_timeout_retry_header b
    24 metadata m95
    25 request_body_buffer_limit WU
    M envoy.config.route.v3.WeightedCluster
    O random_value_specifier
    1 clusters *m212 min_items=1
    2 runtime_key_prefix s
    3 total_weight Wu d
    4 header_name s o0 header_name lenient
    5 use_hash_policy Wb o0
    M envoy.config.route.v3.WeightedCluster.ClusterWeight
    O host_rewrite_specifier
    1 name s
    2 weight Wu
    3 metadata_match m95
    4 request_headers_to_add *m72 max_items=1000
    5 response_headers_to_add *m72 max_items=1000
    6 response_headers_to_remove *s items( header_name lenient )
    9 request_headers_to_remove *s items( header_name lenient )
    10 typed_per_filter_config %A
    11 host_rewrite_literal s o0 header_value lenient
    12 cluster_header s header_name lenient
    M envoy.config.trace.v3.OpenTelemetryConfig
    1 grpc_service m69
    2 service_name s
    3 http_service m86
    4 resource_detectors *m119
    5 sampler m119
    6 max_cache_size Wu
    M envoy.config.trace.v3.Tracing
    1 http m215
    M envoy.config.trace.v3.Tracing.Http
    O config_type
    1 name s min_len=1
    3 typed_config A o0
    M envoy.config.trace.v3.ZipkinConfig
    1 collector_cluster s
    2 collector_endpoint s
    3 trace_id_128bit b
    4 shared_span_context Wb
    5 collector_endpoint_version e32
    6 collector_hostname s
    7 split_spans_for_request b d
    8 trace_context_option e33
    9 collector_service m86
    M envoy.extensions.access_loggers.file.v3.FileAccessLog
    O access_log_format
    1 path s min_len=1
    2 format s o0 d
    3 json_format S o0 d
    4 typed_json_format S o0 d
    5 log_format m115 o0 r
    M envoy.extensions.access_loggers.stream.v3.StderrAccessLog
    O access_log_format
    1 log_format m115 o0 r
    M envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
    O access_log_format
    1 log_format m115 o0 r
    M envoy.extensions.clusters.dns.v3.DnsCluster
    3 dns_refresh_rate D gt=1000000
    4 dns_failure_refresh_rate m221
    5 respect_dns_ttl b
    6 dns_jitter D gte=0
    7 typed_dns_resolver_config m119
    8 dns_lookup_family e35
    9 all_addresses_in_single_endpoint b
    M envoy.extensions.clusters.dns.v3.DnsCluster.RefreshRate
    1 base_interval D r gt=1000000
    2 max_interval D gt=1000000
    M envoy.extensions.common.ratelimit.v3.LocalRateLimitDescriptor
    1 entries *m224 min_items=1
    2 token_bucket m361 r
    M envoy.extensions.common.ratelimit.v3.RateLimitDescriptor
    1 entries *m224 min_items=1
    2 limit X
    3 hits_addend WU
    M envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.Entry
    1 key s min_len=1
    2 value s min_len=0
    M envoy.extensions.filters.common.fault.v3.FaultDelay
    O fault_delay_secifier r
    3 fixed_delay D o0 gt=0
    4 percentage m353
    5 header_delay m226 o0
    M envoy.extensions.filters.common.fault.v3.FaultDelay.HeaderDelay
    M envoy.extensions.filters.http.cors.v3.Cors
    M envoy.extensions.filters.http.cors.v3.CorsPolicy
    1 allow_origin_string_match *m347
    2 allow_methods s
    3 allow_headers s
    4 expose_headers s
    5 max_age s
    6 allow_credentials Wb
    7 filter_enabled m105
    8 shadow_enabled m105
    9 allow_private_network_access Wb
    10 forward_not_matching_preflights Wb
    M envoy.extensions.filters.http.ext_authz.v3.AuthorizationRequest
    1 allowed_headers m342 d
    2 headers_to_add *m71
    M envoy.extensions.filters.http.ext_authz.v3.AuthorizationResponse
    1 allowed_upstream_headers m342
    2 allowed_client_headers m342
    3 allowed_upstream_headers_to_append m342
    4 allowed_client_headers_on_success m342
    5 dynamic_metadata_from_headers m342
    M envoy.extensions.filters.http.ext_authz.v3.BufferSettings
    1 max_request_bytes u gt=0
    2 allow_partial_message b
    3 pack_as_bytes b
    M envoy.extensions.filters.http.ext_authz.v3.CheckSettings
    O service_override
    1 context_extensions %s !
    2 disable_request_body_buffering b
    3 with_request_body m231
    4 grpc_service m69 o0
    5 http_service m235 o0
    M envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
    O services
    1 grpc_service m69 o0
    2 failure_mode_allow b
    3 http_service m235 o0
    5 with_request_body m231
    6 clear_route_cache b
    7 status_on_error m356
    8 metadata_context_namespaces *s
    9 filter_enabled m105
    10 include_peer_certificate b
    11 deny_at_disable m104
    12 transport_api_version e11 defined_only
    13 stat_prefix s
    14 filter_enabled_metadata X
    15 bootstrap_metadata_labels_key s
    16 typed_metadata_context_namespaces *s
    17 allowed_headers m342
    18 include_tls_session b
    19 failure_mode_allow_header_add b
    20 charge_cluster_response_stats Wb
    21 route_metadata_context_namespaces *s
    22 route_typed_metadata_context_namespaces *s
    23 encode_raw_headers b
    24 validate_mutations b
    25 disallowed_headers m342
    26 decoder_header_mutation_rules X
    27 enable_dynamic_metadata_ingestion Wb
    28 filter_metadata S
    29 emit_filter_state_stats b
    30 max_denied_response_body_bytes u
    31 enforce_response_header_limits b
    M envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute
    O override r
    1 disabled b o0
    2 check_settings m232 o0 r
    M envoy.extensions.filters.http.ext_authz.v3.HttpService
    1 server_uri m87
    2 path_prefix s
    7 authorization_request m229
    8 authorization_response m230
    9 retry_policy m102
    M envoy.extensions.filters.http.fault.v3.FaultAbort
    O error_type r
    2 http_status u o0 lt=600 gte=200
    3 percentage m353
    4 header_abort m237 o0
    5 grpc_status u o0
    M envoy.extensions.filters.http.fault.v3.FaultAbort.HeaderAbort
    M envoy.extensions.filters.http.fault.v3.HTTPFault
    1 delay m225
    2 abort m236
    3 upstream_cluster s
    4 headers *m168
    5 downstream_nodes *s
    6 max_active_faults Wu
    7 response_rate_limit X
    8 delay_percent_runtime s
    9 abort_percent_runtime s
    10 delay_duration_runtime s
    11 abort_http_status_runtime s
    12 max_active_faults_runtime s
    13 response_rate_limit_percent_runtime s
    14 abort_grpc_status_runtime s
    15 disable_downstream_cluster_stats b
    16 filter_metadata S
    M envoy.extensions.filters.http.grpc_stats.v3.FilterConfig
    O per_method_stat_specifier
    1 emit_filter_state b
    2 individual_method_stats_allowlist m67 o0
    3 stats_for_all_methods Wb o0
    4 enable_upstream_stats b
    5 replace_dots_in_grpc_service_name b
    M envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
    1 mutations m242
    2 most_specific_header_mutations_wins b
    M envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute
    1 mutations m242
    M envoy.extensions.filters.http.header_mutation.v3.Mutations
    1 request_mutations *m50
    2 response_mutations *m50
    3 query_parameter_mutations *m92
    4 response_trailers_mutations *m50
    5 request_trailers_mutations *m50
    M envoy.extensions.filters.http.health_check.v3.HealthCheck
    1 pass_through_mode Wb r
    3 cache_time D
    4 cluster_min_healthy_percentages %m359
    5 headers *m168
    M envoy.extensions.filters.http.jwt_authn.v3.FilterStateRule
    1 name s min_len=1
    3 requires %m252
    M envoy.extensions.filters.http.jwt_authn.v3.JwksAsyncFetch
    1 fast_listener b
    2 failed_refetch_duration D
    M envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
    1 providers %m250
    2 rules *m258
    3 filter_state_rules m244
    4 bypass_cors_preflight b
    5 requirement_map %m252
    6 strip_failure_response b
    7 stat_prefix s
    M envoy.extensions.filters.http.jwt_authn.v3.JwtCacheConfig
    1 jwt_cache_size u
    2 jwt_max_token_size u
    M envoy.extensions.filters.http.jwt_authn.v3.JwtClaimToHeader
    1 header_name s min_len=1 header_name lenient
    2 claim_name s min_len=1
    M envoy.extensions.filters.http.jwt_authn.v3.JwtHeader
    1 name s min_len=1 header_name lenient
    2 value_prefix s header_value lenient
    M envoy.extensions.filters.http.jwt_authn.v3.JwtProvider
    O jwks_source_specifier r
    1 issuer s
    2 audiences *s
    3 remote_jwks m257 o0
    4 local_jwks m61 o0
    5 forward b
    6 from_headers *m249
    7 from_params *s
    8 forward_payload_header s header_name lenient
    9 payload_in_metadata s
    10 clock_skew_seconds u
    11 pad_forward_payload_header b
    12 jwt_cache_config m247
    13 from_cookies *s
    14 header_in_metadata s
    15 claim_to_headers *m248
    16 failed_status_in_metadata s
    17 clear_route_cache b
    18 normalize_payload_in_metadata m251
    19 subjects m347
    20 require_expiration b
    21 max_lifetime D
    M envoy.extensions.filters.http.jwt_authn.v3.JwtProvider.NormalizePayload
    1 space_delimited_claims *s
    M envoy.extensions.filters.http.jwt_authn.v3.JwtRequirement
    O requires_type
    1 provider_name s o0
    2 provider_and_audiences m256 o0
    3 requires_any m254 o0
    4 requires_all m253 o0
    5 allow_missing_or_failed E o0
    6 allow_missing E o0
    M envoy.extensions.filters.http.jwt_authn.v3.JwtRequirementAndList
    1 requirements *m252 min_items=2
    M envoy.extensions.filters.http.jwt_authn.v3.JwtRequirementOrList
    1 requirements *m252 min_items=2
    M envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig
    O requirement_specifier r
    1 disabled b o0 const
    2 requirement_name s o0 min_len=1
    M envoy.extensions.filters.http.jwt_authn.v3.ProviderWithAudiences
    1 provider_name s
    2 audiences *s
    M envoy.extensions.filters.http.jwt_authn.v3.RemoteJwks
    1 http_uri m87 r
    2 cache_duration D lt=9000000000000000000 gte=1000000
    3 async_fetch m245
    4 retry_policy m102
    M envoy.extensions.filters.http.jwt_authn.v3.RequirementRule
    O requirement_type
    1 match m204 r
    2 requires m252 o0
    3 requirement_name s o0 min_len=1
    M envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
    1 stat_prefix s min_len=1
    2 status m356
    3 token_bucket m361
    4 filter_enabled m105
    5 filter_enforced m105
    6 response_headers_to_add *m72 max_items=10
    8 descriptors *m222
    9 stage u lte=10
    10 request_headers_to_add_when_not_enforced *m72 max_items=10
    11 local_rate_limit_per_downstream_connection b
    12 enable_x_ratelimit_headers e37 defined_only
    13 vh_rate_limits e36 defined_only
    14 always_consume_default_token_bucket Wb
    15 rate_limited_as_resource_exhausted b
    16 local_cluster_rate_limit X
    17 rate_limits *m172
    18 max_dynamic_descriptors Wu gte=1
    M envoy.extensions.filters.http.ratelimit.v3.RateLimit
    1 domain s min_len=1
    2 stage u lte=10
    3 request_type s in=internal,external,both,
    4 timeout D
    5 failure_mode_deny b
    6 rate_limited_as_resource_exhausted b
    7 rate_limit_service m156 r
    8 enable_x_ratelimit_headers e38 defined_only
    9 disable_x_envoy_ratelimited_header b
    10 rate_limited_status m356
    11 response_headers_to_add *m72 max_items=10
    12 status_on_error m356
    13 stat_prefix s
    14 filter_enabled m105
    15 filter_enforced m105
    16 failure_mode_deny_percent m105
    17 rate_limits *m172
    M envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute
    1 vh_rate_limits e40 defined_only
    2 override_option e39 defined_only
    3 rate_limits *m172
    4 domain s
    M envoy.extensions.filters.http.rbac.v3.RBAC
    1 rules m163
    2 shadow_rules m163
    3 shadow_rules_stat_prefix s
    4 matcher X
    5 shadow_matcher X
    6 rules_stat_prefix s
    7 track_per_rule_stats b
    M envoy.extensions.filters.http.rbac.v3.RBACPerRoute
    2 rbac m262
    M envoy.extensions.filters.http.router.v3.Router
    1 dynamic_stats Wb
    2 start_child_span b d
    3 upstream_log *m0
    4 suppress_envoy_headers b
    5 strict_check_headers *s items( in=x-envoy-upstream-rq-timeout-ms,x-envoy-upstream-rq-per-try-timeout-ms,x-envoy-max-retries,x-envoy-retry-grpc-on,x-envoy-retry-on )
    6 respect_expected_rq_timeout b
    7 suppress_grpc_request_failure_code_stats b
    8 upstream_http_filters *m280
    9 upstream_log_options X
    M envoy.extensions.filters.listener.http_inspector.v3.HttpInspector
    M envoy.extensions.filters.listener.original_dst.v3.OriginalDst
    M envoy.extensions.filters.listener.original_src.v3.OriginalSrc
    1 bind_port b
    2 mark u
    M envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol
    1 rules *m270
    2 allow_requests_without_proxy_protocol b
    3 pass_through_tlvs m100
    4 disallowed_versions *e16
    5 stat_prefix s
    6 tlv_location e41
    M envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.KeyValuePair
    1 metadata_namespace s
    2 key s min_len=1
    M envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.Rule
    1 tlv_type u lt=256
    2 on_tlv_present m269
    M envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector
    1 enable_ja3_fingerprinting Wb
    2 initial_read_buffer_size Wu lt=65537 gt=255
    3 enable_ja4_fingerprinting Wb
    4 close_connection_on_client_hello_parsing_errors b
    5 max_client_hello_size Wu lte=16384 gt=255
    M envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
    O route_specifier r
    O strip_port_mode
    1 codec_type e42 defined_only
    2 stat_prefix s min_len=1
    3 rds m282 o0
    4 route_config m203 o0
    5 http_filters *m280
    6 add_user_agent Wb
    7 tracing m278
    8 http_protocol_options m80
    9 http2_protocol_options m83
    10 server_name s header_value lenient
    12 drain_timeout D
    13 access_log *m0
    14 use_remote_address Wb
    15 generate_request_id Wb
    16 forward_client_cert_details e43 defined_only
    17 set_current_client_cert_details m277
    18 proxy_100_continue b
    19 xff_num_trusted_hops u
    20 represent_ipv4_remote_address_as_ipv4_mapped_ipv6 b
    21 skip_xff_append b
    22 via s header_value lenient
    23 upgrade_configs *m279
    24 stream_idle_timeout D
    25 internal_address_config m274
    26 delayed_close_timeout D
    28 request_timeout D
    29 max_request_headers_kb Wu lte=8192 gt=0
    30 normalize_path Wb
    31 scoped_routes X o0
    32 preserve_external_request_id b
    33 merge_slashes b
    34 server_header_transformation e45 defined_only
    35 common_http_protocol_options m85
    36 request_id_extension m283
    37 always_set_request_id_in_response b
    38 local_reply_config m281
    39 strip_matching_host_port b
    40 stream_error_on_invalid_http_message Wb
    41 request_headers_timeout D gte=0
    42 strip_any_host_port b o1
    43 path_normalization_options m275
    44 http3_protocol_options X
    45 path_with_escaped_slashes_action e44
    46 original_ip_detection_extensions *m119
    47 strip_trailing_host_dot b
    48 scheme_header_transformation m108
    49 proxy_status_config m276
    50 typed_header_validation_config m119
    51 append_x_forwarded_port b
    52 early_header_mutation_extensions *m119
    53 add_proxy_protocol_connection_state Wb
    54 access_log_flush_interval D d gte=1000000
    55 flush_access_log_on_new_request b d
    56 access_log_options m273
    57 append_local_overload b
    58 http1_safe_max_connection_duration b
    59 stream_flush_timeout D
    60 forward_client_cert_matcher X
    M envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.HcmAccessLogOptions
    1 access_log_flush_interval D gte=1000000
    2 flush_access_log_on_new_request b
    3 flush_log_on_tunnel_successfully_established b
    M envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.InternalAddressConfig
    1 unix_sockets b
    2 cidr_ranges *m58
    M envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.PathNormalizationOptions
    1 forwarding_transformation X
    2 http_filter_transformation X
    M envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ProxyStatusConfig
    O proxy_name
    1 remove_details b
    2 remove_connection_termination_details b
    3 remove_response_flags b
    4 set_recommended_response_code b
    5 use_node_id b o0
    6 literal_proxy_name s o0
    M envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.SetCurrentClientCertDetails
    1 subject Wb
    3 cert b
    4 dns b
    5 uri b
    6 chain b
    M envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing
    3 client_sampling m359
    4 random_sampling m359
    5 overall_sampling m359
    6 verbose b
    7 max_path_tag_length Wu
    8 custom_tags *m348
    9 provider m215
    10 spawn_upstream_span Wb
    11 operation s
    12 upstream_operation s
    M envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig
    1 upgrade_type s
    2 filters *m280
    3 enabled Wb
    M envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter
    O config_type
    1 name s min_len=1
    4 typed_config A o0
    5 config_discovery X o0
    6 is_optional b
    7 disabled b
    M envoy.extensions.filters.network.http_connection_manager.v3.LocalReplyConfig
    1 mappers *m284
    2 body_format m115
    M envoy.extensions.filters.network.http_connection_manager.v3.Rds
    1 config_source m59
    2 route_config_name s
    M envoy.extensions.filters.network.http_connection_manager.v3.RequestIDExtension
    1 typed_config A
    M envoy.extensions.filters.network.http_connection_manager.v3.ResponseMapper
    1 filter m1 r
    2 status_code Wu lt=600 gte=200
    3 body m61
    4 body_format_override m115
    5 headers_to_add *m72 max_items=1000
    M envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit
    1 stat_prefix s min_len=1
    2 token_bucket m361 r
    3 runtime_enabled m104
    4 share_key s
    M envoy.extensions.filters.network.ratelimit.v3.RateLimit
    1 stat_prefix s min_len=1
    2 domain s min_len=1
    3 descriptors *m223 min_items=1
    4 timeout D
    5 failure_mode_deny b
    6 rate_limit_service m156 r
    M envoy.extensions.filters.network.rbac.v3.RBAC
    1 rules m163
    2 shadow_rules m163
    3 stat_prefix s min_len=1
    4 enforcement_type e46
    5 shadow_rules_stat_prefix s
    6 matcher X
    7 shadow_matcher X
    8 delay_deny D
    M envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
    O cluster_specifier r
    1 stat_prefix s min_len=1
    2 cluster s o0
    3 downstream_idle_timeout D
    4 upstream_idle_timeout D
    5 access_log *m0
    7 max_connect_attempts Wu gte=1
    8 idle_timeout D
    9 metadata_match m95
    10 weighted_clusters m290 o0
    11 hash_policy *m354 max_items=1
    12 tunneling_config X
    13 max_downstream_connection_duration D gte=1000000
    14 on_demand X
    15 access_log_flush_interval D d gte=1000000
    16 flush_access_log_on_connected b d
    17 access_log_options m289
    18 backoff_options m55
    19 proxy_protocol_tlvs *m117
    20 max_downstream_connection_duration_jitter_percentage m359
    21 upstream_connect_mode e47 defined_only
    22 max_early_data_bytes Wu lte=1048576
    M envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TcpAccessLogOptions
    1 access_log_flush_interval D gte=1000000
    2 flush_access_log_on_connected b
    M envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster
    1 clusters *m291 min_items=1
    M envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight
    1 name s min_len=1
    2 weight u gte=1
    3 metadata_match m95
    M envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink
    1 event_log_path s min_len=1
    M envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig
    1 forward_reason_phrase b
    2 formatter_type_on_envoy_headers e48 defined_only
    M envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig
    1 allowed_route_names *s items( min_len=1 )
    M envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig
    M envoy.extensions.internal_redirect.safe_cross_scheme.v3.SafeCrossSchemeConfig
    M envoy.extensions.load_balancing_policies.common.v3.ConsistentHashingLbConfig
    1 use_hostname_for_hashing b
    2 hash_balance_factor Wu gte=100
    3 hash_policy *m192
    M envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig
    O locality_config_specifier r
    1 zone_aware_lb_config m300 o0
    2 locality_weighted_lb_config m299 o0
    M envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.LocalityWeightedLbConfig
    M envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig
    1 routing_enabled m359
    2 min_cluster_size WU
    3 fail_traffic_on_panic b
    4 force_locality_direct_routing b d
    5 force_local_zone m301
    6 locality_basis e49
    M envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig.ForceLocalZone
    1 min_size Wu
    M envoy.extensions.load_balancing_policies.common.v3.SlowStartConfig
    1 slow_start_window D
    2 aggression m103
    3 min_weight_percent m359
    M envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest
    1 choice_count Wu gte=2
    2 active_request_bias m103
    3 slow_start_config m302
    4 locality_lb_config m298
    5 enable_full_scan Wb d
    6 selection_method e50 defined_only
    M envoy.extensions.load_balancing_policies.maglev.v3.Maglev
    1 table_size WU lte=5000011
    2 consistent_hashing_lb_config m297
    3 locality_weighted_lb_config m299
    M envoy.extensions.load_balancing_policies.random.v3.Random
    1 locality_lb_config m298
    M envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash
    1 hash_function e51 defined_only
    2 minimum_ring_size WU lte=8388608 gte=1
    3 maximum_ring_size WU lte=8388608
    4 use_hostname_for_hashing b d
    5 hash_balance_factor Wu d gte=100
    6 consistent_hashing_lb_config m297
    7 locality_weighted_lb_config m299
    M envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin
    1 slow_start_config m302
    2 locality_lb_config m298
    M envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig
    1 resolvers *m52
    2 dns_resolver_options m63
    3 use_resolvers_as_fallback b
    4 filter_unroutable_families b
    5 udp_max_queries Wu
    6 query_timeout_seconds WU gte=1
    7 query_tries Wu gte=1
    8 rotate_nameservers b
    9 edns0_max_payload_size Wu lte=4096 gte=512
    10 max_udp_channel_duration D gte=0
    11 reinit_channel_on_timeout b
    M envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig
    1 pack_trace_reason Wb
    2 use_request_id_for_trace_sampling Wb
    M envoy.extensions.resource_monitors.cgroup_memory.v3.CgroupMemoryConfig
    1 max_memory_bytes U
    M envoy.extensions.resource_monitors.cpu_utilization.v3.CpuUtilizationConfig
    1 mode e52 defined_only
    M envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig
    1 max_active_downstream_connections I gt=0
    M envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig
    1 max_heap_size_bytes U gt=0
    M envoy.extensions.resource_monitors.injected_resource.v3.InjectedResourceConfig
    1 filename s min_len=1
    M envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate
    M envoy.extensions.tracers.opentelemetry.resource_detectors.v3.EnvironmentResourceDetectorConfig
    M envoy.extensions.tracers.opentelemetry.resource_detectors.v3.StaticConfigResourceDetectorConfig
    1 attributes %s
    M envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport
    1 config m99
    2 transport_socket m118 r
    3 allow_unspecified_address b
    4 tlv_as_pool_key b
    M envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer
    M envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext
    1 trusted_ca m61
    2 verify_certificate_hash *s items( min_len=64 max_bytes=95 )
    3 verify_certificate_spki *s items( min_len=44 max_bytes=44 )
    6 require_signed_certificate_timestamp Wb
    7 crl m61
    8 allow_expired_certificate b
    9 match_subject_alt_names *m347 d
    10 trust_chain_verification e53 defined_only
    11 watched_directory m121
    12 custom_validator_config m119
    13 ca_certificate_provider_instance X
    14 only_verify_leaf_cert_crl b
    15 match_typed_subject_alt_names *m328
    16 max_verify_depth Wu lte=100
    17 system_root_certs m321
    M envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.SystemRootCerts
    M envoy.extensions.transport_sockets.tls.v3.CommonTlsContext
    O validation_context_type
    1 tls_params m330
    2 tls_certificates *m329
    3 validation_context m320 o0
    4 alpn_protocols *s
    6 tls_certificate_sds_secret_configs *m326
    7 validation_context_sds_secret_config m326 o0
    8 combined_validation_context m323 o0
    9 tls_certificate_certificate_provider X d
    10 validation_context_certificate_provider X o0 d
    11 tls_certificate_certificate_provider_instance X d
    12 validation_context_certificate_provider_instance X o0 d
    13 custom_handshaker m119
    14 tls_certificate_provider_instance X
    15 key_log X
    16 custom_tls_certificate_selector m119
    M envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CombinedCertificateValidationContext
    1 default_validation_context m320 r
    2 validation_context_sds_secret_config m326 r
    3 validation_context_certificate_provider X d
    4 validation_context_certificate_provider_instance X d
    M envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
    O session_ticket_keys_type
    1 common_tls_context m322
    2 require_client_certificate Wb
    3 require_sni Wb
    4 session_ticket_keys m331 o0
    5 session_ticket_keys_sds_secret_config m326 o0
    6 session_timeout D lt=4294967296000000000 gte=0
    7 disable_stateless_session_resumption b o0
    8 ocsp_staple_policy e54 defined_only
    9 full_scan_certs_on_sni_mismatch Wb
    10 disable_stateful_session_resumption b
    11 prefer_client_ciphers b
    M envoy.extensions.transport_sockets.tls.v3.GenericSecret
    1 secret m61 !
    2 secrets %m61 !
    M envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig
    1 name s min_len=1
    2 sds_config m59
    M envoy.extensions.transport_sockets.tls.v3.Secret
    O type
    1 name s
    2 tls_certificate m329 o0
    3 session_ticket_keys m331 o0
    4 validation_context m320 o0
    5 generic_secret m325 o0
    M envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher
    1 san_type e55 defined_only not_in=0
    2 matcher m347 r
    3 oid s
    M envoy.extensions.transport_sockets.tls.v3.TlsCertificate
    1 certificate_chain m61
    2 private_key m61 !
    3 password m61 !
    4 ocsp_staple m61
    5 signed_certificate_timestamp *m61
    6 private_key_provider X
    7 watched_directory m121
    8 pkcs12 m61 !
    M envoy.extensions.transport_sockets.tls.v3.TlsParameters
    1 tls_minimum_protocol_version e57 defined_only
    2 tls_maximum_protocol_version e57 defined_only
    3 cipher_suites *s
    4 ecdh_curves *s
    5 signature_algorithms *s
    6 compliance_policies *e56 max_items=1
    M envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys
    1 keys *m61 ! min_items=1
    M envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
    1 common_tls_context m322
    2 sni s max_bytes=255
    3 allow_renegotiation b
    4 max_session_keys Wu
    5 enforce_rsa_key_usage Wb
    6 auto_host_sni b
    7 auto_sni_san_validation b
    M envoy.extensions.upstreams.http.v3.HttpProtocolOptions
    O upstream_protocol_options r
    1 common_http_protocol_options m85
    2 upstream_http_protocol_options m120
    3 explicit_http_config m335 o0
    4 use_downstream_protocol_config m336 o0
    5 auto_config m334 o0
    6 http_filters *m280
    7 header_validation_config m119
    8 outlier_detection X
    9 request_mirror_policies *m200
    10 hash_policy *m192
    11 retry_policy m185
    M envoy.extensions.upstreams.http.v3.HttpProtocolOptions.AutoHttpConfig
    1 http_protocol_options m80
    2 http2_protocol_options m83
    3 http3_protocol_options X
    4 alternate_protocols_cache_options X
    M envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig
    O protocol_config r
    1 http_protocol_options m80 o0
    2 http2_protocol_options m83 o0
    3 http3_protocol_options X o0
    M envoy.extensions.upstreams.http.v3.HttpProtocolOptions.UseDownstreamHttpConfig
    1 http_protocol_options m80
    2 http2_protocol_options m83
    3 http3_protocol_options X
    M envoy.service.discovery.v3.DeltaDiscoveryRequest
    1 node m96
    2 type_url s
    3 resource_names_subscribe *s
    4 resource_names_unsubscribe *s
    5 initial_resource_versions %s
    6 response_nonce s
    7 error_detail m362
    8 resource_locators_subscribe *X
    9 resource_locators_unsubscribe *X
    M envoy.service.discovery.v3.DeltaDiscoveryResponse
    1 system_version_info s
    2 resources *m341
    4 type_url s
    5 nonce s
    6 removed_resources *s
    7 control_plane m60
    8 removed_resource_names *X
    9 resource_errors *X
    M envoy.service.discovery.v3.DiscoveryRequest
    1 version_info s
    2 node m96
    3 resource_names *s
    4 type_url s
    5 response_nonce s
    6 error_detail m362
    7 resource_locators *X
    M envoy.service.discovery.v3.DiscoveryResponse
    1 version_info s
    2 resources *A
    3 canary b
    4 type_url s
    5 nonce s
    6 control_plane m60
    7 resource_errors *X
    M envoy.service.discovery.v3.Resource
    1 version s
    2 resource A
    3 name s
    4 aliases *s
    6 ttl D
    7 cache_control X
    8 resource_name X
    9 metadata m95
    M envoy.type.matcher.v3.ListStringMatcher
    1 patterns *m347 min_items=1
    M envoy.type.matcher.v3.PathMatcher
    O rule r
    1 path m347 o0 r
    M envoy.type.matcher.v3.RegexMatchAndSubstitute
    1 pattern m345 r
    2 substitution s header_value lenient
    M envoy.type.matcher.v3.RegexMatcher
    O engine_type
    1 google_re2 m346 o0 d
    2 regex s min_len=1
    M envoy.type.matcher.v3.RegexMatcher.GoogleRE2
    1 max_program_size Wu d
    M envoy.type.matcher.v3.StringMatcher
    O match_pattern r
    1 exact s o0
    2 prefix s o0 min_len=1
    3 suffix s o0 min_len=1
    5 safe_regex m345 o0 r
    6 ignore_case b
    7 contains s o0 min_len=1
    8 custom X o0
    M envoy.type.tracing.v3.CustomTag
    O type r
    1 tag s min_len=1
    2 literal m351 o0
    3 environment m349 o0
    4 request_header m350 o0
    5 metadata X o0
    6 value s o0
    M envoy.type.tracing.v3.CustomTag.Environment
    1 name s min_len=1
    2 default_value s
    M envoy.type.tracing.v3.CustomTag.Header
    1 name s min_len=1 header_name lenient
    2 default_value s
    M envoy.type.tracing.v3.CustomTag.Literal
    1 value s min_len=1
    M envoy.type.v3.DoubleRange
    1 start d
    2 end d
    M envoy.type.v3.FractionalPercent
    1 numerator u
    2 denominator e59 defined_only
    M envoy.type.v3.HashPolicy
    O policy_specifier r
    1 source_ip m355 o0
    2 filter_state X o0
    M envoy.type.v3.HashPolicy.SourceIp
    M envoy.type.v3.HttpStatus
    1 code e60 defined_only not_in=0
    M envoy.type.v3.Int32Range
    1 start i
    2 end i
    M envoy.type.v3.Int64Range
    1 start I
    2 end I
    M envoy.type.v3.Percent
    1 value d lte=100 gte=0
    M envoy.type.v3.SemanticVersion
    1 major_number u
    2 minor_number u
    3 patch u
    M envoy.type.v3.TokenBucket
    1 max_tokens u gt=0
    2 tokens_per_fill Wu gt=0
    3 fill_interval D r gt=0
    M google.rpc.Status
    1 code i
    2 message s
    3 details *A
    """#
