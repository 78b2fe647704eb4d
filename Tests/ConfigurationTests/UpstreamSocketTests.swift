// Where a cluster's connections come from, and what they begin with.
import DataPlane
import Reactor
import Testing

@testable import Configuration

@Suite struct UpstreamSocketTests {
    private static let proxy = "\(types).transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport"
    private static let raw =
        "{name: raw, typed_config: {\"@type\": \(types).transport_sockets.raw_buffer.v3.RawBuffer}}"
    private static let tls =
        "{name: tls, typed_config: {\"@type\": \(types).transport_sockets.tls.v3.UpstreamTlsContext}}"

    private static func wrapped(_ config: String, _ inner: String = raw) -> String {
        """
        transport_socket:
          name: p
          typed_config:
            "@type": \(proxy)
            config: {\(config)}
            transport_socket: \(inner)
        """
    }

    private func spec(_ text: String) throws -> ClusterSpec {
        try #require(try loaded(text).spec.clusters.first)
    }

    @Test func proxyProtocol() throws {
        let plain = try spec(cluster(Self.wrapped("")))
        #expect(plain.proxyProtocol == UpstreamProxyProtocolSpec(version: .v1))
        #expect(plain.tls == nil)
        let secure = try spec(
            cluster(
                Self.wrapped("version: V2, added_tlvs: [{type: 224, value: YWI=}, {type: 1, value: aDI=}]", Self.tls)))
        #expect(secure.proxyProtocol?.version == .v2)
        #expect(secure.proxyProtocol?.tlvs == [224, 0, 2, 0x61, 0x62, 1, 0, 2, 0x68, 0x32])
        #expect(secure.tls != nil)
        #expect(try spec(cluster("transport_socket: \(Self.tls)")).proxyProtocol == nil)
    }

    @Test(arguments: [
        ("version: V2, added_tlvs: [{type: 1}]", raw, "added_tlvs[0].value: is required"),
        ("version: V2, added_tlvs: [{type: 300, value: YWI=}]", raw, "added_tlvs[0].type"),
        ("version: V2, added_tlvs: [{type: 1, format_string: {text_format: a}}]", raw, "format_string"),
        ("version: V1, added_tlvs: [{type: 1, value: YWI=}]", raw, "only a header of version V2 has extensions"),
        ("version: V2, pass_through_tlvs: {match_type: INCLUDE_ALL}", raw, "pass_through_tlvs"),
        (
            "", "{name: q, typed_config: {\"@type\": \(proxy), transport_socket: \(raw)}}",
            "a connection has one PROXY protocol header"
        ),
    ])
    func problems(config: String, inner: String, words: String) {
        let found = errors(cluster(Self.wrapped(config, inner)))
        #expect(found.contains { $0.contains(words) }, "\(found)")
    }

    @Test func theInnerSocketIsRequired() {
        let found = errors(cluster("transport_socket: {name: p, typed_config: {\"@type\": \(Self.proxy)}}"))
        #expect(found.count == 1)
        #expect(found.first?.contains("transport_socket.typed_config.transport_socket: is required") == true)
    }

    @Test func notInAListener() {
        let text = http(hosts: "{name: v, domains: [\"*\"]}").replacing(
            "    - filters:",
            with: "    - transport_socket: {name: p, typed_config: {\"@type\": \(Self.proxy), "
                + "transport_socket: \(Self.raw)}}\n      filters:")
        let found = errors(text)
        #expect(found.contains { $0.contains("a ProxyProtocolUpstreamTransport belongs to a cluster") }, "\(found)")
    }

    // MARK: - upstream_bind_config

    @Test func theBootstrapsBindHoldsWhereAClusterHasNone() throws {
        let bind = """
            cluster_manager:
              upstream_bind_config:
                source_address: {address: 127.0.0.2, port_value: 0}
                socket_options: [{level: 1, name: 36, int_value: 7, state: STATE_PREBIND}]

            """
        let standard = try spec(bind + cluster("type: STATIC"))
        #expect(standard.sourceAddress == SocketAddress("127.0.0.2:0"))
        #expect(!standard.socketOptions.freebind)
        #expect(standard.socketOptions.raw == [RawSocketOption(level: 1, name: 36, value: .int(7))])
        let own = try spec(
            bind
                + cluster(
                    "upstream_bind_config: {source_address: {address: \"::1\", port_value: 0}, freebind: true}"))
        #expect(own.sourceAddress == SocketAddress("[::1]:0"))
        #expect(own.socketOptions.freebind)
        #expect(own.socketOptions.raw.isEmpty)
    }

    @Test func problemsOfTheBootstrapsBindAreToldOnce() {
        let text = "cluster_manager: {upstream_bind_config: {source_address: {address: here, port_value: 0}}}\n"
        #expect(
            errors(text + "static_resources: {clusters: [{name: a}, {name: b}]}") == [
                "f:1:68: cluster_manager.upstream_bind_config.source_address.address: \"here\" is not an IP address"
            ])
        #expect(errors("cluster_manager: {load_stats_config: {}}").count == 1)
    }
}
