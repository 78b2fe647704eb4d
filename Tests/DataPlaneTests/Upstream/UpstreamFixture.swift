// Clusters on one loop, with scripted servers behind them and a recorder in the router's place.
import HTTPWire
import Metrics
import Reactor
import TestKit
import Testing

@testable import DataPlane

/// One cluster, "c", over one scripted server.
final class World {
    let fixture: UpstreamFixture
    let server: ScriptedServer

    init(
        workers: Int = 1, tls: TLSContext? = nil, _ change: (inout ClusterSpec) -> Void = { _ in }
    ) throws {
        let clock = TestClock()
        let loop = try EventLoop(clock: clock)
        server = try ScriptedServer(loop: loop, tls: tls)
        fixture = try UpstreamFixture(
            [UpstreamFixture.spec([server.address], change)], workers: workers, clock: clock, loop: loop)
    }

    var loop: EventLoop { fixture.loop }
    var cluster: Cluster { fixture.cluster }
    /// The server's side of the connection made last.
    var peer: ScriptedPeer {
        guard let last = server.peers.last else { fatalError("no connection yet") }
        return last
    }

    func stat(_ name: String) -> Int { fixture.stat(name) }

    func wait(_ location: SourceLocation = #_sourceLocation, until condition: () -> Bool) {
        fixture.wait(nil, location, until: condition)
    }

    func settle() { fixture.settle() }
    func advance(_ amount: TimeAmount) { fixture.advance(amount) }

    @discardableResult
    func send(_ request: TestRequest = TestRequest(), fresh: Bool = false) -> TestTry {
        fixture.send(request, fresh: fresh)
    }

    @discardableResult
    func exchange(_ request: TestRequest = TestRequest(), fresh: Bool = false) -> TestTry {
        fixture.exchange(request, fresh: fresh)
    }

    /// Sends, and waits until the server has the head and all is quiet.
    @discardableResult
    func exchangeOpen(_ request: TestRequest = TestRequest()) -> TestTry {
        let attempt = send(request)
        wait { self.server.peers.last?.endOfHead != nil }
        settle()
        return attempt
    }

    deinit { server.close() }
}

extension BreakerSet {
    /// What is taken of each resource; `#expect` cannot look at one itself, because it cannot be copied.
    var inUse: (connections: Int, pending: Int, requests: Int, pools: Int) {
        (connections.current, pending.current, requests.current, pools.current)
    }
}

/// A loop whose time the test moves, a directory, and a worker's clusters.
final class UpstreamFixture {
    let clock: TestClock
    let loop: EventLoop
    let store = StatStore()
    let directory: ClusterDirectory
    let names = ScriptedNames()
    let sets: [ClusterSet]

    convenience init(_ specs: [ClusterSpec], workers: Int = 1) throws {
        let clock = TestClock()
        try self.init(specs, workers: workers, clock: clock, loop: try EventLoop(clock: clock))
    }

    init(
        _ specs: [ClusterSpec], workers: Int, clock: TestClock, loop: EventLoop, zone: LocalZone = LocalZone()
    ) throws {
        self.clock = clock
        self.loop = loop
        names.loop = loop
        let names = names
        directory = try ClusterDirectory(
            specs, loop: loop, cells: store.makeCells(), workers: workers, zone: zone
        ) { _ in names }
        let (store, directory) = (store, directory)
        sets = try (0..<workers).map { _ in
            try ClusterSet(directory.addWorker(loop.mailbox), loop: loop, cells: store.makeCells())
        }
    }

    /// One static cluster named "c" over the servers.
    convenience init(
        _ servers: [SocketAddress], workers: Int = 1, _ change: (inout ClusterSpec) -> Void = { _ in }
    ) throws {
        try self.init([Self.spec(servers, change)], workers: workers)
    }

    static func spec(_ servers: [SocketAddress], _ change: (inout ClusterSpec) -> Void = { _ in }) -> ClusterSpec {
        var spec = ClusterSpec(name: "c")
        spec.endpoints = [LocalityEndpointsSpec(endpoints: servers.map { EndpointSpec(address: .socket($0)) })]
        change(&spec)
        return spec
    }

    var cluster: Cluster { cluster(0) }

    /// The first cluster as a worker uses it.
    func cluster(_ worker: Int) -> Cluster {
        guard let cluster = sets[worker].cluster(at: 0) else { preconditionFailure("a fixture without clusters") }
        return cluster
    }

    /// A stat's value, over all threads.
    func stat(_ name: String) -> Int {
        directory.publishGauges()
        return Int(Int64(bitPattern: store.snapshot().value("cluster.c." + name)))
    }

    /// Turns until it holds; the test fails when it never does.
    func wait(_ what: Comment? = nil, _ location: SourceLocation = #_sourceLocation, until condition: () -> Bool) {
        let happened = loop.turn(until: condition)
        #expect(happened, what, sourceLocation: location)
    }

    func settle() { loop.turnWhileBusy() }

    func advance(_ amount: TimeAmount) {
        clock.advance(by: amount)
        settle()
    }

    /// Asks for a stream and sends `request` on it when it is there.
    @discardableResult
    func send(
        _ request: TestRequest = TestRequest(), on cluster: Cluster? = nil, fresh: Bool = false,
        avoiding: [Host] = [], authority: String = "", origin: StreamOrigin = StreamOrigin()
    ) -> TestTry {
        let attempt = TestTry(loop, request)
        attempt.origin = origin
        attempt.outcome = FixedBytes(authority).withView {
            (cluster ?? self.cluster).newStream(attempt, authority: $0, avoiding: avoiding, fresh: fresh)
        }
        return attempt
    }

    /// Sends and waits for the end.
    @discardableResult
    func exchange(_ request: TestRequest = TestRequest(), fresh: Bool = false) -> TestTry {
        let attempt = send(request, fresh: fresh)
        wait { attempt.isOver }
        return attempt
    }

    deinit {
        for set in sets { set.shutDown() }
        loop.turnWhileBusy()
    }
}

/// What a test sends.
struct TestRequest {
    var method = "GET"
    var path = "/"
    var fields: [(String, String)] = []
    var body: String?
    /// Leaves the request open.
    var holdsEnd = false
    var trailers: [(String, String)] = []

    init(_ method: String = "GET", _ path: String = "/", body: String? = nil, fields: [(String, String)] = []) {
        self.method = method
        self.path = path
        self.body = body
        self.fields = fields
    }
}

/// One try, in the router's place: records all that the wall says.
final class TestTry: PoolWaiter, UpstreamStreamDelegate {
    let upstreamResponseHeaders = HeaderMap()
    let upstreamResponseTrailers = HeaderMap()
    private let loop: EventLoop
    private let request: TestRequest
    var origin = StreamOrigin()
    var outcome: NewStreamOutcome?
    private(set) var stream: (any UpstreamStream)?
    private(set) var host: Host?
    private(set) var failure: StreamResetReason?
    private(set) var reset: StreamResetReason?
    private(set) var detail = ""
    private(set) var status: Int?
    private(set) var informational: [Int] = []
    private(set) var body: [UInt8] = []
    private(set) var isComplete = false
    private(set) var hasTrailers = false
    private(set) var backedUp = 0
    private(set) var drained = 0
    private(set) var earlierRequests = -1
    private(set) var bytesSent: UInt64 = 0
    private(set) var bytesReceived: UInt64 = 0
    /// Called for the head, from inside the call.
    var onHead: (any UpstreamStream) -> Void = { _ in }
    var onBody: (any UpstreamStream) -> Void = { _ in }
    var onEnd: () -> Void = {}
    var onFailure: () -> Void = {}

    init(_ loop: EventLoop, _ request: TestRequest) {
        self.loop = loop
        self.request = request
    }

    var isOver: Bool { isComplete || reset != nil || failure != nil }
    var text: String { String(decoding: body, as: UTF8.self) }
    var upstreamDelegate: any UpstreamStreamDelegate { self }

    func poolReady(_ stream: any UpstreamStream, host: Host) {
        self.stream = stream
        self.host = host
        earlierRequests = stream.earlierRequests
        let head = HeaderMap()
        _ = FixedBytes(request.method).withView { head.setMethod($0) }
        FixedBytes(request.path).withView { head.setPath($0) }
        head.setAuthority(ByteView("test.example" as StaticString))
        for (name, value) in request.fields { add(name, value, to: head) }
        let hasMore = request.body != nil || request.holdsEnd || !request.trailers.isEmpty
        stream.sendHead(head, end: !hasMore)
        if let body = request.body {
            send(body, end: !request.holdsEnd && request.trailers.isEmpty)
        }
        if !request.trailers.isEmpty {
            let trailers = HeaderMap()
            for (name, value) in request.trailers { add(name, value, to: trailers) }
            stream.sendTrailers(trailers)
        }
    }

    private func add(_ name: String, _ value: String, to map: HeaderMap) {
        FixedBytes(name).withView { name in
            FixedBytes(value).withView { _ = map.append(name: name, value: $0) }
        }
    }

    func send(_ text: String, end: Bool) {
        var bytes = ByteQueue(pool: loop.slabs)
        bytes.append(Array(text.utf8))
        stream?.sendBody(&bytes, end: end)
        let isEmpty = bytes.isEmpty
        #expect(isEmpty)
    }

    func poolFailed(_ reason: StreamResetReason, host: Host, detail: String) {
        failure = reason
        self.host = host
        self.detail = detail
        onFailure()
    }

    func upstreamInformational(_ stream: any UpstreamStream) { informational.append(upstreamResponseHeaders.status) }

    func upstreamHead(_ stream: any UpstreamStream, end: Bool) {
        status = upstreamResponseHeaders.status
        onHead(stream)
        if end { finish(stream) }
    }

    func upstreamBody(_ stream: any UpstreamStream, _ bytes: inout ByteQueue, end: Bool) {
        body += bytes.array
        bytes.clear()
        onBody(stream)
        if end { finish(stream) }
    }

    func upstreamTrailers(_ stream: any UpstreamStream) {
        hasTrailers = true
        finish(stream)
    }

    private func finish(_ stream: any UpstreamStream) {
        #expect(!isOver)
        isComplete = true
        note(stream)
        onEnd()
    }

    private func note(_ stream: any UpstreamStream) {
        bytesSent = stream.wireBytesSent
        bytesReceived = stream.wireBytesReceived
    }

    func upstreamReset(_ stream: any UpstreamStream, _ reason: StreamResetReason, detail: String) {
        #expect(!isOver)
        reset = reason
        self.detail = detail
        note(stream)
        onFailure()
    }

    func upstreamBackedUp(_ stream: any UpstreamStream) { backedUp += 1 }
    func upstreamDrained(_ stream: any UpstreamStream) { drained += 1 }
}

/// A resolver that answers what the test says.
final class ScriptedNames: NameResolver {
    var loop: EventLoop?
    private(set) var asked: [String] = []
    private var waiting: [(name: String, completion: (NameLookup) -> Void)] = []
    /// Answers at once (at the end of the turn) when set.
    var answers: [String: NameLookup] = [:]

    func lookUp(_ name: String, family: DNSSpec.Family, _ completion: @escaping (NameLookup) -> Void) {
        asked.append(name)
        if let answer = answers[name] {
            loop?.later { completion(answer) }
        } else {
            waiting.append((name, completion))
        }
    }

    /// Answers the oldest open question for `name`.
    func answer(_ name: String, _ result: NameLookup) {
        guard let index = waiting.firstIndex(where: { $0.name == name }) else { return }
        waiting.remove(at: index).completion(result)
    }
}
