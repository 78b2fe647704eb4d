// Connections that belong to one client: PROXY protocol headers, source addresses, and pools apart from each other.
import Reactor
import TestKit
import Testing

@testable import DataPlane

struct ClientBindingTests {
    private static func client(
        _ remote: String, _ local: String = "127.0.0.1:15001", at loop: EventLoop? = nil
    ) throws -> DownstreamInfo {
        DownstreamInfo(
            connectionID: 1, local: try #require(SocketAddress(local)), remote: try #require(SocketAddress(remote)),
            accepted: loop?.now ?? .zero)
    }

    // MARK: - The header

    @Test(arguments: [
        ("192.0.2.1:80", "192.0.2.2:443", "PROXY TCP4 192.0.2.1 192.0.2.2 80 443\r\n"),
        ("[2001:db8::1]:1", "[::1]:65535", "PROXY TCP6 2001:db8::1 ::1 1 65535\r\n"),
        ("192.0.2.1:80", "[::1]:443", "PROXY TCP6 ::ffff:192.0.2.1 ::1 80 443\r\n"),
        ("[::ffff:192.0.2.1]:80", "192.0.2.2:443", "PROXY TCP4 192.0.2.1 192.0.2.2 80 443\r\n"),
    ])
    func version1(source: String, destination: String, header: String) throws {
        let spec = UpstreamProxyProtocolSpec(version: .v1)
        #expect(ProxyHeader.bytes(spec, try Self.client(source, destination)) == Array(header.utf8))
    }

    private static let signature: [UInt8] = Array("\r\n\r\n\0\r\nQUIT\n".utf8)

    @Test func version2() throws {
        var spec = UpstreamProxyProtocolSpec(version: .v2)
        let v4 = try Self.client("192.0.2.1:256", "192.0.2.2:443")
        #expect(
            ProxyHeader.bytes(spec, v4)
                == Self.signature + [0x21, 0x11, 0, 12, 192, 0, 2, 1, 192, 0, 2, 2, 1, 0, 1, 187])
        spec.tlvs = [0xe0, 0, 1, 7]
        #expect(ProxyHeader.bytes(spec, v4).suffix(6) == [1, 187, 0xe0, 0, 1, 7])
        #expect(ProxyHeader.bytes(spec, v4)[15] == 16)
        let v6 = ProxyHeader.bytes(spec, try Self.client("[2001:db8::1]:1", "192.0.2.2:2"))
        #expect(v6[12...15] == [0x21, 0x21, 0, 40])
        #expect(v6[16..<20] == [0x20, 0x01, 0x0d, 0xb8])
        #expect(v6[42..<48] == [0xff, 0xff, 192, 0, 2, 2])
        #expect(v6.count == 16 + 36 + 4)
    }

    @Test func withoutAddresses() {
        let unix = DownstreamInfo(
            connectionID: 1, local: .unix(path: "/a"), remote: .unix(path: ""), accepted: .zero)
        let text = Array("PROXY UNKNOWN\r\n".utf8)
        #expect(ProxyHeader.bytes(UpstreamProxyProtocolSpec(version: .v1), unix) == text)
        #expect(ProxyHeader.bytes(UpstreamProxyProtocolSpec(version: .v1), nil) == text)
        var spec = UpstreamProxyProtocolSpec(version: .v2)
        spec.tlvs = [1, 0, 0]
        #expect(ProxyHeader.bytes(spec, unix) == Self.signature + [0x21, 0, 0, 3, 1, 0, 0])
        #expect(ProxyHeader.bytes(spec, nil) == Self.signature + [0x20, 0, 0, 0])
    }

    // MARK: - Pools

    private func send(_ world: World, _ client: DownstreamInfo) -> TestTry {
        let attempt = world.fixture.send(origin: StreamOrigin(downstream: client))
        world.wait { attempt.isOver }
        return attempt
    }

    @Test func eachClientHasItsOwnConnection() throws {
        let world = try World { $0.proxyProtocol = UpstreamProxyProtocolSpec(version: .v1) }
        world.server.onBytes = { peer in
            guard let end = peer.endOfHead else { return }
            let text = peer.text
            peer.drop(end)
            peer.send(ScriptedServer.ok(String(text.prefix { $0 != "\r\n" })))
        }
        var first: DownstreamInfo? = try Self.client("192.0.2.1:1")
        let second = try Self.client("192.0.2.1:2")
        if let first { #expect(send(world, first).text == "PROXY TCP4 192.0.2.1 127.0.0.1 1 15001") }
        #expect(send(world, second).text == "PROXY TCP4 192.0.2.1 127.0.0.1 2 15001")
        if let first { #expect(send(world, first).text == "GET / HTTP/1.1") }
        #expect(send(world, second).text == "GET / HTTP/1.1")
        #expect(world.stat("upstream_cx_total") == 2)
        // With the client goes what nobody else could use.
        first = nil
        world.wait { world.stat("upstream_cx_active") == 1 }
        #expect(world.stat("upstream_cx_destroy_local") == 1)
        #expect(send(world, second).isComplete)
        #expect(send(world, try Self.client("192.0.2.1:1")).text.hasPrefix("PROXY"))
        world.wait { world.stat("upstream_cx_active") == 1 }
    }

    @Test func theHeaderStandsBeforeTLS() throws {
        let world = try World {
            $0.proxyProtocol = UpstreamProxyProtocolSpec(version: .v1)
            $0.tls = TLSContextSpec()
        }
        let client = try Self.client("192.0.2.1:1")
        let attempt = world.fixture.send(origin: StreamOrigin(downstream: client))
        let header = Array("PROXY TCP4 192.0.2.1 127.0.0.1 1 15001\r\n".utf8)
        world.wait { (world.server.peers.last?.received.count ?? 0) > header.count }
        #expect(world.peer.received.starts(with: header + [0x16, 0x03]))
        world.server.close()
        world.wait { attempt.isOver }
    }

    @Test func rawConnectionsHaveItToo() throws {
        let world = try World { $0.proxyProtocol = UpstreamProxyProtocolSpec(version: .v2) }
        let session = RawSession(try Self.client("192.0.2.1:1"))
        session.outcome = world.cluster.connectTCP(session)
        // The server need not wait for the client's first byte.
        world.wait { world.server.peers.last?.received.count == 28 }
        #expect(world.peer.received.starts(with: Self.signature + [0x21, 0x11]))
        session.lease?.countBytes()
        #expect(world.stat("upstream_cx_tx_bytes_total") == 28)
        session.lease?.close()
    }

    @Test func aSourceAddress() throws {
        let world = try World { $0.sourceAddress = SocketAddress("127.0.0.9:0") }
        let attempt = world.exchangeOpen()
        #expect(attempt.stream?.connectionInfo.localAddress?.ip == IPAddress("127.0.0.9"))
    }

    @Test func aSourceAddressThatIsNotHere() throws {
        let world = try World { $0.sourceAddress = SocketAddress("192.0.2.77:0") }
        let attempt = world.exchange()
        #expect(attempt.failure == .localConnectFailure)
        #expect(attempt.detail.hasPrefix("bind 192.0.2.77:0: "))
        #expect(world.stat("bind_errors") == 1)
        #expect(world.stat("upstream_cx_connect_fail") == 1)
        let session = RawSession(try Self.client("192.0.2.1:1"))
        session.outcome = world.cluster.connectTCP(session)
        world.wait { session.failure != nil }
        #expect(session.failure == .localConnectFailure)
    }

    @Test func theClientsAddress() throws {
        let client = try Self.client("192.0.2.1:4000")
        let spec = ClusterSpec(name: "c")
        #expect(ClientBinding(spec.proxyProtocol, client) == nil)
        #expect(ClientBinding(spec.proxyProtocol, nil) == nil)
        client.transparentSource = TransparentSource(client.remoteAddress, mark: 7)
        let binding = try #require(ClientBinding(spec.proxyProtocol, client))
        var options = SocketOptions()
        options.source = SocketAddress("127.0.0.1:0")
        binding.apply(to: &options)
        #expect(options.source == SocketAddress("192.0.2.1:0"))
        #expect(options.transparent)
        #expect(options.mark == 7)
        let other = try Self.client("192.0.2.1:5000")
        other.transparentSource = TransparentSource(other.remoteAddress, mark: 7)
        #expect(ClientBinding(spec.proxyProtocol, other) == binding)
        other.transparentSource = TransparentSource(other.remoteAddress, mark: 8)
        #expect(ClientBinding(spec.proxyProtocol, other) != binding)
    }
}

/// In the TCP proxy's place.
private final class RawSession: TCPWaiter {
    let bytes = RecordingDelegate()
    let origin: StreamOrigin
    var outcome: ConnectTCPOutcome?
    var lease: TCPLease?
    var failure: StreamResetReason?

    init(_ client: DownstreamInfo) { origin = StreamOrigin(downstream: client) }

    var tcpDelegate: any ConnectionDelegate { bytes }
    func tcpReady(_ lease: TCPLease) { self.lease = lease }
    func tcpFailed(_ reason: StreamResetReason, host: Host, detail: String) { failure = reason }
}
