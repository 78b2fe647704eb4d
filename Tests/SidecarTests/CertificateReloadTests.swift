// When changed files are read, and who is told.
import Configuration
import Logging
import Metrics
import Reactor
import TestKit
import Testing

@testable import DataPlane
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
        private let sets: [ClusterSet]
        private var reload: CertificateReload?
        private(set) var endedLooks = 0
        /// What each of the workers has connected with so far.
        private var contexts: [[TLSContext?]] = []
        private var authority: CertificateAuthority

        init() throws {
            root = try Folder.makeTemporary(prefix: "outrider-test")
            loop = try EventLoop(clock: clock)
            authority = try CertificateAuthority()
            let configuration = try Self.load("a", root, authority)
            clusters = try ClusterDirectory(configuration.spec.clusters, loop: loop, cells: cells, workers: 2) { _ in
                NoResolver()
            }
            let (loop, cells, clusters) = (loop, cells, clusters)
            sets = try (0..<2).map { _ in
                try ClusterSet(clusters.addWorker(loop.mailbox), loop: loop, cells: cells.store.makeCells())
            }
            reload = try CertificateReload(
                configuration.tlsSources, inUse: CertificatesInUse(clusters: clusters, cells: cells),
                secretStats: SecretStats(cells), shown: DynamicConfiguration(),
                workers: 2, loop: loop, log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                replaced: { [unowned self] in endedLooks += 1 },
                send: { _ in Issue.record("a listener out of nowhere") })
            loop.turnWhileBusy()
            contexts = sets.map { [$0.cluster("a")?.tls(of: 0)] }
        }

        /// A file with one cluster, whose certificate and key are named after it.
        private static func load(
            _ name: String, _ root: String, _ authority: CertificateAuthority
        ) throws -> LoadedConfiguration {
            let pair = try authority.issue(CertificateRequest(commonName: name))
            try FileContents.write(pair.chainPEM, to: "\(root)/\(name).crt")
            try FileContents.write(pair.keyPEM, to: "\(root)/\(name).key")
            let files =
                "{certificate_chain: {filename: \"\(root)/\(name).crt\"}, private_key: {filename: \"\(root)/\(name).key\"}}"
            let text = """
                static_resources:
                  clusters:
                  - name: \(name)
                    transport_socket:
                      name: tls
                      typed_config:
                        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
                        common_tls_context: {tls_certificates: [\(files)]}
                """
            return try ConfigurationLoader.load(text: Array(text.utf8), name: "f")
        }

        /// A cluster comes while the process runs.
        func add(_ name: String) throws {
            clusters.start(timeout: .seconds(15)) {}
            let loaded = try Self.load(name, root, authority)
            for spec in loaded.spec.clusters { try clusters.put(spec) }
            reload?.add([loaded.tlsSources])
            loop.turnWhileBusy()
        }

        func remove(_ name: String) {
            clusters.remove(name)
            reload?.remove(clusters: [name])
            loop.turnWhileBusy()
        }

        /// Renews a cluster's pair, and waits until it is in use, or would be.
        func renew(_ name: String) throws -> CertificateAuthority.Issued {
            let newer = try issue()
            try write("\(name).crt", newer.chainPEM)
            try write("\(name).key", newer.keyPEM)
            pass(.milliseconds(100))
            return newer
        }

        func chain(_ cluster: String) -> [UInt8]? {
            clusters.tlsContext(ofCluster: cluster)?.certificates.first?.chainPEM
        }

        deinit {
            reload?.close()
            try? Folder.remove(root)
        }

        /// How many files there are.
        func lookAtAll() -> Int? {
            let count = reload?.lookAtAll()
            pass(.zero)
            return count
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

        /// How many new contexts each of the workers has got, if all have got as many.
        var sent: Int? {
            for index in sets.indices {
                let now = sets[index].cluster("a")?.tls(of: 0)
                if contexts[index].last.flatMap({ $0 }) !== now { contexts[index].append(now) }
            }
            let counts = Set(contexts.map { $0.count - 1 })
            return counts.count == 1 ? counts.first : nil
        }

        func counter(_ name: String) -> UInt64 { cells.counter("cluster.a.client_ssl_socket_factory." + name).value }
    }

    @Test func changesAreGatheredUntilTheFilesAreQuiet() throws {
        let scene = try Scene()
        let newer = try scene.issue()
        try scene.write("a.crt", newer.chainPEM)
        scene.pass(.milliseconds(99))
        try scene.write("a.key", newer.keyPEM)
        scene.pass(.milliseconds(99))
        #expect(scene.sent == 0)
        scene.pass(.milliseconds(1))
        #expect(scene.sent == 1)
        #expect(scene.endedLooks == 1)
        #expect(scene.counter("ssl_context_update_by_sds") == 1)
        #expect(scene.counter("key_rotation_failed") == 0)
        #expect(scene.clusters.tlsContext(ofCluster: "a")?.certificates.first?.chainPEM == newer.chainPEM)
    }

    @Test func filesThatAreNeverQuietAreReadAllTheSame() throws {
        let scene = try Scene()
        let newer = try scene.issue()
        try scene.write("a.key", newer.keyPEM)
        for _ in 0..<20 {
            scene.pass(.milliseconds(50))
            try scene.write("a.crt", newer.chainPEM)
        }
        #expect(scene.sent == 1)
    }

    @Test func aFaultIsCountedAndLeavesWhatWasThere() throws {
        let scene = try Scene()
        let before = scene.clusters.tlsContext(ofCluster: "a")
        let newer = try scene.issue()
        try scene.write("a.crt", newer.chainPEM)
        scene.pass(.milliseconds(100))
        #expect(scene.counter("key_rotation_failed") == 1)
        #expect(scene.sent == 0)
        #expect(scene.clusters.tlsContext(ofCluster: "a") == before)
        // Without a change it is not tried again.
        scene.pass(.seconds(100))
        #expect(scene.counter("key_rotation_failed") == 1)
        try scene.write("a.key", newer.keyPEM)
        scene.pass(.milliseconds(100))
        #expect(scene.sent == 1)
    }

    @Test func allFilesAreReadWhenSomebodyAsks() throws {
        let scene = try Scene()
        let newer = try scene.issue()
        try scene.write("a.crt", newer.chainPEM)
        scene.pass(.milliseconds(100))
        #expect(scene.counter("key_rotation_failed") == 1)
        #expect(scene.lookAtAll() == 2)
        #expect(scene.counter("key_rotation_failed") == 2)
    }

    @Test func filesOfClustersThatComeAreFollowedUntilTheseGo() throws {
        let scene = try Scene()
        try scene.add("b")
        let first = try scene.renew("b")
        #expect(scene.chain("b") == first.chainPEM && scene.sent == 0)
        // Once more, as when a control plane sends the cluster anew.
        try scene.add("b")
        let second = try scene.renew("b")
        #expect(scene.chain("b") == second.chainPEM && scene.endedLooks == 2)
        scene.remove("b")
        _ = try scene.renew("b")
        #expect(scene.endedLooks == 2)
        // The others are followed as before.
        let other = try scene.renew("a")
        #expect(scene.chain("a") == other.chainPEM && scene.sent == 1 && scene.endedLooks == 3)
    }
}
