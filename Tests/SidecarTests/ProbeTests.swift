// Whether something answers: what can be asked for, and what is made of the answers.
import Reactor
import TestKit
import Testing

@testable import Sidecar

@Suite struct ProbeTargetTests {
    @Test(
        arguments: [
            ("tcp://db:3306", ProbeTarget.Place.host("db", port: 3306), nil),
            ("tcp://[::1]:80", .host("::1", port: 80), nil),
            ("http://app", .host("app", port: 80), "/"),
            ("http://app:8080/health?full=1", .host("app", port: 8080), "/health?full=1"),
            ("http://app?x", .host("app", port: 80), "/?x"),
            ("unix:///run/app.sock", .unix(path: "/run/app.sock"), nil),
            ("unix://@app", .unix(path: "@app"), nil),
        ] as [(String, ProbeTarget.Place, String?)])
    func taken(text: String, place: ProbeTarget.Place, path: String?) throws {
        let target = try ProbeTarget(text)
        #expect(target.place == place && target.path == path && target.description == text)
    }

    @Test(arguments: [
        ("db:3306", "no scheme"), ("https://a", "none of tcp, http and unix"), ("tcp://db", "no port"),
        ("tcp://db:0", "1...65535"), ("tcp://db:65536", "1...65535"), ("tcp://db:x", "1...65535"),
        ("tcp://:80", "no host"), ("http://a b/", "no host"), ("http://a/b c", "escapes"), ("unix://", "1 to 107"),
        ("tcp://[::1]", "no port"), ("http://a/\r\nb", "escapes"),
    ])
    func refused(text: String, reason: String) {
        let error = #expect(throws: ProbeTargetError.self) { try ProbeTarget(text) }
        #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
    }

    @Test func adminPorts() throws {
        #expect(try ProbeTarget(admin: "127.0.0.1:9901").place == .host("127.0.0.1", port: 9901))
        #expect(try ProbeTarget(admin: "/run/admin.sock").place == .unix(path: "/run/admin.sock"))
        #expect(try ProbeTarget(admin: "@admin").path == "/ready")
        #expect(throws: ProbeTargetError.self) { try ProbeTarget(admin: "localhost") }
    }
}

@Suite struct ProbeTests {
    private func probe(_ text: String, _ loop: EventLoop, limit: TimeAmount = .seconds(10)) throws -> String? {
        let resolver = try DNSResolver(loop: loop)
        defer { resolver.close() }
        var outcome: String?? = .none
        let probe = Probe(try ProbeTarget(text), loop: loop, resolver: resolver, limit: limit) { outcome = .some($0) }
        #expect(loop.turn { outcome != nil })
        withExtendedLifetime(probe) {}
        return outcome ?? "nothing"
    }

    @Test func aConnectionIsEnough() throws {
        let loop = try EventLoop()
        let server = try ScriptedServer(loop: loop)
        #expect(try probe("tcp://\(server.address)", loop) == nil)
        server.close()
        #expect(try probe("tcp://\(server.address)", loop) == "Connection refused")
    }

    @Test func everyAddressOfANameIsTried() throws {
        let loop = try EventLoop()
        let server = try ScriptedServer(loop: loop)
        defer { server.close() }
        // "localhost" may be ::1 first, where nobody listens.
        #expect(try probe("tcp://localhost:\(server.address.port)", loop) == nil)
    }

    @Test(
        arguments: [
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", nil),
            ("HTTP/1.0 302 Found\r\n\r\n", nil),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\nDRAINING\nmore", "status 503: DRAINING"),
            ("HTTP/1.1 404 Not Found\r\n\r\n", "status 404"),
            ("SSH-2.0-OpenSSH\r\n\r\n", "the answer is not HTTP/1"),
            ("HTTP/1.1 503 x\r\n\r\n\u{1b}[2Jbad\r\n", "status 503: [2Jbad"),
        ] as [(String, String?)])
    func statuses(response: String, failure: String?) throws {
        let loop = try EventLoop()
        let server = try ScriptedServer(loop: loop)
        defer { server.close() }
        var head = ""
        server.onBytes = { peer in
            guard peer.endOfHead != nil else { return }
            head = peer.text
            peer.send(response)
            peer.finish()
        }
        #expect(try probe("http://\(server.address)/health", loop) == failure)
        #expect(head.hasPrefix("GET /health HTTP/1.1\r\nHost: \(server.address)\r\n"))
    }

    @Test func silenceEndsWithTheTime() throws {
        let clock = TestClock()
        let loop = try EventLoop(clock: clock)
        let server = try ScriptedServer(loop: loop)
        defer { server.close() }
        let resolver = try DNSResolver(loop: loop)
        defer { resolver.close() }
        var outcome: String?? = .none
        let target = try ProbeTarget("http://\(server.address)/")
        let probe = Probe(target, loop: loop, resolver: resolver, limit: .seconds(5)) { outcome = .some($0) }
        loop.turn { server.peers.first?.received.isEmpty == false }
        clock.advance(by: .seconds(5))
        #expect(loop.turn { outcome != nil })
        #expect(outcome == "no answer within 5s")
        withExtendedLifetime(probe) {}
    }
}

@Suite struct WaitRunTests {
    @Test func endsWhenAllHaveAnswered() throws {
        let clock = TestClock()
        let loop = try EventLoop(clock: clock)
        let first = try ScriptedServer(loop: loop)
        defer { first.close() }
        let other = try ScriptedServer(loop: loop)
        other.close()
        var options = WaitOptions()
        options.targets = [try ProbeTarget("tcp://\(first.address)"), try ProbeTarget("tcp://\(other.address)")]
        var lines: [String] = []
        let wait = try WaitRun(options, loop: loop) { lines.append($0) }
        #expect(loop.turn { lines.count == 2 })
        #expect(lines.contains("tcp://\(first.address) is ready after 0s"))
        #expect(lines.contains("waiting for tcp://\(other.address): Connection refused"))
        #expect(wait.exitCode == nil)
        let late = try ScriptedServer(loop: loop, address: other.address)
        defer { late.close() }
        #expect(
            loop.turn {
                clock.advance(by: .milliseconds(100))
                return wait.exitCode != nil
            })
        #expect(wait.exitCode == 0)
        #expect(lines.count == 3)
    }

    @Test func givesUpWhenTheTimeIsOver() throws {
        let clock = TestClock()
        let loop = try EventLoop(clock: clock)
        let server = try ScriptedServer(loop: loop)
        server.close()
        var options = WaitOptions()
        options.targets = [try ProbeTarget("tcp://\(server.address)")]
        options.timeout = .seconds(3)
        var lines: [String] = []
        let wait = try WaitRun(options, loop: loop) { lines.append($0) }
        #expect(loop.turn { lines.count == 1 })
        clock.advance(by: .seconds(3))
        #expect(loop.turn { wait.exitCode != nil })
        #expect(wait.exitCode == 1)
        #expect(lines.last == "gave up after 3s: tcp://\(server.address): Connection refused")
    }
}
