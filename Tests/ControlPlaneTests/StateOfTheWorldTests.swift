// The protocol's first variant, request by request.
import EnvoyAPI
import Reactor
import SwiftProtobuf
import Testing

@testable import ControlPlane

@Suite struct StateOfTheWorldTests {
    typealias Rig = ControlPlaneRig

    @Test func asksForAllAndAcknowledges() throws {
        let rig = try Rig()
        let watcher = RecordingWatcher()
        rig.subscribe(.clusters, watcher: watcher)
        let server = try rig.transport()
        #expect(server.opened == ["/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"])
        rig.turn()
        #expect(server.taken() == [], "nothing goes out before the stream is up")
        server.connect()
        rig.turn()
        #expect(server.taken() == ["Cluster [] node=me"])
        server.answer(Rig.whole(.clusters, "1", "n1", "a", "b"))
        rig.turn()
        #expect(watcher.taken() == ["+a@1,b@1 v=1 whole"])
        #expect(server.taken() == ["Cluster [] v=1 n=n1 node=me"])
        server.answer(Rig.whole(.clusters, "2", "n2"))
        rig.turn()
        #expect(watcher.taken() == ["v=2 whole"], "an empty response is news for those who want all")
    }

    @Test func refusesWithTheReasonAndKeepsTheLastGoodVersion() throws {
        let rig = try Rig()
        let watcher = RecordingWatcher()
        rig.subscribe(.clusters, watcher: watcher)
        let server = try rig.transport()
        server.connect()
        server.answer(Rig.whole(.clusters, "1", "n1", "a"))
        rig.turn()
        _ = server.taken()
        watcher.problem = "cds 'a': connect_timeout: must be positive"
        server.answer(Rig.whole(.clusters, "2", "n2", "a"))
        rig.turn()
        #expect(
            server.taken() == ["Cluster [] v=1 n=n2 NACK 13: cds 'a': connect_timeout: must be positive node=me"])
        #expect(rig.stat("sub.update_rejected") == 1)
        watcher.problem = nil
        server.answer(Rig.whole(.clusters, "3", "n3", "a"))
        rig.turn()
        #expect(server.taken() == ["Cluster [] v=3 n=n3 node=me"])
        #expect(rig.stat("sub.update_success") == 2)
        #expect(rig.stat("sub.update_attempt") == 4)
    }

    @Test func oneRequestForAllNamesOfATurn() throws {
        let rig = try Rig()
        let (one, other) = (RecordingWatcher(), RecordingWatcher())
        rig.subscribe(.endpoints, "a", watcher: one)
        let second = rig.subscribe(.endpoints, "b", "a", watcher: other)
        let server = try rig.transport()
        server.connect()
        rig.turn()
        #expect(server.taken() == ["ClusterLoadAssignment [a,b] node=me"])
        server.answer(Rig.whole(.endpoints, "1", "n1", "a"))
        rig.turn()
        #expect(one.taken() == ["+a@1 v=1"])
        #expect(other.taken() == ["+a@1 v=1"], "both have a, and nobody is told that b is not there")
        #expect(server.taken() == ["ClusterLoadAssignment [a,b] v=1 n=n1 node=me"])
        second.update(.named(["c"]))
        rig.subscribe(.endpoints, "d", watcher: other)
        rig.turn()
        #expect(server.taken() == ["ClusterLoadAssignment [a,c,d] v=1 n=n1 node=me"])
        second.update(.named(["c"]))
        rig.turn()
        #expect(server.taken() == [], "nothing has changed")
    }

    @Test func whatAResponseMakesNecessaryIsAskedAheadOfItsAcknowledgement() throws {
        let rig = try Rig()
        let (clusters, endpoints) = (RecordingWatcher(), RecordingWatcher())
        clusters.onUpdate = { update in
            for resource in update.resources { rig.subscribe(.endpoints, resource.name, watcher: endpoints) }
        }
        rig.subscribe(.clusters, watcher: clusters)
        let server = try rig.transport()
        server.connect()
        rig.turn()
        _ = server.taken()
        server.answer(Rig.whole(.clusters, "1", "n1", "a", "b"))
        rig.turn()
        #expect(
            server.taken() == ["ClusterLoadAssignment [a,b] node=me", "Cluster [] v=1 n=n1 node=me"],
            "one request for the endpoints of all")
    }

    @Test func unsubscribesFromNamesAndTakesNothingAfterwards() throws {
        let rig = try Rig()
        let watcher = RecordingWatcher()
        let subscription = rig.subscribe(.routes, "r", watcher: watcher)
        let server = try rig.transport()
        server.connect()
        server.answer(Rig.whole(.routes, "1", "n1", "r"))
        rig.turn()
        _ = (server.taken(), watcher.taken())
        subscription.close()
        rig.turn()
        #expect(server.taken() == ["RouteConfiguration [] v=1 n=n1 node=me"])
        server.answer(Rig.whole(.routes, "2", "n2", "r"))
        rig.turn()
        #expect(watcher.taken() == [])
        #expect(server.taken() == ["RouteConfiguration [] v=1 n=n2 node=me"], "as in Envoy: not taken")
        server.answer(Rig.whole(.routes, "3", "n3"))
        rig.turn()
        #expect(server.taken() == [], "that there is nothing needs no answer")
    }

    @Test func aNewStreamAsksForEverythingAgainWithTheLastVersions() throws {
        let rig = try Rig()
        let (clusters, endpoints) = (RecordingWatcher(), RecordingWatcher())
        rig.subscribe(.clusters, watcher: clusters)
        rig.subscribe(.endpoints, "a", watcher: endpoints)
        rig.subscribe(.routes, "r", watcher: endpoints).close()
        let server = try rig.transport()
        server.connect()
        server.answer(Rig.whole(.clusters, "1", "n1", "a"))
        server.answer(Rig.whole(.endpoints, "e", "n2", "a"))
        rig.turn()
        _ = server.taken()
        server.end()
        #expect(rig.stat("sub.update_failure") == 2)
        rig.advance(.milliseconds(500))
        #expect(server.opened.count == 2)
        server.connect()
        rig.turn()
        #expect(server.taken() == ["Cluster [] v=1 node=me", "ClusterLoadAssignment [a] v=e node=me"])
        #expect(clusters.taken() == ["+a@1 v=1 whole"], "what was there stays")
    }

    @Test func nodeOnTheFirstRequestOnlyWhereThatIsSet() throws {
        let rig = try Rig { $0.sendsNodeOnce = true }
        let watcher = RecordingWatcher()
        rig.subscribe(.clusters, watcher: watcher)
        rig.subscribe(.listeners, watcher: watcher)
        let server = try rig.transport()
        server.connect()
        rig.turn()
        #expect(server.taken() == ["Cluster [] node=me", "Listener []"])
        server.end()
        rig.advance(.seconds(1))
        server.connect()
        rig.turn()
        #expect(server.taken() == ["Cluster [] node=me", "Listener []"])
    }

    @Test func refusesWhatNoWatcherNeedsToSee() throws {
        let rig = try Rig()
        let watcher = RecordingWatcher()
        rig.subscribe(.clusters, watcher: watcher)
        let server = try rig.transport()
        server.connect()
        rig.turn()
        _ = server.taken()
        server.answer(Rig.whole(.clusters, "1", "n1", "a", "b", "a"))
        rig.turn()
        #expect(server.taken() == ["Cluster [] n=n1 NACK 13: duplicate name 'a' among the resources node=me"])
        server.answer(Rig.whole(.clusters, "1", "n2") { $0.resources = [Rig.resource(.listeners, "l")] })
        rig.turn()
        let nack = try #require(server.taken().first)
        #expect(nack.contains("n=n2 NACK 13: resource 'l' is of type type.googleapis.com/envoy.config.listener"))
        #expect(watcher.taken() == [])
        #expect(watcher.missing == 1, "there is no use in waiting for the first answer")
        #expect(rig.stat("sub.update_rejected") == 2)
    }

    @Test func ignoresATypeThatNobodyAskedFor() throws {
        let rig = try Rig()
        let watcher = RecordingWatcher()
        rig.subscribe(.clusters, watcher: watcher)
        let server = try rig.transport()
        server.connect()
        rig.turn()
        _ = server.taken()
        server.answer(Rig.whole(.routes, "1", "n1", "r"))
        rig.turn()
        #expect(server.taken() == [])
        #expect(watcher.taken() == [])
    }

    @Test func wrappedResourcesExpireUnlessTheyBeat() throws {
        let rig = try Rig()
        let watcher = RecordingWatcher()
        rig.subscribe(.endpoints, "a", "b", watcher: watcher)
        let server = try rig.transport()
        server.connect()
        func wrapped(_ name: String, isHeartbeat: Bool = false) throws -> Google_Protobuf_Any {
            var wrapper = Envoy_Service_Discovery_V3_Resource()
            wrapper.name = name
            wrapper.version = "1"
            wrapper.ttl = Google_Protobuf_Duration(seconds: 10)
            if !isHeartbeat { wrapper.resource = Rig.resource(.endpoints, name) }
            return try Google_Protobuf_Any(message: wrapper)
        }
        let both = try [wrapped("a"), wrapped("b")]
        server.answer(Rig.whole(.endpoints, "1", "n1") { $0.resources = both })
        #expect(watcher.taken() == ["+a@1,b@1 v=1"])
        rig.advance(.seconds(6))
        let beat = try wrapped("a", isHeartbeat: true)
        server.answer(Rig.whole(.endpoints, "1", "n2") { $0.resources = [beat] })
        #expect(watcher.taken() == [], "a heartbeat is no news")
        rig.advance(.seconds(5))
        #expect(watcher.taken() == ["-b v="])
        rig.advance(.seconds(6))
        #expect(watcher.taken() == ["-a v="])
    }
}
