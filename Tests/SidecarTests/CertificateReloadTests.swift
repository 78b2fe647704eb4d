// When changed files are read, and who is told.
import Configuration
import DataPlane
import Logging
import Metrics
import Reactor
import TestKit
import Testing

@testable import Sidecar

@Suite struct CertificateReloadTests {
    /// Looks nothing up.
    private final class NoResolver: NameResolver {
        func lookUp(_ name: String, family: DNSSpec.Family, _ completion: @escaping (NameLookup) -> Void) {}
    }

    /// A cluster whose files are followed for two workers.
    private final class Scene {
        let root: String
        let clock = TestClock()
        let loop: EventLoop
        let cells = StatStore().makeCells()
        let clusters: ClusterDirectory
        private var reload: CertificateReload?
        /// How many workers got a new context, one number a time.
        private(set) var sent: [Int] = []
        private(set) var endedLooks = 0
        private var authority: CertificateAuthority

        init() throws {
            root = try Folder.makeTemporary(prefix: "outrider-test")
            loop = try EventLoop(clock: clock)
            authority = try CertificateAuthority()
            let first = try authority.issue(CertificateRequest(commonName: "a"))
            try FileContents.write(first.chainPEM, to: root + "/tls.crt")
            try FileContents.write(first.keyPEM, to: root + "/tls.key")
            let text = """
                static_resources:
                  clusters:
                  - name: a
                    transport_socket:
                      name: tls
                      typed_config:
                        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
                        common_tls_context:
                          tls_certificates:
                          - {certificate_chain: {filename: "\(root)/tls.crt"}, private_key: {filename: "\(root)/tls.key"}}
                """
            let configuration = try ConfigurationLoader.load(text: Array(text.utf8), name: "f")
            clusters = try ClusterDirectory(configuration.spec.clusters, loop: loop, cells: cells, workers: 2) { _ in
                NoResolver()
            }
            reload = try CertificateReload(
                configuration.tlsSources, inUse: CertificatesInUse(listeners: [], clusters: clusters, cells: cells),
                secretStats: SecretStats(cells),
                workers: 2, loop: loop, log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                replaced: { [unowned self] in endedLooks += 1 }, send: { [unowned self] in sent.append($0.count) })
            loop.turnWhileBusy()
        }

        deinit {
            reload?.close()
            try? Folder.remove(root)
        }

        func issue() throws -> CertificateAuthority.Issued {
            try authority.issue(CertificateRequest(commonName: "b"))
        }

        func write(_ name: String, _ bytes: [UInt8]) throws {
            try FileContents.write(bytes, to: "\(root)/\(name)")
            loop.turnWhileBusy()
        }

        func pass(_ time: TimeAmount) {
            clock.advance(by: time)
            loop.turnWhileBusy()
        }

        func counter(_ name: String) -> UInt64 { cells.counter("cluster.a.client_ssl_socket_factory." + name).value }
    }

    @Test func changesAreGatheredUntilTheFilesAreQuiet() throws {
        let scene = try Scene()
        let newer = try scene.issue()
        try scene.write("tls.crt", newer.chainPEM)
        scene.pass(.milliseconds(99))
        try scene.write("tls.key", newer.keyPEM)
        scene.pass(.milliseconds(99))
        #expect(scene.sent == [])
        scene.pass(.milliseconds(1))
        #expect(scene.sent == [2])
        #expect(scene.endedLooks == 1)
        #expect(scene.counter("ssl_context_update_by_sds") == 1)
        #expect(scene.counter("key_rotation_failed") == 0)
        #expect(scene.clusters.tlsContext(ofCluster: 0)?.certificates.first?.chainPEM == newer.chainPEM)
    }

    @Test func filesThatAreNeverQuietAreReadAllTheSame() throws {
        let scene = try Scene()
        let newer = try scene.issue()
        try scene.write("tls.key", newer.keyPEM)
        for _ in 0..<20 {
            scene.pass(.milliseconds(50))
            try scene.write("tls.crt", newer.chainPEM)
        }
        #expect(scene.sent == [2])
    }

    @Test func aFaultIsCountedAndLeavesWhatWasThere() throws {
        let scene = try Scene()
        let before = scene.clusters.tlsContext(ofCluster: 0)
        let newer = try scene.issue()
        try scene.write("tls.crt", newer.chainPEM)
        scene.pass(.milliseconds(100))
        #expect(scene.counter("key_rotation_failed") == 1)
        #expect(scene.sent == [])
        #expect(scene.clusters.tlsContext(ofCluster: 0) == before)
        // Without a change it is not tried again.
        scene.pass(.seconds(100))
        #expect(scene.counter("key_rotation_failed") == 1)
        try scene.write("tls.key", newer.keyPEM)
        scene.pass(.milliseconds(100))
        #expect(scene.sent == [2])
    }
}
