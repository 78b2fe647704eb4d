// A check by a TCP connection, and by bytes on it where the file asks for some.
import Reactor

/// Connects to a host, sends, and looks for what has to come. Envoy page: `config.core.v3.HealthCheck.TcpHealthCheck`.
///
/// As in Envoy, where nothing has to come, a connection is enough, and nothing is sent on it.
final class TCPProbe: HealthProbe {
    private let spec: TCPHealthCheckSpec
    private let asking: CheckAsking
    private unowned let owner: HealthProbeOwner
    private var socket: Connection?
    private var matcher: PayloadMatcher
    private var isAsking = false

    init(_ spec: TCPHealthCheckSpec, asking: CheckAsking, owner: HealthProbeOwner) {
        self.spec = spec
        self.asking = asking
        self.owner = owner
        matcher = PayloadMatcher(spec.receive)
    }

    func begin(_ host: Host) {
        matcher = PayloadMatcher(spec.receive)
        isAsking = true
        if let socket { return send(on: socket) }
        switch asking.connect(to: host, delegate: self) {
        case .connection(let connection): socket = connection
        case .impossible(let reason): end(.failed(CheckFailure(kind: .network, reason: reason)))
        }
    }

    func giveUp() { close() }

    func close() {
        isAsking = false
        socket?.close(abort: true)
        socket = nil
    }

    private func send(on socket: Connection) {
        if let version = spec.proxyProtocol {
            // Version 1 names our own two ends; version 2 is LOCAL.
            let ends = socket.localAddress.map {
                DownstreamInfo(connectionID: 0, local: socket.remoteAddress, remote: $0, accepted: asking.loop.now)
            }
            socket.output.append(
                ProxyHeader.bytes(UpstreamProxyProtocolSpec(version: version), version == .v1 ? ends : nil))
        }
        socket.output.append(spec.send)
        socket.flush()
    }

    private func end(_ result: CheckResult) {
        guard isAsking else { return }
        isAsking = false
        owner.probeEnded(result)
    }

    private func fail(_ reason: String) {
        socket?.close()
        socket = nil
        end(.failed(CheckFailure(kind: .network, reason: reason)))
    }
}

extension TCPProbe: ConnectionDelegate {
    func connectionEstablished(_ connection: Connection) {
        guard isAsking else { return }
        guard !spec.receive.isEmpty else {
            connection.close(abort: true)
            socket = nil
            return end(.healthy(degraded: false))
        }
        send(on: connection)
    }

    func connectionReadable(_ connection: Connection) {
        while connection.isOpen {
            switch connection.fill() {
            case .data:
                if isAsking {
                    connection.input.forEachPart {
                        matcher.feed($0)
                        return !matcher.isComplete
                    }
                }
                connection.input.clear()
                if isAsking && matcher.isComplete {
                    if !asking.isReusing {
                        connection.close(abort: true)
                        socket = nil
                    }
                    end(.healthy(degraded: false))
                }
            case .wouldBlock, .failed: return
            case .end: return fail("the connection was closed before what receive asks for had come")
            }
        }
    }

    func connectionDrained(_ connection: Connection) {}

    func connectionClosed(_ connection: Connection, _ reason: ConnectionCloseReason) {
        fail(connection.failureReason ?? "the connection failed")
    }
}
