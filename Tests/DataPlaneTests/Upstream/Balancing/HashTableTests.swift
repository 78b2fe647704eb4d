// Ring hash, Maglev and bounded loads. That hosts are Envoy's is asked in Tests/Integration/test_hashing.py.
import Reactor
import Testing

@testable import DataPlane

struct HashTableTests {
    private func hosts(_ weights: [UInt32], flags: [Int: HostHealthFlags] = [:], workers: Int = 1) -> [Host] {
        weights.enumerated().map { number, weight in
            Host(
                address: .v4(IPv4Address(bits: 0x0a00_0000 + UInt32(number)), port: 80), weight: weight,
                flags: flags[number] ?? [], workers: workers)
        }
    }

    private func spec(_ table: HashingSpec.Table, _ change: (inout HashingSpec) -> Void = { _ in }) -> ClusterSpec {
        var spec = ClusterSpec(name: "c")
        var hashing = HashingSpec(table)
        change(&hashing)
        spec.balancing.hashing = hashing
        return spec
    }

    private func ring(_ least: UInt64, _ most: UInt64 = 8 << 20) -> HashingSpec.Table {
        var ring = HashingSpec.Ring()
        ring.minSize = least
        ring.maxSize = most
        return .ring(ring)
    }

    private func picks(_ spec: ClusterSpec, _ hosts: [Host], count: UInt64 = 2000) throws -> [Int] {
        let set = HostSet(hosts, for: spec)
        let hashing = try #require(set.hashing)
        var panic: UInt64 = 0
        return (0..<count).compactMap {
            hashing.pick(
                XXHash64.hash("key-\($0)"), set.hosts, avoiding: [], attempts: 0, running: 0, panicPicks: &panic)
        }
    }

    private func shape(_ spec: ClusterSpec, _ hosts: [Host]) -> [UInt64]? {
        HostSet(hosts, for: spec).hashing?.shape.map { [$0.size, $0.least, $0.most] }
    }

    @Test func ringsHaveTheLeastSizeThatGivesWholeShares() {
        #expect(shape(spec(ring(1024)), hosts([1, 1])) == [1024, 512, 512])
        #expect(shape(spec(ring(1024)), hosts([1, 1, 1])) == [1026, 342, 342])
        #expect(shape(spec(ring(4)), hosts([1, 3])) == [4, 1, 3])
        // The greatest size comes first.
        #expect(shape(spec(ring(10, 10)), hosts([1, 1, 1])) == [10, 3, 4])
        #expect(shape(spec(ring(1, 2)), hosts([1, 1, 1])) == [2, 0, 1])
        #expect(shape(spec(ring(1024)), hosts([7])) == [1024, 1024, 1024])
    }

    @Test func extremesOfWeightsEnd() {
        #expect(shape(spec(ring(1024, 2048)), hosts([1, .max])) == [2048, 1, 2047])
        #expect(shape(spec(.maglev(size: 31)), hosts([1, .max])) == [0, 1, 30])
        #expect(shape(spec(.maglev(size: 2)), hosts([1, 1, 1])) == [0, 0, 1])
        #expect(shape(spec(.maglev(size: 65_537)), hosts(Array(repeating: 1, count: 300))) == [0, 218, 219])
    }

    @Test(arguments: [false, true]) func sharesFollowWeights(isMaglev: Bool) throws {
        let spec = spec(isMaglev ? .maglev(size: 997) : ring(4096))
        let picks = try picks(spec, hosts([1, 2, 5]), count: 8000)
        for (index, expected) in [1000, 2000, 5000].enumerated() {
            #expect(abs(picks.filter { $0 == index }.count - expected) < 250)
        }
    }

    @Test(arguments: [false, true]) func aHostThatFailsTakesItsOwnKeysAlongOnly(isMaglev: Bool) throws {
        // A ring with a place for each host, whatever their number.
        let spec = spec(isMaglev ? .maglev(size: 65_537) : ring(1))
        let before = try picks(spec, hosts([1, 1, 1, 1]))
        let after = try picks(spec, hosts([1, 1, 1, 1], flags: [2: .failedEDSHealth]))
        #expect(!after.contains(2))
        let moved = zip(before, after).filter { $0 != $1 && $0 != 2 }.count
        #expect(isMaglev ? moved < 100 : moved == 0)
    }

    @Test func nobodyIsThereToBeChosen() throws {
        #expect(try picks(spec(ring(1024)), []).isEmpty)
        var spec = spec(ring(1024))
        spec.panicThreshold = 0
        #expect(try picks(spec, hosts([1, 1], flags: [0: .failedEDSHealth, 1: .failedEDSHealth])).isEmpty)
    }

    @Test func namesAndKeysStandForHosts() throws {
        let named = { (address: UInt32) in
            ["a", "b", "c"].enumerated().map { number, name in
                Host(address: .v4(IPv4Address(bits: address + UInt32(number)), port: 80), hostname: name)
            }
        }
        let byName = spec(.maglev(size: 997)) { $0.usesHostname = true }
        #expect(try picks(byName, named(1)) == picks(byName, named(99)))
        #expect(try picks(spec(.maglev(size: 997)), named(1)) != picks(spec(.maglev(size: 997)), named(99)))
        let keyed = { (address: UInt32) in
            ["x", "y", "z"].enumerated().map { number, key in
                Host(
                    address: .v4(IPv4Address(bits: address + UInt32(number)), port: 80),
                    rare: HostRarities(check: nil, hashKey: key), state: HostState(flags: [], workers: 1))
            }
        }
        #expect(try picks(spec(ring(512)), keyed(1)) == picks(spec(ring(512)), keyed(99)))
    }

    @Test func hostsThatWereTriedAreAvoided() throws {
        for table in [ring(1024), .maglev(size: 997)] {
            let set = HostSet(hosts([1, 1, 1]), for: spec(table))
            let hashing = try #require(set.hashing)
            var panic: UInt64 = 0
            var others = 0
            for hash in 0..<200 as Range<UInt64> {
                let first = try #require(
                    hashing.pick(
                        hash << 54, set.hosts, avoiding: [], attempts: 9, running: 0, panicPicks: &panic))
                let avoiding = [set.hosts[first]]
                let second = hashing.pick(
                    hash << 54, set.hosts, avoiding: avoiding, attempts: 9, running: 0, panicPicks: &panic)
                if second != first { others += 1 }
                // With no further place to look at it is the same.
                #expect(
                    hashing.pick(
                        hash << 54, set.hosts, avoiding: avoiding, attempts: 0, running: 0, panicPicks: &panic)
                        == first)
            }
            #expect(others > 190)
        }
    }

    @Test func loadsAreBounded() throws {
        let spec = spec(ring(1024)) { $0.balanceFactor = 150 }
        let set = HostSet(hosts([1, 1, 2], workers: 2), for: spec)
        let hashing = try #require(set.hashing)
        var panic: UInt64 = 0
        var counts = [0, 0, 0]
        for running in 0..<400 {
            let pick = try #require(
                hashing.pick(42, set.hosts, avoiding: [], attempts: 0, running: running, panicPicks: &panic))
            set.hosts[pick].cells(worker: running % 2).requestStarted()
            counts[pick] += 1
        }
        // A half more than its share, and one in the making.
        for (count, share) in zip(counts, [100, 100, 200]) { #expect(count <= share * 3 / 2 + 1) }
        // All have too much for a cluster where nothing runs: the one with the least of its share is taken.
        #expect(
            hashing.pick(42, set.hosts, avoiding: [], attempts: 0, running: 0, panicPicks: &panic)
                == counts.indices.min { counts[$0] < counts[$1] })
    }

    @Test func theTwisterIsTheStandards() {
        var random = MersenneTwister(seed: 5489)
        #expect(random.number() == 3_499_211_612)
        for _ in 0..<9998 { _ = random.number() }
        #expect(random.number() == 4_123_659_995)
        for bound in [1, 2, 3, 1000, UInt32.max] { for _ in 0..<50 { #expect(random.below(bound) < bound) } }
    }

    @Test func clustersWithoutHashesHaveNoTable() {
        #expect(HostSet(hosts([1]), for: ClusterSpec(name: "c")).hashing == nil)
    }
}
