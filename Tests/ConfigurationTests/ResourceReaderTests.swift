// Resources of control planes and files: the same checks as for the bootstrap, and an identity of what they mean.
import DataPlane
import EnvoyAPI
import Reactor
import SwiftProtobuf
import Testing

@testable import Configuration

@Suite struct ResourceReaderTests {
    private let urls = (
        cluster: "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        listener: "type.googleapis.com/envoy.config.listener.v3.Listener",
        routes: "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        endpoints: "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
    )

    private func reader(
        _ text: String = "node: {id: a, cluster: b}", options: ConfigurationLoader.Options = .init()
    ) throws -> ResourceReader {
        ResourceReader(try loaded(text), options: options)
    }

    /// A resource as a control plane sends it.
    private func sent(_ message: some Message, from place: String = "cds") throws -> ResourceBytes {
        ResourceBytes(
            typeURL: envoyTypeURLPrefix + type(of: message).protoMessageName, bytes: try message.serializedBytes(),
            place: place)
    }

    private func problems(_ body: () throws(ConfigurationErrors) -> Void) -> [String] {
        do throws(ConfigurationErrors) {
            try body()
            return []
        } catch {
            return error.issues.map(\.description)
        }
    }

    /// The resources of a file with this text.
    private func file(_ text: String, name: String = "cds.yaml") throws -> DiscoveryFile {
        try DiscoveryFile(Array(text.utf8), name: name, report: ConfigurationReport(sources: [name]))
    }

    // MARK: - Clusters

    @Test func aCluster() throws {
        var cluster = Envoy_Config_Cluster_V3_Cluster()
        cluster.name = "web"
        cluster.type = .eds
        cluster.edsClusterConfig.edsConfig.pathConfigSource.path = "/d/eds.yaml"
        cluster.connectTimeout.seconds = 3
        let read = try reader().cluster(try sent(cluster))
        #expect(read.name == "web")
        #expect(read.spec.connectTimeout == .seconds(3))
        #expect(read.spec.endpointSource?.service == "web")
        #expect(try Envoy_Config_Cluster_V3_Cluster(serializedBytes: read.bytes).isEqualTo(message: cluster))
        #expect(read.tls.sources.isEmpty && read.warnings.isEmpty && read.skipped.isEmpty)
    }

    @Test func problemsNameTheResource() throws {
        let reader = try reader()
        var cluster = Envoy_Config_Cluster_V3_Cluster()
        cluster.name = "web"
        cluster.connectTimeout.nanos = -1
        cluster.edsClusterConfig.edsConfig.ads = .init()
        var endpoint = Envoy_Config_Endpoint_V3_LbEndpoint()
        endpoint.endpoint.address.socketAddress.address = "example.com"
        endpoint.endpoint.address.socketAddress.portValue = 80
        cluster.loadAssignment.clusterName = "web"
        cluster.loadAssignment.endpoints = [.with { $0.lbEndpoints = [endpoint] }]
        #expect(
            problems { () throws(ConfigurationErrors) in _ = try reader.cluster(try! sent(cluster)) } == [
                "cds 'web': connect_timeout: is out of a duration's range",
                "cds 'web': eds_cluster_config: is set in a cluster that is not of type EDS",
                "cds 'web': load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address: "
                    + "\"example.com\" is not an IP address; a name needs a cluster of type STRICT_DNS or LOGICAL_DNS",
            ])
    }

    @Test func bytesThatAreNoResource() throws {
        let reader = try reader()
        let junk = ResourceBytes(typeURL: urls.cluster, bytes: [0x0A, 0xFF], place: "cds")
        #expect(
            problems { () throws(ConfigurationErrors) in _ = try reader.cluster(junk) } == [
                "cds: the bytes are no message of type envoy.config.cluster.v3.Cluster"
            ])
        let other = ResourceBytes(typeURL: urls.listener, bytes: [], place: "cds")
        #expect(
            problems { () throws(ConfigurationErrors) in _ = try reader.cluster(other) } == [
                "cds: expected a resource of type envoy.config.cluster.v3.Cluster, found \"\(urls.listener)\""
            ])
    }

    @Test func unknownFieldsOfANewerControlPlane() throws {
        var wire = WireBuffer()
        wire.field(1, delimited: "a".utf8)
        wire.field(5000, varint: 1)
        let resource = ResourceBytes(typeURL: urls.cluster, bytes: wire.bytes, place: "cds")
        let taken = try reader().cluster(resource)
        #expect(taken.warnings.count == 1)
        #expect(taken.bytes == [0x0A, 0x01, 0x61])
        var options = ConfigurationLoader.Options()
        options.unknownDynamicFields = .rejected
        let strict = try reader(options: options)
        #expect(
            problems { () throws(ConfigurationErrors) in _ = try strict.cluster(resource) } == [
                "cds 'a': 5000: unknown field of envoy.config.cluster.v3.Cluster"
            ])
        options.unknownDynamicFields = .ignored
        #expect(try reader(options: options).cluster(resource).warnings.isEmpty)
    }

    @Test func whatTheBootstrapDecidedHolds() throws {
        let reader = try reader(
            """
            node: {id: a, cluster: b}
            layered_runtime: {layers: [{name: l, static_layer: {outrider.upstream.detect_dead_peers: "false", k: 7}}]}
            cluster_manager: {upstream_bind_config: {source_address: {address: 127.0.0.9, port_value: 0}}}
            use_tcp_for_dns_lookups: true
            static_resources: {clusters: [{name: cp, type: STATIC}]}
            dynamic_resources:
              cds_config: {ads: {}}
              ads_config: {api_type: GRPC, grpc_services: [{envoy_grpc: {cluster_name: cp}}]}
            """)
        var cluster = Envoy_Config_Cluster_V3_Cluster()
        cluster.name = "web"
        cluster.type = .eds
        cluster.edsClusterConfig.edsConfig.ads = .init()
        cluster.lbPolicy = .leastRequest
        cluster.leastRequestLbConfig.activeRequestBias.runtimeKey = "k"
        cluster.leastRequestLbConfig.activeRequestBias.defaultValue = 1
        let read = try reader.cluster(try sent(cluster))
        #expect(read.spec.sourceAddress == SocketAddress(parsing: "127.0.0.9", port: 0))
        #expect(!read.spec.detectsDeadPeers)
        #expect(read.spec.balancer == .leastRequest(choiceCount: 2, activeRequestBias: 7))
        #expect(read.spec.endpointSource?.source.place == .aggregated)
        cluster.edsClusterConfig.edsConfig.apiConfigSource.apiType = .grpc
        cluster.edsClusterConfig.edsConfig.apiConfigSource.grpcServices = [.with { $0.envoyGrpc.clusterName = "web" }]
        let found = problems { () throws(ConfigurationErrors) in _ = try reader.cluster(try! sent(cluster)) }
        #expect(found.count == 1 && found[0].contains("there is no static cluster \"web\""), "\(found)")
    }

    // MARK: - Listeners

    private let listener = """
        version_info: "3"
        resources:
        - "@type": type.googleapis.com/envoy.config.listener.v3.Listener
          name: l
          address: {socket_address: {address: 127.0.0.1, port_value: 80}}
          filter_chains:
          - filters:
            - name: h
              typed_config:
                "@type": \(types).filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: p
                http_filters: [\(router)]
                route_config: {name: r, virtual_hosts: [{name: v, domains: ["*"],
                  routes: [{match: {prefix: /}, route: {cluster: later}}]}]}
        """

    @Test func aListenerOfAFile() throws {
        let file = try file(listener, name: "lds.yaml")
        #expect(file.version == "3")
        #expect(file.resources.map(\.typeURL) == [urls.listener])
        #expect(file.resources.map(\.name) == ["l"])
        let read = try reader().listener(file.resources[0])
        #expect(read.name == "l")
        #expect(read.spec.addresses.first?.address.port == 80)
        // Routes of a listener from elsewhere may name clusters that come later, unless they say otherwise.
        let strict = listener.split(separator: "name: r,").joined(separator: "name: r, validate_clusters: true,")
        let resource = try self.file(strict, name: "lds.yaml").resources[0]
        let reader = try reader()
        let found = problems { () throws(ConfigurationErrors) in _ = try reader.listener(resource) }
        #expect(found.count == 1 && found[0].hasPrefix("lds.yaml:14:"), "\(found)")
        #expect(found.first?.contains("resources[0].filter_chains[0]") == true)
        #expect(found.first?.hasSuffix("there is no cluster \"later\"") == true)
        reader.clusterNames = ["later"]
        #expect(try reader.listener(resource).name == "l")
    }

    // MARK: - Routes and endpoints

    @Test func routesOfAControlPlane() throws {
        var routes = Envoy_Config_Route_V3_RouteConfiguration()
        routes.name = "r"
        var route = Envoy_Config_Route_V3_Route()
        route.match.prefix = "/"
        route.route.cluster = "later"
        routes.virtualHosts = [.with { ($0.name, $0.domains, $0.routes) = ("v", ["*"], [route]) }]
        let read = try reader().routes(try sent(routes, from: "rds"))
        #expect(read.name == "r" && read.spec.virtualHosts.count == 1)
        routes.virtualHosts[0].routes[0].match.pathSpecifier = nil
        let reader = try reader()
        let found = problems { () throws(ConfigurationErrors) in _ = try reader.routes(try! sent(routes, from: "rds")) }
        #expect(found.count == 1 && found[0].hasPrefix("rds 'r': virtual_hosts[0].routes[0].match: one of"), "\(found)")
    }

    @Test func endpointsOfAControlPlane() throws {
        var assignment = Envoy_Config_Endpoint_V3_ClusterLoadAssignment()
        assignment.clusterName = "svc"
        assignment.policy.overprovisioningFactor = .with { $0.value = 200 }
        assignment.policy.endpointStaleAfter.seconds = 30
        var endpoint = Envoy_Config_Endpoint_V3_LbEndpoint()
        endpoint.endpoint.address.socketAddress.address = "127.0.0.1"
        endpoint.endpoint.address.socketAddress.portValue = 80
        endpoint.healthStatus = .degraded
        endpoint.loadBalancingWeight.value = 3
        assignment.endpoints = [.with { ($0.lbEndpoints, $0.priority, $0.locality.zone) = ([endpoint], 1, "z") }]
        let read = try reader().endpoints(try sent(assignment, from: "eds"))
        #expect(read.name == "svc" && read.spec.service == "svc")
        #expect(read.spec.overprovisioningFactor == 200 && read.spec.staleAfter == .seconds(30))
        #expect(read.spec.groups.count == 1 && read.spec.groups[0].priority == 1)
        #expect(read.spec.groups[0].locality.zone == "z")
        #expect(read.spec.groups[0].endpoints.first?.health == .degraded)
        assignment.endpoints[0].lbEndpoints[0].endpoint.address.socketAddress.address = "example.com"
        let reader = try reader()
        let found = problems { () throws(ConfigurationErrors) in
            _ = try reader.endpoints(try! sent(assignment, from: "eds"))
        }
        #expect(found.count == 1 && found[0].hasPrefix("eds 'svc': endpoints[0].lb_endpoints[0].endpoint"), "\(found)")
    }

    // MARK: - Identity

    @Test func equalMeaningIsEqual() throws {
        let reader = try reader()
        func text(_ cluster: String) throws -> [UInt8] {
            let type = "\"@type\": \(urls.cluster)"
            return try reader.cluster(file("resources: [{\(type), \(cluster)}]").resources[0]).identity
        }
        let one = try text("name: a, connect_timeout: 1s, metadata: {filter_metadata: {x: {p: 1, q: 2}, y: {}}}")
        let other = try text("metadata: {filterMetadata: {y: {}, x: {q: 2, p: 1}}}, connectTimeout: 1.000s, name: a")
        #expect(one == other)
        #expect(one != (try text("name: a, connect_timeout: 2s")))
        let message = try Envoy_Config_Cluster_V3_Cluster(serializedBytes: one)
        #expect(try reader.cluster(sent(message)).identity == one)
    }

    // MARK: - Files

    @Test func filesOfOtherFormats() throws {
        var response = Envoy_Service_Discovery_V3_DiscoveryResponse()
        response.versionInfo = "9"
        let cluster = Envoy_Config_Cluster_V3_Cluster.with { $0.name = "a" }
        response.resources = [try Google_Protobuf_Any(message: cluster)]
        let bytes: [UInt8] = try response.serializedBytes()
        let file = try DiscoveryFile(bytes, name: "x.pb", report: ConfigurationReport(sources: ["x.pb"]))
        #expect(file.version == "9")
        #expect(try reader().cluster(file.resources[0]).name == "a")
        let json = "{\"version_info\": \"2\", \"resources\": {\"@type\": \"\(urls.cluster)\", \"name\": \"b\"}}"
        #expect(try reader().cluster(self.file(json, name: "x.json").resources[0]).name == "b")
        let wrapped = """
            resources:
            - "@type": type.googleapis.com/envoy.service.discovery.v3.Resource
              name: c
              resource: {"@type": \(urls.cluster), name: c}
            """
        #expect(try reader().cluster(self.file(wrapped).resources[0]).name == "c")
        for name in ["x.pb_text", "x.pb_length_delimited"] {
            let found = problems { () throws(ConfigurationErrors) in
                _ = try DiscoveryFile([], name: name, report: ConfigurationReport(sources: [name]))
            }
            #expect(found.count == 1 && found[0].contains("it reads .yaml, .json and .pb"), "\(found)")
        }
    }

    @Test(arguments: [
        ("", "x.yaml: the text is empty"), ("[]", "expected a mapping, found a list"),
        ("resources: []\nverson_info: 1", "x.yaml:2:1: verson_info: unknown field; did you mean \"version_info\"?"),
    ])
    func filesThatAreNone(text: String, words: String) {
        let found = problems { () throws(ConfigurationErrors) in
            _ = try DiscoveryFile(Array(text.utf8), name: "x.yaml", report: ConfigurationReport(sources: ["x.yaml"]))
        }
        #expect(found.count == 1 && found[0].contains(words.split(separator: ": ").last ?? ""), "\(found)")
    }

    @Test func aFileThatIsNotThere() {
        let found = problems { () throws(ConfigurationErrors) in _ = try DiscoveryFile(path: "/nowhere/cds.yaml") }
        #expect(found.count == 1 && found[0].hasPrefix("/nowhere/cds.yaml: cannot be read"), "\(found)")
    }

    @Test func aWrappedResource() throws {
        var wrapper = Envoy_Service_Discovery_V3_Resource()
        wrapper.name = "a"
        wrapper.resource = try Google_Protobuf_Any(message: Envoy_Config_Cluster_V3_Cluster.with { $0.name = "a" })
        #expect(try reader().cluster(try sent(wrapper)).name == "a")
    }
}
