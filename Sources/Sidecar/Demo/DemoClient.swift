// The demo's own HTTP client: GET over a few kept-alive connections.
import HTTPWire
import Reactor

/// Sends GET requests to one address, at most one at a time on each connection; the rest waits its turn. Loop thread
/// only.
final class DemoClient {
    /// What became of a request.
    enum Outcome {
        case answered(status: Int, body: [UInt8])
        /// No connection could be made.
        case unreachable(String)
        /// The connection ended, or something came that is no HTTP.
        case broken(String)
        case timedOut
    }

    /// Hears of the outcome, and how long it took from the moment the request went into a connection.
    typealias Handler = (Outcome, TimeAmount) -> Void

    static let patience = TimeAmount.seconds(10)

    fileprivate let loop: EventLoop
    fileprivate let address: SocketAddress
    private let limit: Int
    private var idle: [Lane] = []
    private var busy: [Lane] = []
    private var waiting: [(path: String, handler: Handler)] = []

    /// - Parameter connections: how many there may be.
    init(loop: EventLoop, address: SocketAddress, connections: Int) {
        self.loop = loop
        self.address = address
        limit = max(1, connections)
    }

    /// Requests that have no answer yet.
    var pending: Int { busy.count + waiting.count }

    func get(_ path: String, _ handler: @escaping Handler) {
        waiting.append((path, handler))
        startNext()
    }

    /// Closes all connections. What is under way is dropped; its handler is not called.
    func close() {
        waiting = []
        for lane in idle + busy { lane.close() }
        idle = []
        busy = []
    }

    private func startNext() {
        while !waiting.isEmpty && (!idle.isEmpty || busy.count < limit) {
            let (path, handler) = waiting.removeFirst()
            let lane = idle.popLast() ?? Lane(self)
            busy.append(lane)
            lane.send(path, handler)
        }
    }

    fileprivate func finished(_ lane: Lane, reusable: Bool) {
        busy.removeAll { $0 === lane }
        if reusable { idle.append(lane) } else { lane.close() }
        startNext()
    }

    fileprivate func lost(_ lane: Lane) { idle.removeAll { $0 === lane } }
}

/// One connection of the client.
private final class Lane: ConnectionDelegate, TimerTarget {
    private unowned let client: DemoClient
    private var connection: Connection?
    private var parser = HTTP1ResponseParser()
    private let request = HeaderMap()
    private let response = HeaderMap()
    private let trailers = HeaderMap()
    private var body: [UInt8] = []
    private var status = 0
    private var handler: DemoClient.Handler?
    private var began = MonotonicTime.zero
    private lazy var timer = LoopTimer(loop: client.loop, target: self)

    init(_ client: DemoClient) { self.client = client }

    func send(_ path: String, _ handler: @escaping DemoClient.Handler) {
        self.handler = handler
        began = client.loop.now
        body = []
        status = 0
        request.removeAll()
        request.setMethod(ByteView("GET"))
        FixedBytes(path).withView { request.setPath($0) }
        FixedBytes(client.address.description).withView { request.setAuthority($0) }
        request.append(.userAgent, "outrider-demo")
        parser.begin(method: .get)
        timer.arm(after: DemoClient.patience)
        if connection == nil { connection = .connect(to: client.address, loop: client.loop, delegate: self) }
        if let connection, connection.isEstablished { write(connection) }
    }

    func close() {
        timer.disarm()
        handler = nil
        connection?.close()
        connection = nil
    }

    private func write(_ connection: Connection) {
        HTTP1Serializer.requestHead(request, framing: .none, to: &connection.output)
        connection.flush()
    }

    func connectionEstablished(_ connection: Connection) {
        if handler != nil { write(connection) }
    }

    func connectionReadable(_ connection: Connection) {
        while true {
            switch connection.fill() {
            case .data:
                if handler == nil {
                    // Nobody asked for this.
                    finish(.broken("bytes that no request asked for"), reusable: false)
                    return
                }
                parse(connection)
                guard self.connection === connection else { return }
            case .wouldBlock, .failed:
                return
            case .end:
                if case .end = parser.finish(), status != 0 {
                    finish(.answered(status: status, body: body), reusable: false)
                } else {
                    finish(.broken("the connection was closed without an answer"), reusable: false)
                }
                return
            }
        }
    }

    private func parse(_ connection: Connection) {
        while handler != nil {
            switch parser.next(&connection.input, headers: response, trailers: trailers) {
            case .needMore: return
            case .head: if !parser.isInterim { status = response.status }
            case .body(let count):
                body.append(contentsOf: connection.input.contiguous(count).unsafeBytes)
                connection.input.consume(count)
            case .trailers: continue
            case .end: finish(.answered(status: status, body: body), reusable: isReusable(connection))
            case .failure(let failure): finish(.broken(failure.text), reusable: false)
            }
        }
    }

    private func isReusable(_ connection: Connection) -> Bool {
        parser.keepAlive && connection.isOpen && connection.input.isEmpty
    }

    func connectionDrained(_ connection: Connection) {}

    func connectionClosed(_ connection: Connection, _ reason: ConnectionCloseReason) {
        let text = connection.failureReason ?? "the connection was closed"
        if case .connectFailed = reason {
            finish(.unreachable(text), reusable: false)
        } else {
            finish(.broken(text), reusable: false)
        }
    }

    func timerFired(_ timer: LoopTimer) { finish(.timedOut, reusable: false) }

    /// Tells the outcome, once the lane is ready for the next request. An idle connection that ends has none to tell.
    private func finish(_ outcome: DemoClient.Outcome, reusable: Bool) {
        timer.disarm()
        guard let handler else {
            client.lost(self)
            close()
            return
        }
        self.handler = nil
        let took = client.loop.now - began
        client.finished(self, reusable: reusable)
        handler(outcome, took)
    }
}
