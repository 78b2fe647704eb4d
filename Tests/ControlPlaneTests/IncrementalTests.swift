// The protocol's second variant, request by request.
import EnvoyAPI
import Reactor
import SwiftProtobuf
import Testing

@testable import ControlPlane

@Suite struct IncrementalTests {
    typealias Rig = ControlPlaneRig

    @Test func asksForAllAndIsToldOfChanges() throws {
        let rig = try Rig(isDelta: true)
        let watcher = RecordingWatcher()
        rig.subscribe(.clusters, watcher: watcher)
        let server = try rig.transport()
        #expect(server.opened == ["/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"])
        server.connect()
        rig.turn()
        #expect(server.taken() == ["Cluster"])
        server.answer(Rig.delta(.clusters, "n1", [("a", "1"), ("b", "1")]) { $0.systemVersionInfo = "s" })
        rig.turn()
        #expect(watcher.taken() == ["+a@1,b@1 v=s"])
        #expect(server.taken() == ["Cluster n=n1"])
        server.answer(Rig.delta(.clusters, "n2", [("a", "2")], removed: ["b"]))
        rig.turn()
        #expect(watcher.taken() == ["+a@2 -b v="])
        #expect(server.taken() == ["Cluster n=n2"])
        server.end()
        rig.advance(.seconds(1))
        server.connect()
        rig.turn()
        #expect(server.taken() == ["Cluster a=2"])
    }

    @Test func anEmptyFirstAnswerIsToldToThoseWhoWantAll() throws {
        let rig = try Rig(isDelta: true)
        let watcher = RecordingWatcher()
        rig.subscribe(.listeners, watcher: watcher)
        let server = try rig.transport()
        server.connect()
        server.answer(Rig.delta(.listeners, "n1"))
        #expect(watcher.taken() == ["v="])
    }

    @Test func namesComeAndGo() throws {
        let rig = try Rig(isDelta: true)
        let (one, other) = (RecordingWatcher(), RecordingWatcher())
        let first = rig.subscribe(.endpoints, "a", watcher: one)
        rig.subscribe(.endpoints, "a", "b", watcher: other)
        let server = try rig.transport()
        server.connect()
        rig.turn()
        #expect(server.taken() == ["ClusterLoadAssignment +a,b"])
        server.answer(Rig.delta(.endpoints, "n1", [("a", "1"), ("c", "1")]))
        rig.turn()
        #expect(one.taken() == ["+a@1 v="])
        #expect(other.taken() == ["+a@1 v="], "c was not asked for")
        #expect(server.taken() == ["ClusterLoadAssignment n=n1"])
        first.update(.named(["d"]))
        rig.turn()
        #expect(server.taken() == ["ClusterLoadAssignment +d"], "the other one still wants a")
        first.close()
        rig.turn()
        #expect(server.taken() == ["ClusterLoadAssignment -d"])
        server.answer(Rig.delta(.endpoints, "n2", removed: ["a"]))
        rig.turn()
        #expect(one.taken() == [])
        #expect(other.taken() == ["-a v="])
        server.end()
        rig.advance(.seconds(1))
        server.connect()
        rig.turn()
        #expect(server.taken().last == "ClusterLoadAssignment +a,b", "of what was removed no version is known")
    }

    @Test func refusesAndStillOwesTheServerAWordOfEach() throws {
        let rig = try Rig(isDelta: true)
        let watcher = RecordingWatcher()
        rig.subscribe(.clusters, watcher: watcher)
        let server = try rig.transport()
        server.connect()
        rig.turn()
        _ = server.taken()
        watcher.problem = "no good"
        server.answer(Rig.delta(.clusters, "n1", [("a", "1")]))
        watcher.problem = nil
        server.answer(Rig.delta(.clusters, "n2", [("b", "1")]))
        rig.turn()
        #expect(server.taken() == ["Cluster n=n1 NACK 13: no good", "Cluster n=n2"])
        server.end()
        rig.advance(.seconds(1))
        server.connect()
        rig.turn()
        #expect(server.taken() == ["Cluster b=1"], "what was refused does not count as known")
    }

    @Test func refusesDuplicatesAliasesAndContradictions() throws {
        let rig = try Rig(isDelta: true)
        let watcher = RecordingWatcher()
        rig.subscribe(.clusters, watcher: watcher)
        let server = try rig.transport()
        server.connect()
        rig.turn()
        _ = server.taken()
        server.answer(Rig.delta(.clusters, "n1", [("a", "1"), ("a", "2"), ("b", "1")], removed: ["b"]))
        server.answer(Rig.delta(.clusters, "n2", [("a", "1")]) { $0.resources[0].aliases = ["x"] })
        rig.turn()
        #expect(
            server.taken() == [
                "Cluster n=n1 NACK 13: duplicate name 'a' among the resources; 'b' is among both resources and"
                    + " removed_resources",
                "Cluster n=n2 NACK 13: resource 'a' has aliases, which Outrider does not know how to use",
            ])
        #expect(watcher.taken() == [])
    }

    @Test func leavingTheWildcard() throws {
        let rig = try Rig(isDelta: true)
        let watcher = RecordingWatcher()
        let all = rig.subscribe(.clusters, watcher: watcher)
        rig.subscribe(.clusters, "a", watcher: watcher)
        let server = try rig.transport()
        server.connect()
        rig.turn()
        #expect(server.taken() == ["Cluster +*,a"])
        all.close()
        rig.turn()
        #expect(server.taken() == ["Cluster -*"])
        rig.subscribe(.clusters, watcher: watcher)
        rig.turn()
        #expect(server.taken() == ["Cluster +*"])
    }

    @Test func aTimeToLiveEnds() throws {
        let rig = try Rig(isDelta: true)
        let watcher = RecordingWatcher()
        rig.subscribe(.clusters, watcher: watcher)
        let server = try rig.transport()
        server.connect()
        server.answer(
            Rig.delta(.clusters, "n1", [("a", "1"), ("b", "1")]) {
                $0.resources[0].ttl = Google_Protobuf_Duration(seconds: 5)
            })
        _ = watcher.taken()
        rig.advance(.seconds(4))
        server.answer(
            Rig.delta(.clusters, "n2", [("a", "1")]) {
                $0.resources[0].clearResource()
                $0.resources[0].ttl = Google_Protobuf_Duration(seconds: 5)
            })
        rig.advance(.seconds(2))
        #expect(watcher.taken() == [])
        rig.advance(.seconds(4))
        #expect(watcher.taken() == ["-a v="])
        server.end()
        rig.advance(.seconds(1))
        _ = server.taken()
        server.connect()
        rig.turn()
        #expect(server.taken() == ["Cluster b=1"])
    }
}
