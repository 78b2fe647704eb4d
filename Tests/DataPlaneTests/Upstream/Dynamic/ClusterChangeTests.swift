// Clusters that come, are replaced and go while requests and TCP sessions run.
import Metrics
import Reactor
import TestKit
import Testing

@testable import DataPlane

struct ClusterChangeTests {
    @Test func aRouteFindsAClusterThatComesLater() throws {
        let world = try DynamicWorld(workers: 2)
        #expect(world.cluster == nil)
        #expect(world.total("cluster_added") == 0)
        try world.put(world.spec(0))
        #expect(world.answer() == "0")
        #expect(world.fixture.sets[1].cluster("c")?.hosts.hosts.count == 1)
        #expect(world.total("cluster_added") == 1 && world.total("active_clusters") == 1)
        #expect(world.total("cluster_modified") == 0 && world.total("warming_clusters") == 0)
        for worker in 0..<2 {
            let name = "thread_local_cluster_manager.worker_\(worker).clusters_inflated"
            #expect(world.fixture.store.snapshot().value(name) == 1)
        }
        #expect(world.directory.reports.map(\.addedViaAPI) == [true])
        #expect(world.stat("membership_total") == 1 && world.stat("upstream_rq_total") == 1)
    }

    @Test func aReplacementTakesAllNewRequests() throws {
        let world = try DynamicWorld()
        try world.put(world.spec(0))
        #expect(world.answer() == "0")
        let old = try #require(world.cluster)
        try world.put(world.spec(1))
        #expect(world.cluster !== old)
        #expect(world.answer() == "1")
        // The idle connection of the old one is gone, and its counters went on.
        world.fixture.wait { world.servers[0].peers[0].sawEnd }
        #expect(world.stat("upstream_cx_destroy_local") == 1 && world.stat("upstream_rq_total") == 2)
        #expect(world.stat("membership_change") == 2 && world.stat("membership_total") == 1)
        #expect(world.total("cluster_added") == 1 && world.total("cluster_modified") == 1)
        #expect(world.total("active_clusters") == 1 && world.directory.reports.count == 1)
    }

    @Test func requestsThatRunEndWithTheOldCluster() throws {
        let world = try DynamicWorld()
        world.servers[0].onBytes = { _ in }
        try world.put(world.spec(0))
        weak let shared = world.cluster?.shared
        weak let cluster = world.cluster
        var attempt: TestTry? = try world.send()
        world.fixture.wait { world.servers[0].peers.first?.endOfHead != nil }
        try world.put(world.spec(1))
        #expect(world.answer() == "1")
        #expect(attempt?.isOver == false && cluster != nil)
        world.servers[0].peers[0].send(ScriptedServer.ok("late"))
        world.fixture.wait { attempt?.isComplete == true }
        #expect(attempt?.text == "late")
        attempt = nil
        world.fixture.wait { world.servers[0].peers[0].sawEnd }
        world.fixture.settle()
        // Its memory goes with its last request.
        #expect(cluster == nil && shared == nil)
        #expect(world.stat("upstream_rq_active") == 0 && world.stat("upstream_cx_active") == 1)
        #expect(world.answer() == "1")
    }

    @Test func requestsThatWaitForAConnectionGetIt() throws {
        let world = try DynamicWorld()
        try world.put(world.spec(0))
        var attempt: TestTry? = try world.send()
        world.directory.remove("c")
        world.fixture.wait { attempt?.isOver == true }
        #expect(attempt?.isComplete == true && attempt?.text == "0")
        attempt = nil
        world.fixture.settle()
        #expect(world.cluster == nil && world.statCount == 0)
    }

    @Test func retriesOfOldRequestsGoToTheSuccessor() throws {
        let world = try DynamicWorld()
        try world.put(world.spec(0))
        let old = try #require(world.cluster)
        try world.put(world.spec(1))
        let retried = world.fixture.send(on: old)
        world.fixture.wait { retried.isOver }
        #expect(retried.text == "1")
        world.remove()
        #expect(world.fixture.send(on: old).isRefused)
        #expect(world.cluster == nil)
    }

    @Test func aRemovedClusterIsNotFoundAndLeavesNothing() throws {
        let world = try DynamicWorld(workers: 2)
        let before = world.fixture.store.count
        try world.put(world.spec(0))
        #expect(world.answer() == "0")
        var other: TestTry? = try world.send(worker: 1)
        world.fixture.wait { other?.isComplete == true }
        other = nil
        #expect(world.statCount > 100)
        world.remove()
        #expect(world.cluster == nil && world.fixture.sets[1].cluster("c") == nil)
        #expect(world.directory.reports.isEmpty && world.directory.hosts(of: "c") == nil)
        #expect(world.total("cluster_removed") == 1 && world.total("active_clusters") == 0)
        world.fixture.wait { world.servers[0].peers.allSatisfy(\.sawEnd) }
        world.fixture.settle()
        #expect(world.statCount == 0 && world.fixture.store.count == before)
        let again = world.directory.remove("c")
        #expect(!again && world.total("cluster_removed") == 1)
        // The same name later is a new cluster.
        try world.put(world.spec(1))
        #expect(world.answer() == "1" && world.stat("upstream_rq_total") == 1)
    }

    @Test func statsStayUntilTheLastRequestHasEnded() throws {
        let world = try DynamicWorld()
        world.servers[0].onBytes = { _ in }
        try world.put(world.spec(0))
        var attempt: TestTry? = try world.send()
        world.fixture.wait { world.servers[0].peers.first?.endOfHead != nil }
        world.remove()
        #expect(world.stat("upstream_rq_active") == 1)
        world.servers[0].peers[0].send(ScriptedServer.ok())
        world.fixture.wait { attempt?.isComplete == true }
        attempt = nil
        world.fixture.settle()
        #expect(world.statCount == 0)
    }

    @Test func tcpSessionsOutliveTheirCluster() throws {
        let world = try DynamicWorld()
        world.servers[0].onBytes = { _ in }
        try world.put(world.spec(0))
        let session = try LentSession(#require(world.cluster))
        world.fixture.wait { session.lease != nil && world.servers[0].peers.first?.isEstablished == true }
        world.remove()
        world.servers[0].peers[0].send("still here")
        world.fixture.wait { session.bytes.text == "still here" }
        #expect(session.lease?.hostWasRemoved == true)
        session.lease?.close()
        session.forget()
        world.fixture.settle()
        #expect(world.statCount == 0)
    }

    @Test func originalDestinationsGoOnToo() throws {
        let world = try DynamicWorld()
        world.servers[0].onBytes = { _ in }
        var spec = ClusterSpec(name: "c")
        spec.discovery = .originalDestination
        try world.put(spec)
        let info = DownstreamInfo(
            connectionID: 1, local: .v4(.loopback, port: 15001), remote: .v4(.loopback, port: 4000),
            accepted: world.fixture.loop.now)
        info.originalDestination = world.servers[0].address
        var old = world.cluster
        #expect(old != nil)
        var attempt: TestTry? = world.fixture.send(on: old, origin: StreamOrigin(downstream: info))
        world.fixture.wait { world.servers[0].peers.first?.endOfHead != nil }
        try world.put(world.spec(1))
        let later = world.fixture.send(on: old, origin: StreamOrigin(downstream: info))
        world.fixture.wait { later.isOver }
        #expect(later.text == "1")
        weak let cluster = old
        old = nil
        world.servers[0].peers[0].send(ScriptedServer.ok("late"))
        world.fixture.wait { attempt?.isComplete == true }
        attempt = nil
        world.fixture.settle()
        #expect(cluster == nil)
    }

    @Test func theBootstrapsClustersAreNotTheControlPlanes() throws {
        let server = SocketAddress.v4(.loopback, port: 1)
        let world = try DynamicWorld(bootstrap: [UpstreamFixture.spec([server])])
        let isTaken = try world.directory.put(world.spec(0))
        let isRemoved = world.directory.remove("c")
        world.fixture.settle()
        #expect(!isTaken && !isRemoved)
        #expect(world.cluster?.hosts.hosts.map(\.address) == [server])
        #expect(world.total("cluster_added") == 1 && world.total("cluster_modified") == 0)
        #expect(world.directory.reports.map(\.addedViaAPI) == [false])
    }

    @Test func aStreamOfRequestsFailsNeverWhileClustersChange() throws {
        let world = try DynamicWorld(servers: 3)
        try world.put(world.spec(0))
        var open: [TestTry] = []
        var sent = 0
        for round in 0..<300 {
            // Several at once, so that some wait, some run and some are idle whenever the cluster changes.
            for _ in 0..<(round % 4) {
                open.append(try world.send())
                sent += 1
            }
            switch round % 7 {
            case 0: try world.directory.put(world.spec(round % 3))
            case 3: try world.directory.put(world.edsSpec("s\(round % 2)"))
            case 5:
                let number = (round + 1) % 3
                for service in ["s0", "s1"] {
                    var assignment = EndpointAssignment(service: service)
                    assignment.groups = [LocalityEndpointsSpec(endpoints: [world.endpoint(number)])]
                    world.directory.assign(assignment, to: DynamicWorld.subscription(service))
                }
            default: break
            }
            world.fixture.loop.turn(maxWait: .zero)
            open.removeAll(where: \.isComplete)
            #expect(open.allSatisfy { !$0.isOver && !$0.isRefused })
        }
        world.fixture.wait { open.allSatisfy(\.isOver) }
        #expect(open.allSatisfy { $0.isComplete })
        #expect(world.stat("upstream_rq_total") == sent && world.stat("upstream_rq_active") == 0)
        open = []
        world.remove()
        #expect(world.statCount == 0)
    }

    @Test func clustersThatComeAndGoTakeNoRoom() throws {
        let world = try DynamicWorld()
        func round(_ number: Int) throws {
            var spec = world.spec(0)
            spec.name = "cluster-\(number)"
            try world.put(spec)
            _ = world.fixture.sets[0].cluster(spec.name)
            world.remove(spec.name)
        }
        for number in 0..<3 { try round(number) }
        let before = (world.fixture.store.count, world.fixture.sets[0].placeCount)
        for number in 3..<60 { try round(number) }
        #expect(world.fixture.store.count == before.0 && world.fixture.sets[0].placeCount == before.1)
        #expect(world.fixture.sets[0].count == 0)
    }
}

/// In the TCP proxy's place.
private final class LentSession: TCPWaiter {
    let bytes = RecordingDelegate()
    private(set) var lease: TCPLease?

    init(_ cluster: Cluster) { _ = cluster.connectTCP(self) }

    var tcpDelegate: any ConnectionDelegate { bytes }
    func tcpReady(_ lease: TCPLease) { self.lease = lease }
    func tcpFailed(_ reason: StreamResetReason, host: Host, detail: String) {}
    func forget() { lease = nil }
}
