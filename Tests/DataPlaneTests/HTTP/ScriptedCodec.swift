// A downstream codec in memory: hands requests to a session and writes down what is answered.
import HTTPWire
import Reactor

@testable import DataPlane

/// The codec of one connection. Holds its session as a real one does.
final class ScriptedCodec: ServerCodec {
    var session: ServerSession?
    var traffic = ConnectionTraffic()
    private(set) var drained = 0
    private(set) var closed = 0
    var exchanges: [Exchange] = []

    private(set) var announced = 0
    var protocolVersion: HTTPVersion? = .http11

    func announceDrain() { announced += 1 }

    func drain() { drained += 1 }

    func closeNow() {
        closed += 1
        for exchange in exchanges where exchange.isOpen { exchange.cutOff(.localClose) }
        session?.connectionClosed(byPeer: false)
    }

    /// The client goes away.
    func clientLeaves() {
        for exchange in exchanges where exchange.isOpen { exchange.cutOff(.connectionTermination) }
        session?.connectionClosed(byPeer: true)
    }
}

/// One request and what was written in answer to it.
final class Exchange: ResponseWriter {
    let loop: EventLoop
    private(set) var receiver: RequestReceiver?
    private(set) var informational: [Int] = []
    private(set) var status = 0
    /// "name: value" lines, in order, as they were written.
    private(set) var fields: [String] = []
    private(set) var body = ""
    private(set) var trailers: [String] = []
    private(set) var isComplete = false
    private(set) var wasReset = false
    private(set) var isTunnel = false
    private(set) var closesAfter = false
    private(set) var isPaused = false
    private(set) var headWasEnd = false
    var isBackedUp = false
    var httpVersion = HTTPVersion.http11
    var wireBytesReceived: UInt64 = 0
    var wireBytesSent: UInt64 = 0

    init(_ loop: EventLoop) { self.loop = loop }

    /// The stream still uses this writer.
    var isOpen: Bool { receiver != nil && !wasReset && !isComplete }

    func open(_ session: ServerSession) { receiver = session.openStream(self) }

    func value(_ name: String) -> String? {
        fields.first { $0.hasPrefix(name + ": ") }.map { String($0.dropFirst(name.utf8.count + 2)) }
    }

    // MARK: What the client does

    /// `fields` are "name: value" lines.
    func head(
        _ method: String = "GET", _ path: String = "/", host: String? = "a", _ fields: [String] = [], end: Bool = true
    ) {
        guard let headers = receiver?.requestHeaders else { return }
        method.bytes { _ = headers.setMethod($0) }
        if !path.isEmpty { path.bytes { headers.setPath($0) } }
        if let host { host.bytes { headers.setAuthority($0) } }
        for field in fields {
            let parts = field.split(separator: ":", maxSplits: 1).map(String.init)
            let name = parts[0]
            let value = parts.count > 1 ? String(parts[1].drop { $0 == " " }) : ""
            name.bytes { name in value.bytes { _ = headers.append(name: name, value: $0) } }
        }
        receiver?.requestHead(end: end)
    }

    func send(_ text: String, end: Bool = false) {
        var bytes = ByteQueue(pool: loop.slabs)
        bytes.append(text)
        receiver?.requestBody(&bytes, end: end)
    }

    func sendTrailers(_ name: String, _ value: String) {
        name.bytes { name in
            value.bytes { _ = receiver?.requestTrailers.append(name: name, value: $0) }
        }
        receiver?.requestTrailersDone()
    }

    func fail(_ kind: HTTP1Failure.Kind, _ text: String) { receiver?.requestFailed(HTTP1Failure(kind, text)) }

    func cutOff(_ reason: DownstreamResetReason) {
        let gone = receiver
        receiver = nil
        gone?.downstreamReset(reason)
    }

    func backUp(_ isBackedUp: Bool) {
        self.isBackedUp = isBackedUp
        if isBackedUp { receiver?.downstreamBackedUp() } else { receiver?.downstreamDrained() }
    }

    // MARK: ResponseWriter

    func sendInformational(_ response: HeaderMap) { informational.append(response.status) }

    func sendHead(_ response: HeaderMap, end: Bool) {
        status = response.status
        fields = response.lines
        headWasEnd = end
        if end { complete() }
    }

    func sendBody(_ bytes: inout ByteQueue, end: Bool) {
        body += bytes.string
        bytes.clear()
        if end && !isTunnel { complete() }
        if end && isTunnel { isComplete = true }
    }

    func sendTrailers(_ trailers: HeaderMap) {
        self.trailers = trailers.lines
        complete()
    }

    func pauseReading() { isPaused = true }
    func resumeReading() { isPaused = false }

    func reset() {
        wasReset = true
        receiver = nil
    }

    func becomeTunnel() { isTunnel = true }
    func closeAfterResponse() { closesAfter = true }

    private func complete() {
        isComplete = true
        receiver = nil
    }
}

extension HeaderMap {
    /// "name: value" of each field, in order.
    var lines: [String] {
        var lines: [String] = []
        forEachField { name, value in lines.append("\(name.string): \(value.string)") }
        return lines
    }
}

extension String {
    /// Lends the UTF-8 bytes.
    func bytes<Result>(_ body: (ByteView) -> Result) -> Result {
        var text = self
        return text.withUTF8 { body(ByteView(UnsafeRawBufferPointer($0))) }
    }
}
