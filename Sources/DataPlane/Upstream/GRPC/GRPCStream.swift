// A gRPC call in which both sides speak as long as they like: what streams of a control plane are made of.
import HTTPWire
import Reactor

/// Who opened a call. Called on the main thread, and never from inside `send` or `open`.
public protocol GRPCStreamOwner: AnyObject {
    /// The connection is up and the request head is on its way: `send` from now on.
    func streamConnected()
    /// One whole message.
    func streamGot(_ message: [UInt8])
    /// There is room again after `isBackedUp`.
    func streamDrained()
    /// The call is over, however it began. The last event.
    func streamEnded(_ end: GRPCStreamEnd)
}

/// How a call ended.
public struct GRPCStreamEnd: Sendable, Equatable {
    /// `grpc-status`; nil when the server did not say any.
    public var status: Int?
    /// In words, with the host: for the log.
    public var reason: String
    /// A message was longer than the limit.
    public var isOverLimit = false

    public init(status: Int?, reason: String) {
        self.status = status
        self.reason = reason
    }
}

/// What is called, and how.
public struct GRPCCallSpec: Sendable {
    /// "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
    public var path: String
    public var authority: String
    /// Of the request head. Envoy calls it `initial_metadata`.
    public var metadata: [(name: String, value: String)] = []
    /// Bytes of one message of the answer, at most; 0: no limit.
    public var maxMessageBytes = 0

    public init(path: String, authority: String) {
        self.path = path
        self.authority = authority
    }
}

/// One call over a connection of its own (gRPC over HTTP/2). Main thread only. Ends when it is let go.
public final class GRPCStream: HostLineOwner, TimerTarget {
    private let spec: GRPCCallSpec
    private let upstream: GRPCUpstream
    private let host: Host
    private unowned let owner: any GRPCStreamOwner
    private var line: HTTP2Line?
    private var timer: LoopTimer?
    private var account: GRPCStreamAccount
    private var reader: GRPCMessageReader
    /// How it ends, before the owner knows.
    private var howItEnds: GRPCStreamEnd?
    private var isOver = false

    init(_ spec: GRPCCallSpec, to host: Host, _ upstream: GRPCUpstream, owner: any GRPCStreamOwner) {
        self.spec = spec
        self.upstream = upstream
        self.host = host
        self.owner = owner
        reader = GRPCMessageReader(limit: spec.maxMessageBytes)
        account = GRPCStreamAccount(upstream.stats, now: upstream.loop.now)
        let line = HTTP2Line(upstream.connector, to: host, at: host.address, alpn: nil, owner: self)
        self.line = line
        line.open(head())
        let timer = LoopTimer(loop: upstream.loop, target: self)
        timer.arm(after: upstream.connectTimeout)
        self.timer = timer
    }

    deinit { close() }

    private func head() -> HeaderMap {
        let head = HeaderMap()
        _ = head.setMethod(ByteView("POST" as StaticString))
        FixedBytes(spec.path).withView { head.setPath($0) }
        FixedBytes(spec.authority).withView { head.setAuthority($0) }
        _ = head.setScheme(
            upstream.isSecure ? ByteView("https" as StaticString) : ByteView("http" as StaticString))
        head.append(.te, "trailers")
        head.append(.contentType, "application/grpc")
        for (name, value) in spec.metadata {
            FixedBytes(name).withView { name in
                FixedBytes(value).withView { value in _ = head.append(name: name, value: value) }
            }
        }
        return head
    }

    /// Sends a message. It waits in memory while the server takes none: see `isBackedUp`.
    public func send(_ message: [UInt8]) {
        guard let line, !isOver else { return }
        line.sendMore(GRPCMessageReader.frame(message))
    }

    /// The server does not read what it is sent; `streamDrained` will tell when it does.
    public var isBackedUp: Bool { line?.isBackedUp ?? false }

    /// No more than what has come already is told of; the server is made to wait.
    public func pauseReading() { line?.pauseReading() }
    public func resumeReading() { line?.resumeReading() }

    /// Ends the call; the owner hears nothing more.
    public func close() {
        guard !isOver else { return }
        isOver = true
        timer = nil
        countBytes()
        line?.close()
        line = nil
        account.end(.local, now: upstream.loop.now)
    }

    private func countBytes() {
        if let line { account.count(read: line.bytesRead, written: line.bytesWritten) }
    }

    private func end(_ end: GRPCStreamEnd, _ cause: GRPCStreamAccount.Cause) {
        guard !isOver else { return }
        isOver = true
        timer = nil
        countBytes()
        line?.close()
        line = nil
        account.end(cause, now: upstream.loop.now)
        var end = end
        end.reason = "\(host.address): \(end.reason)"
        owner.streamEnded(end)
    }

    public func timerFired(_ timer: LoopTimer) {
        end(
            GRPCStreamEnd(status: nil, reason: "no connection within connect_timeout \(upstream.connectTimeout)"),
            .connectTimeout)
    }

    // MARK: - The line

    func lineConnected() {
        timer?.disarm()
        account.connected(now: upstream.loop.now)
        owner.streamConnected()
    }

    func lineDrained() { owner.streamDrained() }

    func lineGotHead(_ head: HeaderMap, end: Bool) {
        account.answered(status: head.status)
        guard head.status == 200 else {
            howItEnds = GRPCStreamEnd(
                status: GRPCRules.status(head), reason: "the answer has HTTP status \(head.status)")
            return
        }
        if GRPCRules.status(head) != nil {
            howItEnds = Self.end(head)
        } else if !GRPCRules.isRequest(head) {
            howItEnds = GRPCStreamEnd(
                status: nil, reason: "the answer is not gRPC: its content-type is not application/grpc")
        }
        if howItEnds != nil, !end { giveUp() }
    }

    func lineGotBody(_ bytes: ByteView) {
        guard !isOver, howItEnds == nil else { return }
        countBytes()
        reader.feed(bytes)
        while !isOver, let message = reader.next() {
            owner.streamGot(message)
        }
        guard !isOver, let problem = reader.problem else { return }
        howItEnds = GRPCStreamEnd(status: nil, reason: problem)
        howItEnds?.isOverLimit = reader.isOverLimit
        giveUp()
    }

    /// The rest of the answer is of no interest. Not at once: the session is in the middle of its events.
    private func giveUp() {
        upstream.loop.later { [weak self] in
            guard let self, let howItEnds else { return }
            end(howItEnds, .remote)
        }
    }

    func lineGotAll(_ trailers: HeaderMap, isReusable: Bool) {
        if howItEnds == nil {
            howItEnds =
                GRPCRules.status(trailers) == nil
                ? GRPCStreamEnd(status: nil, reason: "the server ended the stream without grpc-status")
                : Self.end(trailers)
        }
        giveUp()
    }

    func lineFailed(_ reason: String) {
        end(howItEnds ?? GRPCStreamEnd(status: nil, reason: reason), howItEnds == nil ? .failure : .remote)
    }

    func lineEnded() { lineFailed("the connection ended") }

    /// What a head or trailers with a status say.
    private static func end(_ fields: HeaderMap) -> GRPCStreamEnd {
        let status = GRPCRules.status(fields) ?? 2
        var reason = "the server ended the stream with grpc-status \(status)"
        if let message = fields.value(named: "grpc-message"), !message.isEmpty {
            let text = String(decoding: PercentCoding.decoded(message.prefix(500)), as: UTF8.self)
            reason += ": \(text)"
        }
        return GRPCStreamEnd(status: status, reason: reason)
    }
}
