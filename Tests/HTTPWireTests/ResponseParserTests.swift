// Responses as RFC 9112 wants them, and those that are refused.
import Reactor
import Testing

@testable import HTTPWire

@Suite struct ResponseParserTests {
    @Test(arguments: [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            ["head 200 http11 length(2)", "  Content-Length: 2", "body ok", "end"]
        ),
        ("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", ["head 200 http11 none", "  Content-Length: 0", "end"]),
        ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", ["head 200 http11 none", "  Content-Length: 0", "end"]),
        ("HTTP/1.1 299 \u{e9} x\r\nContent-Length: 0\r\n\r\n", ["head 299 http11 none", "  Content-Length: 0", "end"]),
        ("HTTP/1.1 200 OK\r\n\r\nabc", ["head 200 http11 untilClose close", "body abc", "end"]),
        ("HTTP/1.0 200 OK\r\n\r\nabc", ["head 200 http10 untilClose close", "body abc", "end"]),
        (
            "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\na",
            ["head 200 http10 length(1)", "  Content-Length: 1", "  Connection: keep-alive", "body a", "end"]
        ),
        (
            "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na",
            ["head 200 http10 length(1) close", "  Content-Length: 1", "body a", "end"]
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n",
            [
                "head 200 http11 chunked close", "  Transfer-Encoding: chunked", "  Connection: close", "body ok",
                "trailers", "  X-T: 1", "end",
            ]
        ),
        ("HTTP/1.1 204 No\r\n\r\n", ["head 204 http11 none", "end"]),
        ("HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n", ["head 204 http11 none", "end"]),
        ("HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n", ["head 304 http11 none", "  Content-Length: 9", "end"]),
        (
            "HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n",
            ["head 304 http11 none", "  Transfer-Encoding: chunked", "end"]
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            ["interim 100", "interim 103", "  Link: x", "head 200 http11 none", "  Content-Length: 0", "end"]
        ),
        (
            "HTTP/1.1 599 X\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
            ["head 599 http11 none", "  Host: h", "  Content-Length: 0", "end"]
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab",
            ["head 200 http11 length(9)", "  Content-Length: 9", "body ab", "failure truncated"]
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
            ["head 200 http11 chunked", "  Transfer-Encoding: chunked", "body ab", "failure truncated"]
        ),
        ("HTTP/1.1 200 OK\r\nContent", ["failure truncated"]),
        ("HTTP/1.1 100 Continue\r\n\r\n", ["interim 100", "failure truncated"]),
        ("", ["end"]),
    ])
    func responses(text: String, events: [String]) {
        #expect(parseResponse(text).transcript.lines == events)
    }

    @Test func answersToHeadHaveNoBody() {
        #expect(
            parseResponse("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", to: .head).transcript.lines == [
                "head 200 http11 none", "  Content-Length: 9", "end",
            ])
        #expect(
            parseResponse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", to: .head).transcript.lines == [
                "head 200 http11 none", "  Transfer-Encoding: chunked", "end",
            ])
        #expect(
            parseResponse("HTTP/1.1 200 OK\r\n\r\n", to: .head).transcript.lines == ["head 200 http11 none", "end"])
    }

    @Test func tunnels() {
        #expect(
            parseResponse("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nraw", to: .connect).transcript.lines == [
                "head 200 http11 tunnel close", "end",
            ])
        #expect(
            parseResponse("HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\nraw", upgrade: true).transcript.lines == [
                "head 101 http11 tunnel close", "  Upgrade: x", "end",
            ])
        #expect(
            parseResponse("HTTP/1.1 403 No\r\nContent-Length: 1\r\n\r\na", to: .connect).transcript.lines.count == 4)
    }

    @Test(arguments: [
        ("HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\n", HTTP1Failure.Kind.unexpectedUpgrade),
        ("HTTP/1.1 2000 OK\r\n\r\n", .malformedStatusLine),
        ("HTTP/1.1 20 OK\r\n\r\n", .malformedStatusLine),
        ("HTTP/1.1 099 OK\r\n\r\n", .malformedStatusLine),
        ("HTTP/1.1  200 OK\r\n\r\n", .malformedStatusLine),
        ("HTTP/1.1 200\tOK\r\n\r\n", .malformedStatusLine),
        ("HTTP/1.1 2x0 OK\r\n\r\n", .malformedStatusLine),
        ("HTTP/1.1 200 a\u{1}\r\n\r\n", .malformedStatusLine),
        ("HTTP/2.0 200 OK\r\n\r\n", .malformedStatusLine),
        ("HTTP/2 200\r\n\r\n", .malformedStatusLine),
        ("http/1.1 200 OK\r\n\r\n", .malformedStatusLine),
        ("ICY 200 OK\r\n\r\n", .malformedStatusLine),
        ("\r\nHTTP/1.1 200 OK\r\n\r\n", .malformedStatusLine),
        ("HTTP/1.1 200 OK\nX: a\n\n", .bareLineEnding),
        ("HTTP/1.1 200 O\rK\r\n\r\n", .bareLineEnding),
        ("HTTP/1.1 200 OK\r\nX: a\0\r\n\r\n", .invalidCharacter),
        ("HTTP/1.1 200 OK\r\nX : a\r\n\r\n", .malformedField),
        ("HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", .foldedField),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
            .contentLengthAndTransferEncoding
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n", .invalidContentLength),
        ("HTTP/1.1 200 OK\r\nContent-Length: a\r\n\r\n", .invalidContentLength),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", .invalidTransferEncoding),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n", .invalidTransferEncoding),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", .invalidTransferEncoding),
        ("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", .bodyForbidden),
        ("HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n", .bodyForbidden),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", .malformedChunk),
    ])
    func refused(text: String, kind: HTTP1Failure.Kind) {
        let failure = parseResponse(text).failure
        #expect(failure?.kind == kind, "\(failure?.text ?? "no failure")")
    }

    /// An access log may be written while a head is still coming, and combines values.
    @Test func lookingAtHalfAHeadChangesNothing() {
        var parser = HTTP1ResponseParser()
        parser.begin(method: .get)
        var queue = ByteQueue(pool: SlabPool())
        let headers = HeaderMap()
        let via = HeaderKey(.via)
        for byte in "HTTP/1.1 305 Use\r\nVia: a\r\nVia: b\r\nContent-Length: 0\r\n\r".utf8 {
            queue.append([byte])
            guard case .needMore = parser.next(&queue, headers: headers, trailers: HeaderMap()) else {
                Issue.record("not the end yet")
                return
            }
            _ = headers.value(HeaderKey.Pseudo.status)
            _ = headers.combinedValue(via)
        }
        #expect(headers.combinedValue(via)?.equals("a,b") == true)
        queue.append([0x0a])
        guard case .head = parser.next(&queue, headers: headers, trailers: HeaderMap()) else {
            Issue.record("no head")
            return
        }
        #expect(headers.status == 305 && headers.reason.equals("Use"))
        #expect(headers.value(.contentLength)?.equals("0") == true)
    }

    @Test func whatFollowsTheResponseStaysInTheQueue() {
        var driver = ResponseDriver(.get, false, .response, HTTP1Options(), SlabPool())
        driver.queue.append("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokEXTRA")
        driver.drain()
        let rest = driver.queue.string
        #expect(rest == "EXTRA")
        let isInMessage = driver.parser.isInMessage
        #expect(!isInMessage)
    }
}
