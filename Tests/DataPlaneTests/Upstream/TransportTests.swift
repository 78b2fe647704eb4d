// Transports of a cluster's hosts by their metadata. Tests/Integration/test_transport_sockets.py asks Envoy the same.
import Metrics
import Reactor
import TestKit
import Testing

@testable import DataPlane

struct TransportTests {
    private static func labels(_ labels: [String: String]) -> Metadata? {
        Metadata.made([
            (TransportMatchSpec.namespace, labels.sorted { $0.key < $1.key }.map { ($0.key, .text($0.value)) })
        ])
    }

    /// Matches with these labels, called by their numbers.
    private static func matches(_ labels: [String: String]...) -> [TransportMatchSpec] {
        labels.enumerated().map { number, labels in
            TransportMatchSpec(name: "\(number + 1)", labels: labels.isEmpty ? nil : Self.labels(labels))
        }
    }

    @Test func theFirstThatFitsIsTaken() {
        var spec = ClusterSpec(name: "c")
        #expect(spec.transport(of: Self.labels(["a": "1"]), locality: nil) == 0)
        spec.transportMatches = Self.matches(["a": "1", "b": "2"], ["a": "1"])
        #expect(spec.transport(of: Self.labels(["a": "1", "b": "2", "c": "3"]), locality: nil) == 1)
        #expect(spec.transport(of: Self.labels(["a": "1", "b": "3"]), locality: nil) == 2)
        #expect(spec.transport(of: Self.labels(["a": "2"]), locality: nil) == 0)
        #expect(spec.transport(of: nil, locality: nil) == 0)
        #expect(spec.transport(of: Metadata.labels(["a": "1"]), locality: nil) == 0)
        // Other types are other values.
        let number = Metadata.made([(TransportMatchSpec.namespace, [("a", .number(1))])])
        #expect(spec.transport(of: number, locality: nil) == 0)
    }

    @Test func theLocalityIsAskedAfterTheEndpoint() {
        var spec = ClusterSpec(name: "c")
        spec.transportMatches = Self.matches(["a": "1"], ["a": "2"])
        #expect(spec.transport(of: Self.labels(["a": "2"]), locality: Self.labels(["a": "1"])) == 2)
        #expect(spec.transport(of: Self.labels(["a": "3"]), locality: Self.labels(["a": "1"])) == 1)
        // Nothing is asked for, and every endpoint has that.
        spec.transportMatches = Self.matches(["a": "1"], [:])
        #expect(spec.transport(of: nil, locality: Self.labels(["a": "1"])) == 2)
    }

    @Test func connectionsOfTheOldKindEnd() throws {
        let world = try DynamicWorld()
        try world.put(world.edsSpec { $0.transportMatches = Self.matches(["a": "1"]) })
        world.assign([world.endpoint(0)])
        #expect(world.answer() == "0" && world.answer() == "0" && world.servers[0].peers.count == 1)
        #expect(world.stat("default.total_match_count") == 1 && world.stat("1.total_match_count") == 0)
        let state = try #require(world.cluster?.hosts.hosts.first?.state)
        world.assign([world.endpoint(0) { $0.metadata = Self.labels(["a": "1"]) }])
        #expect(world.cluster?.hosts.hosts.first?.state === state)
        world.fixture.wait { world.servers[0].peers[0].sawEnd }
        #expect(world.answer() == "0" && world.servers[0].peers.count == 2)
        #expect(world.stat("default.total_match_count") == 1 && world.stat("1.total_match_count") == 1)
        // Another weight is no other kind.
        world.assign([
            world.endpoint(0) {
                $0.metadata = Self.labels(["a": "1"])
                $0.weight = 2
            }
        ])
        #expect(world.answer() == "0" && world.servers[0].peers.count == 2 && world.stat("1.total_match_count") == 1)
    }

    @Test func requestsUnderWayKeepTheirConnections() throws {
        let world = try DynamicWorld()
        world.servers[0].onBytes = { _ in }
        try world.put(world.edsSpec { $0.transportMatches = Self.matches(["a": "1"]) })
        world.assign([world.endpoint(0)])
        let attempt = try world.send()
        world.fixture.wait { world.servers[0].peers.last?.endOfHead != nil }
        world.assign([world.endpoint(0) { $0.metadata = Self.labels(["a": "1"]) }])
        let old = try #require(world.servers[0].peers.first)
        #expect(!old.sawEnd && !attempt.isOver)
        old.send(ScriptedServer.ok("late"))
        world.fixture.wait { attempt.isComplete }
        #expect(attempt.text == "late")
        world.fixture.wait { old.sawEnd }
    }

    @Test func aReplacedClusterKnowsWhatLocalitiesSaid() throws {
        let world = try DynamicWorld()
        try world.put(world.edsSpec())
        var group = LocalityEndpointsSpec(endpoints: [world.endpoint(0)])
        group.metadata = Self.labels(["a": "1"])
        world.assign([group])
        #expect(world.cluster?.hosts.hosts.map(\.transport) == [0])
        try world.put(world.edsSpec { $0.transportMatches = Self.matches(["a": "1"]) })
        #expect(world.cluster?.hosts.hosts.map(\.transport) == [1])
        world.assign([world.endpoint(0)])
        #expect(world.cluster?.hosts.hosts.map(\.transport) == [0])
    }

    @Test func eachTransportHasItsContext() throws {
        let world = try DynamicWorld(workers: 2)
        func named(_ name: String) -> TLSContextSpec {
            var spec = TLSContextSpec()
            spec.sni = name
            return spec
        }
        try world.put(
            world.spec(0) {
                $0.transportMatches = Self.matches(["a": "1"], ["a": "2"])
                $0.transportMatches?[1].transport.tls = named("second.example")
            })
        #expect(world.directory.tlsContexts == [named("second.example")])
        #expect(world.directory.tlsContext(ofCluster: "c") == nil)
        try world.directory.replaceTLS(named("newer.example"), ofCluster: "c", for: 2)
        // There is none to replace.
        try world.directory.replaceTLS(named("newer.example"), ofCluster: "c", for: 1)
        try world.directory.replaceTLS(named("newer.example"), ofCluster: "c", for: 7)
        world.fixture.settle()
        #expect(world.directory.tlsContexts == [named("newer.example")])
        for set in world.fixture.sets {
            let cluster = try #require(set.cluster("c"))
            #expect(cluster.tls(of: 0) == nil && cluster.tls(of: 1) == nil)
            #expect(cluster.tls(of: 2) != nil && cluster.tls(of: 9) == nil)
        }
    }
}
