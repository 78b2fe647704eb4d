// One session with streams that answer, pause, resume and reset as their number says.
import HTTPWire
import Reactor

/// A stream that takes what comes and does something with it.
final class BusyStream: HTTP2Stream {
    private let head = HeaderMap()
    private let tail = HeaderMap()
    private let slabs: SlabPool
    private let habit: Int

    init(pool: SlabPool, habit: Int) {
        slabs = pool
        self.habit = habit
        super.init(pool: pool)
        headers = head
        trailers = tail
    }

    override func headCame(end: Bool) {
        if head.method.isEmpty { return }
        switch habit & 7 {
        case 0: respond(end: true)
        case 1:
            respond(end: false)
            send(text: "hello", end: true)
        case 2:
            pause()
            respond(end: false)
        case 3: reset(.cancel)
        case 4:
            respond(end: false)
            send(text: String(repeating: "x", count: 100_000), end: false)
            tail.append(.grpcStatus, "0")
            sendFinalFields(tail)
        case 5:
            respond(end: true)
            detach()
        default: break
        }
    }

    override func bodyCame(_ bytes: inout ByteQueue, end: Bool) {
        if habit & 8 != 0 { send(&bytes, end: end) } else { bytes.clear() }
        if habit & 16 != 0 { pause() }
    }

    override func trailersCame() { resume() }

    func send(text: String, end: Bool) {
        var bytes = ByteQueue(pool: slabs)
        bytes.append(text)
        send(&bytes, end: end)
    }

    private func respond(end: Bool) {
        let response = HeaderMap()
        response.status = 200
        response.append(.contentType, "text/plain")
        sendResponse(response, end: end)
    }
}

/// Feeds one session and reads what it sends.
final class SessionRun: HTTP2SessionDelegate {
    private let pool: SlabPool
    private let choices: UInt8
    private var session: HTTP2Session?
    private var streams: [BusyStream] = []

    init(choices: UInt8, pool: SlabPool) {
        self.choices = choices
        self.pool = pool
        var options = HTTP2Options()
        options.allowConnect = choices & 2 != 0
        options.resetsMalformedMessages = choices & 4 != 0
        options.limits = HTTP1Limits(maxHeaderBytes: 2000, maxHeaderCount: 20)
        options.maxEmptyFrames = 20
        options.streamBacklog = 1000
        if choices & 8 != 0 { options.underscores = .dropHeader }
        let session = HTTP2Session(choices & 1 == 0 ? .server : .client, options, pool: pool)
        session.start(self)
        self.session = session
        if choices & 1 == 0 {
            take(Array(HTTP2Session.preface.description.utf8))
        } else {
            for _ in 0..<4 { request(session) }
        }
    }

    private func request(_ session: HTTP2Session) {
        let stream = BusyStream(pool: pool, habit: 31)
        let request = HeaderMap()
        request.setMethod(ByteView("POST"))
        request.setPath(ByteView("/"))
        request.setAuthority(ByteView("a"))
        if session.submitRequest(stream, request, end: false) {
            streams.append(stream)
            stream.send(text: "hello", end: streams.count & 1 == 0)
        }
    }

    func feed(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = choices & 16 == 0 ? rest.count : 1 + Int(choices >> 5)
            take(Array(rest.prefix(part)))
            rest = rest.dropFirst(part)
            if rest.count & 63 == 0 { for stream in streams { stream.resume() } }
        }
    }

    private func take(_ bytes: [UInt8]) {
        guard let session else { return }
        var queue = ByteQueue(pool: pool)
        queue.append(bytes)
        session.receive(&queue)
        session.deliver()
        send(session)
    }

    private func send(_ session: HTTP2Session) {
        var queue = ByteQueue(pool: pool)
        session.send(to: &queue, limit: 64 * 1024)
        session.deliver()
        let sent = queue.array
        var place = choices & 1 == 1 && sent.starts(with: Array("PRI".utf8)) ? 24 : 0
        while place < sent.count {
            guard place + 9 <= sent.count else { fatalError("half a frame header was sent") }
            place += 9 + (Int(sent[place]) << 16 | Int(sent[place + 1]) << 8 | Int(sent[place + 2]))
        }
        if place != sent.count { fatalError("half a frame was sent") }
    }

    /// The connection is gone.
    func end() {
        session?.close(.connectionGone)
        if session?.streamCount ?? 0 > 0 { fatalError("streams are left") }
        session = nil
        streams = []
    }

    func sessionMakesStream(_ session: HTTP2Session) -> HTTP2Stream {
        let stream = BusyStream(pool: pool, habit: streams.count &+ Int(choices))
        streams.append(stream)
        return stream
    }

    func sessionWantsToSend(_ session: HTTP2Session) {}
    func session(_ session: HTTP2Session, noted notice: HTTP2Notice) {}
    func session(_ session: HTTP2Session, refused text: @autoclosure () -> String) {}
    func sessionGotSettings(_ session: HTTP2Session) {}
    func sessionGotGoAway(_ session: HTTP2Session, _ code: HTTP2ErrorCode) {}
    func sessionGotPong(_ session: HTTP2Session) {}
}
