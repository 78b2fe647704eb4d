// `/config_dump` of what control planes have said: versions, states, and what was refused.
import Configuration
import Reactor
import Testing

@testable import Admin

@Suite struct DynamicDumpTests {
    private let early = WallTime(unixNanoseconds: 1_704_067_200_000_000_000)
    private let late = WallTime(unixNanoseconds: 1_704_067_260_000_000_000)

    /// The bytes of a message with only a name, which stands in field 1 of all kinds.
    private func named(_ name: String) -> [UInt8] { [0x0A, UInt8(name.utf8.count)] + Array(name.utf8) }

    private func page(_ change: (DynamicConfiguration) -> Void, _ query: String = "") throws -> String {
        let desk = try Desk()
        change(desk.backend.dynamicConfiguration)
        return desk.get("/config_dump" + query).text
    }

    @Test func clusters() throws {
        let text = try page { dynamic in
            dynamic.setVersion("7", of: .cluster)
            dynamic.setDynamic(.cluster, "b", version: "6", bytes: named("b"), time: early)
            dynamic.setDynamic(.cluster, "a", version: "7", bytes: named("a"), time: late)
            dynamic.setDynamic(.cluster, "w", .warming, version: "7", bytes: named("w"), time: late)
        }
        #expect(
            text.contains(
                """
                  {
                   "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
                   "version_info": "7",
                   "dynamic_active_clusters": [
                    {
                     "version_info": "7",
                     "cluster": {
                      "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
                      "name": "a"
                     },
                     "last_updated": "2024-01-01T00:01:00.000Z"
                    },
                    {
                     "version_info": "6",
                     "cluster": {
                      "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
                      "name": "b"
                     },
                     "last_updated": "2024-01-01T00:00:00.000Z"
                    }
                   ],
                   "dynamic_warming_clusters": [
                    {
                """), "\(text)")
    }

    @Test func listenersWithAllTheirStates() throws {
        let text = try page { dynamic in
            dynamic.setVersion("2", of: .listener)
            dynamic.setDynamic(.listener, "l", .draining, version: "1", bytes: named("l"), time: early)
            dynamic.setDynamic(.listener, "l", version: "2", bytes: named("l"), time: late)
            dynamic.setFailed(
                .listener, "l", version: "3", bytes: named("l"), details: "lds 'l': address: is required", time: late)
        }
        #expect(
            text.contains(
                """
                   "dynamic_listeners": [
                    {
                     "name": "l",
                     "active_state": {
                      "version_info": "2",
                      "listener": {
                       "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
                       "name": "l"
                      },
                      "last_updated": "2024-01-01T00:01:00.000Z"
                     },
                     "draining_state": {
                      "version_info": "1",
                      "listener": {
                       "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
                       "name": "l"
                      },
                      "last_updated": "2024-01-01T00:00:00.000Z"
                     },
                     "error_state": {
                      "failed_configuration": {
                       "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
                       "name": "l"
                      },
                      "last_update_attempt": "2024-01-01T00:01:00.000Z",
                      "details": "lds 'l': address: is required",
                      "version_info": "3"
                     }
                    }
                   ]
                """), "\(text)")
    }

    @Test func whatComesNextTakesThePlace() throws {
        func refuse(_ dynamic: DynamicConfiguration) {
            dynamic.setDynamic(.listener, "l", .warming, version: "1", bytes: named("l"), time: early)
            dynamic.setFailed(.listener, "l", version: "2", bytes: [], details: "no", time: late)
        }
        #expect(try page(refuse).contains("error_state"))
        let better = try page { dynamic in
            refuse(dynamic)
            dynamic.endDynamic(.listener, "l", .warming)
            dynamic.setDynamic(.listener, "l", version: "3", bytes: named("l"), time: late)
        }
        #expect(better.contains("active_state") && !better.contains("error_state") && !better.contains("warming_state"))
        let warm = try page { dynamic in
            refuse(dynamic)
            dynamic.becameActive(.listener, "l")
        }
        #expect(warm.contains("active_state") && !warm.contains("warming_state"))
        let gone = try page { dynamic in
            refuse(dynamic)
            dynamic.removeDynamic(.listener, "l")
        }
        #expect(!gone.contains("dynamic_listeners"))
        let drains = try page { dynamic in
            dynamic.setDynamic(.listener, "l", .draining, version: "1", bytes: named("l"), time: early)
            dynamic.removeDynamic(.listener, "l")
        }
        #expect(drains.contains("draining_state"))
        let replaced = try page { dynamic in
            dynamic.setDynamic(.listener, "l", version: "1", bytes: named("l"), time: early)
            dynamic.setDynamic(.listener, "l", .warming, version: "2", bytes: named("l"), time: late)
            dynamic.beganDraining(.listener, "l")
            dynamic.becameActive(.listener, "l")
        }
        #expect(replaced.contains("\"active_state\": {\n      \"version_info\": \"2\""))
        #expect(replaced.contains("\"draining_state\": {\n      \"version_info\": \"1\""))
    }

    @Test func routesAndSecrets() throws {
        func fill(_ dynamic: DynamicConfiguration) {
            dynamic.setDynamic(.route, "r", version: "1", bytes: named("r"), time: early)
            dynamic.setFailed(.route, "r", version: "2", bytes: [], details: "no", time: late)
            let key: [UInt8] = [0x12, 0x07, 0x12, 0x05, 0x1A, 0x03] + Array("key".utf8)
            dynamic.setDynamic(.secret, "s", version: "1", bytes: named("s") + key, time: early)
            dynamic.setDynamic(.secret, "t", .warming, version: "uninitialized", bytes: named("t"), time: early)
        }
        let text = try page(fill)
        #expect(text.contains("envoy.admin.v3.ScopedRoutesConfigDump"))
        #expect(text.contains("\"dynamic_route_configs\": ["))
        #expect(text.contains("\"details\": \"no\""))
        #expect(text.contains("\"private_key\": {\n        \"inline_string\": \"[redacted]\""), "\(text)")
        #expect(text.contains("\"dynamic_warming_secrets\": [\n    {\n     \"name\": \"t\""), "\(text)")
        let list = try page(fill, "?resource=dynamic_route_configs&mask=version_info")
        #expect(list.contains("RoutesConfigDump.DynamicRouteConfig") && !list.contains("details"))
        #expect(!(try page(fill, "?name_regex=x.*").contains("\"name\": \"r\"")))
    }

    @Test func routesThatStandInAListener() throws {
        let text = try page { dynamic in
            let yaml = """
                version_info: "1"
                resources:
                - "@type": type.googleapis.com/envoy.config.listener.v3.Listener
                  name: l
                  address: {socket_address: {address: 127.0.0.1, port_value: 80}}
                  filter_chains:
                  - filters:
                    - name: h
                      typed_config:
                        "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                        stat_prefix: p
                        http_filters:
                        - name: envoy.filters.http.router
                          typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
                        route_config: {name: inline, virtual_hosts: [{name: v, domains: ["*"]}]}
                """
            do {
                let folder = try Folder.makeTemporary(prefix: "outrider-test")
                defer { try? Folder.remove(folder) }
                try FileContents.write(Array(yaml.utf8), to: folder + "/lds.yaml")
                let resource = try #require(try DiscoveryFile(path: folder + "/lds.yaml").resources.first)
                let reader = ResourceReader(
                    try ConfigurationLoader.load(text: Array("{}".utf8), name: "f"), options: .init())
                let read = try reader.listener(resource)
                dynamic.setDynamic(.listener, "l", version: "1", bytes: read.bytes, time: early)
            } catch {
                Issue.record(error)
            }
        }
        #expect(text.contains("\"static_route_configs\": ["), "\(text)")
        #expect(text.contains("\"name\": \"inline\""))
    }
}
