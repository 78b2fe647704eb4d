// A session in memory with streams that write down what they hear.
import Reactor

@testable import HTTPWire

/// A stream that notes its events and answers as it is told.
final class NotingStream: HTTP2Stream {
    let head = HeaderMap()
    let tail = HeaderMap()
    var events: [String] = []
    var onHead: ((NotingStream) -> Void)?
    private let slabs: SlabPool

    override init(pool: SlabPool) {
        slabs = pool
        super.init(pool: pool)
        headers = head
        trailers = tail
    }

    override func headCame(end: Bool) {
        let start = head.status > 0 ? "\(head.status)" : "\(head.method) \(head.path) \(head.authority)"
        events.append("head \(start)" + (end ? " end" : ""))
        onHead?(self)
    }

    override func interimCame() { events.append("interim \(head.status)") }

    override func bodyCame(_ bytes: inout ByteQueue, end: Bool) {
        events.append("body \(bytes.count > 40 ? "\(bytes.count) bytes" : bytes.string)" + (end ? " end" : ""))
        bytes.clear()
    }

    override func trailersCame() { events.append("trailers " + tail.lines.joined(separator: ",")) }
    override func streamEnded(_ end: HTTP2StreamEnd) { events.append("ended \(end)") }
    override func drained() { events.append("drained") }
    override func released() { events.append("released") }

    /// Forgets its first life.
    func serveAgain() {
        renew()
        events = []
        onHead = nil
        headers = head
        trailers = tail
    }

    func send(text: String, end: Bool = false) {
        var bytes = ByteQueue(pool: slabs)
        bytes.append(text)
        send(&bytes, end: end)
    }
}

extension HeaderMap {
    var lines: [String] {
        var lines: [String] = []
        forEachField { lines.append("\($0): \($1)") }
        return lines
    }
}

/// One end of a connection.
final class SessionRig {
    let pool: SlabPool
    let session: HTTP2Session
    private let owner = Owner()
    var streams: [NotingStream] { owner.streams }
    var notices: [HTTP2Notice] { owner.notices }
    var onHead: ((NotingStream) -> Void)? {
        get { owner.onHead }
        set { owner.onHead = newValue }
    }

    /// Serves in place of the next new stream.
    var spare: NotingStream? {
        get { owner.spare }
        set { owner.spare = newValue }
    }

    private final class Owner: HTTP2SessionDelegate {
        var spare: NotingStream?
        var streams: [NotingStream] = []
        var notices: [HTTP2Notice] = []
        var onHead: ((NotingStream) -> Void)?

        func sessionMakesStream(_ session: HTTP2Session) -> HTTP2Stream {
            let stream = spare ?? NotingStream(pool: session.pool)
            spare = nil
            stream.onHead = onHead
            streams.append(stream)
            return stream
        }
        func sessionWantsToSend(_ session: HTTP2Session) {}
        func session(_ session: HTTP2Session, noted notice: HTTP2Notice) { notices.append(notice) }
        func session(_ session: HTTP2Session, refused text: @autoclosure () -> String) {}
        func sessionGotSettings(_ session: HTTP2Session) {}
        func sessionGotGoAway(_ session: HTTP2Session, _ code: HTTP2ErrorCode) {}
        func sessionGotPong(_ session: HTTP2Session) {}
    }

    /// A session that has exchanged prefaces and SETTINGS with its peer.
    init(
        _ role: HTTP2Role = .server, settings: [(UInt16, UInt32)] = [], knowsSettings: Bool = true,
        pool: SlabPool = SlabPool(), _ change: (inout HTTP2Options) -> Void = { _ in }
    ) {
        self.pool = pool
        var options = HTTP2Options()
        change(&options)
        session = HTTP2Session(role, options, pool: pool)
        session.start(owner)
        let entries = settings.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] + number($1) }
        receive((role == .server ? Array(HTTP2Session.preface.description.utf8) : []) + frame(.settings, 0, entries))
        if knowsSettings { receive(frame(.settings, Flag.ack)) }
        _ = sent()
    }

    /// Takes bytes in, all at once or in parts, and delivers.
    func receive(_ bytes: [UInt8], parts: Int = .max) {
        var rest = bytes[...]
        while !rest.isEmpty {
            var queue = ByteQueue(pool: pool)
            queue.append(Array(rest.prefix(parts)))
            rest = rest.dropFirst(parts)
            session.receive(&queue)
            session.deliver()
        }
    }

    /// The frames that are ready to be sent.
    func sent(limit: Int = 1 << 20) -> [SentFrame] {
        var queue = ByteQueue(pool: pool)
        session.send(to: &queue, limit: limit)
        session.deliver()
        return SentFrame.parse(queue.array)
    }

    /// Answers a request head in full.
    static func answer(_ stream: NotingStream) {
        let response = HeaderMap()
        response.status = 200
        answer(stream, response)
    }

    static func answer(_ stream: NotingStream, _ response: HeaderMap) { stream.sendResponse(response, end: true) }
}
