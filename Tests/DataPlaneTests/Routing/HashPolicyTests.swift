// What of a request is hashed. The hashes are Envoy's: Tests/Integration/test_hashing.py compares them.
import HTTPWire
import Matching
import Reactor
import Testing

@testable import DataPlane

@Suite struct HashPolicyTests {
    private func policy(_ sources: HashPolicySpec.Source..., terminal: Set<Int> = []) throws -> HashPolicy {
        try #require(
            HashPolicy(sources.enumerated().map { HashPolicySpec(source: $1, terminal: terminal.contains($0)) }))
    }

    private func hash(
        _ policy: HashPolicy, _ headers: (String, String)..., path: String = "/", client: String? = nil
    ) -> UInt64? {
        let client = client.flatMap { SocketAddress($0) }
        return policy.hash(StreamFixture(path, headers: headers).request, client: client, nil)
    }

    @Test func headers() throws {
        let policy = try policy(.header("x-key", rewrite: nil))
        #expect(hash(policy) == nil)
        #expect(hash(policy, ("X-Key", "v1")) == 9_194_640_092_791_331_756)
        #expect(hash(policy, ("x-key", "")) == XXHash64.hash(""))
        let two = XXHash64.hash("b", seed: XXHash64.hash("a"))
        #expect(
            hash(policy, ("x-key", "b"), ("x-key", "a")) == two && hash(policy, ("x-key", "a"), ("x-key", "b")) == two)
    }

    @Test func rewrittenHeaders() throws {
        let policy = try policy(.header("x-key", rewrite: (try Regex("[0-9]+"), "n")))
        #expect(hash(policy) == nil)
        #expect(hash(policy, ("x-key", "a12b3")) == XXHash64.hash("anbn"))
        #expect(hash(policy, ("x-key", "b1"), ("x-key", "a2")) == XXHash64.hash("bn", seed: XXHash64.hash("an")))
    }

    @Test func queryCookieAndSource() throws {
        let query = try policy(.queryParameter("q"))
        #expect(hash(query, path: "/a?b=1&q=x%20y&q=z") == XXHash64.hash("x%20y"))
        #expect(hash(query, path: "/a?q") == XXHash64.hash("") && hash(query, path: "/a?qq=1") == nil)
        let cookie = try policy(.cookie(name: "c", made: nil))
        #expect(hash(cookie, ("cookie", "a=b; c=\"v\"")) == XXHash64.hash("v"))
        #expect(hash(cookie, ("cookie", "c=")) == nil && hash(cookie) == nil)
        let source = try policy(.sourceIP)
        #expect(hash(source, client: "192.0.2.1:99") == XXHash64.hash("192.0.2.1"))
        #expect(hash(source, client: "[2001:db8::1]:99") == XXHash64.hash("2001:db8::1"))
        #expect(hash(source) == nil && source.hash(nil, client: .unix(path: "@x"), nil) == nil)
    }

    @Test func severalAreMixedUntilATerminalOne() throws {
        let a = XXHash64.hash("a")
        let b = XXHash64.hash("b")
        let mixed = try policy(.header("x-a", rewrite: nil), .header("x-b", rewrite: nil))
        #expect(hash(mixed, ("x-a", "a"), ("x-b", "b")) == (a << 1 | a >> 63) ^ b)
        #expect(hash(mixed, ("x-b", "b")) == b)
        #expect(hash(mixed, ("x-a", "a"), ("x-b", "a")) != 0)
        let terminal = try policy(
            .header("x-a", rewrite: nil), .header("x-none", rewrite: nil), .header("x-b", rewrite: nil), terminal: [1])
        #expect(hash(terminal, ("x-a", "a"), ("x-b", "b")) == a)
        #expect(hash(terminal, ("x-b", "b")) == b)
    }

    @Test func cookiesAreMadeForClientsThatHaveNone() throws {
        let made = HashPolicySpec.MadeCookie(maxAge: 9, path: "/p", attributes: [("a", "b"), ("c", "")])
        let policy = try policy(.cookie(name: "s", made: made), .cookie(name: "t", made: nil))
        #expect(policy.makesCookies)
        let downstream = DownstreamInfo(
            connectionID: 1, local: .v4(.loopback, port: 80), remote: .v4(.loopback, port: 9), accepted: .zero)
        let stream = StreamFixture("/")
        let value = XXHash64.hash("127.0.0.1:9127.0.0.1:80")
        let text = String(value, radix: 16)
        let padded = String(repeating: "0", count: 16 - text.count) + text
        #expect(policy.hash(stream.request, client: nil, downstream) == XXHash64.hash(padded))
        let response = HeaderMap()
        policy.addCookies(to: response, stream.request, downstream)
        #expect(
            StreamFixture.lines(response) == ["set-cookie: s=\"\(padded)\"; Max-Age=9; Path=/p; a=b; c; HttpOnly"])
        response.removeAll()
        policy.addCookies(to: response, StreamFixture("/", headers: [("cookie", "s=x")]).request, downstream)
        #expect(StreamFixture.lines(response) == [])
        // Nobody is there to be told.
        #expect(policy.hash(nil, client: nil, downstream) == nil)
    }

    @Test func nothingToLookAtIsNoPolicy() {
        #expect(HashPolicy([]) == nil)
        #expect(HashPolicy([HashPolicySpec(source: .header("no name", rewrite: nil), terminal: false)]) == nil)
    }
}
