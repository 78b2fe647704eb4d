// Which filter chain a connection gets, by what is known about it.
import Reactor
import Testing

@testable import DataPlane

@Suite struct FilterChainMatcherTests {
    private func facts(
        _ remote: String = "192.0.2.9", _ port: UInt16 = 5000, destination: (String, UInt16)? = nil
    ) throws -> ConnectionFacts {
        var facts = ConnectionFacts(
            local: try #require(SocketAddress(parsing: "10.0.0.1", port: 80)),
            remote: try #require(SocketAddress(parsing: remote, port: port)))
        if let (address, port) = destination {
            let restored = try #require(SocketAddress(parsing: address, port: port))
            facts.originalDestination = restored
        }
        return facts
    }

    private func matcher(_ changes: [(inout FilterChainMatchSpec) -> Void]) -> FilterChainMatcher {
        FilterChainMatcher(
            changes.map { change in
                var spec = FilterChainMatchSpec()
                change(&spec)
                return spec
            })
    }

    @Test func aRestoredDestinationCounts() throws {
        let range = try #require(CIDRRange("198.51.100.0/24"))
        let matcher = matcher([{ $0.destinationPort = 3306 }, { $0.prefixRanges = [range] }, { _ in }])
        #expect(matcher.choose(try facts()) == 2)
        #expect(matcher.choose(try facts(destination: ("203.0.113.1", 3306))) == 0)
        #expect(matcher.choose(try facts(destination: ("198.51.100.7", 80))) == 1)
        // The port comes first, and there is no way back.
        #expect(matcher.choose(try facts(destination: ("198.51.100.7", 3306))) == 0)
    }

    @Test func theDirectPeerIsNotTheClient() throws {
        let balancer = try #require(CIDRRange("192.0.2.0/24"))
        let client = try #require(CIDRRange("203.0.113.0/24"))
        let matcher = matcher([
            { $0.directSourcePrefixRanges = [balancer] }, { $0.sourcePrefixRanges = [client] }, { _ in },
        ])
        var behind = try facts("192.0.2.9")
        let customer = try #require(SocketAddress(parsing: "203.0.113.5", port: 1))
        behind.remote = customer
        #expect(matcher.choose(behind) == 0)
        var elsewhere = try facts("198.51.100.1")
        elsewhere.remote = customer
        #expect(matcher.choose(elsewhere) == 1)
    }

    @Test func whatWasDetectedCounts() throws {
        let matcher = matcher([
            { $0.transportProtocol = "tls" }, { $0.applicationProtocols = ["http/1.1", "h2c"] }, { _ in },
        ])
        var found = try facts()
        #expect(matcher.choose(found) == 2)
        found.applicationProtocols = ["h2c"]
        #expect(matcher.choose(found) == 1)
        // The transport protocol is asked for before the application's.
        found.isTLS = true
        #expect(matcher.choose(found) == 0)
    }

    @Test func switchesHoldForPorts() throws {
        let here = try facts()
        #expect(ListenerFilterPredicate.any.matches(here))
        #expect(ListenerFilterPredicate.destinationPort(80..<81).matches(here))
        #expect(!ListenerFilterPredicate.destinationPort(79..<80).matches(here))
        #expect(
            !ListenerFilterPredicate.destinationPort(80..<81).matches(try facts(destination: ("203.0.113.1", 3306))))
        #expect(!ListenerFilterPredicate.not(.any).matches(here))
        #expect(ListenerFilterPredicate.oneOf([.not(.any), .any]).matches(here))
        #expect(!ListenerFilterPredicate.all([.not(.any), .any]).matches(here))
    }
}
