// Where resources come from: dynamic_resources, EDS and RDS, and what has to be there for them.
import DataPlane
import EnvoyAPI
import Testing

@testable import Configuration

@Suite struct ConfigSourceTests {
    /// A bootstrap with a static cluster `cp`, which these lines may add clusters to, and these dynamic resources.
    private func bootstrap(
        _ dynamic: String, node: String = "{id: n, cluster: c}", clusters: String = ""
    ) -> String {
        """
        node: \(node)
        static_resources:
          clusters:
          - {name: cp, type: STATIC}
        \(indented(clusters, by: 2))
        dynamic_resources:
        \(indented(dynamic, by: 2))
        """
    }

    private let grpc = "{api_type: GRPC, transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: cp}}]}"

    @Test func aggregated() throws {
        let loaded = try loaded(
            bootstrap(
                """
                cds_config: {ads: {}, resource_api_version: V3}
                lds_config: {ads: {}, initial_fetch_timeout: 0s}
                ads_config:
                  api_type: DELTA_GRPC
                  set_node_on_first_message_only: true
                  rate_limit_settings: {max_tokens: 7, fill_rate: 0.5}
                  grpc_services:
                  - envoy_grpc:
                      cluster_name: cp
                      authority: xds.example
                      retry_policy: {retry_back_off: {base_interval: 1s, max_interval: 4s}}
                    initial_metadata: [{key: Authorization, value: secret}]
                """))
        let dynamic = loaded.spec.dynamic
        var clusters = ConfigSourceSpec(.aggregated)
        #expect(dynamic.clusters == clusters)
        #expect(clusters.initialFetchTimeout == .seconds(15))
        clusters.initialFetchTimeout = nil
        #expect(dynamic.listeners == clusters)
        var stream = GRPCSourceSpec(cluster: "cp")
        stream.isDelta = true
        stream.authority = "xds.example"
        stream.metadata = [.init(name: "authorization", value: "secret")]
        stream.sendsNodeOnce = true
        stream.rateLimit = .init()
        stream.rateLimit?.maxTokens = 7
        stream.rateLimit?.fillRate = 0.5
        stream.backoff = BackoffSpec(base: .seconds(1), max: .seconds(4))
        #expect(dynamic.aggregated == stream)
        #expect(loaded.skipped.isEmpty)
    }

    @Test func filesAndStreamsOfTheirOwn() throws {
        let loaded = try loaded(
            bootstrap(
                """
                cds_config: {path_config_source: {path: /d/cds.yaml, watched_directory: {path: /d}}}
                lds_config: {api_config_source: \(grpc)}
                """,
                clusters: "- {name: e, type: EDS, eds_cluster_config: {service_name: s, eds_config: {path: /d/eds.pb}}}"
            ))
        let spec = loaded.spec
        #expect(spec.dynamic.clusters?.place == .file(path: "/d/cds.yaml", watched: .moves(into: "/d")))
        #expect(spec.dynamic.listeners?.place == .grpc(GRPCSourceSpec(cluster: "cp")))
        #expect(spec.clusters[1].discovery == .eds)
        let file = ConfigSourceSpec(.file(path: "/d/eds.pb", watched: .file("/d/eds.pb")))
        #expect(spec.clusters[1].endpointSource == EndpointSubscriptionSpec(service: "s", source: file))
        #expect(spec.clusters[0].endpointSource == nil)
    }

    @Test func routesFromElsewhere() throws {
        let text = http(hosts: "").replacingRoutes(
            with: "rds: {route_config_name: r, config_source: {path_config_source: {path: /d/rds.yaml}}}")
        let loaded = try loaded("node: {id: a, cluster: b}\n" + text)
        guard case .http(let manager) = loaded.spec.listeners[0].filterChains[0].filter else {
            Issue.record("no manager")
            return
        }
        let file = ConfigSourceSpec(.file(path: "/d/rds.yaml", watched: .file("/d/rds.yaml")))
        #expect(manager.routeSource == RouteSubscriptionSpec(name: "r", source: file))
        #expect(manager.routes.name == "r")
        #expect(errors(text).count == 1)
        #expect(errors(text)[0].hasPrefix("f: node: 'id' and 'cluster' are required"))
        let unnamed = http(hosts: "").replacingRoutes(with: "rds: {config_source: {path_config_source: {path: /d/r}}}")
        #expect(errors("node: {id: a, cluster: b}\n" + unnamed)[0].contains("rds.route_config_name: is required"))
        let sourceless = http(hosts: "").replacingRoutes(with: "rds: {route_config_name: r}")
        #expect(errors("node: {id: a, cluster: b}\n" + sourceless)[0].contains("rds.config_source: is required"))
    }

    @Test(arguments: [
        ("cds_config: {ads: {}}", "cds_config.ads: there is no dynamic_resources.ads_config"),
        ("cds_config: {self: {}}", "cds_config.self: is an Envoy field that Outrider does not act on"),
        ("cds_config: {}", "cds_config: one of api_config_source, ads, path_config_source is required"),
        ("cds_config: {path_config_source: {}}", "path_config_source.path: is required"),
        ("cds_config: {path_config_source: {path: /x}, path: /x}", "only one of"),
        ("cds_config: {path: /x, resource_api_version: V2}", "V2 is an Envoy value that Outrider does not act on"),
        (
            "ads_config: {grpc_services: [{envoy_grpc: {cluster_name: cp}}]}",
            "api_type: is required: GRPC or DELTA_GRPC"
        ),
        ("ads_config: {api_type: REST, cluster_names: [cp]}", "it takes GRPC, DELTA_GRPC"),
        ("ads_config: {api_type: AGGREGATED_GRPC}", "it takes GRPC, DELTA_GRPC"),
        ("ads_config: {api_type: GRPC}", "grpc_services: needs exactly one service"),
        (
            "ads_config: {api_type: GRPC, grpc_services: [{envoy_grpc: {cluster_name: cp}}, {envoy_grpc: {cluster_name: cp}}]}",
            "grpc_services: needs exactly one service, found 2"
        ),
        (
            "ads_config: {api_type: GRPC, cluster_names: [cp], grpc_services: [{envoy_grpc: {cluster_name: cp}}]}",
            "cluster_names: is for REST"
        ),
        (
            "ads_config: {api_type: GRPC, grpc_services: [{google_grpc: {}}]}",
            "google_grpc: is an Envoy field that Outrider does not act on"
        ),
        (
            "ads_config: {api_type: GRPC, grpc_services: [{envoy_grpc: {cluster_name: cq}}]}",
            "there is no static cluster \"cq\"; did you mean \"cp\"?"
        ),
        (
            "ads_config: {api_type: GRPC, grpc_services: [{envoy_grpc: {cluster_name: ed}}]}",
            "cannot be of type EDS: \"ed\" asks others for its own"
        ),
        (
            "ads_config: {api_type: GRPC, grpc_services: [{envoy_grpc: {cluster_name: od}}]}",
            "cannot be of type ORIGINAL_DST"
        ),
        (
            "ads_config: {api_type: GRPC, rate_limit_settings: {fill_rate: 0}, grpc_services: [{envoy_grpc: {cluster_name: cp}}]}",
            "fill_rate: must be greater than 0"
        ),
        (
            "ads_config: {api_type: GRPC, rate_limit_settings: {max_tokens: 0}, grpc_services: [{envoy_grpc: {cluster_name: cp}}]}",
            "max_tokens: must be at least 1"
        ),
        (
            "ads_config: {api_type: GRPC, config_validators: [{name: x}], grpc_services: [{envoy_grpc: {cluster_name: cp}}]}",
            "config_validators: is an Envoy field that Outrider does not act on"
        ),
        (
            """
            ads_config: {api_type: GRPC, grpc_services: [{envoy_grpc: {cluster_name: cp}, initial_metadata: [{key: ":path", value: x}]}]}
            """, "\":path\" cannot be metadata of a stream"
        ),
        (
            """
            ads_config: {api_type: GRPC, grpc_services: [{envoy_grpc: {cluster_name: cp}, initial_metadata: [{key: a, value: "%X%"}]}]}
            """, "initial_metadata[0].value: Outrider sends metadata as it stands"
        ),
        (
            "ads_config: {api_type: GRPC, grpc_services: [{envoy_grpc: {cluster_name: cp, max_receive_message_length: 9}}]}",
            "max_receive_message_length: is an Envoy field that Outrider does not act on"
        ),
        ("lds_resources_locator: x", "lds_resources_locator: is an Envoy field that Outrider does not act on"),
    ])
    func problems(dynamic: String, words: String) {
        let found = errors(
            bootstrap(
                dynamic,
                clusters: """
                    - {name: ed, type: EDS, eds_cluster_config: {eds_config: {path: /d/eds.pb}}}
                    - {name: od, type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED}
                    """))
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.contains(words) == true, "\(found)")
        #expect(found.first?.hasPrefix("f:8:") == true, "\(found)")
    }

    @Test(arguments: ["{}", "{id: n}", "{cluster: c}"])
    func whoAsksSaysItsName(node: String) throws {
        let found = errors(bootstrap("cds_config: {path: /x}\nads_config: \(grpc)", node: node))
        #expect(found.count == 1)
        #expect(found[0].contains("node: 'id' and 'cluster' are required for dynamic configuration"))
        var options = ConfigurationLoader.Options()
        options.serviceNode = "n"
        options.serviceCluster = "c"
        #expect(errors(bootstrap("cds_config: {path: /x}", node: node), options: options).isEmpty)
    }

    @Test(arguments: [
        ("type: EDS", "eds_cluster_config: is required"),
        ("type: EDS\neds_cluster_config: {service_name: x}", "eds_cluster_config.eds_config: is required"),
        (
            "type: STATIC\neds_cluster_config: {eds_config: {path: /x}}",
            "eds_cluster_config: is set in a cluster that is not of type EDS"
        ),
    ])
    func clustersOfTypeEDS(fields: String, words: String) {
        let found = errors("node: {id: a, cluster: b}\n" + cluster(fields))
        #expect(found.count == 1 && found[0].contains(words), "\(found)")
    }

    @Test func endpointsOfTheFileAreNoUseToEDS() throws {
        let text = cluster(
            "type: EDS\neds_cluster_config: {eds_config: {path: /x}}\nload_assignment: {cluster_name: a}")
        let loaded = try loaded("node: {id: a, cluster: b}\n" + text)
        #expect(
            loaded.warnings.map(\.message) == [
                "has no effect: the endpoints of a cluster of type EDS come from its eds_config"
            ])
    }

    @Test func nodeIsTold() throws {
        var options = ConfigurationLoader.Options()
        options.serviceCluster = "c"
        options.serviceZone = "z"
        options.version = (1, 2, 3)
        let text = """
            node: {id: n, metadata: {a: {b: 1}}, locality: {region: r}, client_features: [f], user_agent_version: old,
              extensions: [{name: x}]}
            """
        let told = try Envoy_Config_Core_V3_Node(serializedBytes: loaded(text, options: options).spec.dynamic.node)
        #expect(told.id == "n" && told.cluster == "c")
        #expect(told.locality.region == "r" && told.locality.zone == "z")
        #expect(told.metadata.fields["a"]?.structValue.fields["b"]?.numberValue == 1)
        #expect(told.userAgentName == "outrider")
        #expect(told.userAgentBuildVersion.version.minorNumber == 2)
        #expect(told.clientFeatures == ["f"])
        #expect(told.extensions.isEmpty)
        let named = try loaded("node: {user_agent_name: mine}").spec.dynamic.node
        #expect(try Envoy_Config_Core_V3_Node(serializedBytes: named).userAgentName == "mine")
    }

    /// Clusters may come later: then a TCP proxy may name one that is not there. Routes are checked, as in Envoy.
    @Test func clustersThatComeLater() {
        func text(_ dynamic: String) -> String {
            """
            node: {id: a, cluster: b}
            \(dynamic)
            static_resources:
              listeners:
              - name: l
                address: {socket_address: {address: 127.0.0.1, port_value: 1}}
                filter_chains:
                - filters:
                  - name: t
                    typed_config:
                      "@type": \(types).filters.network.tcp_proxy.v3.TcpProxy
                      stat_prefix: p
                      cluster: later
            """
        }
        #expect(errors(text("")).count == 1)
        #expect(errors(text("dynamic_resources: {cds_config: {path: /x}}")).isEmpty)
        let routed = http(route: "match: {prefix: /}, route: {cluster: later}")
        #expect(errors(routed + "\nnode: {id: a, cluster: b}\ndynamic_resources: {cds_config: {path: /x}}").count == 1)
    }
}

extension String {
    /// The text of `http(hosts:)` with other routes.
    fileprivate func replacingRoutes(with line: String) -> String {
        var lines = split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard let first = lines.firstIndex(where: { $0.contains("route_config:") }),
            let last = lines.firstIndex(where: { $0.contains("]}") && !$0.contains("http_filters") })
        else { return self }
        lines.replaceSubrange(first...last, with: ["          " + line])
        return lines.joined(separator: "\n")
    }
}
