// Requests as RFC 9112 wants them.
import Reactor
import Testing

@testable import HTTPWire

@Suite struct RequestParserTests {
    @Test func plainGet() {
        let (transcript, failure) = parseRequests(
            "GET /a?b=c HTTP/1.1\r\nHost: example.com\r\nUser-Agent: \t curl/8 \t\r\nX-Empty:\r\nAccept:*/*\r\n\r\n")
        #expect(failure == nil)
        #expect(
            transcript.lines == [
                "head GET /a?b=c http11 none authority=example.com", "  User-Agent: curl/8", "  X-Empty: ",
                "  Accept: */*", "end",
            ])
    }

    @Test func pipelinedRequestsComeOneByOne() {
        let (transcript, _) = parseRequests(
            "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                + "POST /2 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
                + "GET /3 HTTP/1.1\r\nHOST: a\r\n\r\n")
        #expect(
            transcript.lines == [
                "head POST /1 http11 length(3) authority=a", "  Content-Length: 3", "body abc", "end",
                "head POST /2 http11 chunked authority=a", "  transfer-encoding: chunked", "body abcde", "end",
                "head GET /3 http11 none authority=a", "end",
            ])
    }

    @Test func emptyLinesBeforeARequestAreSkipped() {
        #expect(parseRequests("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").transcript.lines.count == 2)
        let nine = String(repeating: "\r\n", count: 9)
        #expect(parseRequests(nine + "GET / HTTP/1.1\r\nHost: a\r\n\r\n").failure?.kind == .malformedRequestLine)
    }

    @Test(arguments: [
        ("GET http://b/x?y HTTP/1.1\r\nHost: a\r\n\r\n", "head GET /x?y http11 none authority=b scheme=http"),
        ("GET HTTPS://b:8443 HTTP/1.1\r\nHost: a\r\n\r\n", "head GET / http11 none authority=b:8443 scheme=HTTPS"),
        ("GET http://b?x HTTP/1.1\r\nHost: a\r\n\r\n", "head GET /?x http11 none authority=b scheme=http"),
        ("OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n", "head OPTIONS * http11 none authority=b scheme=http"),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "head OPTIONS * http11 none authority=a"),
        ("CONNECT b:443 HTTP/1.1\r\nHost: a\r\n\r\n", "head CONNECT  http11 none authority=b:443"),
        ("CONNECT [::1]:443 HTTP/1.1\r\nHost: a\r\n\r\n", "head CONNECT  http11 none authority=[::1]:443"),
        ("GET //x HTTP/1.1\r\nHost: a\r\n\r\n", "head GET //x http11 none authority=a"),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", "head GET / http11 none authority="),
        ("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "head GET / http11 none authority=[::1]:80"),
        ("PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n", "head PROPFIND / http11 none authority=a"),
        ("GET / HTTP/1.7\r\nHost: a\r\n\r\n", "head GET / http11 none authority=a"),
    ])
    func targets(request: String, head: String) {
        let (transcript, _) = parseRequests(request)
        #expect(transcript.lines.first == head)
        #expect(transcript.lines.last == "end")
    }

    @Test(arguments: [
        ("Connection: close\r\n", " close"),
        ("connection: foo, Close\r\n", " close"),
        ("Proxy-Connection: close\r\n", " close"),
        ("Connection: keep-alive\r\n", ""),
        ("Connection: keep-alive\r\nConnection: close\r\n", " close"),
        ("Connection: keep-alive\r\nProxy-Connection: close\r\n", " close"),
        ("Upgrade: websocket\r\n", ""),
    ])
    func connectionFacts(fields: String, facts: String) throws {
        let (transcript, _) = parseRequests("GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n")
        let head = try #require(transcript.lines.first)
        #expect(String(head.split(separator: "=", maxSplits: 1)[1].dropFirst()) == facts)
    }

    @Test func oldVersionWhenAllowed() {
        var options = HTTP1Options()
        options.allowHTTP10 = true
        options.defaultHost = FixedBytes("fallback")
        let (closing, _) = parseRequests("GET / HTTP/1.0\r\n\r\n", options: options)
        #expect(closing.lines.first == "head GET / http10 none authority=fallback close")
        let (kept, _) = parseRequests(
            "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
            options: options)
        #expect(kept.lines.first == "head GET / http10 none authority=a")
        options.defaultHost = nil
        #expect(parseRequests("GET / HTTP/1.0\r\n\r\n", options: options).failure?.kind == .missingHost)
        let coded = parseRequests(
            "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", options: options)
        #expect(coded.failure?.kind == .invalidTransferEncoding)
    }

    @Test func trailersAreReadAndFramingFieldsInThemDropped() {
        let (transcript, _) = parseRequests(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "00a\r\n0123456789\r\n0;last\r\nX-Sum: 1\r\nContent-Length: 7\r\nHost: b\r\nx-more:  2 \r\n\r\n")
        #expect(
            transcript.lines.suffix(5) == ["body 0123456789", "trailers", "  X-Sum: 1", "  x-more: 2", "end"])
    }

    @Test func lengthBesideChunkedIsDroppedWhenAllowed() {
        var options = HTTP1Options()
        options.allowChunkedLength = true
        let (transcript, _) = parseRequests(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            options: options)
        #expect(
            transcript.lines == [
                "head POST / http11 chunked authority=a close", "  Transfer-Encoding: chunked", "end",
            ])
    }

    @Test func underscores() {
        let request = "GET / HTTP/1.1\r\nHost: a\r\nx_y: 1\r\nx-z: 2\r\n\r\n"
        #expect(parseRequests(request).transcript.lines.contains("  x_y: 1"))
        var options = HTTP1Options()
        options.underscores = .dropHeader
        #expect(
            parseRequests(request, options: options).transcript.lines == [
                "head GET / http11 none authority=a", "  x-z: 2", "end",
            ])
        options.underscores = .rejectRequest
        let failure = parseRequests(request, options: options).failure
        #expect(failure?.kind == .underscoreInName)
        #expect(failure?.details.description == "http1.unexpected_underscore")
    }

    @Test func customMethods() {
        var options = HTTP1Options()
        options.allowCustomMethods = true
        let (transcript, _) = parseRequests("BREW / HTTP/1.1\r\nHost: a\r\n\r\n", options: options)
        #expect(transcript.lines.first == "head BREW / http11 none authority=a")
    }

    @Test func absoluteTargetsWhenNotAllowed() {
        var options = HTTP1Options()
        options.allowAbsoluteURL = false
        let failure = parseRequests("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", options: options).failure
        #expect(failure?.kind == .invalidTarget)
    }

    @Test func theEndOfTheConnectionInsideOfARequestIsSaid() {
        let pool = SlabPool()
        var driver = RequestDriver(.request, HTTP1Options(), pool)
        #expect(isEnd(driver.parser.finish()))
        driver.queue.append("GET / HT")
        driver.drain()
        let isInMessage = driver.parser.isInMessage
        #expect(isInMessage)
        guard case .failure(let failure) = driver.parser.finish() else {
            Issue.record("no failure")
            return
        }
        #expect(failure.kind == .truncated)
    }

    private func isEnd(_ event: HTTP1Event) -> Bool {
        if case .end = event { return true }
        return false
    }

    @Test func bodiesOfManySlabs() {
        let pool = SlabPool(keepLimit: 0)
        var driver = RequestDriver(.request, HTTP1Options(), pool)
        let size = 100_000
        driver.queue.append("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(size)\r\n\r\n")
        driver.queue.append([UInt8](repeating: 0x61, count: size))
        driver.drain()
        #expect(driver.transcript.lines[2].utf8.count == size + 5)
        #expect(driver.transcript.lines.last == "end")
        #expect(pool.slabsInUse == 0)
    }
}
