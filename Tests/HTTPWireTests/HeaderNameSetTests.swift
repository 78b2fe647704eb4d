// HeaderNameSet, and what a HeaderMap knows about the names it holds.
import Reactor
import Testing

@testable import HTTPWire

@Suite struct HeaderNameSetTests {
    @Test func holdsEveryName() {
        for name in HeaderName.allCases {
            let one: HeaderNameSet = [name]
            for other in HeaderName.allCases { #expect(one.contains(other) == (name == other)) }
            #expect(!one.isEmpty)
        }
        #expect(HeaderNameSet().isEmpty)
    }

    @Test func givesItsNamesOneByOne() {
        var set: HeaderNameSet = [.xRequestID, .accept, .via, .xEnvoyRetryOn]
        var seen: [HeaderName] = []
        while let name = set.popFirst() { seen.append(name) }
        #expect(seen == [.accept, .via, .xEnvoyRetryOn, .xRequestID].sorted { $0.rawValue < $1.rawValue })
    }

    @Test func intersects() {
        let one: HeaderNameSet = [.accept, .xRequestID]
        #expect(one.isDisjoint(with: [.via]))
        #expect(!one.isDisjoint(with: [.xRequestID]))
        #expect(one.intersection([.xRequestID, .via]) == [.xRequestID])
    }

    @Test func aMapForgetsNamesWhoseLastFieldIsRemoved() {
        let map = HeaderMap()
        map.append(.via, "a")
        map.append(.via, "b")
        map.append(.accept, "c")
        #expect(map.containsAny(of: [.via]))
        var seen = 0
        map.removeAll { _, value in
            seen += 1
            return value.equals("a")
        }
        #expect(seen == 3 && map.value(.via)?.string == "b")
        map.remove([.via, .te])
        #expect(!map.containsAny(of: [.via]) && map.value(.via) == nil && map.count == 1)
        map.append(.via, "d")
        #expect(map.value(.via)?.string == "d")
        map.removeAll()
        #expect(!map.containsAny(of: [.via, .accept]))
    }
}
