// TLS contexts that are made again from their files.
import DataPlane
import Glibc
import Reactor
import Testing

@testable import Configuration

@Suite struct TLSReloadTests {
    /// A folder with a pair and a CA, and a bootstrap that names them.
    private final class Scene {
        let root: String
        let authority: CertificateAuthority

        init() throws {
            root = try Folder.makeTemporary(prefix: "outrider-test")
            authority = try CertificateAuthority()
            try write("ca.crt", authority.certificatePEM)
            try renew("one")
        }

        deinit { try? Folder.remove(root) }

        func path(_ name: String) -> String { "\(root)/\(name)" }
        func write(_ name: String, _ bytes: [UInt8]) throws { try FileContents.write(bytes, to: path(name)) }

        func renew(_ name: String) throws {
            let leaf = try authority.issue(CertificateRequest(commonName: name))
            try write("tls.crt", leaf.chainPEM)
            try write("tls.key", leaf.keyPEM)
        }

        func file(_ name: String) -> String { "{filename: \"\(path(name))\"}" }
        var pair: String { "certificate_chain: \(file("tls.crt")), private_key: \(file("tls.key"))" }

        /// A cluster whose context has these fields beside its pair's.
        func cluster(pair: String? = nil, common: String = "", runtime: String = "") -> String {
            """
            static_resources:
              clusters:
              - name: plain
              - name: a
                transport_socket:
                  name: tls
                  typed_config:
                    "@type": \(types).transport_sockets.tls.v3.UpstreamTlsContext
                    common_tls_context:
                      tls_certificates: [{\(pair ?? self.pair)}]
                      validation_context: {trusted_ca: \(file("ca.crt"))}
            \(indented(common, by: 10))
            layered_runtime: {layers: [{name: s, static_layer: {\(runtime)}}]}
            """
        }

        func problems(_ source: TLSContextSource, _ spec: TLSContextSpec) -> [String] {
            guard case .failure(let errors) = TLSContextReader().read(source, replacing: spec).spec else { return [] }
            return errors.issues.map { "\($0.path): \($0.message)" }
        }
    }

    private static let place = "static_resources.clusters[1].transport_socket.typed_config.common_tls_context"

    @Test func theSameFilesMakeAnEqualSpec() throws {
        let scene = try Scene()
        let loaded = try loaded(scene.cluster(common: "alpn_protocols: [h2, http/1.1]"))
        let source = try #require(loaded.tlsSources.sources.first)
        #expect(loaded.tlsSources.sources.count == 1)
        #expect(source.owner == .cluster("a", transport: 0))
        let names = loaded.tlsSources.places.map(\.place)
        #expect(Set(names) == Set(["tls.crt", "tls.key", "ca.crt"].map { .file(scene.path($0)) }))
        #expect(source.places.sorted() == [0, 1, 2])
        #expect(loaded.tlsSources.pollInterval == .seconds(60))
        let spec = try #require(loaded.spec.clusters[1].tls)
        // h2 was left out, and a warning said so: it does not come back.
        #expect(spec.alpn == ["http/1.1"])
        #expect(try TLSContextReader().read(source, replacing: spec).spec.get() == spec)
        try scene.renew("two")
        let newer = try TLSContextReader().read(source, replacing: spec).spec.get()
        #expect(newer != spec)
        #expect(newer.alpn == spec.alpn)
        #expect(newer.trustedCA == spec.trustedCA)
        #expect(newer.certificates.first?.chainPEM == (try FileContents.read(scene.path("tls.crt"))))
    }

    @Test func oneReaderReadsEachFileOnce() throws {
        let scene = try Scene()
        let loaded = try loaded(scene.cluster())
        let source = try #require(loaded.tlsSources.sources.first)
        let spec = try #require(loaded.spec.clusters[1].tls)
        let reader = TLSContextReader()
        try scene.renew("two")
        let first = try reader.read(source, replacing: spec).spec.get()
        try scene.renew("three")
        #expect(try reader.read(source, replacing: spec).spec.get() == first)
    }

    @Test func whatIsWrongIsToldAsAtTheStart() throws {
        let scene = try Scene()
        let loaded = try loaded(scene.cluster())
        let source = try #require(loaded.tlsSources.sources.first)
        let spec = try #require(loaded.spec.clusters[1].tls)
        let other = try scene.authority.issue(CertificateRequest(commonName: "other"))
        try scene.write("tls.crt", other.chainPEM)
        let key = scene.path("tls.key")
        #expect(
            scene.problems(source, spec) == [
                "\(Self.place).tls_certificates[0].private_key: \(key) does not belong to the certificate CN=other of "
                    + scene.path("tls.crt")
            ])
        try scene.write("ca.crt", [])
        try scene.write("tls.key", other.keyPEM)
        #expect(
            scene.problems(source, spec) == [
                "\(Self.place).validation_context.trusted_ca: \(scene.path("ca.crt")) is empty: no certificate in it"
            ])
    }

    @Test func aPipeIsNotWaitedFor() throws {
        let scene = try Scene()
        let loaded = try loaded(scene.cluster())
        let source = try #require(loaded.tlsSources.sources.first)
        let spec = try #require(loaded.spec.clusters[1].tls)
        let path = scene.path("tls.key")
        #expect(unlink(path) == 0 && mkfifo(path, 0o600) == 0)
        #expect(scene.problems(source, spec).map { $0.hasSuffix("\(path) is empty: no private key in it") } == [true])
    }

    @Test func randomTicketKeysStay() throws {
        let scene = try Scene()
        let text = """
            static_resources:
              listeners:
              - name: l
                address: {socket_address: {address: 127.0.0.1, port_value: 10000}}
                default_filter_chain:
                  filters: [{name: tcp, typed_config: {"@type": \(types).filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: a}}]
                  transport_socket:
                    name: tls
                    typed_config:
                      "@type": \(types).transport_sockets.tls.v3.DownstreamTlsContext
                      common_tls_context: {tls_certificates: [{\(scene.pair)}]}
              clusters: [{name: a}]
            """
        let loaded = try loaded(text)
        let source = try #require(loaded.tlsSources.sources.first)
        let chain = try #require(loaded.spec.listeners[0].defaultFilterChain)
        #expect(source.owner == chain.identity.map { .filterChain(listener: "l", chain: $0) })
        let spec = try #require(chain.tls)
        try scene.renew("two")
        let newer = try TLSContextReader().read(source, replacing: spec).spec.get()
        guard case .enabled(let before) = spec.sessionTickets, case .enabled(let after) = newer.sessionTickets else {
            Issue.record("tickets are on")
            return
        }
        #expect(before === after)
    }

    @Test func aWatchedDirectoryStandsForItsFiles() throws {
        let scene = try Scene()
        let pair = "\(scene.pair), watched_directory: {path: \"\(scene.root)\"}"
        let places = try loaded(scene.cluster(pair: pair)).tlsSources.places.map(\.place)
        #expect(Set(places) == [.moves(into: scene.root), .file(scene.path("ca.crt"))])
        #expect(
            errors(scene.cluster(pair: "\(scene.pair), watched_directory: {}")).first?.hasSuffix(
                "tls_certificates[0].watched_directory.path: is required") == true)
    }

    @Test func keysTurnItOff() throws {
        let scene = try Scene()
        let off = try loaded(scene.cluster(runtime: "outrider.tls.reload_files: false"))
        #expect(off.tlsSources.sources.isEmpty)
        #expect(off.skipped == [])
        let key = RuntimeInterval.tlsFilePoll.rawValue
        #expect(try loaded(scene.cluster(runtime: "\(key): 0")).tlsSources.pollInterval == nil)
        #expect(try loaded(scene.cluster(runtime: "\(key): 7")).tlsSources.pollInterval == .seconds(7))
        for value in ["true", "-1", "1.5", "86401", "1e300"] {
            let problem = "must be whole seconds from 0 to 86400; 0 is never"
            #expect(errors(scene.cluster(runtime: "\(key): \(value)")).first?.hasSuffix(problem) == true)
        }
    }

    /// The key is not in the files that are read again.
    @Test func recordsStayWithWhoHasThem() throws {
        for isOff in [false, true] {
            let scene = try Scene()
            let loaded = try loaded(scene.cluster(runtime: isOff ? "outrider.tls.take_over_records: false" : ""))
            let spec = try #require(loaded.spec.clusters[1].tls)
            #expect(spec.takesOverRecords == !isOff)
            try scene.renew("two")
            let source = try #require(loaded.tlsSources.sources.first)
            let newer = try TLSContextReader().read(source, replacing: spec).spec.get()
            #expect(newer != spec && newer.takesOverRecords == !isOff)
        }
    }

    @Test func contextsWithoutFilesAreNotFollowed() throws {
        let text = cluster(
            """
            transport_socket:
              name: tls
              typed_config:
                "@type": \(types).transport_sockets.tls.v3.UpstreamTlsContext
                sni: a
            """)
        #expect(try loaded(text).tlsSources.sources.isEmpty)
    }
}
