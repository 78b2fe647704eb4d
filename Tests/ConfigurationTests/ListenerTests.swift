// Listeners and filter chains: what they become, and what is wrong with them.
import DataPlane
import Reactor
import Testing

@testable import Configuration

@Suite struct ListenerTests {
    private static let proxy = """
        {name: tcp, typed_config: {"@type": \(types).filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: p, cluster: a}}
        """

    /// A listener on line 3 with these fields from line 5 on, and the cluster `a`.
    private static func listener(_ fields: String) -> String {
        """
        static_resources:
          listeners:
          - name: l
            address: {socket_address: {address: 127.0.0.1, port_value: 1}}
        \(indented(fields, by: 4))
          clusters: [{name: a}]
        """
    }

    @Test func everythingAListenerHas() throws {
        let text = Self.listener(
            """
            additional_addresses: [{address: {pipe: {path: /tmp/l, mode: 416}}}]
            listener_filters_timeout: 0s
            continue_on_listener_filters_timeout: true
            tcp_fast_open_queue_length: 12
            stat_prefix: s
            per_connection_buffer_limit_bytes: 4096
            tcp_backlog_size: 7
            enable_reuse_port: false
            traffic_direction: OUTBOUND
            drain_type: MODIFY_ONLY
            socket_options: [{level: 6, name: 9, int_value: 1, state: STATE_LISTENING}]
            filter_chains:
            - name: c
              filter_chain_match:
                destination_port: 80
                prefix_ranges: [{address_prefix: 10.1.2.3, prefix_len: 8}]
                server_names: ["*.Example.com"]
                source_ports: [5]
                transport_protocol: tls
              transport_socket_connect_timeout: 3s
              filters: [\(Self.proxy)]
            default_filter_chain: {filters: [\(Self.proxy)]}
            """)
        let spec = try #require(
            try loaded(
                text + """

                    layered_runtime:
                      layers: [{name: r, static_layer: {envoy.resource_limits.listener.l.connection_limit: 5}}]
                    """
            ).spec.listeners.first)
        #expect(spec.addresses.map(\.address.description) == ["127.0.0.1:1", "/tmp/l"])
        #expect(
            spec.addresses[0].socketOptions.raw == [
                RawSocketOption(level: 6, name: 9, value: .int(1), state: .listening),
                RawSocketOption(level: 6, name: 23, value: .int(12), state: .listening),
            ])
        #expect(spec.addresses[0].unixMode == nil)
        #expect(spec.addresses[1].unixMode == 0o640)
        #expect(spec.addresses[1].socketOptions.raw.count == 1)
        #expect(spec.listenerFiltersTimeout == nil)
        #expect(spec.continueOnListenerFiltersTimeout)
        #expect(spec.statPrefix == "s")
        #expect(spec.perConnectionBufferLimit == 4096)
        #expect(spec.tcpBacklogSize == 7)
        #expect(!spec.enableReusePort)
        #expect(spec.direction == .outbound)
        #expect(spec.drainType == .modifyOnly)
        #expect(spec.connectionLimit == 5)
        let chain = try #require(spec.filterChains.first)
        #expect(chain.match.destinationPort == 80)
        #expect(chain.match.prefixRanges.map(\.description) == ["10.0.0.0/8"])
        #expect(chain.match.serverNames == ["*.example.com"])
        #expect(chain.match.transportProtocol == "tls")
        #expect(chain.transportSocketConnectTimeout == .seconds(3))
        #expect(spec.defaultFilterChain != nil)
        guard case .tcp(let tcp) = chain.filter else {
            Issue.record("no TCP proxy")
            return
        }
        #expect(tcp.clusters == [TCPProxySpec.WeightedCluster(name: "a")])
        #expect(tcp.idleTimeout == .seconds(3600))
    }

    private static let problems: [(String, [String])] = [
        ("traffic_direction: INBOUND", ["f:3:5: $.filter_chains: a listener needs at least one filter chain"]),
        ("filter_chains: [{}]", ["f:5:21: $.filter_chains[0].filters: a filter chain needs a filter"]),
        (
            "filter_chains: [{filters: [{name: x}]}]",
            [
                """
                f:5:32: $.filter_chains[0].filters[0].typed_config: is required: extensions are chosen by the type of \
                their config
                """
            ]
        ),
        (
            "filter_chains:\n- filters:\n  - \(proxy)\n  - \(proxy)",
            ["f:7:9: $.filter_chains[0].filters[0]: \"tcp\" ends the chain of filters, and can only be its last"]
        ),
        (
            "filter_chains:\n- filters: [\(proxy)]\n- filters: [\(proxy)]",
            ["f:7:7: $.filter_chains[1].filter_chain_match: matches the same connections as the filter chain of line 6"]
        ),
        (
            "filter_chains:\n- filters: [\(proxy)]\n  filter_chain_match: {server_names: [\"*a.com\", \"*\", x]}",
            [
                """
                f:7:43: $.filter_chains[0].filter_chain_match.server_names[0]: "*a.com": a wildcard is only possible \
                as the first label, as in "*.example.com"
                """,
                """
                f:7:53: $.filter_chains[0].filter_chain_match.server_names[1]: "*": a wildcard is only possible as the \
                first label, as in "*.example.com"
                """,
            ]
        ),
        (
            """
            filter_chains:
            - filters: [\(proxy)]
              filter_chain_match: {prefix_ranges: [{address_prefix: 10.0.0.0, prefix_len: 33}]}
            """,
            [
                """
                f:7:83: $.filter_chains[0].filter_chain_match.prefix_ranges[0].prefix_len: must be at most 32 for \
                10.0.0.0, found 33
                """
            ]
        ),
        (
            """
            filter_chains:
            - filters:
              - name: x
                typed_config: {"@type": \(types).filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: p, cluster: b}
            """,
            [
                """
                f:8:134: $.filter_chains[0].filters[0].typed_config.cluster: there is no cluster "b"; did you mean "a"?
                """
            ]
        ),
        (
            """
            filter_chains:
            - filters:
              - {name: x, typed_config: {"@type": \(types).filters.network.redis_proxy.v3.RedisProxy}}
              - \(proxy)
            """,
            [
                """
                f:7:43: $.filter_chains[0].filters[0].typed_config: Outrider has no extension of type \
                "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy"; here it has \
                envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, \
                envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit, \
                envoy.extensions.filters.network.ratelimit.v3.RateLimit, \
                envoy.extensions.filters.network.rbac.v3.RBAC, \
                envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
                """
            ]
        ),
    ]

    private static let filters = "type.googleapis.com/envoy.extensions.filters.listener"

    @Test func whatSaysTheSameHasTheSameIdentity() throws {
        func made(_ fields: String) throws -> ListenerSpec {
            try #require(try loaded(Self.listener(fields)).spec.listeners.first)
        }
        let chains = "filter_chains: [{name: c, filter_chain_match: {destination_port: 80}, filters: [\(Self.proxy)]}]"
        let first = try made("tcp_backlog_size: 7\n" + chains)
        // The order of fields and the place in the file say nothing.
        let same = try made(
            """
            filter_chains:
            - filters: [\(Self.proxy)]
              filter_chain_match: {destination_port: 80}
              name: c
            tcp_backlog_size: 7
            """)
        #expect(first.identity != nil)
        #expect(first.identity == same.identity)
        #expect(first.filterChains[0].identity == same.filterChains[0].identity)

        let otherChain = try made("tcp_backlog_size: 7\n" + chains.replacing("80", with: "81"))
        #expect(first.identity == otherChain.identity)
        #expect(first.filterChains[0].identity != otherChain.filterChains[0].identity)

        let otherListener = try made("tcp_backlog_size: 8\n" + chains)
        #expect(first.identity != otherListener.identity)
        #expect(first.filterChains[0].identity == otherListener.filterChains[0].identity)

        // A chain for everybody and the default chain are two.
        let both = try made(
            "filter_chains: [{filters: [\(Self.proxy)]}]\ndefault_filter_chain: {filters: [\(Self.proxy)]}")
        #expect(both.filterChains[0].identity != both.defaultFilterChain?.identity)
    }

    @Test func listenerFiltersInTheirOrder() throws {
        let text = Self.listener(
            """
            use_original_dst: true
            listener_filters:
            - name: p
              typed_config:
                "@type": \(Self.filters).proxy_protocol.v3.ProxyProtocol
                rules: [{tlv_type: 234, on_tlv_present: {key: k}}]
                allow_requests_without_proxy_protocol: true
                disallowed_versions: [V2]
                stat_prefix: s
            - name: h
              typed_config: {"@type": \(Self.filters).http_inspector.v3.HttpInspector}
              filter_disabled:
                or_match:
                  rules: [{not_match: {any_match: true}}, {destination_port_range: {start: 80, end: 90}}]
            filter_chains:
            - filter_chain_match: {server_names: [a.example]}
              filters: [\(Self.proxy)]
            """)
        let spec = try #require(try loaded(text).spec.listeners.first)
        #expect(spec.handsOnRedirected)
        var proxy = ProxyProtocolSpec()
        proxy.rules = [
            ProxyProtocolSpec.Rule(type: 234, namespace: "envoy.filters.listener.proxy_protocol", key: "k")
        ]
        proxy.allowsAbsence = true
        proxy.allowsV2 = false
        proxy.statPrefix = "s"
        #expect(
            spec.filters == [
                ListenerFilterSpec(.proxyProtocol(proxy)),
                ListenerFilterSpec(.httpInspector, disabled: .oneOf([.not(.any), .destinationPort(80..<90)])),
                ListenerFilterSpec(.tlsInspector(TLSInspectorSpec())), ListenerFilterSpec(.originalDestination),
            ])
    }

    @Test(arguments: [
        ("{transport_protocol: raw_buffer}", 0), ("{transport_protocol: raw_buffer, application_protocols: [h2c]}", 0),
        ("{transport_protocol: tls}", 1), ("{server_names: [a]}", 1), ("{application_protocols: [h2]}", 1),
        ("{destination_port: 1}", 0),
    ])
    func tlsIsLookedForWhereAMatchAsksForIt(match: String, count: Int) throws {
        let text = Self.listener("filter_chains: [{filter_chain_match: \(match), filters: [\(Self.proxy)]}]")
        #expect(try loaded(text).spec.listeners.first?.filters.count == count)
    }

    @Test func listenerFiltersWithMistakes() {
        let place = "static_resources.listeners[0].listener_filters"
        let text = Self.listener(
            """
            listener_filters:
            - {name: a}
            - {name: b, typed_config: {"@type": \(Self.filters).proxy_protocol.v3.ProxyProtocol,
              rules: [{tlv_type: 1}], disallowed_versions: [V1, V2], tlv_location: FILTER_STATE}}
            - {name: c, typed_config: {"@type": \(Self.filters).tls_inspector.v3.TlsInspector,
              max_client_hello_size: 100}}
            default_filter_chain: {filters: [\(Self.proxy)]}
            """)
        let required = "is required: extensions are chosen by the type of their config"
        #expect(
            errors(text) == [
                "f:6:7: \(place)[0].typed_config: \(required)",
                "f:8:15: \(place)[1].typed_config.rules[0].on_tlv_present: is required: where is the value to go?",
                """
                f:8:31: \(place)[1].typed_config.disallowed_versions: both versions are disallowed, and there is no \
                other
                """,
                """
                f:8:76: \(place)[1].typed_config.tlv_location: FILTER_STATE is an Envoy value that Outrider does not \
                act on; it takes DYNAMIC_METADATA
                """,
                "f:10:30: \(place)[2].typed_config.max_client_hello_size: must be greater than 255, found 100",
            ])
    }

    @Test func aVirtualListenerNeedsSomebodyWhoHandsOn() throws {
        let virtual = Self.listener("bind_to_port: false\ndefault_filter_chain: {filters: [\(Self.proxy)]}")
        #expect(try loaded(virtual).warnings.count == 1)
        #expect(
            try loaded(virtual.replacing("bind_to_port", with: "use_original_dst: true\n    bind_to_port")).warnings
                .isEmpty)
    }

    /// `$` stands for the listener.
    @Test(arguments: problems)
    func namesWhatIsWrong(fields: String, expected: [String]) {
        let listener = "static_resources.listeners[0]"
        let lines = expected.map { $0.split(separator: "$").joined(separator: listener) }
        #expect(errors(Self.listener(fields)) == lines)
    }

    @Test func namesAndAddressesAreUnique() {
        let one =
            """
            {name: l, address: {socket_address: {address: 127.0.0.1, port_value: 1}}, \
            default_filter_chain: {filters: [\(Self.proxy)]}}
            """
        let found = errors("static_resources:\n  clusters: [{name: a}]\n  listeners:\n  - \(one)\n  - \(one)")
        #expect(
            found == [
                "f:5:12: static_resources.listeners[1].name: \"l\" is the name of another listener (line 4)",
                "f:5:15: static_resources.listeners[1].address: 127.0.0.1:1 is already the address of listener \"l\"",
            ])
    }

    @Test func permissionsAndIPv4AreForWhoListens() throws {
        let text = """
            admin: {address: {pipe: {path: /tmp/admin, mode: 384}}}
            static_resources:
              listeners:
              - name: l
                address: {socket_address: {address: "::", port_value: 1, ipv4_compat: true}}
                default_filter_chain: {filters: [\(Self.proxy)]}
              clusters:
              - name: a
                load_assignment:
                  cluster_name: a
                  endpoints:
                  - lb_endpoints:
                    - endpoint: {address: {pipe: {path: /tmp/app, mode: 384}}}
                    - endpoint: {address: {socket_address: {address: "::1", port_value: 1, ipv4_compat: true}}}
            """
        let configuration = try loaded(text)
        #expect(configuration.spec.admin?.listen.unixMode == 0o600)
        #expect(configuration.spec.listeners.first?.addresses.first?.acceptsIPv4 == true)
        #expect(
            configuration.skipped.map { $0.split(separator: ":").last } == [
                " permissions are set by who listens on the socket", " it is about what a listening socket takes",
            ])
        #expect(
            errors("admin: {address: {pipe: {path: \"@admin\", mode: 384}}}") == [
                "f:1:48: admin.address.pipe.mode: an abstract socket has no file and so no permissions"
            ])
    }

    @Test func localReplies() throws {
        let text = http(
            hosts: "{name: v, domains: [\"*\"]}",
            fields: """
                local_reply_config:
                  mappers:
                  - filter: {response_flag_filter: {flags: [NR]}}
                    status_code: 410
                    body: {inline_string: gone}
                    headers_to_add: [{header: {key: x-a, value: "%RESPONSE_FLAGS%"}}]
                    body_format_override: {json_format: {b: "%LOCAL_REPLY_BODY%"}}
                  body_format: {text_format: "%LOCAL_REPLY_BODY%\\n", content_type: text/html}
                """)
        guard case .http(let manager)? = try loaded(text).spec.listeners.first?.filterChains.first?.filter else {
            Issue.record("no connection manager")
            return
        }
        let replies = try #require(manager.localReplies)
        let mapper = try #require(replies.mappers.first)
        #expect(mapper.status == 410)
        #expect(mapper.body == Array("gone".utf8))
        #expect(mapper.headersToAdd.map(\.name) == ["x-a"])
        #expect(mapper.format?.contentType == "application/json")
        #expect(replies.format?.contentType == "text/html")
    }

    @Test func localRepliesWithMistakes() {
        let place = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.local_reply_config"
        let text = http(
            hosts: "{name: v, domains: [\"*\"]}",
            fields: """
                local_reply_config:
                  mappers:
                  - {status_code: 99, headers_to_add: [{header: {key: ":path", value: x}}]}
                  body_format: {text_format: "%NOTHING%"}
                """)
        #expect(
            errors(text) == [
                "f:17:15: \(place).mappers[0].filter: is required",
                "f:17:29: \(place).mappers[0].status_code: must be at least 200, found 99",
                "f:17:65: \(place).mappers[0].headers_to_add[0].header.key: \":path\" cannot be changed by this list",
                "f:18:40: \(place).body_format.text_format: unknown operator NOTHING (at byte 0 of the format)",
            ])
    }

    @Test func managerDefaults() throws {
        let spec = try loaded(http(route: "match: {prefix: /}, route: {cluster: a}")).spec
        guard case .http(let manager)? = spec.listeners.first?.filterChains.first?.filter else {
            Issue.record("no connection manager")
            return
        }
        #expect(manager.idleTimeout == .seconds(3600))
        #expect(manager.streamIdleTimeout == .seconds(300))
        #expect(manager.drainTimeout == .seconds(5))
        #expect(manager.delayedCloseTimeout == .seconds(1))
        #expect(manager.maxRequestHeadersKiB == 60)
        #expect(manager.serverName == "envoy")
        #expect(manager.generateRequestID)
        #expect(manager.http1 == HTTP1OptionsSpec())
    }

    @Test func managerNeedsTheRouterLast() {
        let text = http(route: "match: {prefix: /}, route: {cluster: a}")
        let manager = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config"
        #expect(
            errors(text.replacingFilters("[]")) == [
                "f:11:11: \(manager).http_filters: the router is required as the last filter: without it no request is answered"
            ])
        #expect(
            errors(text.replacingFilters("[\(router), \(router)]")) == [
                "f:11:26: \(manager).http_filters[0]: \"router\" ends the chain of filters, and can only be its last"
            ])
    }

    private static func grpcStats(_ fields: String) -> String {
        "{name: g, typed_config: {\"@type\": \(types).filters.http.grpc_stats.v3.FilterConfig, \(fields)}}"
    }

    @Test(arguments: [
        ("", GRPCStatsSpec.Methods.none), ("stats_for_all_methods: true", .all),
        ("stats_for_all_methods: false", .none),
        (
            "individual_method_stats_allowlist: {services: [{name: a.B, method_names: [c, d]}]}",
            .listed([.init(service: "a.B", name: "c"), .init(service: "a.B", name: "d")])
        ),
    ])
    func grpcStatsAreTaken(fields: String, methods: GRPCStatsSpec.Methods) throws {
        let filter = Self.grpcStats("enable_upstream_stats: true, replace_dots_in_grpc_service_name: true, \(fields)")
        let text = http(route: "match: {prefix: /}, route: {cluster: a}").replacingFilters("[\(filter), \(router)]")
        guard case .http(let manager)? = try loaded(text).spec.listeners.first?.filterChains.first?.filter else {
            Issue.record("no manager")
            return
        }
        var expected = GRPCStatsSpec()
        expected.methods = methods
        expected.upstreamTimes = true
        expected.replacesDots = true
        #expect(manager.grpcStats == expected)
    }

    @Test func grpcStatsStandBeforeTheRouterAndOnce() {
        let text = http(route: "match: {prefix: /}, route: {cluster: a}")
        let filter = Self.grpcStats("")
        let twice = text.replacingFilters("[\(filter), \(filter), \(router)]")
        #expect(errors(twice).contains { $0.contains("counted twice") })
        #expect(errors(text.replacingFilters("[\(filter)]")).contains { $0.contains("router is required") })
        let state = Self.grpcStats("emit_filter_state: true")
        #expect(errors(text.replacingFilters("[\(state), \(router)]")).contains { $0.contains("emit_filter_state") })
    }

    @Test(arguments: [("7", 7, 3), ("1e300", 1_000_000_000, 3), ("-1", 0, 3)])
    func prematureResetsHaveEnvoysKeys(count: String, streams: Int, seconds: Int64) throws {
        let text =
            http(route: "match: {prefix: /}, route: {cluster: a}") + """

                layered_runtime: {layers: [{name: s, static_layer: {
                  overload.premature_reset_total_stream_count: \(count),
                  overload.premature_reset_min_stream_lifetime_seconds: 3}}]}
                """
        guard case .http(let manager)? = try loaded(text).spec.listeners.first?.filterChains.first?.filter else {
            Issue.record("no manager")
            return
        }
        #expect(manager.prematureResets.streamCount == streams && manager.prematureResets.lifetime == .seconds(seconds))
    }
}

extension String {
    fileprivate func replacingFilters(_ filters: String) -> String {
        split(separator: "\n", omittingEmptySubsequences: false).map { line in
            line.contains("http_filters:") ? "          http_filters: \(filters)" : String(line)
        }.joined(separator: "\n")
    }
}
