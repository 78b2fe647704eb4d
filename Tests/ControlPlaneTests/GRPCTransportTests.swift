// The real transport against a scripted server: framing, ends of every kind, hosts in turn, TLS.
import DataPlane
import HTTPWire
import Metrics
import Reactor
import TestKit
import Testing

@testable import ControlPlane

/// What a stream's owner hears.
private final class Listener: DiscoveryTransportOwner {
    var connected = 0
    var messages: [[UInt8]] = []
    var drained = 0
    var ends: [String] = []
    var wasOverLimit = false

    func transportConnected() { connected += 1 }
    func transportReceived(_ message: [UInt8]) { messages.append(message) }
    func transportDrained() { drained += 1 }
    func transportEnded(_ reason: String, isOverLimit: Bool) {
        ends.append(reason)
        wasOverLimit = isOverLimit
    }
}

/// Servers behind a static cluster "xds", and a transport to them.
private final class TransportRig {
    let clock = TestClock()
    let loop: EventLoop
    let servers: [ScriptedGRPCServer]
    let store = StatStore()
    let directory: ClusterDirectory
    let transport: GRPCTransport
    let listener = Listener()
    private let callsMade: Box<[ServerCall]>

    init(
        servers count: Int = 1, limit: Int = 0, tls: TLSContext? = nil,
        _ change: (inout ClusterSpec, inout GRPCSourceSpec) -> Void = { _, _ in }
    ) throws {
        loop = try EventLoop(clock: clock)
        servers = try (0..<count).map { [loop] _ in try ScriptedGRPCServer(loop: loop, tls: tls) }
        var cluster = ClusterSpec(name: "xds")
        cluster.endpoints = [
            LocalityEndpointsSpec(endpoints: servers.map { EndpointSpec(address: .socket($0.address)) })
        ]
        cluster.http.protocol = .http2
        var source = GRPCSourceSpec(cluster: "xds")
        change(&cluster, &source)
        let cells = store.makeCells()
        let directory = try ClusterDirectory([cluster], loop: loop, cells: cells, workers: 1)
        self.directory = directory
        let calls = Box<[ServerCall]>([])
        callsMade = calls
        for server in servers { server.onCall = { calls.value?.append($0) } }
        directory.start(timeout: .seconds(15)) {}
        transport = GRPCTransport(source, maxMessageBytes: limit, loop: loop) {
            directory.grpcUpstream($0)
        }
    }

    deinit {
        transport.close()
        directory.stop()
        for server in servers { server.close() }
        loop.turnWhileBusy()
    }

    func open() { transport.open("/svc/Method", owner: listener) }

    /// Opens, and waits for the call at the server.
    func call(sourceLocation: SourceLocation = #_sourceLocation) throws -> ServerCall {
        let before = calls.count
        open()
        let came = loop.turn(until: { calls.count > before })
        #expect(came, sourceLocation: sourceLocation)
        loop.turnWhileBusy()
        return try #require(calls.last, sourceLocation: sourceLocation)
    }

    /// In the order in which they came.
    var calls: [ServerCall] { callsMade.value ?? [] }

    func wait(sourceLocation: SourceLocation = #_sourceLocation, _ condition: () -> Bool) {
        let happened = loop.turn(until: condition)
        #expect(happened, sourceLocation: sourceLocation)
    }

    func end(sourceLocation: SourceLocation = #_sourceLocation) -> String {
        wait(sourceLocation: sourceLocation) { !listener.ends.isEmpty }
        loop.turnWhileBusy()
        let all = listener.ends
        listener.ends = []
        #expect(all.count == 1, sourceLocation: sourceLocation)
        let prefix = all[0].prefix { $0 != " " }
        #expect(prefix.hasPrefix("127.0.0.1:"), "the reason names the host", sourceLocation: sourceLocation)
        return String(all[0].dropFirst(prefix.count + 1))
    }

    func stat(_ name: String) -> Int { Int(Int64(bitPattern: store.snapshot().value("cluster.xds." + name))) }
}

@Suite struct GRPCTransportTests {
    @Test func speaksGRPC() throws {
        let rig = try TransportRig { _, source in
            source.authority = "control.example"
            source.metadata = [.init(name: "authorization", value: "Bearer x")]
        }
        let call = try rig.call()
        #expect(call.request.path.string == "/svc/Method")
        #expect(call.request.method.string == "POST")
        #expect(call.request.authority.string == "control.example")
        #expect(call.request.value(.te)?.string == "trailers")
        #expect(call.request.value(.contentType)?.string == "application/grpc")
        #expect(call.request.value(named: "authorization")?.string == "Bearer x")
        rig.transport.send([1, 2, 3])
        rig.transport.send([])
        rig.wait { call.body.count == 13 }
        #expect(call.body == [0, 0, 0, 0, 3, 1, 2, 3, 0, 0, 0, 0, 0])
        call.answerHead()
        call.answer(raw: ServerCall.frame([7]) + ServerCall.frame([]) + [0, 0])
        rig.wait { rig.listener.messages.count == 2 }
        call.answer(raw: [0, 0, 2, 8])
        rig.loop.turnWhileBusy()
        #expect(rig.listener.messages == [[7], []])
        call.answer(raw: [9])
        rig.wait { rig.listener.messages.count == 3 }
        #expect(rig.listener.messages[2] == [8, 9])
        #expect(rig.stat("upstream_cx_total") == 1)
        #expect(rig.stat("upstream_cx_http2_total") == 1)
        #expect(rig.stat("upstream_cx_active") == 1)
        #expect(rig.stat("upstream_rq_total") == 1)
        #expect(rig.stat("upstream_rq_active") == 1)
        #expect(rig.stat("upstream_cx_rx_bytes_total") > 0)
        rig.transport.close()
        rig.loop.turnWhileBusy()
        #expect(rig.stat("upstream_cx_active") == 0)
        #expect(rig.stat("upstream_rq_active") == 0)
        #expect(rig.listener.ends.isEmpty, "nothing is told of an end that was asked for")
    }

    @Test func messagesLargerThanTheWindows() throws {
        let rig = try TransportRig()
        let call = try rig.call()
        let large = [UInt8](repeating: 5, count: 3 << 20)
        rig.transport.send(large)
        call.answerHead()
        call.answer(raw: ServerCall.frame(large))
        rig.wait { call.body.count == large.count + 5 && rig.listener.messages.count == 1 }
        #expect(rig.listener.messages[0] == large)
        #expect(rig.listener.drained == 1, "the sender was told of room")
    }

    @Test func aPausedStreamMakesTheServerWait() throws {
        let rig = try TransportRig { cluster, _ in cluster.http.http2.initialStreamWindow = 65_535 }
        let call = try rig.call()
        call.answerHead()
        rig.transport.pauseReading()
        call.answer(raw: ServerCall.frame([UInt8](repeating: 1, count: 200_000)))
        rig.loop.turnWhileBusy()
        #expect(call.pendingBytes > 100_000)
        rig.transport.resumeReading()
        rig.wait { rig.listener.messages.count == 1 }
    }

    @Test func everyEndHasItsReason() throws {
        let rig = try TransportRig(limit: 100)
        var call = try rig.call()
        call.answerHead()
        call.answerTrailers([("grpc-status", "14"), ("grpc-message", "going%20down")])
        #expect(rig.end() == "the server ended the stream with grpc-status 14: going down")

        call = try rig.call()
        call.answerHead([("grpc-status", "12")], end: true)
        #expect(rig.end() == "the server ended the stream with grpc-status 12")

        call = try rig.call()
        call.answerHead(status: 503, end: true)
        #expect(rig.end() == "the answer has HTTP status 503")

        call = try rig.call()
        call.answerHead(type: "text/html")
        #expect(rig.end().hasPrefix("the answer is not gRPC"))

        call = try rig.call()
        call.answerHead()
        call.answer(raw: ServerCall.frame([1], flag: 1))
        #expect(rig.end() == "a message of the answer is compressed, which was not asked for")

        call = try rig.call()
        call.answerHead()
        call.answer(raw: ServerCall.frame([UInt8](repeating: 0, count: 100)))
        rig.wait { rig.listener.messages.last?.count == 100 }
        call.answer(raw: [0, 0, 0, 0, 101])
        #expect(rig.end() == "a message of the answer is 101 bytes long, and 100 is the limit")
        #expect(rig.listener.wasOverLimit)

        call = try rig.call()
        call.reset(.internalError)
        #expect(rig.end() == "the stream was reset with INTERNAL_ERROR")

        call = try rig.call()
        rig.servers[0].peers.last?.reset()
        #expect(rig.end().contains("reset"))

        call = try rig.call()
        rig.servers[0].peers.last?.close()
        #expect(rig.end() == "the connection was closed")

        #expect(rig.stat("upstream_cx_active") == 0)
        #expect(rig.stat("upstream_rq_active") == 0)
        #expect(rig.stat("upstream_cx_total") == 9)
        #expect(rig.stat("upstream_cx_destroy") == 9)
    }

    @Test func aGoAwayWithAnErrorEndsTheStreamAndOneWithoutLetsItGoOn() throws {
        let rig = try TransportRig()
        let call = try rig.call()
        call.answerHead()
        rig.servers[0].lines[0].session.goAway()
        rig.loop.turnWhileBusy()
        call.answer(raw: ServerCall.frame([1]))
        rig.wait { rig.listener.messages.count == 1 }
        #expect(rig.listener.ends.isEmpty)
        call.answerTrailers([("grpc-status", "0")])
        #expect(rig.end() == "the server ended the stream with grpc-status 0")
        _ = try rig.call()
        rig.servers[0].lines[1].session.terminate(HTTP2Failure(.enhanceYourCalm, "x", "too_many_pings"))
        #expect(rig.end().contains("ENHANCE_YOUR_CALM"))
    }

    @Test func theNextAttemptGoesToTheNextHost() throws {
        let rig = try TransportRig(servers: 3)
        for round in 1...6 {
            let call = try rig.call()
            call.answerHead([("grpc-status", "14")], end: true)
            _ = rig.end()
            #expect(rig.calls.count == round)
        }
        #expect(rig.servers.map(\.calls.count) == [2, 2, 2])
    }

    @Test func aHostThatRefusesOrIsSilent() throws {
        let rig = try TransportRig { cluster, _ in cluster.connectTimeout = .seconds(2) }
        rig.servers[0].stopListening()
        rig.open()
        #expect(rig.end().contains("Connection refused"))
        #expect(rig.stat("upstream_cx_connect_fail") == 1)
    }

    @Test func connectTimeoutHoldsForTLSToo() throws {
        let certificates = try TestCertificates()
        let rig = try TransportRig { cluster, _ in
            cluster.connectTimeout = .seconds(2)
            cluster.tls = certificates.clientSpec()
        }
        // Speaks no TLS, and does not even read.
        rig.servers[0].onPeer = { $0.reads = false }
        rig.open()
        rig.wait { !rig.servers[0].peers.isEmpty }
        rig.loop.turnWhileBusy()
        #expect(rig.listener.ends.isEmpty)
        rig.clock.advance(by: .seconds(3))
        #expect(rig.end() == "no connection within connect_timeout 2s")
        #expect(rig.stat("upstream_cx_connect_timeout") == 1)
        #expect(rig.stat("upstream_cx_connect_fail") == 1)
    }

    @Test func mutualTLSWithHTTP2ByALPN() throws {
        let certificates = try TestCertificates()
        var spec = try certificates.mutualServerSpec(certificates.server("localhost"))
        spec.alpn = ["h2"]
        let client = try certificates.clientSpec(certificates.workload("client"))
        let rig = try TransportRig(tls: TLSContext.server(spec)) { cluster, _ in cluster.tls = client }
        let call = try rig.call()
        #expect(rig.servers[0].peers.first?.connection?.tls?.alpn == "h2")
        call.answerHead()
        call.answer(raw: ServerCall.frame([1]))
        rig.wait { rig.listener.messages == [[1]] }
        #expect(call.request.value(.scheme)?.string == "https")
    }

    @Test func aCertificateThatNobodyTrustsIsNamed() throws {
        let certificates = try TestCertificates()
        let server = try TLSContext.server(certificates.serverSpec(certificates.stranger("localhost")))
        let rig = try TransportRig(tls: server) { cluster, _ in cluster.tls = certificates.clientSpec() }
        rig.open()
        #expect(rig.end().contains("certificate"))
    }

    @Test func noHostAndNoClusterAreFailuresLikeOthers() throws {
        let rig = try TransportRig(servers: 0)
        rig.open()
        rig.wait { rig.listener.ends == ["its cluster has no host"] }
        let nowhere = GRPCTransport(GRPCSourceSpec(cluster: "x"), maxMessageBytes: 0, loop: rig.loop) { _ in nil }
        nowhere.open("/m", owner: rig.listener)
        rig.wait { rig.listener.ends.last == "there is no cluster of this name" }
    }

    @Test func pingsWhereTheClusterAsksForThem() throws {
        let rig = try TransportRig { cluster, _ in
            var keepalive = HTTP2KeepaliveSpec(timeout: .seconds(5))
            keepalive.interval = .seconds(10)
            keepalive.jitterPercent = 0
            cluster.http.http2.keepalive = keepalive
        }
        let call = try rig.call()
        call.answerHead()
        rig.loop.turnWhileBusy()
        rig.clock.advance(by: .seconds(11))
        rig.loop.turnWhileBusy()
        rig.clock.advance(by: .seconds(6))
        rig.loop.turnWhileBusy()
        #expect(rig.listener.ends.isEmpty, "it was answered")
        rig.servers[0].peers[0].reads = false
        rig.clock.advance(by: .seconds(11))
        rig.loop.turnWhileBusy()
        rig.clock.advance(by: .seconds(6))
        #expect(rig.end() == "http2 keepalive timeout")
        #expect(rig.stat("http2.keepalive_timeout") == 1)
    }
}
