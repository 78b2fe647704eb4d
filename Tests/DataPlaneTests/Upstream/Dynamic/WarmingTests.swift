// Clusters are hidden until they are warm.
import Reactor
import TestKit
import Testing

@testable import DataPlane

struct WarmingTests {
    @Test func anEDSClusterIsHiddenUntilItsEndpointsCome() throws {
        let world = try DynamicWorld()
        try world.put(world.edsSpec())
        #expect(world.wanted == ["+c"])
        #expect(world.cluster == nil && world.directory.reports.isEmpty)
        #expect(world.total("warming_clusters") == 1 && world.total("active_clusters") == 0)
        #expect(world.stat("warming_state") == 1)
        #expect(world.directory.uninitialised.map(\.cluster) == ["c"])
        world.assign([world.endpoint(0)])
        #expect(world.answer() == "0")
        #expect(world.total("warming_clusters") == 0 && world.total("active_clusters") == 1)
        #expect(world.stat("warming_state") == 0 && world.stat("update_success") == 1)
        // What comes later is no warming any more.
        world.assign([world.endpoint(1)])
        #expect(world.answer() == "1" && world.total("cluster_updated") == 1)
        world.remove()
        #expect(world.wanted == ["+c", "-c"] && world.answer() == nil)
    }

    @Test func withoutAnAnswerInTimeItServesWithoutHosts() throws {
        let world = try DynamicWorld()
        try world.put(world.edsSpec())
        world.directory.assign(nil, to: DynamicWorld.subscription("c"))
        world.fixture.settle()
        #expect(world.cluster?.hosts.hosts.isEmpty == true && world.total("warming_clusters") == 0)
        #expect(world.stat("update_empty") == 0 && world.stat("update_success") == 0)
        world.assign([world.endpoint(1)])
        #expect(world.answer() == "1")
        // An answer without the resource leaves the hosts alone, as in Envoy.
        world.directory.assign(nil, to: DynamicWorld.subscription("c"))
        world.fixture.settle()
        #expect(world.answer() == "1" && world.stat("update_empty") == 1)
    }

    @Test func theOldOneServesUntilTheNewOneIsWarm() throws {
        let world = try DynamicWorld()
        try world.put(world.spec(0))
        try world.put(world.edsSpec())
        #expect(world.answer() == "0" && world.total("warming_clusters") == 1 && world.total("active_clusters") == 1)
        world.assign([world.endpoint(1)])
        #expect(world.answer() == "1" && world.total("warming_clusters") == 0)
    }

    @Test func aReplacementOfAWarmingOneIsWhatComes() throws {
        let world = try DynamicWorld()
        try world.put(world.edsSpec("one"))
        try world.put(world.edsSpec("two"))
        #expect(world.wanted == ["+one", "+two", "-one"])
        #expect(world.total("warming_clusters") == 1)
        #expect(world.total("cluster_added") == 1 && world.total("cluster_modified") == 1)
        world.assign([world.endpoint(0)], service: "one")
        #expect(world.cluster == nil)
        world.assign([world.endpoint(1)], service: "two")
        #expect(world.answer() == "1")
    }

    @Test func removalEndsTheWarmingAndWhatItWasToReplace() throws {
        let world = try DynamicWorld()
        try world.put(world.edsSpec())
        world.remove()
        #expect(world.total("warming_clusters") == 0 && world.wanted == ["+c", "-c"])
        world.assign([world.endpoint(0)])
        #expect(world.cluster == nil && world.statCount == 0)
        try world.put(world.spec(0))
        try world.put(world.edsSpec())
        world.remove()
        #expect(world.cluster == nil && world.total("warming_clusters") == 0 && world.total("active_clusters") == 0)
        #expect(world.total("cluster_removed") == 2)
    }

    @Test func aReplacementTakesTheEndpointsThatAreKnown() throws {
        let world = try DynamicWorld()
        try world.put(world.edsSpec())
        var group = LocalityEndpointsSpec(endpoints: [
            world.endpoint(0) {
                $0.weight = 3
                $0.hostname = "zero"
            }, world.endpoint(1) { $0.health = .draining },
        ])
        group.priority = 1
        group.locality.zone = "z"
        world.assign([group]) { $0.overprovisioningFactor = 200 }
        // The control plane does not say it again: nothing has changed for it.
        try world.put(world.edsSpec { $0.connectTimeout = .seconds(1) })
        #expect(world.answer() == "0" && world.cluster?.spec.connectTimeout == .seconds(1))
        #expect(world.wanted == ["+c"] && world.total("warming_clusters") == 0)
        let hosts = try #require(world.cluster?.hosts)
        #expect(hosts.overprovisioningFactor == 200)
        #expect(hosts.hosts.map(\.weight) == [3, 1] && hosts.hosts.map(\.hostname) == ["zero", ""])
        #expect(hosts.hosts.map(\.locality.zone) == ["z", "z"] && hosts.hosts.map(\.priority) == [1, 1])
        #expect(world.hosts == ["0 healthy", "1 /eds_status_draining"])
        // Nor is anybody waited for who did not answer the first time.
        try world.put(world.edsSpec("silent"))
        world.directory.assign(nil, to: DynamicWorld.subscription("silent"))
        try world.put(world.edsSpec("silent"))
        #expect(world.total("warming_clusters") == 0)
    }

    @Test func clustersWithTheSameServiceShareASubscription() throws {
        let world = try DynamicWorld()
        var other = world.edsSpec("s")
        other.name = "d"
        try world.put(world.edsSpec("s"))
        try world.put(other)
        #expect(world.wanted == ["+s"])
        world.assign([world.endpoint(0)], service: "s")
        #expect(world.fixture.sets[0].cluster("d")?.hosts.hosts.count == 1 && world.answer() == "0")
        world.remove()
        #expect(world.wanted == ["+s"])
        world.remove("d")
        #expect(world.wanted == ["+s", "-s"])
    }

    @Test func whatIsWantedAlreadyIsToldWhenSomebodyAsks() throws {
        let world = try DynamicWorld()
        try world.put(world.edsSpec("s"))
        var asked: [String] = []
        world.directory.endpointsWanted = { added, _ in asked += added.map(\.service) }
        #expect(asked == ["s"])
        // A source may answer while it is asked.
        world.directory.endpointsWanted = { [unowned world] added, _ in
            for one in added where one.service == "t" { world.assign([world.endpoint(1)], service: "t") }
        }
        try world.put(world.edsSpec("t"))
        #expect(world.answer() == "1")
    }

    @Test func namesAreLookedUpFirst() throws {
        let world = try DynamicWorld()
        var spec = ClusterSpec(name: "c")
        spec.discovery = .strictDNS
        spec.endpoints = [
            LocalityEndpointsSpec(endpoints: [
                EndpointSpec(address: .name("here", port: world.servers[0].address.port))
            ])
        ]
        try world.put(spec)
        #expect(world.cluster == nil && world.fixture.names.asked == ["here"])
        world.fixture.names.answer("here", .addresses([.v4(.loopback)], ttl: .zero))
        world.fixture.settle()
        #expect(world.answer() == "0")
        world.remove()
        // Nobody asks for a cluster that has gone.
        world.fixture.advance(.seconds(60))
        #expect(world.fixture.names.asked == ["here"])
    }

    @Test func firstChecksComeFirst() throws {
        let world = try DynamicWorld()
        world.servers[0].onBytes = { _ in }
        var check = HealthCheckSpec(
            timeout: .seconds(1), interval: .seconds(10), unhealthy: 1, healthy: 1,
            .http(HTTPHealthCheckSpec(path: "/health")))
        check.noTrafficInterval = .seconds(10)
        try world.put(world.edsSpec { $0.healthCheck = check })
        world.assign([world.endpoint(0)])
        world.fixture.wait { world.servers[0].peers.first?.endOfHead != nil }
        #expect(world.cluster == nil)
        #expect(world.directory.uninitialised.first?.reason.contains("health checks") == true)
        world.servers[0].peers[0].send(ScriptedServer.ok())
        world.fixture.wait { world.cluster != nil }
        #expect(world.hosts == ["0 healthy"])
        let attempts = world.stat("health_check.attempt")
        world.remove()
        world.fixture.advance(.seconds(60))
        #expect(attempts == 1 && world.servers[0].peers.count == 1 && world.statCount == 0)
    }

    @Test func whenAllIsWarm() throws {
        let world = try DynamicWorld()
        var done: [String] = []
        world.directory.whenWarm { done.append("at once") }
        #expect(done == ["at once"])
        try world.put(world.edsSpec("one"))
        var other = world.edsSpec("two")
        other.name = "d"
        try world.put(other)
        world.directory.whenWarm { done.append("all") }
        world.assign([world.endpoint(0)], service: "one")
        #expect(done == ["at once"])
        // Replaced while it warms: it is waited for in its new form.
        other.endpointSource = DynamicWorld.subscription("three")
        try world.put(other)
        #expect(done == ["at once"])
        world.directory.assign(nil, to: DynamicWorld.subscription("three"))
        #expect(done == ["at once", "all"])
        try world.put(world.edsSpec("four"))
        world.directory.whenWarm { done.append("removed") }
        world.remove()
        #expect(done == ["at once", "all", "removed"])
    }

    @Test func theBootstrapsClustersAreWaitedForNoLongerThanTheStart() throws {
        var spec = ClusterSpec(name: "n")
        spec.discovery = .strictDNS
        spec.endpoints = [LocalityEndpointsSpec(endpoints: [EndpointSpec(address: .name("a", port: 80))])]
        let world = try DynamicWorld(bootstrap: [spec])
        var done = 0
        world.directory.whenWarm { done += 1 }
        world.fixture.advance(.seconds(14))
        #expect(done == 0)
        world.fixture.advance(.seconds(2))
        #expect(done == 1 && world.directory.isInitialised)
        world.directory.whenWarm { done += 1 }
        #expect(done == 2)
    }
}
