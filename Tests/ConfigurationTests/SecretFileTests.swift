// Secrets from files: taken by name, and every problem with its place in the file that has it.
import DataPlane
import Reactor
import Testing

@testable import Configuration

@Suite struct SecretFileTests {
    /// A folder with a pair and a CA, a file of secrets, and a bootstrap that takes them from there.
    private final class Scene {
        let root: String

        init(_ resources: String) throws {
            root = try Folder.makeTemporary(prefix: "outrider-test")
            let authority = try CertificateAuthority()
            let leaf = try authority.issue(CertificateRequest(commonName: "a"))
            let other = try authority.issue(CertificateRequest(commonName: "b"))
            try FileContents.write(authority.certificatePEM, to: path("ca.crt"))
            try FileContents.write(leaf.chainPEM, to: path("tls.crt"))
            try FileContents.write(leaf.keyPEM, to: path("tls.key"))
            try FileContents.write(other.keyPEM, to: path("other.key"))
            try write(resources)
        }

        deinit { try? Folder.remove(root) }

        func path(_ name: String) -> String { "\(root)/\(name)" }

        /// `$` stands for the folder.
        func write(_ resources: String) throws {
            let text = "version_info: v1\nresources:\n" + resources
            let whole = text.split(separator: "$", omittingEmptySubsequences: false).joined(separator: root)
            try FileContents.write(Array(whole.utf8), to: path("s.yaml"))
        }

        func reference(_ name: String) -> String {
            "{name: \(name), sds_config: {path_config_source: {path: \"\(path("s.yaml"))\"}}}"
        }

        func cluster(_ common: String) -> String {
            ConfigurationTests.cluster(
                """
                transport_socket:
                  name: tls
                  typed_config:
                    "@type": \(types).transport_sockets.tls.v3.UpstreamTlsContext
                    common_tls_context:
                \(indented(common, by: 6))
                """)
        }

        /// Problems without the folder's name.
        func problems(_ common: String) -> [String] {
            errors(cluster(common)).map { line in
                line.split(separator: root + "/", omittingEmptySubsequences: false).joined()
            }
        }
    }

    private static let secret = "{\"@type\": \(types).transport_sockets.tls.v3.Secret, name: "
    private static let pair = """
        - \(secret)pair, tls_certificate: {
            certificate_chain: {filename: "$/tls.crt"},
            private_key: {filename: "$/tls.key"}}}

        """
    private static let trust = """
        - \(secret)trust, validation_context: {
            trusted_ca: {filename: "$/ca.crt"}}}

        """

    @Test func secretsAreTakenByName() throws {
        let scene = try Scene(Self.trust + Self.pair)
        let loaded = try loaded(
            scene.cluster(
                """
                tls_certificate_sds_secret_configs: [\(scene.reference("pair"))]
                validation_context_sds_secret_config: \(scene.reference("trust"))
                """))
        let tls = try #require(loaded.spec.clusters.first?.tls)
        #expect(tls.certificates.map(\.chainName) == [scene.path("tls.crt")])
        #expect(tls.certificates.map(\.secretName) == ["pair"])
        #expect(tls.trustedCAName == scene.path("ca.crt"))
        #expect(tls.trustedCASecret == "trust")
        let places = loaded.tlsSources.places.map(\.place)
        #expect(Set(places) == Set(["s.yaml", "tls.crt", "tls.key", "ca.crt"].map { .file(scene.path($0)) }))
        #expect(loaded.tlsSources.fileSecrets.values.map(\.version).sorted() == ["v1", "v1"])
        #expect(loaded.tlsSources.sources.first?.subscriptions.map(\.name) == ["pair", "trust"])
    }

    @Test func aNewerSecretMayNameOtherFiles() throws {
        let scene = try Scene(Self.pair)
        let loaded = try loaded(
            scene.cluster("tls_certificate_sds_secret_configs: [\(scene.reference("pair"))]"))
        let source = try #require(loaded.tlsSources.sources.first)
        let spec = try #require(loaded.spec.clusters.first?.tls)
        try FileContents.write(FileContents.read(scene.path("tls.key")), to: scene.path("new.key"))
        let newer = Self.pair.split(separator: "tls.key").joined(separator: "new.key")
        try scene.write(newer)
        let reading = TLSContextReader().read(source, replacing: spec)
        #expect(try reading.spec.get().certificates.first?.keyName == scene.path("new.key"))
        #expect(
            Set(reading.places.map(\.place)) == Set(["s.yaml", "tls.crt", "new.key"].map { .file(scene.path($0)) }))
    }

    @Test func keysOfSessionTickets() throws {
        let scene = try Scene(
            "- \(Self.secret)tickets, session_ticket_keys: {keys: [{filename: \"$/ticket\"}]}}\n"
                + "- \(Self.secret)short, session_ticket_keys: {keys: [{inline_string: five5}]}}\n")
        try FileContents.write([UInt8](repeating: 3, count: 80), to: scene.path("ticket"))
        func listener(_ secret: String) -> String {
            """
            static_resources:
              listeners:
              - address: {socket_address: {address: 127.0.0.1, port_value: 443}}
                filter_chains:
                - transport_socket:
                    name: tls
                    typed_config:
                      "@type": \(types).transport_sockets.tls.v3.DownstreamTlsContext
                      common_tls_context: {tls_certificates: [{certificate_chain: {filename: "\(scene.path("tls.crt"))"},
                        private_key: {filename: "\(scene.path("tls.key"))"}}]}
                      session_ticket_keys_sds_secret_config: \(scene.reference(secret))
                  filters:
                  - {name: t, typed_config: {"@type": \(types).filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: p, cluster: c}}
              clusters: [{name: c}]
            """
        }
        let loaded = try loaded(listener("tickets"))
        let key = try #require(SessionTicketKeys.Key([UInt8](repeating: 3, count: 80)))
        #expect(
            loaded.spec.listeners[0].filterChains[0].tls?.sessionTickets
                == SessionTicketKeys.given([key]).map { .enabled($0) })
        #expect(loaded.tlsSources.sources.first?.subscriptions.map(\.name) == ["tickets"])
        #expect(loaded.tlsSources.places.map(\.place).contains(.file(scene.path("ticket"))))
        #expect(throws: ConfigurationErrors.self) { _ = try ConfigurationTests.loaded(listener("short")) }
    }

    @Test func problemsHaveTheirPlaceInTheFile() throws {
        let certificates = { (scene: Scene) in
            scene.problems("tls_certificate_sds_secret_configs: [\(scene.reference("pair"))]")
        }
        let mismatch = Self.pair.split(separator: "tls.key").joined(separator: "other.key")
        #expect(
            certificates(try Scene(mismatch)) == [
                "s.yaml:5:5: resources[0].tls_certificate.private_key: other.key does not belong to the certificate CN=a of tls.crt"
            ])
        let gone = Self.pair.split(separator: "tls.key").joined(separator: "gone.key")
        #expect(
            certificates(try Scene(gone)).first?.hasPrefix(
                "s.yaml:5:29: resources[0].tls_certificate.private_key.filename: \"gone.key\" cannot be read") == true)
        #expect(
            certificates(try Scene(Self.trust)) == [
                "s.yaml:2:1: resources: there is no secret \"pair\", which static_resources.clusters[0].transport_socket"
                    + ".typed_config.common_tls_context.tls_certificate_sds_secret_configs[0] asks for"
            ])
        let unknown = Self.pair.split(separator: "private_key").joined(separator: "private_kye")
        #expect(
            certificates(try Scene(unknown)).first?.hasPrefix("s.yaml:5:5: resources[0].tls_certificate.private_kye")
                == true)
        #expect(
            certificates(try Scene("- {\"@type\": \(types).filters.http.router.v3.Router}\n")).first?.hasPrefix(
                "s.yaml:3:") == true)
        #expect(certificates(try Scene(Self.pair + Self.pair)).first?.hasPrefix("s.yaml:6:") == true)
        #expect(certificates(try Scene("- {")).first?.hasPrefix("s.yaml:") == true)
        let none = try Scene(Self.pair)
        try FileContents.write([], to: none.path("s.yaml"))
        #expect(certificates(none).first?.hasPrefix("s.yaml") == true)
        try Folder.remove(none.root)
        #expect(certificates(none).first == "s.yaml: cannot be read: No such file or directory")
    }

    @Test func theCAOfAMergedContextHasItsPlaceInTheFile() throws {
        let scene = try Scene(Self.trust)
        try FileContents.write(Array("no PEM".utf8), to: scene.path("ca.crt"))
        let found = scene.problems(
            """
            combined_validation_context:
              default_validation_context: {max_verify_depth: 3}
              validation_context_sds_secret_config: \(scene.reference("trust"))
            """)
        #expect(
            found == [
                "s.yaml:4:5: resources[0].validation_context.trusted_ca: ca.crt holds no certificate: it is no PEM file"
            ])
    }

    @Test func otherSourcesAreRefusedByName() throws {
        let scene = try Scene(Self.pair)
        for (source, words) in [
            ("{ads: {}}", "sds_config.ads: there is no dynamic_resources.ads_config"),
            ("{api_config_source: {api_type: REST}}", "sds_config.api_config_source.api_type: REST is an Envoy value"),
            ("{self: {}}", "sds_config.self: is an Envoy field"),
        ] {
            let found = scene.problems("tls_certificate_sds_secret_configs: [{name: pair, sds_config: \(source)}]")
            #expect(found.contains { $0.contains(words) }, "\(found)")
        }
        let nothing = scene.problems("tls_certificate_sds_secret_configs: [{name: pair, sds_config: {}}]")
        #expect(nothing.count == 1)
        let nameless = scene.reference("pair").split(separator: "name: pair, ").joined()
        #expect(
            scene.problems("tls_certificate_sds_secret_configs: [\(nameless)]").first?.contains("name: is required")
                == true)
    }
}
