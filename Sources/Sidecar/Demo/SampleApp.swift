// The demo's application: says hello and who called, and fails now and then.
import DataPlane
import HTTPWire
import Metrics
import Reactor

/// A small HTTP server on a loop, made of the same connection manager that serves the proxy's listeners.
final class SampleApp {
    private let loop: EventLoop
    private let socket: ListeningSocket
    private let settings: HTTP1ServerSettings
    private let manager: HTTPConnectionManager
    fileprivate let failures: FailureRate

    /// Listens on a free port of the loopback. `failures` percent of the requests are answered 503.
    init(loop: EventLoop, failures percent: Int) throws(SystemError) {
        self.loop = loop
        failures = FailureRate(percent: percent)
        let cells = StatStore(options: StatOptions()).makeCells()
        var spec = HTTPConnectionManagerSpec(statPrefix: "app", routes: RouteConfigurationSpec())
        // The sidecar before it says who calls.
        spec.clientCert.mode = .alwaysForwardOnly
        settings = HTTP1ServerSettings(
            spec, bufferLimit: 1 << 20, stats: HTTP1CodecStats(cells, prefix: "http1."))
        let environment = HTTPEnvironment(loop: loop, cells: cells, listenerStatPrefix: "listener.app.")
        manager = HTTPConnectionManager(spec, environment) { [failures] in SampleAnswer($0, failures) }
        socket = try ListeningSocket.bind(.v4(.loopback, port: 0), loop: loop)
        try socket.start { [unowned self] in serve($0) }
    }

    var address: SocketAddress { socket.localAddress }
    /// Requests that were answered 200, and 503.
    var answered: (well: Int, badly: Int) { (failures.total - failures.failed, failures.failed) }

    func close() {
        socket.close()
        manager.closeConnections()
    }

    private func serve(_ accepted: consuming AcceptedSocket) {
        let remote = accepted.remoteAddress
        // A connection that cannot be registered is closed by that; the sidecar tries again.
        guard let connection = try? Connection.accept(accepted, loop: loop) else { return }
        let downstream = DownstreamInfo(
            connectionID: connection.id, local: address, remote: remote, accepted: connection.createdAt)
        manager.serve(connection, downstream) { [settings] connection, session in
            HTTP1ServerConnection(connection: connection, session: session, settings: settings)
        }
    }
}

/// Which requests fail: evenly spread, so that any hundred in a row have as many as were asked for.
final class FailureRate {
    private let percent: Int
    private var due = 0
    private(set) var total = 0
    private(set) var failed = 0

    init(percent: Int) { self.percent = min(max(percent, 0), 100) }

    func nextFails() -> Bool {
        total += 1
        due += percent
        guard due >= 100 else { return false }
        due -= 100
        failed += 1
        return true
    }
}

/// Answers one request after another of a stream.
private final class SampleAnswer: StreamHandler {
    private unowned let stream: HTTPStream
    private let failures: FailureRate

    init(_ stream: HTTPStream, _ failures: FailureRate) {
        self.stream = stream
        self.failures = failures
    }

    func requestHead(end: Bool) {
        if end { answer() }
    }

    func requestBody(_ bytes: inout ByteQueue, end: Bool) {
        bytes.clear()
        if end { answer() }
    }

    func requestTrailers() { answer() }

    private func answer() {
        stream.responseHeaders.removeAll()
        if failures.nextFails() {
            // Without a body: a retry would close the connection to be rid of the rest.
            stream.responseHeaders.status = 503
            stream.responseHeaders.set(.contentLength, decimal: 0)
            stream.sendHead(end: true)
            return
        }
        var body = ByteQueue(pool: stream.loop.slabs)
        body.append("hello from the sample app\n")
        if let caller = stream.requestHeaders.value(.xForwardedClientCert) {
            body.append("called by ")
            body.append(SampleAnswer.identity(in: caller))
            body.append("\n")
        }
        stream.responseHeaders.status = 200
        stream.responseHeaders.append(.contentType, "text/plain")
        stream.responseHeaders.set(.contentLength, decimal: UInt64(body.count))
        stream.sendHead(end: false)
        stream.sendBody(&body, end: true)
    }

    /// The URI that the inbound sidecar took from the caller's certificate.
    private static func identity(in caller: ByteView) -> ByteView {
        guard let start = caller.firstRange(of: ByteView("URI=")) else { return caller }
        let rest = caller.dropFirst(start.upperBound)
        return rest.prefix(rest.firstIndex(of: 0x3b) ?? rest.count)
    }

    func downstreamBackedUp() {}
    func downstreamDrained() {}
    func deadlinePassed(_ kind: StreamDeadline) {}
    func decorate(_ response: HeaderMap) {}
    func abandon() {}
    func reset() {}
}
