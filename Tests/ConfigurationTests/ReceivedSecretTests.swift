// Secrets of control planes: a resource waits for those that are not there, and is whole with them.
import DataPlane
import EnvoyAPI
import FoundationEssentials
import Reactor
import SwiftProtobuf
import Testing

@testable import Configuration

@Suite struct ReceivedSecretTests {
    private static let bootstrap = """
        node: {id: n, cluster: c}
        dynamic_resources:
          ads_config: {api_type: GRPC, grpc_services: [{envoy_grpc: {cluster_name: cp}}]}
        static_resources:
          clusters:
          - {name: cp, type: STATIC}
        """

    private let asked = SecretSubscription(name: "pair", source: ConfigSourceSpec(.aggregated))

    private func secret(_ name: String, _ change: (inout Envoy_Extensions_TransportSockets_Tls_V3_Secret) -> Void)
        throws
        -> ResourceBytes
    {
        var secret = Envoy_Extensions_TransportSockets_Tls_V3_Secret()
        secret.name = name
        change(&secret)
        return ResourceBytes(
            typeURL: envoyTypeURLPrefix + type(of: secret).protoMessageName, bytes: try secret.serializedBytes(),
            place: "sds")
    }

    private func pair(_ authority: CertificateAuthority, name: String = "a") throws -> ResourceBytes {
        let leaf = try authority.issue(CertificateRequest(commonName: name))
        return try secret("pair") { secret in
            secret.tlsCertificate.certificateChain.inlineString = String(decoding: leaf.chainPEM, as: UTF8.self)
            secret.tlsCertificate.privateKey.inlineString = String(decoding: leaf.keyPEM, as: UTF8.self)
        }
    }

    private func tls(_ kind: String, _ more: String = "", context: String = "") -> String {
        """
        {name: tls, typed_config: {"@type": \(types).transport_sockets.tls.v3.\(kind), common_tls_context:
          {tls_certificate_sds_secret_configs: [{name: pair, sds_config: {ads: {}}}]\(more)}\(context)}}
        """
    }

    /// `more`: further fields of its TLS context.
    private func listener(_ more: String = "") throws -> ResourceBytes {
        let text = """
            resources:
            - "@type": type.googleapis.com/envoy.config.listener.v3.Listener
              name: l
              address: {socket_address: {address: 127.0.0.1, port_value: 443}}
              filter_chains:
              - transport_socket: \(tls("DownstreamTlsContext", context: more).split(separator: "\n").joined())
                filters:
                - name: t
                  typed_config:
                    "@type": \(types).filters.network.tcp_proxy.v3.TcpProxy
                    stat_prefix: p
                    cluster: later
            """
        return try DiscoveryFile(Array(text.utf8), name: "lds.yaml", report: ConfigurationReport(sources: ["lds.yaml"]))
            .resources[0]
    }

    @Test func aListenerWaitsForItsSecret() throws {
        let reader = ResourceReader(try loaded(Self.bootstrap))
        let waits = try reader.listener(listener())
        #expect(waits.missing == [asked])
        #expect(waits.tls.sources.isEmpty)
        let authority = try CertificateAuthority()
        let received = try reader.secret(pair(authority))
        #expect(received.name == "pair")
        reader.setSecret(received.spec, for: asked)
        let whole = try reader.listener(listener())
        #expect(whole.missing.isEmpty)
        #expect(whole.identity == waits.identity)
        let context = try #require(whole.spec.filterChains[0].tls)
        #expect(context.certificates.count == 1 && context.certificates[0].secretName == "pair")
        let source = try #require(whole.tls.sources.first)
        #expect(source.subscriptions == [asked] && source.places.isEmpty)

        // A newer secret makes another context; the same again an equal one.
        let newer = try #require(source.receiving(try reader.secret(pair(authority, name: "b")).spec, for: asked))
        let replaced = try TLSContextReader().read(newer, replacing: context).spec.get()
        #expect(replaced.certificates[0].chainPEM != context.certificates[0].chainPEM)
        #expect(try TLSContextReader().read(source, replacing: context).spec.get() == context)
        let other = SecretSubscription(name: "other", source: asked.source)
        #expect(source.receiving(received.spec, for: other) == nil)

        reader.setSecret(nil, for: asked)
        #expect(try reader.listener(listener()).missing == [asked])
    }

    @Test func aSecretThatIsNoGood() throws {
        let reader = ResourceReader(try loaded(Self.bootstrap))
        reader.setSecret(try reader.secret(pair(try CertificateAuthority())).spec, for: asked)
        let read = try reader.listener(listener())
        let context = try #require(read.spec.filterChains[0].tls)
        let bad = try reader.secret(
            secret("pair") { secret in
                secret.tlsCertificate.certificateChain.inlineString = "x"
                secret.tlsCertificate.privateKey.inlineString = "y"
            })
        let source = try #require(read.tls.sources.first?.receiving(bad.spec, for: asked))
        guard case .failure(let errors) = TLSContextReader().read(source, replacing: context).spec else {
            Issue.record("taken")
            return
        }
        #expect(errors.issues.first?.description.hasPrefix("sds 'pair': tls_certificate") == true, "\(errors)")
        let wrong = try reader.secret(secret("pair") { $0.validationContext.trustedCa.inlineString = "x" })
        reader.setSecret(wrong.spec, for: asked)
        do throws(ConfigurationErrors) {
            _ = try reader.listener(try! listener())
            Issue.record("taken")
        } catch {
            #expect(error.description.contains("secret \"pair\" is no tls_certificate"))
        }
    }

    @Test func keysOfSessionTickets() throws {
        let reader = ResourceReader(try loaded(Self.bootstrap))
        reader.setSecret(try reader.secret(pair(try CertificateAuthority())).spec, for: asked)
        let tickets = SecretSubscription(name: "tickets", source: ConfigSourceSpec(.aggregated))
        let more = ", session_ticket_keys_sds_secret_config: {name: tickets, sds_config: {ads: {}}}"
        #expect(try reader.listener(listener(more)).missing == [tickets])
        func keys(_ first: UInt8, size: Int = 80) throws -> ResourceBytes {
            try secret("tickets") { secret in
                var key = Envoy_Config_Core_V3_DataSource()
                key.inlineBytes = Data(repeating: first, count: size)
                secret.sessionTicketKeys.keys = [key]
            }
        }
        reader.setSecret(try reader.secret(keys(1)).spec, for: tickets)
        let read = try reader.listener(listener(more))
        let context = try #require(read.spec.filterChains[0].tls)
        let first = try #require(SessionTicketKeys.Key([UInt8](repeating: 1, count: 80)))
        #expect(context.sessionTickets == SessionTicketKeys.given([first]).map { .enabled($0) })
        let source = try #require(read.tls.sources.first)
        func newer(_ secret: ResourceBytes) throws -> Result<TLSContextSpec, ConfigurationErrors> {
            let source = try #require(source.receiving(try reader.secret(secret).spec, for: tickets))
            return TLSContextReader().read(source, replacing: context).spec
        }
        #expect(try newer(keys(1)).get() == context)
        #expect(try newer(keys(2)).get() != context)
        #expect {
            _ = try newer(keys(2, size: 5)).get()
        } throws: {
            "\($0)".contains(
                "sds 'tickets': session_ticket_keys.keys[0]: a session ticket key has 80 bytes, this has 5")
        }
        #expect {
            _ = try newer(secret("tickets") { $0.validationContext.trustedCa.inlineString = "x" }).get()
        } throws: {
            "\($0)".contains("secret \"tickets\" is no session_ticket_keys")
        }
    }

    /// Files that a secret names are followed.
    @Test func aSecretThatNamesFiles() throws {
        let folder = try Folder.makeTemporary(prefix: "outrider-test")
        defer { try? Folder.remove(folder) }
        let leaf = try CertificateAuthority().issue(CertificateRequest(commonName: "a"))
        try FileContents.write(leaf.chainPEM, to: folder + "/tls.crt")
        try FileContents.write(leaf.keyPEM, to: folder + "/tls.key")
        let reader = ResourceReader(
            try loaded(
                Self.bootstrap + """

                    layered_runtime: {layers: [{name: l, static_layer: {outrider.tls.reload_files: "false"}}]}
                    """))
        let named = try reader.secret(
            secret("pair") { secret in
                secret.tlsCertificate.certificateChain.filename = folder + "/tls.crt"
                secret.tlsCertificate.privateKey.filename = folder + "/tls.key"
            })
        reader.setSecret(named.spec, for: asked)
        let read = try reader.listener(listener())
        #expect(read.tls.places.map(\.place) == [.file(folder + "/tls.crt"), .file(folder + "/tls.key")])
        #expect(read.tls.sources[0].places == [0, 1])
    }

    @Test func staticOnesAreHeldBack() throws {
        let loaded = try loaded(
            Self.bootstrap + """

                  - name: secure
                    type: STATIC
                    transport_socket: \(tls("UpstreamTlsContext").split(separator: "\n").joined())
                  - {name: plain, type: STATIC}
                  listeners:
                  - name: l
                    address: {socket_address: {address: 127.0.0.1, port_value: 443}}
                    filter_chains:
                    - filters:
                      - name: t
                        typed_config:
                          "@type": \(types).filters.network.tcp_proxy.v3.TcpProxy
                          stat_prefix: p
                          cluster: secure
                """)
        #expect(loaded.spec.clusters.map(\.name) == ["cp", "plain"])
        #expect(loaded.spec.listeners.map(\.name) == ["l"])
        #expect(loaded.pending.map(\.name) == ["secure"])
        let pending = try #require(loaded.pending.first)
        #expect(pending.kind == .cluster && pending.missing == [asked])
        let reader = ResourceReader(loaded)
        #expect(try reader.cluster(pending.resource).missing == [asked])
        reader.setSecret(try reader.secret(pair(try CertificateAuthority())).spec, for: asked)
        let whole = try reader.cluster(pending.resource)
        #expect(whole.missing.isEmpty && whole.spec.tls?.certificates.count == 1)
    }

    @Test(arguments: [
        ("", "name: is required"), ("s", "generic_secret: is an Envoy field that Outrider does not act on"),
    ])
    func secretsThatAreNone(name: String, words: String) throws {
        let reader = ResourceReader(try loaded(Self.bootstrap))
        do throws(ConfigurationErrors) {
            _ = try reader.secret(
                try! secret(name) { secret in
                    if !name.isEmpty { secret.genericSecret = .init() }
                })
            Issue.record("taken")
        } catch {
            #expect(error.issues.count == 1 && error.description.contains(words), "\(error)")
        }
    }
}
