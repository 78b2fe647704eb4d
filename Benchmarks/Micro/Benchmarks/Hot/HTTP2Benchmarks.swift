// A request and its answer over two HTTP/2 sessions in memory.
import HTTPWire
import Reactor

private final class Stream: HTTP2Stream {
    private let answer: HeaderMap?

    /// `answer`: what a server says at once.
    init(pool: SlabPool, answer: HeaderMap?) {
        self.answer = answer
        super.init(pool: pool)
        headers = HeaderMap()
        trailers = HeaderMap()
    }

    override func headCame(end: Bool) {
        guard let answer else { return }
        sendResponse(answer, end: true)
    }
}

/// Both ends of a connection.
private final class Pair: HTTP2SessionDelegate {
    private let pool = SlabPool()
    private let request = HeaderMap()
    private let response = HeaderMap()
    private var written: UInt64 = 0
    private let client: HTTP2Session
    private let server: HTTP2Session

    init() {
        client = HTTP2Session(.client, HTTP2Options(), pool: pool)
        server = HTTP2Session(.server, HTTP2Options(), pool: pool)
        client.start(self)
        server.start(self)
        _ = request.setMethod(ByteView("GET"))
        request.setPath(ByteView("/api/v1/items/4711"))
        request.setAuthority(ByteView("shop.example.com"))
        _ = request.setScheme(ByteView("https"))
        request.set(.userAgent, "benchmark")
        request.set(.accept, "application/json")
        response.status = 204
        response.set(.server, "outrider")
    }

    func exchange() {
        let stream = Stream(pool: pool, answer: nil)
        guard client.submitRequest(stream, request, end: true) else { fatalError("no more streams") }
        move(from: client, to: server)
        move(from: server, to: client)
        move(from: client, to: server)
    }

    private func move(from one: HTTP2Session, to other: HTTP2Session) {
        var bytes = ByteQueue(pool: pool)
        one.send(to: &bytes, limit: 64 * 1024)
        // All of it leaves at once.
        written += UInt64(bytes.count)
        one.noteWritten(written, end: written)
        one.deliver()
        other.receive(&bytes)
        other.deliver()
        if let failure = other.failure { fatalError(failure.text) }
    }

    func sessionMakesStream(_ session: HTTP2Session) -> HTTP2Stream { Stream(pool: pool, answer: response) }
    func sessionWantsToSend(_ session: HTTP2Session) {}
    func session(_ session: HTTP2Session, noted notice: HTTP2Notice) {}
    func session(_ session: HTTP2Session, refused text: @autoclosure () -> String) {}
    func sessionGotSettings(_ session: HTTP2Session) {}
    func sessionGotGoAway(_ session: HTTP2Session, _ code: HTTP2ErrorCode) {}
    func sessionGotPong(_ session: HTTP2Session) {}
}

func http2Benchmarks() {
    let pair = Pair()
    measure("http2-request-and-204-both-ends") { pair.exchange() }
}
