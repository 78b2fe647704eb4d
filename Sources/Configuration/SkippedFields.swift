// The harmless fields: taken, not acted on, and named once in the log with the reason why skipping them is safe.

/// One entry a field: the message, the field's proto name, and why nothing is lost without it.
enum SkippedFields {
    static let table: [(message: String, field: String, reason: String)] = [
        // Bootstrap: what tunes Envoy's own process, or speaks to a control plane that is not there.
        (bootstrap, "watchdog", "watches Envoy's own threads; no request depends on it"),
        (bootstrap, "watchdogs", "watches Envoy's own threads; no request depends on it"),
        (bootstrap, "enable_dispatcher_stats", "adds statistics of Envoy's event loop"),
        (bootstrap, "node_context_params", "only for resources by xdstp: names, and those are refused"),
        (bootstrap, "deferred_stat_options", "Outrider's statistics cost memory only once they are used"),
        (bootstrap, "stats_eviction_interval", "drops stats of some of Envoy's extensions, which Outrider has not"),
        (bootstrap, "memory_allocator_manager", "tunes the memory allocator of Envoy"),
        (bootstrap, "inline_headers", "a hint for Envoy's header storage; no header is treated otherwise"),
        (bootstrap, "perf_tracing_file_path", "only used by builds of Envoy with performance tracing"),
        (bootstrap, "grpc_async_client_manager_config", "tunes the caches of Envoy's gRPC clients"),
        (discovery, "canary", "only told to who asks"),
        (discovery, "nonce", "only told to a control plane"),
        (discovery, "control_plane", "only told to who asks"),
        (resource, "aliases", "only for virtual hosts on demand, and those are refused"),
        (resource, "metadata", "read by extensions that Outrider does not have"),
        (resource, "cache_control", "for what lies between Envoy and the control plane"),
        (apiSource, "refresh_delay", "how often REST asks; a stream is told"),
        (apiSource, "request_timeout", "for REST; a stream has no end"),
        (
            "envoy.config.core.v3.GrpcService.EnvoyGrpc", "skip_envoy_headers",
            "Outrider puts no headers of its own on a stream to a control plane, or on calls with spans"
        ),
        ("envoy.config.bootstrap.v3.Admin", "profile_path", "Outrider has no profiler that writes a file"),
        (
            "envoy.config.bootstrap.v3.RuntimeLayer", "admin_layer",
            "runtime values cannot be changed while Outrider runs, so that the layer stays empty"
        ),
        (
            "envoy.config.metrics.v3.HistogramBucketSettings", "bins",
            "only used by exporters other than Prometheus text"
        ),

        // Who we are. As in Envoy, what we can do is told by ourselves.
        (node, "dynamic_parameters", "only for resources by xdstp: names, and those are refused"),
        (node, "user_agent_version", "Outrider tells its own version"),
        (node, "user_agent_build_version", "Outrider tells its own version"),
        (node, "extensions", "Outrider tells what it has by its version"),

        (
            "envoy.config.core.v3.Metadata", "typed_filter_metadata", "read by extensions that Outrider does not have"
        ),

        // Listeners
        (listener, "connection_balance_config", "each worker has its own socket and the kernel spreads connections"),
        (
            "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector", "initial_read_buffer_size",
            "only the size of a buffer; the whole ClientHello is read"
        ),
        (
            "envoy.config.core.v3.Http1ProtocolOptions", "use_balsa_parser",
            "chooses between the two HTTP/1 parsers of Envoy"
        ),
        (
            "envoy.config.core.v3.Http2ProtocolOptions", "use_oghttp2_codec",
            "chooses between the two HTTP/2 codecs of Envoy"
        ),
        (
            "envoy.config.core.v3.Http2ProtocolOptions", "max_metadata_size",
            "bounds METADATA frames, and allow_metadata is refused"
        ),
        (
            "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter", "is_optional",
            "only matters for a filter that is not known, and such a filter is refused"
        ),

        (
            "envoy.extensions.filters.http.jwt_authn.v3.JwksAsyncFetch", "fast_listener",
            "no listener waits for keys: requests that come before them do"
        ),
        (
            "envoy.config.route.v3.FilterConfig", "is_optional",
            "only matters for a filter that is not known, and such a filter is refused"
        ),
        (
            "envoy.extensions.filters.network.rbac.v3.RBAC", "enforcement_type",
            "rules hold from the begin of a connection, and nothing that they look at changes in its life"
        ),

        // Routes
        ("envoy.config.route.v3.RouteConfiguration", "metadata", "read by extensions that Outrider does not have"),
        ("envoy.config.route.v3.WeightedCluster", "total_weight", "the sum of the weights counts, as in Envoy"),
        ("envoy.type.matcher.v3.RegexMatcher.GoogleRE2", "max_program_size", "Outrider bounds every regex by itself"),

        // Clusters
        (
            "envoy.config.cluster.v3.Cluster.CommonLbConfig", "update_merge_window",
            "delays news of weights and health; Outrider takes them at once"
        ),
        (locality, "proximity", "Envoy does not act on it either"),
    ]

    private static let bootstrap = "envoy.config.bootstrap.v3.Bootstrap"
    private static let discovery = DiscoveryDocument.messageName
    private static let resource = DiscoveryDocument.wrapperName
    private static let apiSource = "envoy.config.core.v3.ApiConfigSource"
    private static let node = "envoy.config.core.v3.Node"
    private static let listener = "envoy.config.listener.v3.Listener"
    private static let locality = "envoy.config.endpoint.v3.LocalityLbEndpoints"
}
