// The resolver against a scripted server: families, aliases, every kind of failure, sharing and giving up.
import Reactor
import TestKit
import Testing

@Suite struct DNSResolverTests {
    let loop: EventLoop
    let server: ScriptedDNSServer

    init() throws {
        loop = try EventLoop()
        server = try ScriptedDNSServer()
        server.set(
            "both.test",
            .records([.a("10.0.0.1", ttl: 60), .a("10.0.0.2", ttl: 30), .aaaa("fd00::1", ttl: 20)]))
        server.set("four.test", .records([.a("10.0.0.4", ttl: 60)]))
        server.set("six.test", .records([.aaaa("fd00::6", ttl: 60)]))
        server.set("none.test", .records([]))
        server.set("broken.test", .code(2))
        server.set("refused.test", .code(5))
        server.set("silent.test", .silence)
        server.set(
            "alias.test",
            .records([.cname("other.test", ttl: 7), .a("10.0.0.9", ttl: 300), .aaaa("fd00::9", ttl: 300)]))
    }

    private func options(_ adjust: (inout DNSOptions) -> Void = { _ in }) -> DNSOptions {
        var options = DNSOptions()
        options.servers = [server.address]
        options.usesSearchDomains = false
        options.usesHostsFile = false
        options.tries = 1
        adjust(&options)
        return options
    }

    private func resolve(
        _ name: String, _ family: DNSLookupFamily, with resolver: DNSResolver
    ) -> Result<[String], DNSFailure>? {
        var answer: Result<[DNSAnswer], DNSFailure>?
        resolver.resolve(name, family: family) { answer = $0 }
        #expect(answer == nil)
        #expect(loop.turn(until: { answer != nil }))
        return answer?.map { $0.map { "\($0.address) \($0.ttlSeconds)" }.sorted() }
    }

    @Test func familiesGetWhatTheyWant() throws {
        let resolver = try DNSResolver(loop: loop, options: options())
        let v4 = ["10.0.0.1 60", "10.0.0.2 30"]
        #expect(resolve("both.test", .v4Only, with: resolver) == .success(v4))
        #expect(resolve("both.test", .v6Only, with: resolver) == .success(["fd00::1 20"]))
        #expect(resolve("both.test", .auto, with: resolver) == .success(["fd00::1 20"]))
        #expect(resolve("both.test", .v4Preferred, with: resolver) == .success(v4))
        #expect(resolve("both.test", .all, with: resolver) == .success(v4 + ["fd00::1 20"]))
        #expect(resolve("four.test", .auto, with: resolver) == .success(["10.0.0.4 60"]))
        #expect(resolve("six.test", .v4Preferred, with: resolver) == .success(["fd00::6 60"]))
        #expect(resolve("four.test", .v6Only, with: resolver) == .failure(.noData))
        #expect(resolve("BOTH.Test", .v4Only, with: resolver) == .success(v4))
        resolver.close()
        server.stop()
        #expect(loop.registeredCount == 1)
    }

    @Test func aliasesShortenTheLifetime() throws {
        let resolver = try DNSResolver(loop: loop, options: options())
        #expect(resolve("alias.test", .v4Only, with: resolver) == .success(["10.0.0.9 7"]))
        #expect(resolve("alias.test", .all, with: resolver) == .success(["10.0.0.9 7", "fd00::9 7"]))
        resolver.close()
        server.stop()
    }

    @Test func failuresAreToldApart() throws {
        let resolver = try DNSResolver(loop: loop, options: options { $0.timeoutMilliseconds = 50 })
        #expect(resolve("missing.test", .all, with: resolver) == .failure(.notFound))
        #expect(resolve("none.test", .v4Only, with: resolver) == .failure(.noData))
        #expect(resolve("silent.test", .v4Only, with: resolver) == .failure(.timedOut))
        expectServerFailure(resolve("broken.test", .v4Only, with: resolver))
        expectServerFailure(resolve("refused.test", .v4Only, with: resolver))
        #expect(resolve("", .all, with: resolver) == .failure(.invalidName))
        #expect(resolve(String(repeating: "a", count: 300), .all, with: resolver) == .failure(.invalidName))
        #expect(resolve("a..b", .v4Only, with: resolver) == .failure(.invalidName))
        #expect(resolve(String(repeating: "x", count: 70) + ".test", .v4Only, with: resolver) == .failure(.invalidName))
        // It works again after all that.
        #expect(resolve("four.test", .v4Only, with: resolver) == .success(["10.0.0.4 60"]))
        resolver.close()
        server.stop()
    }

    private func expectServerFailure(_ result: Result<[String], DNSFailure>?) {
        // Which of the two depends on the version of c-ares.
        switch result {
        case .failure(.serverFailure), .failure(.unreachable): break
        default: Issue.record("taken for \(String(describing: result))")
        }
    }

    @Test func anUnreachableServerIsReported() throws {
        let address = server.address
        server.stop()
        let resolver = try DNSResolver(
            loop: loop,
            options: options {
                $0.servers = [address]
                $0.timeoutMilliseconds = 50
            })
        let answer = resolve("four.test", .v4Only, with: resolver)
        #expect(answer == .failure(.unreachable) || answer == .failure(.timedOut))
        resolver.close()
    }

    @Test func addressesAnswerForThemselves() throws {
        let resolver = try DNSResolver(loop: loop, options: options())
        #expect(resolve("192.0.2.1", .v6Only, with: resolver) == .success(["192.0.2.1 2147483647"]))
        #expect(resolve("2001:db8::1", .v4Only, with: resolver) == .success(["2001:db8::1 2147483647"]))
        #expect(server.questions.isEmpty && resolver.lookupCount == 0)
        resolver.close()
        server.stop()
    }

    @Test func equalQuestionsShareALookup() throws {
        let resolver = try DNSResolver(loop: loop, options: options())
        var answers = 0
        for name in ["both.test", "BOTH.test", "both.test"] {
            resolver.resolve(name, family: .v4Only) { result in
                if case .success = result { answers += 1 }
            }
        }
        let cancelled = resolver.resolve("both.test", family: .v4Only) { _ in answers += 100 }
        cancelled.cancel()
        resolver.resolve("both.test", family: .v6Only) { _ in answers += 10 }
        #expect(loop.turn(until: { answers >= 13 }))
        #expect(answers == 13 && resolver.lookupCount == 2)
        #expect(server.questions.sorted() == ["A both.test", "AAAA both.test"])
        resolver.close()
        server.stop()
    }

    @Test func askingAgainFromACompletionIsFine() throws {
        let resolver = try DNSResolver(loop: loop, options: options { $0.timeoutMilliseconds = 50 })
        var order: [String] = []
        resolver.resolve("silent.test", family: .all) { _ in
            order.append("silent")
            resolver.resolve("four.test", family: .all) { result in
                if case .success = result { order.append("four") }
            }
        }
        #expect(loop.turn(until: { order.count == 2 }))
        #expect(order == ["silent", "four"])
        resolver.close()
        server.stop()
    }

    @Test func closingGivesUpSilently() throws {
        let resolver = try DNSResolver(loop: loop, options: options())
        var called = false
        resolver.resolve("silent.test", family: .all) { _ in called = true }
        loop.turnWhileBusy()
        resolver.close()
        resolver.close()
        resolver.resolve("four.test", family: .all) { _ in called = true }
        loop.turnWhileBusy()
        #expect(!called && loop.registeredCount == 1)
        server.stop()
    }

    @Test func theHostsFileKnowsLocalhost() throws {
        let resolver = try DNSResolver(loop: loop, options: options { $0.usesHostsFile = true })
        guard case .success(let addresses)? = resolve("localhost", .v4Only, with: resolver) else {
            Issue.record("localhost has no address")
            return
        }
        #expect(addresses.allSatisfy { $0.hasPrefix("127.0.0.1 ") })
        resolver.close()
        server.stop()
    }
}
