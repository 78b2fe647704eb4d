// /config_dump: the loaded message as JSON, without its secrets.
import Testing

@testable import Configuration

@Suite struct DumpTests {
    private func json(_ value: JSONValue) -> String { String(decoding: value.rendered(pretty: false), as: UTF8.self) }

    @Test func everyKindOfValue() throws {
        let text = """
            node: {id: "a\\"b", locality: {zone: z}}
            stats_flush_interval: 1.5s
            layered_runtime:
              layers: [{name: s, static_layer: {a: [1, 2.5, yes, "yes", null], b: {c: d}}}]
            static_resources:
              clusters:
              - name: c
                type: STRICT_DNS
                per_connection_buffer_limit_bytes: 7
                least_request_lb_config: {active_request_bias: {default_value: 0.5, runtime_key: k}}
                upstream_bind_config: {socket_options: [{level: 1, name: 2, buf_value: aGk=}]}
                typed_extension_protocol_options:
                  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
                    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
                    explicit_http_config: {http_protocol_options: {}}
            """
        let dump = try loaded(text).dump
        let expected = """
            {"node":{"id":"a\\"b","locality":{"zone":"z"}},"static_resources":{"clusters":[{"name":"c",\
            "type":"STRICT_DNS","per_connection_buffer_limit_bytes":7,"upstream_bind_config":{"socket_options":\
            [{"level":"1","name":"2","buf_value":"aGk="}]},"typed_extension_protocol_options":\
            {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions":{"@type":\
            "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions","explicit_http_config":\
            {"http_protocol_options":{}}}},"least_request_lb_config":{"active_request_bias":{"default_value":0.5,\
            "runtime_key":"k"}}}]},"stats_flush_interval":"1.500s","layered_runtime":{"layers":[{"name":"s",\
            "static_layer":{"a":[1,2.5,true,"yes",null],"b":{"c":"d"}}}]}}
            """
        #expect(json(dump.bootstrap()) == expected)
    }

    @Test func secretsAreRedacted() throws {
        let text = """
            static_resources:
              secrets:
              - name: s
                tls_certificate:
                  certificate_chain: {filename: /tmp/chain}
                  private_key: {inline_string: very secret}
                  password: {inline_bytes: c2VjcmV0}
              - {name: t, session_ticket_keys: {keys: [{inline_string: very secret}]}}
            """
        let secrets = try loaded(text).dump.secrets()
        #expect(secrets.map(\.name) == ["s", "t"])
        let first = try #require(secrets.first?.secret)
        #expect(first["@type"] == .string("type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"))
        #expect(first["tls_certificate"]?["private_key"]?["inline_string"] == .string("[redacted]"))
        #expect(first["tls_certificate"]?["password"]?["inline_bytes"] == .string("W3JlZGFjdGVkXQ=="))
        #expect(first["tls_certificate"]?["certificate_chain"]?["filename"] == .string("/tmp/chain"))
        #expect(!secrets.contains { json($0.secret).contains("very secret") })
    }

    @Test func routesOfAllManagers() throws {
        let dump = try loaded(http(route: "match: {prefix: /}, route: {cluster: a}")).dump
        #expect(dump.routes().count == 1)
        #expect(dump.listeners().first?["name"] == .string("l"))
        #expect(dump.clusters().first?["@type"] == .string("type.googleapis.com/envoy.config.cluster.v3.Cluster"))
    }

    @Test func prettyPrinting() {
        let value = JSONValue.object([("a", .array([.number("1"), .object([])])), ("b", .array([]))])
        #expect(String(decoding: value.rendered(), as: UTF8.self) == "{\n \"a\": [\n  1,\n  {}\n ],\n \"b\": []\n}")
    }

    @Test func brokenBytesEndQuietly() {
        let renderer = MessageRenderer(schema: schema)
        guard let index = schema.index(of: "envoy.config.bootstrap.v3.Bootstrap") else { return }
        for length in 0..<40 {
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ length) }
            _ = renderer.render(bytes[...], as: index)
        }
        #expect(renderer.render([0x0A, 0xFF], as: index) == .object([]))
    }
}
