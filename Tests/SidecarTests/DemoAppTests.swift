// The demo's app and its client, one talking to the other on one loop.
import Reactor
import TestKit
import Testing

@testable import Sidecar

@Suite struct DemoAppTests {
    private func get(_ path: String, _ client: DemoClient, _ loop: EventLoop) -> DemoClient.Outcome? {
        var outcome: DemoClient.Outcome?
        client.get(path) { result, _ in outcome = result }
        loop.turn { outcome != nil }
        return outcome
    }

    @Test func answersAndFailsAsAsked() throws {
        let loop = try EventLoop()
        let app = try SampleApp(loop: loop, failures: 50)
        defer { app.close() }
        let client = DemoClient(loop: loop, address: app.address, connections: 1)
        defer { client.close() }
        var statuses: [Int] = []
        for _ in 0..<6 {
            guard case .answered(let status, let body) = get("/", client, loop) else { continue }
            statuses.append(status)
            let text = String(decoding: body, as: UTF8.self)
            #expect(text == (status == 200 ? "hello from the sample app\n" : ""))
        }
        #expect(statuses == [200, 503, 200, 503, 200, 503])
        #expect(app.answered == (3, 3))
    }

    @Test func loadEndsAfterItsCount() throws {
        let loop = try EventLoop()
        let app = try SampleApp(loop: loop, failures: 10)
        defer { app.close() }
        for rate in [nil, 2000] {
            let load = DemoLoad(loop: loop, address: app.address, rate: rate, count: 50)
            defer { load.stop() }
            load.start()
            loop.turn { load.isDone }
            #expect(load.sent == 50)
            #expect(load.succeeded == 45)
            #expect(load.failed == 5)
            #expect(load.firstFailure == "status 503")
            #expect(load.latencies.count == 50)
        }
    }

    @Test func tellsWhatWentWrong() throws {
        let loop = try EventLoop()
        var listener: ListeningSocket? = try ListeningSocket.bind(.v4(.loopback, port: 0), loop: loop)
        let address = try #require(listener?.localAddress)
        try listener?.start { _ = $0 }
        let client = DemoClient(loop: loop, address: address, connections: 1)
        defer { client.close() }
        guard case .broken = get("/", client, loop) else {
            Issue.record("a connection that is closed at once gave an answer")
            return
        }
        listener?.close()
        listener = nil
        guard case .unreachable = get("/", client, loop) else {
            Issue.record("nobody listens, and yet it is not unreachable")
            return
        }
    }

    @Test func readsAddresses() {
        #expect(DemoSidecar.address("127.0.0.1:80\n") == SocketAddress(parsing: "127.0.0.1", port: 80))
        #expect(DemoSidecar.address("[::1]:8080") == SocketAddress(parsing: "::1", port: 8080))
        #expect(DemoSidecar.address("") == nil)
        #expect(DemoSidecar.address("127.0.0.1:") == nil)
        #expect(DemoSidecar.address("127.0.0.1:99999") == nil)
    }
}
