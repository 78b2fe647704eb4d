// Names have a place as long as somebody needs it.
import HTTPWire
import Metrics
import Reactor
import TestKit
import Testing

@testable import DataPlane

struct ClusterPlacesTests {
    @Test func namesAreFoundAsInADictionary() {
        var table = ClusterPlaces()
        var names: [String] = []
        var free: [Int] = []
        var known: [String: Int] = [:]
        var random = FastRandom()
        for _ in 0..<20_000 {
            let name = "cluster-\(random.below(300))"
            let found = FixedBytes(name).withView { bytes in table.find(bytes) { bytes.equals(text: names[$0]) } }
            guard found == known[name] else {
                Issue.record("\(name) is at \(String(describing: found)), not \(String(describing: known[name]))")
                return
            }
            if let place = found {
                table.remove(name, place) { names[$0] }
                known[name] = nil
                names[place] = ""
                free.append(place)
            } else {
                let place = free.popLast() ?? names.count
                if place == names.count { names.append(name) } else { names[place] = name }
                table.insert(name, place) { names[$0] }
                known[name] = place
            }
        }
        #expect(names.count <= 300)
    }

    @Test func aPlaceIsKeptForWhoeverRefersToIt() throws {
        let fixture = try UpstreamFixture((0..<3).map { ClusterSpec(name: "cluster-\($0)") })
        let set = fixture.sets[0]
        #expect(set.count == 3 && set.placeCount == 3)
        var names: ClusterNames? = set.makeNames()
        let place = try #require(names?.place(of: "later"))
        #expect(names?.place(of: "later") == place && set.cluster(at: place) == nil)
        #expect(FixedBytes("later").withView { set.cluster(named: $0) } == nil)
        let other = set.makeNames()
        #expect(other.place(of: "later") == place && set.placeCount == 4)
        names = nil
        // Somebody is still there.
        #expect(set.makeNames().place(of: "another") != place)
        fixture.directory.start(timeout: .seconds(1)) {}
        try fixture.directory.put(ClusterSpec(name: "later"))
        fixture.settle()
        #expect(set.cluster(at: place)?.name == "later" && set.cluster("later") === set.cluster(at: place))
        fixture.directory.remove("later")
        fixture.settle()
        #expect(set.cluster(at: place) == nil && other.place(of: "later") == place)
    }

    @Test func aPlaceThatNobodyRefersToIsGivenAway() throws {
        let fixture = try UpstreamFixture([ClusterSpec]())
        let set = fixture.sets[0]
        for number in 0..<1000 {
            let names = set.makeNames()
            for part in 0..<3 { _ = names.place(of: "route-\(number)-\(part)") }
        }
        #expect(set.placeCount == 3)
        // A cluster keeps its place, too.
        fixture.directory.start(timeout: .seconds(1)) {}
        try fixture.directory.put(ClusterSpec(name: "c"))
        fixture.settle()
        let place = set.makeNames().place(of: "c")
        #expect(set.cluster(at: place)?.name == "c" && set.cluster("c") != nil)
    }

    @Test func routesKnowTheirClustersByPlace() throws {
        let world = try DynamicWorld()
        var host = VirtualHostSpec(name: "all", domains: ["*"], routes: [])
        host.routes = ["c", "d"].map { name in
            RouteSpec(
                match: RouteMatchSpec(path: .prefix("/" + name)), action: .forward(ForwardSpec(target: .cluster(name))))
        }
        var spec = RouteConfigurationSpec()
        spec.virtualHosts = [host]
        let set = world.fixture.sets[0]
        var table: RouteTable? = try RouteTable(spec, runtime: RuntimeSpec(), filters: nil, clusters: set)
        world.forgetRoutes()
        let indices = try #require(table).routes.map { route -> Int? in
            guard case .forward(let action) = route.action,
                case .cluster(let reference) = action.choose(HeaderMap(), random: 0).target
            else { return nil }
            return reference.index
        }
        let places = indices.compactMap { $0 }
        #expect(places.count == 2 && places.allSatisfy { set.cluster(at: $0) == nil })
        try world.put(world.spec(0))
        #expect(set.cluster(at: places[0])?.name == "c" && set.cluster(at: places[1]) == nil)
        world.remove()
        #expect(set.cluster(at: places[0]) == nil)
        // The next table gets the places of the one that has gone.
        table = nil
        #expect(set.makeNames().place(of: "e") < 2 && set.placeCount == 2)
    }

    @Test func aTCPProxyFindsItsClusterAnewForEachSession() throws {
        let world = try DynamicWorld()
        let spec = TCPProxySpec(statPrefix: "t", clusters: [.init(name: "c", weight: 1)])
        let proxy = TCPProxy(
            spec, loop: world.fixture.loop, cells: world.fixture.store.makeCells(), clusters: world.fixture.sets[0],
            accessLogs: [], bufferLimit: 1 << 20)
        #expect(proxy.chooseCluster(nil) == nil)
        try world.put(world.spec(0))
        let first = proxy.chooseCluster(nil)?.cluster
        #expect(first === world.cluster && first != nil)
        try world.put(world.spec(1))
        let second = proxy.chooseCluster(nil)?.cluster
        #expect(second === world.cluster && second !== first)
        world.remove()
        #expect(proxy.chooseCluster(nil) == nil)
    }
}
