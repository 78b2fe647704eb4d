// TLS contexts of clusters that come, are replaced and go.
import Reactor
import TestKit
import Testing

@testable import DataPlane

extension Cluster {
    fileprivate var tls: TLSContext? { tls(of: 0) }
}

struct ClusterTLSTests {
    @Test func aBadContextChangesNothing() throws {
        let world = try DynamicWorld()
        try world.put(world.spec(0))
        var bad = TLSContextSpec()
        bad.trustedCA = Array("no certificate".utf8)
        let before = world.statCount
        #expect(throws: ClusterError.self) { try world.directory.put(world.spec(1) { $0.tls = bad }) }
        world.fixture.settle()
        #expect(world.answer() == "0" && world.total("cluster_modified") == 0)
        #expect(world.stat("membership_total") == 1 && world.statCount >= before)
    }

    @Test func workersGetContextsOfTheirOwn() throws {
        let world = try DynamicWorld(workers: 2)
        try world.put(world.spec(0) { $0.tls = TLSContextSpec() })
        let contexts = world.fixture.sets.map { $0.cluster("c")?.tls }
        #expect(contexts[0] != nil && contexts[1] != nil && contexts[0] !== contexts[1])
        var newer = TLSContextSpec()
        newer.sni = "newer.example"
        try world.directory.replaceTLS(newer, ofCluster: "c")
        world.fixture.settle()
        for (set, old) in zip(world.fixture.sets, contexts) { #expect(set.cluster("c")?.tls !== old) }
        #expect(world.directory.tlsContext(ofCluster: "c") == newer && world.directory.tlsContexts == [newer])
        // A cluster without TLS gets none.
        try world.put(world.spec(0))
        try world.directory.replaceTLS(newer, ofCluster: "c")
        world.fixture.settle()
        #expect(world.cluster?.tls == nil && world.directory.tlsContexts.isEmpty)
    }

    @Test func filesThatChangeWhileAClusterWarmsAreTheNewOnes() throws {
        let world = try DynamicWorld()
        try world.put(world.spec(0) { $0.tls = TLSContextSpec() })
        var old = world.cluster?.tls
        var first = TLSContextSpec()
        first.sni = "first.example"
        try world.put(world.edsSpec { $0.tls = first })
        #expect(world.directory.tlsContext(ofCluster: "c") == first)
        var second = first
        second.sni = "second.example"
        try world.directory.replaceTLS(second, ofCluster: "c")
        world.fixture.settle()
        // The one that serves is as it was.
        #expect(world.cluster?.tls === old)
        world.assign([world.endpoint(1)])
        #expect(world.cluster?.tls !== old)
        old = nil
        #expect(world.directory.tlsContexts == [second])
        #expect(world.directory.tlsUpdateStats(ofCluster: "c") != nil)
        world.remove()
        #expect(world.directory.tlsUpdateStats(ofCluster: "c") == nil && world.directory.tlsContexts.isEmpty)
        #expect(world.statCount == 0)
    }
}
