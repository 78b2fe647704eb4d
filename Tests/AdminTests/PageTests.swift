// The pages about listeners, clusters, certificates and the process.
import Configuration
import Reactor
import Testing

@testable import Admin

@Suite struct PageTests {
    private static let clusters = """
        static_resources:
          clusters:
          - name: app
            circuit_breakers: {thresholds: [{max_retries: 7}, {priority: HIGH, max_connections: 9}]}
            load_assignment:
              cluster_name: app
              endpoints:
              - locality: {region: re, zone: zo, sub_zone: su}
                lb_endpoints:
                - health_status: UNHEALTHY
                  load_balancing_weight: 3
                  endpoint: {hostname: hn, address: {socket_address: {address: 127.0.0.1, port_value: 19999}}}
              - priority: 1
                lb_endpoints:
                - endpoint: {address: {pipe: {path: /tmp/x.sock}}}
          - name: "b:c"
            alt_stat_name: alt
        """

    @Test func printsClusters() throws {
        let text = try Desk(yaml: PageTests.clusters).get("/clusters").text
        #expect(
            text.hasPrefix(
                """
                app::observability_name::app
                app::default_priority::max_connections::1024
                app::default_priority::max_pending_requests::1024
                app::default_priority::max_requests::1024
                app::default_priority::max_retries::7
                app::high_priority::max_connections::9
                app::high_priority::max_pending_requests::1024
                app::high_priority::max_requests::1024
                app::high_priority::max_retries::3
                app::added_via_api::false
                app::127.0.0.1:19999::cx_active::0
                app::127.0.0.1:19999::cx_connect_fail::0
                app::127.0.0.1:19999::cx_total::0
                app::127.0.0.1:19999::rq_active::0
                app::127.0.0.1:19999::rq_error::0
                app::127.0.0.1:19999::rq_pending_active::0
                app::127.0.0.1:19999::rq_success::0
                app::127.0.0.1:19999::rq_timeout::0
                app::127.0.0.1:19999::rq_total::0
                app::127.0.0.1:19999::hostname::hn
                app::127.0.0.1:19999::health_flags::/failed_eds_health
                app::127.0.0.1:19999::weight::3
                app::127.0.0.1:19999::region::re
                app::127.0.0.1:19999::zone::zo
                app::127.0.0.1:19999::sub_zone::su
                app::127.0.0.1:19999::canary::false
                app::127.0.0.1:19999::priority::0
                app::127.0.0.1:19999::success_rate::-1
                app::127.0.0.1:19999::local_origin_success_rate::-1
                app::/tmp/x.sock::cx_active::0

                """))
        #expect(text.contains("app::/tmp/x.sock::health_flags::healthy\n"))
        #expect(text.contains("app::/tmp/x.sock::priority::1\n"))
        #expect(text.contains("b:c::observability_name::alt\n"))
    }

    @Test func printsClustersAsJSON() throws {
        let desk = try Desk(yaml: PageTests.clusters)
        let text = desk.get("/clusters?format=json&filter=%5Eapp").text
        #expect(text.hasPrefix("{\n \"cluster_statuses\": [\n  {\n   \"name\": \"app\",\n   \"host_statuses\": [\n"))
        for part in [
            "\"address\": {\n      \"pipe\": {\n       \"path\": \"/tmp/x.sock\"\n      }\n     }",
            "\"rq_total\"\n      },\n      {\n       \"type\": \"GAUGE\",\n       \"name\": \"cx_active\"\n      }",
            "\"eds_health_status\": \"UNHEALTHY\"",
            "\"weight\": 3,\n     \"hostname\": \"hn\",\n     \"locality\": {\n",
            "\"priority\": \"HIGH\",\n      \"max_connections\": 9,", "\"priority\": 1,\n     \"locality\": {}",
        ] {
            #expect(text.contains(part), "\(part)")
        }
        #expect(!text.contains("b:c"))
        #expect(desk.get("/clusters?format=json&filter=zz").text == "{}\n")
        #expect(desk.get("/clusters?filter=(").status == 400)
    }

    @Test func printsOutliers() throws {
        let desk = try Desk(
            yaml: """
                static_resources:
                  clusters:
                  - name: app
                    outlier_detection: {}
                    load_assignment:
                      cluster_name: app
                      endpoints:
                      - lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}]
                """)
        let text = desk.get("/clusters").text
        #expect(
            text.hasPrefix(
                """
                app::observability_name::app
                app::outlier::success_rate_average::-1
                app::outlier::success_rate_ejection_threshold::-1
                app::outlier::local_origin_success_rate_average::-1
                app::outlier::local_origin_success_rate_ejection_threshold::-1
                app::default_priority::max_connections::1024

                """))
        #expect(text.hasSuffix("app::127.0.0.1:1::success_rate::-1\napp::127.0.0.1:1::local_origin_success_rate::-1\n"))
        #expect(!desk.get("/clusters?format=json").text.contains("success_rate"))
    }

    @Test(arguments: [(100, "100"), (0, "0"), (33.333333333333336, "33.333333333333336"), (-1.9, "-1.9")])
    func printsRates(rate: Double, text: String) {
        #expect(JSONValue.text(rate) == text)
        #expect(JSONValue.percent(rate)?["value"] == (rate > 0 ? .number(text) : nil))
        #expect((JSONValue.percent(rate) == nil) == (rate < 0))
        #expect(JSONValue.percent(nil) == nil)
    }

    @Test func printsListeners() throws {
        let desk = try Desk()
        desk.backend.listeners = [
            ListenerStatus(name: "main", addresses: [.v4(.loopback, port: 80), .v6(.loopback, scope: 0, port: 81)]),
            ListenerStatus(name: "pipe", addresses: [.unix(path: "/tmp/l")]),
        ]
        #expect(desk.get("/listeners").text == "main::127.0.0.1:80\nmain::[::1]:81\npipe::/tmp/l\n")
        #expect(
            desk.get("/listeners?format=json").text == """
                {
                 "listener_statuses": [
                  {
                   "name": "main",
                   "local_address": {
                    "socket_address": {
                     "address": "127.0.0.1",
                     "port_value": 80
                    }
                   },
                   "additional_local_addresses": [
                    {
                     "socket_address": {
                      "address": "::1",
                      "port_value": 81
                     }
                    }
                   ]
                  },
                  {
                   "name": "pipe",
                   "local_address": {
                    "pipe": {
                     "path": "/tmp/l"
                    }
                   }
                  }
                 ]
                }

                """)
    }

    @Test func readyWithItsReason() throws {
        let desk = try Desk()
        #expect(desk.get("/ready").status == 200 && desk.get("/ready").text == "LIVE\n")
        desk.backend.unreadyReason = "the app does not answer"
        #expect(desk.get("/ready").status == 503 && desk.get("/ready").text == "the app does not answer\n")
        // What the server itself is comes first.
        desk.backend.state = .draining
        #expect(desk.get("/ready").status == 503 && desk.get("/ready").text == "DRAINING\n")
    }

    @Test func tellsOfTheServer() throws {
        let desk = try Desk(yaml: "node: {id: n1, cluster: svc, locality: {zone: z}, metadata: {role: edge}}")
        let text = desk.get("/server_info").text
        #expect(
            text.hasPrefix(
                """
                {
                 "version": "outrider 1.2.3",
                 "state": "LIVE",
                 "uptime_current_epoch": "61s",
                 "uptime_all_epochs": "61s",
                 "hot_restart_version": "disabled",
                 "command_line_options": {
                  "concurrency": 2,
                  "mode": "Serve"
                 },
                 "node": {
                  "id": "n1",
                  "cluster": "svc",
                  "metadata": {
                   "role": "edge"
                  },
                  "locality": {
                   "region": "",
                   "zone": "z",

                """))
        #expect(
            desk.get("/memory").text == """
                {
                 "allocated": "10",
                 "heap_size": "30",
                 "pageheap_unmapped": "0",
                 "pageheap_free": "20",
                 "total_thread_cache": "0",
                 "total_physical_bytes": "50"
                }

                """)
        #expect(desk.get("/certs").text == "{\n \"certificates\": []\n}\n")
    }

    @Test func tellsWhatTheStartWaitsFor() throws {
        let desk = try Desk(yaml: "static_resources: {clusters: [{name: one}, {name: two}]}")
        let waiting = desk.backend.clusters.uninitialised.map(\.cluster)
        let text = desk.get("/init_dump").text
        for name in waiting { #expect(text.contains("\"cluster \(name)\"")) }
        if waiting.isEmpty { #expect(text == "{}\n") }
        desk.backend.moreUnready = [
            UnreadyTargets("Listener l", ["RDS r", "SDS s"]), UnreadyTargets("Listener m", []),
        ]
        let more = desk.get("/init_dump").text
        #expect(
            more.contains(
                """
                  {
                   "name": "init manager Listener l",
                   "target_names": [
                    "RDS r",
                    "SDS s"
                   ]
                  }
                 ]
                """), "\(more)")
    }

    /// What the cluster's endpoints are asked for by, where that is not its name.
    @Test func printsTheServiceName() throws {
        let desk = try Desk(
            yaml: """
                node: {id: n, cluster: c}
                static_resources:
                  clusters:
                  - name: app
                    type: EDS
                    eds_cluster_config: {service_name: svc, eds_config: {path_config_source: {path: /nowhere/eds.yaml}}}
                """)
        #expect(desk.get("/clusters").text.contains("app::added_via_api::false\napp::eds_service_name::svc\n"))
        #expect(
            desk.get("/clusters?format=json").text.contains(
                "\"observability_name\": \"app\",\n   \"eds_service_name\": \"svc\"\n"))
        // An assignment has the service's name, and is looked for by it.
        let page = "/config_dump?include_eds&resource=static_endpoint_configs&name_regex="
        #expect(desk.get(page + "app").text == "{}\n")
        #expect(desk.get(page + "svc").text.contains("\"cluster_name\": \"svc\""))
    }

    @Test func printsRuntimeByLayer() throws {
        let desk = try Desk(
            yaml: """
                layered_runtime:
                  layers:
                  - {name: base, static_layer: {a.b: 5, c: text, d: {e: true}, f: {numerator: 1, denominator: HUNDRED}}}
                  - {name: over, static_layer: {c: other}}
                """)
        let text = desk.get("/runtime").text
        #expect(text.hasPrefix("{\n \"layers\": [\n  \"base\",\n  \"over\"\n ],\n \"entries\": {\n"))
        func entry(_ key: String, _ final: String, _ layers: [String]) -> String {
            let values = layers.map { "    \"\($0)\"" }.joined(separator: ",\n")
            return "  \"\(key)\": {\n   \"final_value\": \"\(final)\",\n   \"layer_values\": [\n\(values)\n   ]\n  }"
        }
        #expect(text.contains(entry("a.b", "5", ["5", ""])))
        #expect(text.contains(entry("c", "other", ["text", "other"])))
        #expect(text.contains(entry("d.e", "true", ["true", ""])))
        #expect(text.contains("\"f\": {"))
        #expect(try Desk().get("/runtime").text == "{\n \"layers\": [],\n \"entries\": {}\n}\n")
    }
}
