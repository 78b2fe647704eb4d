// Clusters on the real resolver, asking a scripted DNS server.
import Metrics
import Reactor
import TestKit
import Testing

@testable import DataPlane

struct DNSNamesTests {
    @Test func aClusterOverARealResolver() throws {
        let dns = try ScriptedDNSServer()
        defer { dns.stop() }
        dns.set("app.test", .records([.a("127.0.0.1", ttl: 60), .a("127.0.0.2", ttl: 30)]))
        let loop = try EventLoop()
        let server = try ScriptedServer(loop: loop)
        defer { server.close() }
        server.answer(ScriptedServer.ok())
        var spec = ClusterSpec(name: "c")
        spec.discovery = .strictDNS
        spec.dns.resolvers = [dns.address]
        spec.dns.noDefaultSearchDomain = true
        spec.dns.family = .v4Only
        spec.endpoints = [
            LocalityEndpointsSpec(
                endpoints: ["app.test", "gone.test"].map {
                    EndpointSpec(address: .name($0, port: server.address.port))
                })
        ]
        let store = StatStore()
        let directory = try ClusterDirectory([spec], loop: loop, cells: store.makeCells(), workers: 1)
        let set = try ClusterSet(directory.addWorker(loop.mailbox), loop: loop, cells: store.makeCells())
        defer {
            set.shutDown()
            directory.stop()
            loop.turnWhileBusy()
        }
        var initialised = false
        directory.start(timeout: .seconds(15)) { initialised = true }
        #expect(loop.turn(until: { initialised && set.cluster(at: 0)?.hosts.hosts.count == 2 }))
        #expect(
            Set(set.cluster(at: 0)?.hosts.hosts.map(\.address.description) ?? []) == [
                "127.0.0.1:\(server.address.port)", "127.0.0.2:\(server.address.port)",
            ])
        #expect(store.snapshot().value("cluster.c.update_empty") == 1)
        #expect(store.snapshot().value("cluster.c.update_success") == 2)
    }

    @Test func theTTLIsTheLeastOfTheAnswers() throws {
        let dns = try ScriptedDNSServer()
        defer { dns.stop() }
        dns.set("app.test", .records([.a("127.0.0.1", ttl: 60), .a("127.0.0.2", ttl: 30)]))
        dns.set("broken.test", .code(2))
        let loop = try EventLoop()
        var spec = DNSSpec()
        spec.resolvers = [dns.address]
        spec.noDefaultSearchDomain = true
        let resolver = try DNSResolver.make(spec, loop: loop)
        defer { resolver.close() }
        var results: [NameLookup] = []
        for name in ["app.test", "gone.test", "broken.test"] {
            resolver.lookUp(name, family: .v4Only) { results.append($0) }
            let count = results.count
            #expect(loop.turn(until: { results.count > count }))
        }
        guard results.count == 3, case .addresses(let found, let ttl) = results[0], case .failed = results[2] else {
            Issue.record("\(results)")
            return
        }
        #expect(found.count == 2)
        #expect(ttl == .seconds(30))
        #expect(results[1] == .empty)
    }
}
