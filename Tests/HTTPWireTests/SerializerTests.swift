// What is written: exact bytes, and that they parse back to the same.
import Reactor
import Testing

@testable import HTTPWire

@Suite struct SerializerTests {
    let pool = SlabPool()

    private func parsed(_ request: String) -> HeaderMap {
        var driver = RequestDriver(.request, HTTP1Options(), pool)
        driver.queue.append(request)
        driver.drain()
        return driver.headers
    }

    private func response(_ text: String) -> HeaderMap {
        var driver = ResponseDriver(.get, true, .response, HTTP1Options(), pool)
        driver.queue.append(text)
        driver.drain()
        return driver.headers
    }

    private func request(
        _ headers: HeaderMap, _ framing: HTTP1SendFraming, _ connection: HTTP1ConnectionField = .none,
        _ style: HTTP1Style = HTTP1Style()
    ) -> String {
        var queue = ByteQueue(pool: pool)
        HTTP1Serializer.requestHead(headers, framing: framing, connection: connection, style: style, to: &queue)
        return queue.string
    }

    @Test func caseAndOrderAreKeptAndBlanksAreNot() {
        let headers = parsed(
            "GET /a HTTP/1.1\r\nX-First:1\r\nhOST: h\r\nUser-AGENT:   curl  \r\nX-last: 2\r\nConnection: close\r\n\r\n")
        headers.append(.xRequestID, "id")
        #expect(
            request(headers, .none)
                == "GET /a HTTP/1.1\r\nhOST: h\r\nX-First: 1\r\nUser-AGENT: curl\r\nX-last: 2\r\nx-request-id: id\r\n\r\n"
        )
    }

    @Test func changedValuesAreWrittenInTheirPlace() {
        let headers = parsed("GET /a HTTP/1.1\r\nHost: h\r\nA: 12345\r\nUser-Agent: curl\r\nB: 2\r\nC: 3\r\n\r\n")
        headers.set(.userAgent, "me")
        headers.remove(named: ByteView("b"))
        headers.set(name: ByteView("a"), value: ByteView("54321"))
        headers.set(name: ByteView("C"), value: ByteView("something longer"))
        #expect(
            request(headers, .none)
                == "GET /a HTTP/1.1\r\nHost: h\r\nA: 54321\r\nUser-Agent: me\r\nC: something longer\r\n\r\n")
    }

    @Test func theLengthIsWrittenOnceAndWithoutLeadingZeros() {
        let headers = parsed("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 005\r\n\r\nhello")
        #expect(request(headers, .length(5)) == "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n")
        headers.append(.contentLength, "5")
        headers.append(.contentLength, "6")
        #expect(request(headers, .length(5)) == "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n")
        #expect(request(headers, .chunked) == "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    }

    @Test func framingIsWrittenAsTold() {
        let headers = parsed("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nA: b\r\n\r\nhello")
        #expect(request(headers, .length(7)) == "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\nA: b\r\n\r\n")
        #expect(request(headers, .length(5)) == "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nA: b\r\n\r\n")
        #expect(
            request(headers, .chunked) == "POST /a HTTP/1.1\r\nHost: h\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n")
        #expect(request(headers, .none, .close) == "POST /a HTTP/1.1\r\nHost: h\r\nA: b\r\nConnection: close\r\n\r\n")
        #expect(request(headers, .asGiven) == "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nA: b\r\n\r\n")
        headers.append(.contentLength, "6")
        headers.append(.transferEncoding, "gzip")
        headers.append(.connection, "a, b")
        #expect(
            request(headers, .length(7), .upgrade)
                == "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\nA: b\r\nConnection: upgrade\r\n\r\n")
    }

    @Test func names() {
        let headers = parsed("GET /a HTTP/1.1\r\nhost: h\r\ncontent-TYPE: x\r\nx_1b-c2d: y\r\n\r\n")
        var style = HTTP1Style()
        style.names = .proper
        #expect(
            request(headers, .length(0), .keepAlive, style)
                == "GET /a HTTP/1.1\r\nHost: h\r\nContent-Type: x\r\nX_1b-C2d: y\r\nContent-Length: 0\r\n"
                + "Connection: keep-alive\r\n\r\n")
        style.names = .lower
        #expect(
            request(headers, .none, .none, style)
                == "GET /a HTTP/1.1\r\nhost: h\r\ncontent-type: x\r\nx_1b-c2d: y\r\n\r\n")
        style.names = .preserve
        #expect(request(headers, .chunked, .none, style).contains("\r\ntransfer-encoding: chunked\r\n"))
    }

    @Test func targets() {
        let connect = parsed("CONNECT a:443 HTTP/1.1\r\nHost: b\r\n\r\n")
        #expect(request(connect, .none) == "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n")
        var style = HTTP1Style()
        style.absoluteTarget = true
        let absolute = parsed("GET /x HTTP/1.1\r\nHost: b\r\n\r\n")
        #expect(request(absolute, .none, .none, style) == "GET http://b/x HTTP/1.1\r\nHost: b\r\n\r\n")
        let rewritten = parsed("GET http://c/x HTTP/1.1\r\nHost: b\r\n\r\n")
        #expect(request(rewritten, .none) == "GET /x HTTP/1.1\r\nhost: c\r\n\r\n")
        let star = parsed("OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n")
        #expect(request(star, .none, .none, style) == "OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n")
    }

    @Test func nothingSetFromCodeBreaksALine() {
        let headers = parsed("GET / HTTP/1.1\r\nHost: b\r\n\r\n")
        let bytes: [UInt8] = Array("a\r\nX: y\0z".utf8)
        bytes.withUnsafeBytes { raw in
            let view = ByteView(raw)
            headers.append(.userAgent, view)
            headers.set(.server, view)
            headers.append(name: ByteView("X-A"), value: view)
            #expect(!headers.append(name: view, value: view))
            #expect(!headers.append(name: ByteView(), value: view))
            headers.setPath(view)
            headers.setAuthority(view)
            #expect(!headers.setMethod(view))
            #expect(!headers.setScheme(view))
        }
        #expect(
            request(headers, .none)
                == "GET a%0D%0AX:%20y%00z HTTP/1.1\r\nHost: aX:yz\r\nuser-agent: a  X: y z\r\nserver: a  X: y z\r\n"
                + "X-A: a  X: y z\r\n\r\n")
    }

    @Test func responses() {
        func write(
            _ headers: HeaderMap, _ framing: HTTP1SendFraming, version: HTTPVersion = .http11,
            style: HTTP1Style = HTTP1Style()
        ) -> String {
            var queue = ByteQueue(pool: pool)
            HTTP1Serializer.responseHead(headers, framing: framing, version: version, style: style, to: &queue)
            return queue.string
        }
        let headers = response("HTTP/1.1 200 Fine\r\nServer: x\r\nContent-Length: 0\r\n\r\n")
        #expect(write(headers, .length(0)) == "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 0\r\n\r\n")
        #expect(write(headers, .untilClose, version: .http10) == "HTTP/1.0 200 OK\r\nServer: x\r\n\r\n")
        var style = HTTP1Style()
        style.forwardReason = true
        #expect(write(headers, .none, style: style) == "HTTP/1.1 200 Fine\r\nServer: x\r\n\r\n")
        headers.status = 404
        #expect(
            write(headers, .chunked, style: style)
                == "HTTP/1.1 404 Not Found\r\nServer: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        headers.status = 799
        #expect(write(headers, .none).hasPrefix("HTTP/1.1 799 Unknown\r\n"))
        headers.status = 12345
        #expect(write(headers, .none).hasPrefix("HTTP/1.1 999 Unknown\r\n"))
    }

    @Test func chunksAndTrailers() {
        var body = ByteQueue(pool: pool)
        var queue = ByteQueue(pool: pool)
        HTTP1Serializer.chunk(&body, to: &queue)
        body.append("0123456789abcdefg")
        HTTP1Serializer.chunk(&body, to: &queue)
        let trailers = HeaderMap()
        trailers.append(name: ByteView("X-Sum"), value: ByteView("1"))
        trailers.append(.contentLength, "3")
        HTTP1Serializer.lastChunk(trailers: trailers, to: &queue)
        HTTP1Serializer.lastChunk(to: &queue)
        let (written, left) = (queue.string, body.count)
        #expect(written == "11\r\n0123456789abcdefg\r\n0\r\nX-Sum: 1\r\n\r\n0\r\n\r\n")
        #expect(left == 0)
    }

    @Test func framingRules() {
        let get = parsed("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(HTTP1SendFraming.request(get, end: true) == .none)
        #expect(HTTP1SendFraming.request(get, end: false) == .chunked)
        let post = parsed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
        #expect(HTTP1SendFraming.request(post, end: false) == .length(3))
        #expect(HTTP1SendFraming.request(post, end: true) == .length(0))
        let connect = parsed("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(HTTP1SendFraming.request(connect, end: false) == .none)
        let ok = response("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")
        #expect(HTTP1SendFraming.response(ok, to: .get, version: .http11, end: false) == .length(3))
        #expect(HTTP1SendFraming.response(ok, to: .head, version: .http11, end: true) == .asGiven)
        #expect(HTTP1SendFraming.response(ok, to: .connect, version: .http11, end: false) == .none)
        ok.remove(.contentLength)
        #expect(HTTP1SendFraming.response(ok, to: .get, version: .http11, end: false) == .chunked)
        #expect(HTTP1SendFraming.response(ok, to: .get, version: .http10, end: false) == .untilClose)
        #expect(HTTP1SendFraming.response(ok, to: .get, version: .http11, end: true) == .length(0))
        ok.status = 304
        #expect(HTTP1SendFraming.response(ok, to: .get, version: .http11, end: true) == .asGiven)
        ok.status = 204
        #expect(HTTP1SendFraming.response(ok, to: .get, version: .http11, end: true) == .none)
        ok.status = 101
        #expect(HTTP1SendFraming.response(ok, to: .get, version: .http11, end: false) == .none)
    }

    @Test func whatIsWrittenIsReadBackTheSame() {
        let text = "POST /a?b HTTP/1.1\r\nHost: h:1\r\nX-A: 1\r\nx-b:\r\nX-A: 2\r\nContent-Length: 3\r\n\r\n"
        let once = request(parsed(text + "abc"), .length(3))
        #expect(request(parsed(once + "abc"), .length(3)) == once)
        #expect(once == text.replacing("x-b:\r\n", with: "x-b: \r\n"))
    }
}
