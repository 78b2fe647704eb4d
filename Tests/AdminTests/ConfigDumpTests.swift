// `/config_dump`, its parameters and its secrets.
import Testing

@testable import Admin

@Suite struct ConfigDumpTests {
    private static let yaml = """
        node: {id: n1, cluster: svc}
        static_resources:
          listeners:
          - name: main
            address: {socket_address: {address: 127.0.0.1, port_value: 0}}
            filter_chains:
            - filters:
              - name: envoy.filters.network.http_connection_manager
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                  stat_prefix: ingress
                  route_config:
                    name: local
                    virtual_hosts:
                    - {name: all, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: app}}]}
                  http_filters:
                  - name: envoy.filters.http.router
                    typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          clusters:
          - name: app
            type: STATIC
            load_assignment:
              cluster_name: inner
              endpoints:
              - lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}]
          - {name: empty, type: STATIC}
        """

    private func types(_ text: String) -> [String] {
        text.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: "envoy.admin.v3.")
            return parts.count == 2 ? String(parts[1].prefix { $0 != "\"" }) : nil
        }
    }

    @Test func hasEnvoysSectionsInItsOrder() throws {
        let desk = try Desk(yaml: ConfigDumpTests.yaml)
        let text = desk.get("/config_dump").text
        let sections = [
            "BootstrapConfigDump", "ClustersConfigDump", "ListenersConfigDump", "ScopedRoutesConfigDump",
            "RoutesConfigDump", "SecretsConfigDump",
        ]
        #expect(types(text) == sections)
        #expect(text.contains("\"last_updated\": \"2024-01-01T00:00:00.123Z\""))
        #expect(types(desk.get("/config_dump?include_eds").text).contains("EndpointsConfigDump"))
        #expect(types(try Desk().get("/config_dump").text).count == 4)
    }

    @Test func showsOneList() throws {
        let desk = try Desk(yaml: ConfigDumpTests.yaml)
        #expect(
            types(desk.get("/config_dump?resource=static_clusters").text) == [
                "ClustersConfigDump.StaticCluster", "ClustersConfigDump.StaticCluster",
            ])
        #expect(desk.get("/config_dump?resource=dynamic_listeners").text == "{}\n")
        #expect(desk.get("/config_dump?resource=static_secrets").text == "{}\n")
        let endpoints = desk.get("/config_dump?include_eds&resource=static_endpoint_configs").text
        #expect(endpoints.contains("\"cluster_name\": \"app\""))
        #expect(desk.get("/config_dump?resource=static_endpoint_configs").status == 404)
        let missing = desk.get("/config_dump?resource=nothing")
        #expect(missing.status == 404)
        #expect(missing.text == "nothing not found in config dump")
        let single = desk.get("/config_dump?resource=bootstrap")
        #expect(single.status == 400)
        #expect(single.text == "bootstrap is not a repeated field. Use ?mask=bootstrap to get only this field")
    }

    @Test func masksFields() throws {
        let desk = try Desk(yaml: ConfigDumpTests.yaml)
        #expect(
            desk.get("/config_dump?mask=bootstrap.node.id").text == """
                {
                 "configs": [
                  {
                   "@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump",
                   "bootstrap": {
                    "node": {
                     "id": "n1"
                    }
                   }
                  }
                 ]
                }

                """)
        let trimmed = desk.get(
            "/config_dump?resource=static_clusters&mask=cluster.type,cluster.load_assignment.cluster_name"
        ).text
        #expect(
            trimmed == """
                {
                 "configs": [
                  {
                   "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump.StaticCluster",
                   "cluster": {
                    "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
                    "type": "STATIC",
                    "load_assignment": {
                     "cluster_name": "inner"
                    }
                   }
                  },
                  {
                   "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump.StaticCluster",
                   "cluster": {
                    "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
                    "type": "STATIC"
                   }
                  }
                 ]
                }

                """)
        #expect(types(desk.get("/config_dump?mask=static_listeners").text) == ["ListenersConfigDump"])
        #expect(
            types(desk.get("/config_dump?mask=version_info").text) == ["ClustersConfigDump", "ListenersConfigDump"])
        #expect(
            desk.get("/config_dump?mask=bootstrap.node.id,bootstrap.node").text
                == desk.get("/config_dump?mask=bootstrap.node").text)
    }

    @Test(arguments: [
        "mask=nothing", "mask=static_clusters.cluster.name", "mask=bootstrap.static_resources.clusters.name",
        "mask=bootstrap.node,static_clusters", "resource=static_clusters&mask=nope",
        "resource=static_clusters&mask=cluster.name,nope",
        "resource=static_clusters&mask=cluster.load_assignment.endpoints.lb_endpoints", "name_regex=(",
    ])
    func refusesWhatDoesNotFit(parameters: String) throws {
        #expect(try Desk(yaml: ConfigDumpTests.yaml).get("/config_dump?" + parameters).status == 400)
    }

    @Test func survivesEndlessMasks() throws {
        let desk = try Desk(yaml: ConfigDumpTests.yaml)
        let deep = String(repeating: "a.", count: 30_000) + "a"
        #expect(desk.get("/config_dump?mask=" + deep).status == 400)
        #expect(desk.get("/config_dump?mask=bootstrap." + deep).status == 200)
        #expect(desk.get("/config_dump?mask=" + String(repeating: "a,", count: 30_000)).status == 400)
    }

    @Test func choosesByName() throws {
        let desk = try Desk(yaml: ConfigDumpTests.yaml)
        let text = desk.get("/config_dump?resource=static_clusters&name_regex=em.*").text
        #expect(text.contains("\"name\": \"empty\"") && !text.contains("\"app\""))
        // The whole name has to match, and the bootstrap is shown anyway.
        #expect(desk.get("/config_dump?resource=static_clusters&name_regex=em").text == "{}\n")
        #expect(types(desk.get("/config_dump?name_regex=zzz").text).first == "BootstrapConfigDump")
    }
}
