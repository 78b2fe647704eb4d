// Who is picked: policies, weights, priorities, health, panic.
import Reactor
import Testing

@testable import DataPlane

struct BalancerTests {
    private func host(
        _ number: Int, weight: UInt32 = 1, priority: Int = 0, flags: HostHealthFlags = []
    ) -> Host {
        Host(
            address: .v4(IPv4Address(bits: UInt32(number)), port: 80), weight: weight, priority: priority, flags: flags)
    }

    private func balancer(_ hosts: [Host], _ change: (inout ClusterSpec) -> Void = { _ in }) -> TestBalancer {
        var spec = ClusterSpec(name: "c")
        change(&spec)
        return TestBalancer(spec, HostSet(hosts))
    }

    @Test func roundRobinTakesTurns() {
        let hosts = (0..<3).map { host($0) }
        let picks = balancer(hosts).picks(6)
        #expect(Set(picks[0..<3]) == [0, 1, 2])
        #expect(picks[0..<3] == picks[3..<6])
    }

    @Test func weightsAreKeptExactlyAndSmoothly() {
        let hosts = [host(0, weight: 5), host(1, weight: 1), host(2, weight: 2)]
        let picks = balancer(hosts).picks(80)
        #expect((0..<3).map { index in picks.filter { $0 == index }.count } == [50, 10, 20])
        // The heavy host is never picked more often in a row than smoothness needs.
        var longest = 0
        var run = 0
        for pick in picks {
            run = pick == 0 ? run + 1 : 0
            longest = max(longest, run)
        }
        #expect(longest <= 3)
    }

    @Test func weightsNearEachOtherAndFarApart() {
        for weights: [UInt32] in [[1, 1000], [1, 2], [7, 11, 13], [128, 1, 1, 1]] {
            let hosts = weights.enumerated().map { host($0.offset, weight: $0.element) }
            let total = Int(weights.reduce(0, +))
            let picks = balancer(hosts).picks(total * 3)
            for (index, weight) in weights.enumerated() {
                let count = picks.filter { $0 == index }.count
                #expect(abs(count - Int(weight) * 3) <= 1)
            }
        }
    }

    @Test func moreChoicesThanHostsAreOneLookAtEach() {
        let hosts = (0..<3).map { host($0) }
        let balancer = balancer(hosts) {
            $0.balancer = .leastRequest(choiceCount: Int(UInt32.max), activeRequestBias: 1)
        }
        #expect(Set(balancer.picks(100)) == [0, 1, 2])
        hosts[0].cells(worker: 0).requestStarted()
        hosts[2].cells(worker: 0).requestStarted()
        #expect(Set(balancer.picks(100)) == [1])
    }

    @Test func schedulesGoOnForEver() {
        var schedule = EDFSchedule(count: 2) { $0 == 0 ? 1e-9 : 3e-9 }
        var counts = [0, 0]
        for _ in 0..<4000 {
            guard let next = schedule.next(weight: { $0 == 0 ? 1e-9 : 3e-9 }) else { return }
            counts[next] += 1
        }
        #expect(abs(counts[0] - 1000) <= 1)
    }

    @Test func randomReachesAll() {
        let picks = balancer((0..<4).map { host($0) }) { $0.balancer = .random }.picks(400)
        for index in 0..<4 { #expect(picks.filter { $0 == index }.count > 40) }
    }

    @Test func leastRequestPrefersTheIdle() {
        let hosts = [host(0), host(1)]
        for _ in 0..<100 { hosts[0].cells(worker: 0).requestStarted() }
        let picks = balancer(hosts) {
            $0.balancer = .leastRequest(choiceCount: 2, activeRequestBias: 1)
        }.picks(400)
        // The busy host is picked only when both draws are of it: a quarter of the time.
        let busy = picks.filter { $0 == 0 }.count
        #expect(busy > 40)
        #expect(busy < 170)
    }

    @Test func leastRequestLowersWeightsByLoad() {
        let hosts = [host(0, weight: 2), host(1, weight: 1)]
        let even = balancer(hosts) { $0.balancer = .leastRequest(choiceCount: 2, activeRequestBias: 1) }
        #expect(abs(even.picks(300).filter { $0 == 0 }.count - 200) <= 2)
        for _ in 0..<3 { hosts[0].cells(worker: 0).requestStarted() }
        let loaded = balancer(hosts) { $0.balancer = .leastRequest(choiceCount: 2, activeRequestBias: 1) }
        // 2/4 against 1.
        #expect(abs(loaded.picks(300).filter { $0 == 0 }.count - 100) <= 2)
        let unbiased = balancer(hosts) { $0.balancer = .leastRequest(choiceCount: 2, activeRequestBias: 0) }
        #expect(abs(unbiased.picks(300).filter { $0 == 0 }.count - 200) <= 2)
    }

    @Test func unhealthyHostsAreLeftOut() {
        let hosts = [host(0), host(1, flags: .failedEDSHealth), host(2), host(3, flags: .edsStatusDraining), host(4)]
        let picking = balancer(hosts)
        #expect(Set(picking.picks(30)) == [0, 2, 4])
        #expect(picking.panicPicks == 0)
    }

    @Test func underHalfHealthyAllArePicked() {
        let hosts = (0..<5).map { host($0, flags: $0 < 2 ? [] : .failedEDSHealth) }
        let picking = balancer(hosts)
        #expect(Set(picking.picks(30)) == [0, 1, 2, 3, 4])
        #expect(picking.panicPicks == 30)
        #expect(Set(balancer(hosts) { $0.panicThreshold = 0 }.picks(30)) == [0, 1])
        let dead = (0..<2).map { host($0, flags: .failedEDSHealth) }
        #expect(balancer(dead) { $0.panicThreshold = 0 }.picks(3).isEmpty)
        #expect(balancer([]).picks(3).isEmpty)
    }

    @Test func theSecondPriorityTakesWhatTheFirstCannot() {
        let first = (0..<4).map { host($0, flags: $0 < 2 ? [] : .failedEDSHealth) }
        let second = (4..<6).map { host($0, priority: 1) }
        // Half healthy times 1.4: 70 % stay.
        let load = PriorityLoad(HostSet(first + second).priorities, panicThreshold: 50, overprovisioning: 140)
        #expect(load.healthy == [70, 30])
        #expect(load.panic == [false, false])
        #expect(load.only == nil)
        let picks = balancer(first + second).picks(1000)
        #expect(picks.filter { $0 >= 4 }.count > 200)
        #expect(picks.filter { $0 >= 4 }.count < 400)
        #expect(!picks.contains(2))
    }

    @Test func aHealthyFirstPriorityTakesAll() {
        let hosts = [host(0), host(1, priority: 1)]
        #expect(Set(balancer(hosts).picks(50)) == [0])
        let failed = [host(0, flags: .failedEDSHealth), host(1, priority: 1)]
        #expect(Set(balancer(failed).picks(50)) == [1])
        let gap = [host(0, priority: 2)]
        #expect(Set(balancer(gap).picks(50)) == [0])
    }

    @Test func degradedHostsComeSecond() {
        let hosts = [host(0), host(1), host(2, flags: .degradedEDSHealth)]
        let load = PriorityLoad(HostSet(hosts).priorities, panicThreshold: 50, overprovisioning: 140)
        // 2/3 healthy times 1.4 is 93, the degraded third makes up the rest.
        #expect(load.healthy[0] == 93)
        #expect(load.degraded[0] == 7)
        #expect(Set(balancer([host(0, flags: .degradedEDSHealth)]).picks(5)) == [0])
    }

    @Test func inTotalPanicLoadGoesByNumberOfHosts() {
        let first = (0..<3).map { host($0, flags: .failedEDSHealth) }
        let second = [host(3, priority: 1, flags: .failedEDSHealth)]
        let load = PriorityLoad(HostSet(first + second).priorities, panicThreshold: 50, overprovisioning: 140)
        #expect(load.healthy == [75, 25])
        #expect(load.panic == [true, true])
    }

    @Test func loadsAlwaysAddUpToAHundred() {
        var random = FastRandom(seed: (1, 2, 3, 4))
        for _ in 0..<500 {
            var hosts: [Host] = []
            for priority in 0..<Int(random.below(4) + 1) {
                for _ in 0..<random.below(6) {
                    let flags: [HostHealthFlags] = [[], .failedEDSHealth, .degradedEDSHealth]
                    hosts.append(host(hosts.count, priority: priority, flags: flags[Int(random.below(3))]))
                }
            }
            let threshold = Double(random.below(101))
            let load = PriorityLoad(HostSet(hosts).priorities, panicThreshold: threshold, overprovisioning: 140)
            #expect(load.healthy.reduce(0, +) + load.degraded.reduce(0, +) == 100)
        }
    }

    @Test func hostsThatFailedAreAvoidedWhileThereAreOthers() {
        let hosts = (0..<2).map { host($0) }
        let picking = balancer(hosts)
        for _ in 0..<20 { #expect(picking.pick(avoiding: [hosts[0]], attempts: 3) == 1) }
        #expect(picking.pick(avoiding: hosts, attempts: 3) != nil)
        var seen: Set<Int> = []
        for _ in 0..<4 {
            if let pick = picking.pick(avoiding: [hosts[0]], attempts: 0) { seen.insert(pick) }
        }
        #expect(seen == [0, 1])
    }
}

private final class TestBalancer {
    private var balancer: Balancer
    private var random = FastRandom(seed: (11, 22, 33, 44))
    private(set) var panicPicks: UInt64 = 0

    init(_ spec: ClusterSpec, _ hosts: HostSet) {
        var random = FastRandom(seed: (5, 6, 7, 8))
        balancer = Balancer(spec, hosts, random: &random)
    }

    func pick(avoiding: [Host] = [], attempts: Int = 0) -> Int? {
        balancer.pick(avoiding: avoiding, attempts: attempts, random: &random, panicPicks: &panicPicks)
    }

    func picks(_ count: Int) -> [Int] { (0..<count).compactMap { _ in pick() } }
}
