// Which extensions each `typed_config` takes.

/// A slot is the field that holds the extension: `message.field` of the `Any`, or of the `TypedExtensionConfig`.
enum ExtensionSlots {
    static let typedExtension = "envoy.config.core.v3.TypedExtensionConfig"

    static let table: [String: [String]] = [
        "envoy.config.listener.v3.Filter.typed_config": [
            "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit",
            "envoy.extensions.filters.network.ratelimit.v3.RateLimit",
            "envoy.extensions.filters.network.rbac.v3.RBAC",
            "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        ],
        "envoy.config.listener.v3.ListenerFilter.typed_config": [
            "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector",
            "envoy.extensions.filters.listener.original_dst.v3.OriginalDst",
            "envoy.extensions.filters.listener.original_src.v3.OriginalSrc",
            "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
            "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
        ],
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter.typed_config": [
            "envoy.extensions.filters.http.cors.v3.Cors",
            "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
            "envoy.extensions.filters.http.fault.v3.HTTPFault",
            "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
            "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
            "envoy.extensions.filters.http.health_check.v3.HealthCheck",
            "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
            "envoy.extensions.filters.http.ratelimit.v3.RateLimit",
            "envoy.extensions.filters.http.rbac.v3.RBAC",
            "envoy.extensions.filters.http.router.v3.Router",
        ],
        "envoy.config.route.v3.RouteConfiguration.typed_per_filter_config": perFilter,
        "envoy.config.route.v3.VirtualHost.typed_per_filter_config": perFilter,
        "envoy.config.route.v3.Route.typed_per_filter_config": perFilter,
        "envoy.config.route.v3.WeightedCluster.ClusterWeight.typed_per_filter_config": perFilter,
        filterConfig: perFilter,
        "envoy.config.core.v3.TransportSocket.typed_config": [
            "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer",
            "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
        ],
        "envoy.config.core.v3.HealthCheck.event_logger": [
            "envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink"
        ],
        "envoy.config.trace.v3.Tracing.Http.typed_config": [
            "envoy.config.trace.v3.OpenTelemetryConfig",
            "envoy.config.trace.v3.ZipkinConfig",
        ],
        "envoy.config.trace.v3.OpenTelemetryConfig.resource_detectors": [
            "envoy.extensions.tracers.opentelemetry.resource_detectors.v3.EnvironmentResourceDetectorConfig",
            "envoy.extensions.tracers.opentelemetry.resource_detectors.v3.StaticConfigResourceDetectorConfig",
        ],
        "envoy.config.overload.v3.ResourceMonitor.typed_config": [
            "envoy.extensions.resource_monitors.cgroup_memory.v3.CgroupMemoryConfig",
            "envoy.extensions.resource_monitors.cpu_utilization.v3.CpuUtilizationConfig",
            "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
            "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
            "envoy.extensions.resource_monitors.injected_resource.v3.InjectedResourceConfig",
        ],
        "envoy.config.overload.v3.OverloadAction.typed_config": [
            "envoy.config.overload.v3.ScaleTimersOverloadActionConfig"
        ],
        "envoy.config.accesslog.v3.AccessLog.typed_config": [
            "envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "envoy.extensions.access_loggers.stream.v3.StderrAccessLog",
        ],
        "envoy.config.cluster.v3.Cluster.typed_extension_protocol_options": [
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
        ],
        "envoy.config.cluster.v3.Cluster.CustomClusterType.typed_config": [
            "envoy.extensions.clusters.dns.v3.DnsCluster"
        ],
        loadBalancing: [
            "envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin",
            "envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest",
            "envoy.extensions.load_balancing_policies.random.v3.Random",
            "envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash",
            "envoy.extensions.load_balancing_policies.maglev.v3.Maglev",
        ],
        "envoy.config.bootstrap.v3.Bootstrap.typed_dns_resolver_config": [caresResolver],
        "envoy.config.cluster.v3.Cluster.typed_dns_resolver_config": [caresResolver],
        "envoy.extensions.clusters.dns.v3.DnsCluster.typed_dns_resolver_config": [caresResolver],
        "envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat.stateful_formatter": [
            "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig"
        ],
        "envoy.config.route.v3.InternalRedirectPolicy.predicates": [
            "envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig",
            "envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig",
            "envoy.extensions.internal_redirect.safe_cross_scheme.v3.SafeCrossSchemeConfig",
        ],
        "envoy.config.route.v3.RetryPolicy.RetryHostPredicate.typed_config": [
            "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
        ],
    ]

    /// Lists of which Envoy takes the first entry that it knows.
    static let firstKnownWins: Set<String> = [loadBalancing]
    /// Slots in which an empty mapping stands for "as it is": no type is asked for.
    static let mayBeEmpty: Set<String> = [filterConfig]

    private static let filterConfig = "envoy.config.route.v3.FilterConfig.config"
    private static let perFilter = [
        "envoy.config.route.v3.FilterConfig",
        "envoy.extensions.filters.http.cors.v3.CorsPolicy",
        "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute",
        "envoy.extensions.filters.http.fault.v3.HTTPFault",
        "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute",
        "envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig",
        "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
        "envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute",
        "envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
    ]
    private static let loadBalancing = "envoy.config.cluster.v3.LoadBalancingPolicy.Policy.typed_extension_config"
    private static let caresResolver = "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"
}
