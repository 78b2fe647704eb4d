// Choosing a host, by each policy.
import Benchmark
import DataPlane
import Reactor

/// A worker's balancer among a hundred hosts.
private final class Choice {
    private var random = FastRandom(seed: (1, 2, 3, 4))
    private var balancer: Balancer
    private var panicPicks: UInt64 = 0

    init(_ policy: BalancerSpec, weight: (Int) -> UInt32 = { _ in 1 }) {
        let hosts = (0..<100).map { number in
            Host(address: .v4(IPv4Address(bits: 0x0A00_0000 + UInt32(number)), port: 8080), weight: weight(number))
        }
        var spec = ClusterSpec(name: "app")
        spec.balancer = policy
        balancer = Balancer(spec, HostSet(hosts), random: &random)
    }

    func pick() -> Int? { balancer.pick(avoiding: [], attempts: 0, random: &random, panicPicks: &panicPicks) }
}

func balancerBenchmarks() {
    let uneven: (Int) -> UInt32 = { UInt32($0 % 7 + 1) }
    for (name, choice) in [
        ("round-robin", Choice(.roundRobin)),
        ("round-robin-weighted", Choice(.roundRobin, weight: uneven)),
        ("least-request", Choice(.leastRequest(choiceCount: 2, activeRequestBias: 1))),
        ("least-request-weighted", Choice(.leastRequest(choiceCount: 2, activeRequestBias: 1), weight: uneven)),
        ("random", Choice(.random)),
    ] {
        measure("host-among-100-\(name)") { blackHole(choice.pick()) }
    }
}
