// A directory that serves, clusters that come and go, and servers that say who they are.
import Metrics
import Reactor
import TestKit
import Testing

@testable import DataPlane

/// Servers answer with their number. The cluster is "c", at the place that a route would know.
final class DynamicWorld {
    let fixture: UpstreamFixture
    let servers: [ScriptedServer]
    /// Held as a route table would.
    private(set) var names: ClusterNames?
    let place: Int
    /// "+service" and "-service", as EDS subscriptions were wanted and let go.
    private(set) var wanted: [String] = []

    init(workers: Int = 1, bootstrap: [ClusterSpec] = [], servers count: Int = 2) throws {
        let clock = TestClock()
        let loop = try EventLoop(clock: clock)
        servers = try (0..<count).map { _ in try ScriptedServer(loop: loop) }
        fixture = try UpstreamFixture(bootstrap, workers: workers, clock: clock, loop: loop)
        let names = fixture.sets[0].makeNames()
        self.names = names
        place = names.place(of: "c")
        for (number, server) in servers.enumerated() { server.answer(ScriptedServer.ok("\(number)")) }
        fixture.directory.endpointsWanted = { [unowned self] added, removed in
            wanted += added.map { "+" + $0.service } + removed.map { "-" + $0.service }
        }
        fixture.directory.start(timeout: .seconds(15)) {}
        fixture.settle()
    }

    deinit {
        fixture.directory.stop()
        for server in servers { server.close() }
    }

    var directory: ClusterDirectory { fixture.directory }
    /// What a route to "c" finds on the first worker.
    var cluster: Cluster? { fixture.sets[0].cluster(at: place) }

    func forgetRoutes() { names = nil }

    /// A static cluster over some of the servers.
    func spec(_ numbers: Int..., change: (inout ClusterSpec) -> Void = { _ in }) -> ClusterSpec {
        UpstreamFixture.spec(numbers.map { servers[$0].address }, change)
    }

    /// A cluster of type EDS.
    func edsSpec(_ service: String = "c", change: (inout ClusterSpec) -> Void = { _ in }) -> ClusterSpec {
        var spec = ClusterSpec(name: "c")
        spec.discovery = .eds
        spec.endpointSource = Self.subscription(service)
        change(&spec)
        return spec
    }

    static func subscription(_ service: String) -> EndpointSubscriptionSpec {
        EndpointSubscriptionSpec(service: service, source: ConfigSourceSpec(.aggregated))
    }

    func endpoint(_ number: Int, _ change: (inout EndpointSpec) -> Void = { _ in }) -> EndpointSpec {
        var endpoint = EndpointSpec(address: .socket(servers[number].address))
        change(&endpoint)
        return endpoint
    }

    func put(_ spec: ClusterSpec) throws {
        let isNew = try directory.put(spec)
        #expect(isNew)
        fixture.settle()
    }

    func remove(_ name: String = "c") {
        let wasThere = directory.remove(name)
        #expect(wasThere)
        fixture.settle()
    }

    func assign(
        _ endpoints: [EndpointSpec], service: String = "c", change: (inout EndpointAssignment) -> Void = { _ in }
    ) {
        assign([LocalityEndpointsSpec(endpoints: endpoints)], service: service, change: change)
    }

    func assign(
        _ groups: [LocalityEndpointsSpec], service: String = "c", change: (inout EndpointAssignment) -> Void = { _ in }
    ) {
        var assignment = EndpointAssignment(service: service)
        assignment.groups = groups
        change(&assignment)
        directory.assign(assignment, to: Self.subscription(service))
        fixture.settle()
    }

    func send(worker: Int = 0) throws -> TestTry {
        let found = worker == 0 ? cluster : fixture.sets[worker].cluster("c")
        let cluster = try #require(found)
        return fixture.send(on: cluster)
    }

    /// Which server answered; nil: nobody.
    func answer() -> String? {
        guard let cluster else { return nil }
        let attempt = fixture.send(on: cluster)
        fixture.wait { attempt.isOver || attempt.isRefused }
        return attempt.isComplete ? attempt.text : nil
    }

    /// Last character of the port's place among the servers, with flags, for each host of "c" that a worker knows.
    var hosts: [String] {
        (cluster?.hosts.hosts ?? []).map { host in
            let number = servers.firstIndex { $0.address == host.address } ?? -1
            return "\(number) \(host.healthFlags.description)"
        }
    }

    func total(_ name: String) -> Int { Int(fixture.store.snapshot().value("cluster_manager." + name)) }
    func stat(_ name: String) -> Int { fixture.stat(name) }
    /// Stats of the cluster that there are.
    var statCount: Int { fixture.store.snapshot().stats.filter { $0.name.hasPrefix("cluster.c.") }.count }
}

extension TestTry {
    /// No host was there for it.
    var isRefused: Bool {
        switch outcome {
        case .noHealthyHost, .overflow, .refused: true
        default: false
        }
    }
}
