// Limits of heads and trailers, and what their refusals say.
import Reactor
import Testing

@testable import HTTPWire

@Suite struct LimitTests {
    @Test func tooManyFieldsNameLimitSettingAndCount() throws {
        let fields = (1...100).map { "X-\($0): a\r\n" }.joined()
        let refused = parseRequests("GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n").failure
        let failure = try #require(refused)
        #expect(failure.kind == .tooManyHeaders)
        #expect(failure.status == 431)
        #expect(failure.details.description == "http1.too_many_headers")
        #expect(
            failure.text
                == "request header count 101 exceeds common_http_protocol_options.max_headers_count 100")
    }

    @Test func exactlyTheLimitPasses() {
        let fields = (1...99).map { "X-\($0): a\r\n" }.joined()
        #expect(parseRequests("GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n").failure == nil)
        let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        let limits = HTTP1Limits(maxHeaderBytes: request.utf8.count)
        #expect(parseRequests(request, limits: limits).failure == nil)
        let less = HTTP1Limits(maxHeaderBytes: request.utf8.count - 1)
        #expect(parseRequests(request, limits: less).failure?.kind == .headersTooLarge)
    }

    @Test func everyByteLimitGivesTheSameAnswerHoweverTheHeadIsCut() {
        let request = "GET /path HTTP/1.1\r\nHost: a\r\nX-Name: value\r\n\r\n"
        for limit in 0...request.utf8.count {
            let failure = parseRequests(request, limits: HTTP1Limits(maxHeaderBytes: limit)).failure
            #expect((failure?.kind == .headersTooLarge) == (limit < request.utf8.count))
        }
    }

    @Test func tooManyBytesNameLimitSettingSizeAndField() throws {
        let refused = parseRequests(
            "GET / HTTP/1.1\r\nHost: a\r\nCookie: \(String(repeating: "c", count: 70000))\r\n\r\n"
        ).failure
        let failure = try #require(refused)
        #expect(failure.kind == .headersTooLarge)
        #expect(failure.status == 431)
        #expect(failure.details.description == "http1.headers_too_large")
        #expect(failure.text.contains("exceed max_request_headers_kb 60 KiB (61440 bytes)"))
        #expect(failure.text.contains("\"Cookie\""))
    }

    @Test func theTargetCounts() {
        let failure = parseRequests("GET /\(String(repeating: "a", count: 70000)) HTTP/1.1\r\nHost: a\r\n\r\n").failure
        #expect(failure?.kind == .headersTooLarge)
    }

    @Test func trailersHaveTheSameLimits() {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        let big = parseRequests("\(head)X: \(String(repeating: "a", count: 62000))\r\n\r\n").failure
        #expect(big?.kind == .trailersTooLarge)
        #expect(big?.status == 431)
        #expect(big?.text.hasPrefix("trailers of at least") == true)
        let many = parseRequests(head + String(repeating: "X: a\r\n", count: 101) + "\r\n").failure
        #expect(many?.kind == .tooManyTrailers)
        #expect(many?.text.hasPrefix("trailer count 101 exceeds") == true)
    }

    @Test func responsesNameTheirOwnSetting() throws {
        let refused = parseResponse("HTTP/1.1 200 OK\r\nX: \(String(repeating: "a", count: 90000))\r\n\r\n").failure
        let failure = try #require(refused)
        #expect(failure.kind == .headersTooLarge)
        #expect(failure.text.contains("common_http_protocol_options.max_response_headers_kb 80 KiB"))
    }

    @Test func whatCameFromTheNetworkIsEscapedInTexts() {
        #expect(HTTP1Failure.quote(ByteView("a\"\\\u{1}é")) == "\"a\\\"\\\\\\x01\\xc3\\xa9\"")
        #expect(HTTP1Failure.quote(ByteView("abcdef"), limit: 3) == "\"abc...\"")
    }

    @Test func everyKindHasAStatusAndDetails() {
        for kind in HTTP1Failure.Kind.allCases {
            let failure = HTTP1Failure(kind, "x")
            #expect(failure.status >= 400 && failure.status < 600)
            #expect(failure.details.utf8CodeUnitCount > 0)
        }
    }

    @Test func aTableThatGrewGivesItsMemoryBack() {
        let pool = SlabPool()
        let limits = HTTP1Limits(maxHeaderBytes: 200_000)
        var driver = RequestDriver(limits, HTTP1Options(), pool)
        driver.queue.append("GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "a", count: 100_000))\r\n\r\n")
        driver.drain()
        #expect(driver.headers.table.arena.capacity >= 100_000)
        driver.headers.removeAll()
        #expect(driver.headers.table.arena.capacity == 0)
    }
}
