// Look-ups, changes and reuse of header maps.
import Reactor
import Testing

@testable import HTTPWire

@Suite struct HeaderMapTests {
    private func map(_ fields: [(String, String)]) -> HeaderMap {
        let map = HeaderMap()
        for (name, value) in fields { append(map, name, value) }
        return map
    }

    private func append(_ map: HeaderMap, _ name: String, _ value: String) {
        let name = FixedBytes(name)
        let value = FixedBytes(value)
        map.append(name: name.view, value: value.view)
    }

    private func lines(_ map: HeaderMap) -> [String] {
        var lines: [String] = []
        map.forEachField { lines.append("\($0): \($1)") }
        return lines
    }

    @Test func everyWellKnownNameIsRecognisedInAnyCase() {
        for name in HeaderName.allCases {
            #expect(HeaderName(name.bytes) == name)
            let upper = FixedBytes(name.bytes.string.uppercased())
            #expect(HeaderName(upper.view) == name)
            let longer = FixedBytes(name.bytes.string + "x")
            #expect(HeaderName(longer.view) == nil)
        }
        #expect(HeaderName.allCases.count < 128)
        #expect(HeaderName(ByteView("acce\u{10}t")) == nil)
        #expect(HeaderName(ByteView("content\rtype")) == nil)
        #expect(HeaderName(ByteView("content_type")) == nil)
        #expect(HeaderName(ByteView()) == nil)
    }

    @Test func lookUpsIgnoreCaseAndKeepDuplicatesInOrder() throws {
        let map = map([("Accept", "a"), ("X-Thing", "1"), ("accept", "b"), ("x-thing", "2"), ("ACCEPT", "c")])
        #expect(map.value(.accept)?.string == "a")
        #expect(map.value(named: "aCCept")?.string == "a")
        #expect(map.value(named: "X-THING")?.string == "1")
        #expect(map.value(named: "X-THIN") == nil)
        var values: [String] = []
        map.forEachValue(of: .accept) { values.append($0.string) }
        #expect(values == ["a", "b", "c"])
        values = []
        let key = try #require(HeaderKey("x-Thing"))
        map.forEachValue(of: key) { values.append($0.string) }
        #expect(values == ["1", "2"])
        let accept = HeaderKey(.accept)
        #expect(map.combinedValue(accept)?.string == "a,b,c")
        #expect(map.combinedValue(accept)?.string == "a,b,c")
        #expect(map.combinedValue(key)?.string == "1,2")
        #expect(map.count == 5)
        #expect(map.byteSize == 3 * 7 + 2 * 8)
    }

    @Test func combinedValuesFollowChanges() {
        let map = map([("Cookie", "a=1"), ("cookie", "b=2")])
        let key = HeaderKey(.cookie)
        #expect(map.combinedValue(key)?.string == "a=1; b=2")
        append(map, "Cookie", "c=3")
        #expect(map.combinedValue(key)?.string == "a=1; b=2; c=3")
        map.set(.cookie, "d=4")
        #expect(map.combinedValue(key)?.string == "d=4")
    }

    @Test func settingReplacesAllAndKeepsThePlace() {
        let map = map([("A", "1"), ("Accept", "x"), ("B", "2"), ("accept", "y"), ("a", "3")])
        map.set(.accept, "longer than before")
        map.set(name: ByteView("a"), value: ByteView("9"))
        #expect(lines(map) == ["A: 9", "Accept: longer than before", "B: 2"])
        map.set(name: ByteView("X-Request-Id"), value: ByteView("r"))
        #expect(lines(map).last == "X-Request-Id: r")
        map.remove(.xRequestID)
        map.set(.server, "s")
        map.set(.xEnvoyAttemptCount, decimal: 18_446_744_073_709_551_615)
        #expect(lines(map).suffix(2) == ["server: s", "x-envoy-attempt-count: 18446744073709551615"])
    }

    @Test func removing() {
        let map = map([("A", "1"), ("Accept", "x"), ("a", "2"), ("accept", "y"), ("C", "3")])
        map.remove(.accept)
        #expect(!map.contains(.accept))
        map.remove(named: ByteView("A"))
        #expect(lines(map) == ["C: 3"])
        #expect(map.byteSize == 2)
        append(map, "Accept", "z")
        #expect(map.value(.accept)?.string == "z")
        map.removeAll { name, _ in name.equals("C") }
        #expect(lines(map) == ["Accept: z"])
        map.remove(.server)
        #expect(map.count == 1)
    }

    @Test func removingSomeOfSeveralKeepsTheRestFindable() {
        let map = map([("Accept", "1"), ("Accept", "2"), ("Accept", "3")])
        map.removeAll { _, value in value.equals("1") }
        #expect(map.value(.accept)?.string == "2")
        map.removeAll { _, value in value.equals("3") }
        #expect(map.value(.accept)?.string == "2")
        map.removeAll { _, value in value.equals("2") }
        #expect(map.value(.accept) == nil)
    }

    @Test func valuesOfTheMapItselfMayBeSet() {
        let map = map([("A", String(repeating: "v", count: 200)), ("Server", "s")])
        for _ in 0..<20 {
            if let value = map.value(named: "a") { map.append(.via, value) }
        }
        if let value = map.value(named: "a") { map.set(.server, value) }
        #expect(map.value(.server)?.string == String(repeating: "v", count: 200))
        #expect(map.value(.via)?.string == String(repeating: "v", count: 200))
    }

    @Test func pseudoHeaders() throws {
        let map = HeaderMap()
        #expect(map.append(name: ByteView(":method"), value: ByteView("GET")))
        #expect(map.append(name: ByteView(":path"), value: ByteView("/x")))
        #expect(map.append(name: ByteView(":scheme"), value: ByteView("https")))
        #expect(!map.append(name: ByteView(":other"), value: ByteView("x")))
        append(map, "host", "h")
        #expect(map.methodKind == .get)
        #expect(map.value(.host)?.string == "h")
        #expect(map.authority.string == "h")
        #expect(map.value(named: ":path")?.string == "/x")
        #expect(map.value(named: ":authority")?.string == "h")
        #expect(map.value(named: "Host")?.string == "h")
        #expect(map.value(named: ":scheme")?.string == "https")
        #expect(map.value(named: ":status") == nil)
        #expect(map.isEmpty)
        map.set(.host, "other")
        #expect(map.authority.string == "other")
        let key = try #require(HeaderKey(":Path"))
        map.set(key, ByteView("/y"))
        #expect(map.combinedValue(key)?.string == "/y")
        map.remove(key)
        #expect(map.path.string == "/y")
        #expect(map.byteSize == 3 + 2 + 5 + 5)
        let response = HeaderMap()
        response.status = 503
        #expect(response.value(named: ":status")?.string == "503")
        response.set(.status, ByteView("204"))
        #expect(response.status == 204)
        #expect(response.value(named: ":status")?.string == "204")
        response.set(.status, ByteView("20"))
        #expect(response.status == 204)
    }

    @Test func keys() throws {
        #expect(HeaderKey("a b") == nil)
        #expect(HeaderKey("") == nil)
        #expect(HeaderKey(":x") == nil)
        #expect(HeaderKey("X-A") == HeaderKey("x-a"))
        #expect(HeaderKey("host") == HeaderKey(":authority"))
        #expect(HeaderKey("X-A") != HeaderKey("X-B"))
        #expect(
            Set([HeaderKey("X-A"), HeaderKey("x-a"), HeaderKey("accept"), HeaderKey(HeaderName.accept)]).count == 2)
        #expect(try #require(HeaderKey("X-a")).description == "X-a")
    }

    @Test func copiesAndReuse() {
        let map = map([("Accept", "1"), ("X-A", "2"), ("Accept", "3")])
        map.setMethod(ByteView("PUT"))
        map.setPath(ByteView("/p"))
        let copy = HeaderMap()
        append(copy, "Old", "x")
        copy.copy(from: map)
        map.removeAll()
        #expect(map.isEmpty && map.byteSize == 0 && !map.contains(.accept) && map.path.isEmpty)
        #expect(map.value(named: "x-a") == nil)
        #expect(lines(copy) == ["Accept: 1", "X-A: 2", "Accept: 3"])
        #expect(copy.methodKind == .put && copy.path.string == "/p")
        copy.copy(from: copy)
        #expect(copy.count == 3)
    }

    @Test func aFullTableTakesNoMore() {
        let map = HeaderMap()
        for _ in 0..<40000 { map.append(.via, "x") }
        #expect(map.count == HeaderTable.maxEntries)
        map.remove(.via)
        #expect(map.isEmpty)
    }

    @Test func tokens() {
        let map = map([("Connection", "a,, B ,"), ("connection", "\tc")])
        #expect(map.hasToken(.connection, "b"))
        #expect(map.hasToken(.connection, "C"))
        #expect(!map.hasToken(.connection, "d"))
        var items: [String] = []
        map.forEachToken(of: .connection) { items.append($0.string) }
        #expect(items == ["a", "B", "c"])
    }

    @Test func hopByHopFieldsGo() {
        let map = map([
            ("Connection", "close, X-Hop"), ("x-hop", "1"), ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "x"),
            ("TE", "gzip, trailers"), ("Transfer-Encoding", "chunked"), ("Upgrade", "websocket"), ("X-End", "2"),
        ])
        #expect(map.removeHopByHop(keepUpgrade: true) == .ordinary)
        #expect(lines(map) == ["TE: trailers", "Upgrade: websocket", "X-End: 2"])
        #expect(map.removeHopByHop() == .ordinary)
        #expect(lines(map) == ["TE: trailers", "X-End: 2"])
        map.set(.te, "gzip")
        map.removeHopByHop()
        #expect(lines(map) == ["X-End: 2"])
    }

    @Test func whatEveryRecipientNeedsCannotBeNominated() {
        let map = map([("Connection", "x-forwarded-for, host, X-A"), ("X-Forwarded-For", "1.2.3.4"), ("X-A", "1")])
        #expect(map.removeHopByHop() == .illegal)
        #expect(lines(map) == ["X-Forwarded-For: 1.2.3.4"])
        append(map, "Connection", (1...11).map { "x\($0)" }.joined(separator: ","))
        #expect(map.removeHopByHop() == .illegal)
        append(map, "Connection", (1...10).map { "x\($0)" }.joined(separator: ","))
        #expect(map.removeHopByHop() == .ordinary)
    }
}
