// TLS contexts: files read, checked against each other, and told apart when they are wrong.
import DataPlane
import Reactor
import Testing

@testable import Configuration

@Suite struct TLSTests {
    private static func text(_ pem: [UInt8]) -> String {
        "{inline_string: \"" + String(decoding: pem, as: UTF8.self).split(separator: "\n").joined(separator: "\\n")
            + "\\n\"}"
    }

    private static func issue(_ name: String) throws -> (
        authority: CertificateAuthority, leaf: CertificateAuthority.Issued
    ) {
        let authority = try CertificateAuthority()
        return (authority, try authority.issue(CertificateRequest(commonName: name)))
    }

    private static func certificate(_ leaf: CertificateAuthority.Issued, key: [UInt8]? = nil) -> String {
        "{certificate_chain: \(text(leaf.chainPEM)), private_key: \(text(key ?? leaf.keyPEM))}"
    }

    private static func upstream(_ fields: String) -> String {
        cluster(
            """
            transport_socket:
              name: tls
              typed_config:
                "@type": \(types).transport_sockets.tls.v3.UpstreamTlsContext
            \(indented(fields, by: 4))
            """)
    }

    private static let place = "static_resources.clusters[0].transport_socket.typed_config"

    @Test func everythingAClientHas() throws {
        let (authority, leaf) = try Self.issue("a")
        let loaded = try loaded(
            Self.upstream(
                """
                sni: example.com
                max_session_keys: 0
                common_tls_context:
                  alpn_protocols: [h2, http/1.1]
                  tls_params: {tls_minimum_protocol_version: TLSv1_2, tls_maximum_protocol_version: TLSv1_3}
                  tls_certificates: [\(Self.certificate(leaf))]
                  validation_context:
                    trusted_ca: \(Self.text(authority.certificatePEM))
                    match_typed_subject_alt_names:
                    - {san_type: URI, matcher: {prefix: "spiffe://td/"}}
                    - {san_type: DNS, matcher: {safe_regex: {regex: "a.*"}}}
                    verify_certificate_hash: ["\(String(repeating: "AB:", count: 31))ab"]
                """))
        let tls = try #require(loaded.spec.clusters.first?.tls)
        #expect(tls.sni == "example.com")
        #expect(tls.maxSessionKeys == 0)
        #expect(tls.minVersion == .tls12)
        #expect(tls.maxVersion == .tls13)
        #expect(tls.alpn == ["http/1.1"])
        #expect(tls.certificates.count == 1)
        #expect(tls.trustedCA == authority.certificatePEM)
        #expect(tls.verify.sanMatchers.map(\.type) == [.uri, .dns])
        #expect(tls.verify.certificateHashes == [[UInt8](repeating: 0xAB, count: 32)])
        #expect(
            loaded.warnings.map(\.message) == [
                "h2 is left out of alpn_protocols: Outrider speaks HTTP/1.1 to this cluster"
            ])
    }

    @Test func sanValidationOfAClusterNeedsACA() throws {
        let options = """

                typed_extension_protocol_options:
                  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
                    "@type": \(types).upstreams.http.v3.HttpProtocolOptions
                    explicit_http_config: {http_protocol_options: {}}
                    upstream_http_protocol_options: {auto_sni: true, auto_san_validation: true}
            """
        let authority = try CertificateAuthority()
        let trust = "common_tls_context: {validation_context: {trusted_ca: \(Self.text(authority.certificatePEM))}}"
        let verified = try loaded(Self.upstream(trust) + options)
        #expect(verified.spec.clusters.first?.tls?.autoSNI == true)
        #expect(verified.spec.clusters.first?.tls?.autoSANValidation == true)
        let blind = try loaded(Self.upstream("sni: a") + options)
        #expect(blind.spec.clusters.first?.tls?.autoSANValidation == false)
        #expect(blind.warnings.map(\.message) == ["auto_san_validation has no effect: there is no trusted_ca"])
    }

    @Test func secretsByName() throws {
        let (authority, leaf) = try Self.issue("a")
        let text = """
            static_resources:
              secrets:
              - {name: leaf, tls_certificate: \(Self.certificate(leaf))}
              - {name: ca, validation_context: {trusted_ca: \(Self.text(authority.certificatePEM))}}
              clusters:
              - name: a
                transport_socket:
                  name: tls
                  typed_config:
                    "@type": \(types).transport_sockets.tls.v3.UpstreamTlsContext
                    common_tls_context:
                      tls_certificate_sds_secret_configs: [{name: leaf}]
                      combined_validation_context:
                        default_validation_context:
                          match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: a}}]
                        validation_context_sds_secret_config: {name: ca}
            """
        let tls = try #require(try loaded(text).spec.clusters.first?.tls)
        #expect(tls.certificates.count == 1)
        #expect(tls.trustedCA == authority.certificatePEM)
        #expect(tls.verify.sanMatchers.count == 1)
        let wrong = text.split(separator: "{name: leaf}").joined(separator: "{name: leav}")
        let context = "static_resources.clusters[0].transport_socket.typed_config.common_tls_context"
        #expect(
            errors(wrong) == [
                "f:12:55: \(context).tls_certificate_sds_secret_configs[0].name: there is no secret \"leav\" in "
                    + "static_resources.secrets; did you mean \"leaf\"?"
            ])
    }

    @Test func aKeyHasToFitItsCertificate() throws {
        let (_, leaf) = try Self.issue("a")
        let (_, other) = try Self.issue("b")
        let found = errors(
            Self.upstream("common_tls_context: {tls_certificates: [\(Self.certificate(leaf, key: other.keyPEM))]}"))
        #expect(found.count == 1)
        let expected =
            ".common_tls_context.tls_certificates[0].private_key: <inline> does not belong to the certificate"
        #expect(found.first?.contains(Self.place + expected) == true)
    }

    @Test func serversNeedACertificate() throws {
        let text = """
            static_resources:
              listeners:
              - name: l
                address: {socket_address: {address: 127.0.0.1, port_value: 1}}
                filter_chains:
                - filters:
                  - name: tcp
                    typed_config: {"@type": \(types).filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: p, cluster: a}
                  transport_socket:
                    name: tls
                    typed_config:
                      "@type": \(types).transport_sockets.tls.v3.DownstreamTlsContext
                      common_tls_context: {}
              clusters: [{name: a}]
            """
        #expect(
            errors(text) == [
                "f:13:11: static_resources.listeners[0].filter_chains[0].transport_socket.typed_config"
                    + ".common_tls_context.tls_certificates: a server needs a certificate"
            ])
    }

    private static let problems: [(String, String)] = [
        (
            "common_tls_context: {validation_context: {trusted_ca: {filename: /no/such}}}",
            """
            .common_tls_context.validation_context.trusted_ca.filename: "/no/such" cannot be read: No such file or \
            directory
            """
        ),
        (
            """
            common_tls_context:
              validation_context: {match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: a}}]}
            """,
            """
            .common_tls_context.validation_context.match_typed_subject_alt_names: names can only be trusted with a \
            trusted_ca that vouches for them, and none is set
            """
        ),
        (
            """
            common_tls_context:
              validation_context: {verify_certificate_spki: [\(String(repeating: "A", count: 44))]}
            """,
            """
            .common_tls_context.validation_context.verify_certificate_spki[0]: must be the base64 of a SHA-256 \
            (32 bytes)
            """
        ),
        (
            "common_tls_context: {tls_certificates: [{certificate_chain: {inline_string: x}}]}",
            ".common_tls_context.tls_certificates[0].private_key: is required"
        ),
        (
            "common_tls_context: {tls_params: {cipher_suites: [NO-SUCH]}}",
            ".common_tls_context.tls_params.cipher_suites: unknown cipher suite 'NO-SUCH'"
        ),
        (
            """
            common_tls_context:
              tls_certificates:
              - {certificate_chain: {environment_variable: NO_SUCH_VARIABLE}, private_key: {inline_string: x}}
            """,
            """
            .common_tls_context.tls_certificates[0].certificate_chain.environment_variable: there is no environment \
            variable "NO_SUCH_VARIABLE"
            """
        ),
        (
            "common_tls_context: {custom_handshaker: {name: x}}",
            ".common_tls_context.custom_handshaker: is an Envoy field that Outrider does not act on"
        ),
    ]

    @Test(arguments: problems)
    func namesWhatIsWrong(fields: String, expected: String) {
        let found = errors(Self.upstream(fields)).map { String($0.drop { $0 != " " }.dropFirst()) }
        #expect(found == [Self.place + expected])
    }
}
