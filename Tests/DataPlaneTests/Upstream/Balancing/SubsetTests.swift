// Subsets of hosts by metadata. Tests/Integration/test_subsets.py asks Envoy the same.
import Metrics
import Reactor
import TestKit
import Testing

@testable import DataPlane

struct SubsetTests {
    /// One worker's view of a cluster whose hosts are numbers.
    private final class Rig {
        var spec = ClusterSpec(name: "c")
        let store = StatStore()
        private let cells: StatCells
        private(set) var set = HostSet([])
        private var balancer: SubsetBalancer?
        private var random = FastRandom(seed: (1, 2, 3, 4))
        var hash: UInt64?
        var avoiding: [Host] = []

        init(_ hosts: [Host], _ keys: [String]..., change: (inout SubsetSpec) -> Void = { _ in }) {
            cells = store.makeCells()
            var wanted = SubsetSpec(selectors: keys.map { SubsetSpec.Selector(keys: $0.sorted()) })
            change(&wanted)
            spec.balancing.subsets = wanted
            use(hosts)
        }

        func use(_ hosts: [Host], _ context: HostSetContext = HostSetContext()) {
            set = HostSet(hosts, for: spec, in: context)
            let (cells, spec) = (cells, spec)
            balancer = set.subsets.map {
                SubsetBalancer($0, spec, stats: SubsetStats(cells, cluster: "c")) { ZoneStats(cells, cluster: "c") }
            }
        }

        /// The host that a request gets; nil: none.
        func pick(_ criteria: SubsetCriteria?) -> Int? {
            var panics: UInt64 = 0
            let question = HostQuestion(hash: hash, avoiding: avoiding, attempts: 5, now: .zero, running: 0)
            return balancer?.pick(criteria, question, random: &random, panicPicks: &panics)
        }

        /// Those that as many requests get.
        func picks(_ labels: [String: String]?, count: Int = 40) -> Set<Int> {
            let criteria = labels.flatMap { SubsetCriteria(Metadata.labels($0)) }
            return Set((0..<count).compactMap { _ in pick(criteria) })
        }

        func stat(_ name: String) -> Int { Int(store.snapshot().value("cluster.c.lb_subsets_" + name)) }
        var count: Int { self.set.subsets?.count ?? 0 }
    }

    private static func host(
        _ number: Int, _ metadata: Metadata?, flags: HostHealthFlags = [], priority: Int = 0, zone: String = "",
        weight: UInt32 = 1
    ) -> Host {
        Host(
            address: .v4(IPv4Address(bits: UInt32(number)), port: 80), locality: Locality(region: "r", zone: zone),
            weight: weight, priority: priority, metadata: metadata, state: HostState(flags: flags, workers: 1))
    }

    private static func hosts(_ labels: [String: String]...) -> [Host] {
        labels.enumerated().map { host($0, Metadata.labels($1)) }
    }

    // MARK: - Which

    @Test func hostsWithEqualValuesAreASubset() {
        let rig = Rig(
            Self.hosts(
                ["v": "1", "stage": "prod"], ["v": "1", "stage": "dev"], ["v": "2", "stage": "prod"], ["other": "1"],
                [:]),
            ["v"], ["v", "stage"])
        #expect(rig.count == 5)
        #expect(rig.picks(["v": "1"]) == [0, 1] && rig.picks(["v": "2"]) == [2])
        #expect(rig.picks(["stage": "prod", "v": "1"]) == [0])
        // Neither a selector of one more key nor of one less.
        #expect(rig.picks(["stage": "prod"]) == [] && rig.picks(["other": "1"]) == [])
        #expect(rig.picks(["v": "3"]) == [] && rig.picks(["v": "1", "stage": "prod", "x": "y"]) == [])
        #expect(rig.picks(nil) == [])
        #expect(rig.stat("selected") == 120 && rig.stat("fallback") == 0)
    }

    @Test func valuesAreOfAnyType() {
        let values: [MetadataJSON] = [
            .number(1), .text("1"), .bool(true), .list([.number(1)]), .object([("a", .null)]), .null,
        ]
        let all = values.map { Metadata.made([("envoy.lb", [("v", $0)])]) }
        let rig = Rig(all.enumerated().map { Self.host($0, $1) }, ["v"])
        #expect(rig.count == values.count)
        for (number, metadata) in all.enumerated() { #expect(rig.pick(SubsetCriteria(metadata)) == number) }
    }

    @Test func listsStandForTheirElements() {
        let list = MetadataJSON.list([.text("1"), .text("2")])
        let hosts = [
            Self.host(0, Metadata.made([("envoy.lb", [("v", list), ("w", list)])])),
            Self.host(1, Metadata.labels(["v": "2", "w": "2"])),
            Self.host(2, Metadata.made([("envoy.lb", [("v", .list([])), ("w", list)])])),
        ]
        let rig = Rig(hosts, ["v"], ["v", "w"]) {
            $0.listsAsAny = true
            $0.fallback = .defaultSubset
            $0.defaultSubset = Metadata.labels(["v": "1"])
        }
        #expect(rig.count == 6)
        #expect(rig.picks(["v": "1"]) == [0] && rig.picks(["v": "2"]) == [0, 1])
        #expect(rig.picks(["v": "1", "w": "2"]) == [0] && rig.picks(["v": "2", "w": "2"]) == [0, 1])
        #expect(rig.picks(nil) == [0])
        let plain = Rig(hosts, ["v"])
        #expect(plain.picks(["v": "1"]) == [] && plain.picks(["v": "2"]) == [1])
    }

    @Test func thereAreOnlySoMany() {
        let list = MetadataJSON.list((0..<100).map { .number(Double($0)) })
        let keys = ["a", "b", "c", "d"]
        let wide = Self.host(0, Metadata.made([("envoy.lb", keys.map { ($0, list) })]))
        let rig = Rig([wide], keys) {
            $0.listsAsAny = true
            $0.maxSubsets = 500
        }
        #expect(rig.count == 500 && rig.set.subsets?.overflow ?? 0 > 0)
        let fine = Rig(Self.hosts(["v": "1"], ["v": "2"]), ["v"]) { $0.maxSubsets = 2 }
        #expect(fine.count == 2 && fine.set.subsets?.overflow == 0)
    }

    @Test func aSingleHostIsChosenWhateverItsHealth() {
        let one = Metadata.labels(["v": "1"])
        let hosts = [
            Self.host(0, one, priority: 1), Self.host(1, one, flags: .failedEDSHealth), Self.host(2, one),
            Self.host(3, Metadata.labels(["v": "2"])),
        ]
        let rig = Rig(hosts, ["v"]) { $0.selectors[0].isSingleHost = true }
        #expect(rig.picks(["v": "1"]) == [1] && rig.picks(["v": "2"]) == [3])
        #expect(rig.set.subsets?.duplicates == 1 && rig.count == 2)
    }

    // MARK: - Falling back

    @Test func clustersFallBack() {
        let hosts = Self.hosts(["v": "1"], ["v": "2", "d": "y"], ["d": "y"])
        let any = Rig(hosts, ["v"]) { $0.fallback = .anyEndpoint }
        #expect(any.picks(["v": "9"]) == [0, 1, 2] && any.picks(nil) == [0, 1, 2] && any.picks(["v": "2"]) == [1])
        #expect(any.stat("fallback") == 80 && any.stat("selected") == 40 && any.count == 2)
        let some = Rig(hosts, ["v"]) {
            $0.fallback = .defaultSubset
            $0.defaultSubset = Metadata.labels(["d": "y"])
        }
        #expect(some.picks(["v": "9"]) == [1, 2] && some.picks(nil) == [1, 2] && some.count == 2)
        let all = Rig(hosts, ["v"]) { $0.fallback = .defaultSubset }
        #expect(all.picks(nil) == [0, 1, 2])
    }

    @Test func panicIsForFallbacksWithoutHosts() {
        let hosts = Self.hosts(["v": "1"], ["v": "2"])
        let rig = Rig(hosts, ["v"]) {
            $0.fallback = .defaultSubset
            $0.defaultSubset = Metadata.labels(["v": "3"])
            $0.panicsToAny = true
        }
        #expect(rig.picks(["v": "9"]) == [0, 1] && rig.stat("fallback_panic") == 40 && rig.stat("fallback") == 0)
        // As in Envoy.
        let none = Rig(hosts, ["v"]) { $0.panicsToAny = true }
        #expect(none.picks(["v": "9"]) == [] && none.stat("fallback_panic") == 0)
    }

    @Test func selectorsFallBackInTheirOwnWay() {
        let rig = Rig(
            Self.hosts(["a": "1", "b": "1"], ["a": "1", "b": "2"], ["c": "1"], ["d": "1"]),
            ["a", "b"], ["a"], ["c"], ["d"], ["e"]
        ) {
            $0.fallback = .defaultSubset
            $0.defaultSubset = Metadata.labels(["d": "1"])
            $0.selectors[0].fallback = .keys(["a"])
            $0.selectors[1].fallback = .anyEndpoint
            $0.selectors[2].fallback = SubsetSpec.Selector.Fallback.none
            $0.selectors[3].fallback = .defaultSubset
        }
        #expect(rig.picks(["a": "1", "b": "2"]) == [1])
        #expect(rig.picks(["a": "1", "b": "9"]) == [0, 1])
        #expect(rig.picks(["a": "9", "b": "9"]) == [0, 1, 2, 3])
        #expect(rig.picks(["c": "9"]) == [] && rig.picks(["d": "9"]) == [3])
        #expect(rig.stat("fallback") == 0)
        #expect(rig.picks(["e": "9"]) == [3] && rig.picks(["x": "9"]) == [3] && rig.stat("fallback") == 80)
    }

    @Test func listsOfCriteriaAreTriedInTurn() throws {
        let match = Metadata.made([
            (
                "envoy.lb",
                [
                    (
                        "fallback_list",
                        .list([
                            .object([("v", .text("9"))]), .object([("v", .text("2"))]), .object([("v", .text("1"))]),
                        ])
                    ), ("stage", .text("prod")),
                ]
            )
        ])
        let criteria = try #require(SubsetCriteria(match))
        let hosts = Self.hosts(["v": "1", "stage": "prod"], ["v": "2", "stage": "prod"], ["v": "2", "stage": "dev"])
        let rig = Rig(hosts, ["stage", "v"]) { $0.usesFallbackList = true }
        #expect((0..<10).allSatisfy { _ in rig.pick(criteria) == 1 })
        rig.use([hosts[0], hosts[2]])
        #expect(rig.pick(criteria) == 0)
        // It is a label like others where nobody says so.
        let plain = Rig(hosts, ["stage", "v"]) { $0.fallback = .anyEndpoint }
        #expect(plain.pick(criteria) != nil && plain.stat("fallback") == 1)
        let empty = Metadata.made([("envoy.lb", [("fallback_list", .list([])), ("stage", .text("prod"))])])
        #expect(rig.pick(SubsetCriteria(empty)) == nil)
        rig.spec.balancing.subsets?.selectors = [SubsetSpec.Selector(keys: ["stage"])]
        rig.use(hosts)
        #expect([0, 1].contains(rig.pick(SubsetCriteria(empty))))
    }

    // MARK: - Within a subset

    @Test func healthAndPrioritiesCountWithinASubset() {
        let one = Metadata.labels(["v": "1"])
        let hosts = [
            Self.host(0, one, flags: .failedEDSHealth), Self.host(1, one), Self.host(2, one), Self.host(3, one),
            Self.host(4, Metadata.labels(["v": "2"]), flags: .failedEDSHealth),
            Self.host(5, Metadata.labels(["v": "2"]), priority: 1), Self.host(6, Metadata.labels(["v": "3"])),
        ]
        let rig = Rig(hosts, ["v"])
        #expect(rig.picks(["v": "1"]) == [1, 2, 3])
        #expect(rig.picks(["v": "2"]) == [5])
        #expect(rig.picks(["v": "3"]) == [6])
    }

    @Test(arguments: [
        BalancerSpec.roundRobin, .random, .leastRequest(choiceCount: 2, activeRequestBias: 1),
    ])
    func policiesWorkInSubsets(_ policy: BalancerSpec) {
        let one = Metadata.labels(["v": "1"])
        let hosts = (0..<5).map { Self.host($0, $0 < 3 ? one : Metadata.labels(["v": "2"]), weight: UInt32($0 + 1)) }
        let rig = Rig(hosts, ["v"])
        rig.spec.balancer = policy
        rig.use(hosts)
        #expect(rig.picks(["v": "1"], count: 200) == [0, 1, 2] && rig.picks(["v": "2"], count: 100) == [3, 4])
        rig.avoiding = [hosts[3]]
        #expect(rig.picks(["v": "2"], count: 20).contains(4))
    }

    @Test(arguments: [HashingSpec.Table.ring(HashingSpec.Ring()), .maglev(size: 65_537)])
    func hashesWorkInSubsets(_ table: HashingSpec.Table) {
        let hosts = (0..<6).map { Self.host($0, Metadata.labels(["v": $0 < 3 ? "1" : "2"])) }
        let rig = Rig(hosts, ["v"])
        rig.spec.balancing.hashing = HashingSpec(table)
        rig.use(hosts)
        #expect(rig.set.hashing == nil && rig.set.lastHashing != nil)
        var found: Set<Int> = []
        for hash in 0..<50 {
            rig.hash = UInt64(hash) &* 0x9E37_79B9_7F4A_7C15
            let picked = rig.picks(["v": "2"], count: 5)
            #expect(picked.count == 1)
            found.formUnion(picked)
        }
        #expect(found == [3, 4, 5])
    }

    @Test func localitiesHaveTheirWeightsWhereAskedFor() {
        let one = Metadata.labels(["v": "1"])
        let two = Metadata.labels(["v": "2"])
        let hosts = [
            Self.host(0, one, zone: "a"), Self.host(1, two, zone: "a"), Self.host(2, two, zone: "a"),
            Self.host(3, one, zone: "b"),
        ]
        var context = HostSetContext()
        for (zone, weight) in [("a", 3), ("b", 1)] {
            let place = LocalityPlace(priority: 0, locality: Locality(region: "r", zone: zone))
            context.localityWeights[place] = UInt32(weight)
        }
        func share(_ change: (inout SubsetSpec) -> Void) -> Int {
            let rig = Rig(hosts, ["v"], change: change)
            rig.spec.balancing.weighsLocalities = true
            rig.use(hosts, context)
            let criteria = SubsetCriteria(one)
            return (0..<400).count { _ in rig.pick(criteria) == 0 }
        }
        // Turns of the schedule begin anywhere.
        #expect((199...201).contains(share { _ in }))
        #expect((299...301).contains(share { $0.weighsLocalities = true }))
        // A third of zone a's hosts, all of zone b's.
        let scaled = share {
            $0.weighsLocalities = true
            $0.scalesWeights = true
        }
        #expect((199...201).contains(scaled))
    }

    // MARK: - In a cluster

    @Test func metadataThatChangeMakeOtherSubsets() throws {
        let world = try DynamicWorld()
        try world.put(
            world.edsSpec {
                $0.balancing.subsets = SubsetSpec(selectors: [SubsetSpec.Selector(keys: ["v"])])
                $0.balancing.subsets?.fallback = .defaultSubset
                $0.balancing.subsets?.defaultSubset = Metadata.labels(["v": "1"])
            })
        func assign(_ values: String...) {
            world.assign(
                values.enumerated().map { number, value in
                    world.endpoint(number) { $0.metadata = Metadata.labels(["v": value]) }
                })
        }
        func stat(_ name: String) -> Int { world.stat("lb_subsets_" + name) }
        assign("1", "2")
        #expect(stat("active") == 2 && stat("created") == 2 && stat("removed") == 0)
        // The test's requests have no criteria.
        #expect(Set((0..<4).map { _ in world.answer() }) == ["0"] && stat("fallback") == 4)
        let connections = world.servers[0].peers.count
        assign("3", "1")
        #expect(stat("active") == 2 && stat("created") == 3 && stat("removed") == 1)
        #expect(Set((0..<4).map { _ in world.answer() }) == ["1"])
        assign("1", "3")
        #expect(Set((0..<4).map { _ in world.answer() }) == ["0"] && world.servers[0].peers.count == connections)
        world.assign([EndpointSpec]())
        #expect(stat("active") == 0 && world.answer() == nil && stat("fallback") == 12)
        world.remove()
        #expect(world.statCount == 0)
    }
}
