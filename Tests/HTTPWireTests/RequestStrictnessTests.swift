// Requests that are refused, and what the refusal says.
import Reactor
import Testing

@testable import HTTPWire

/// A request that has to fail.
struct BadRequest: CustomTestStringConvertible, Sendable {
    let name: String
    let bytes: String
    let kind: HTTP1Failure.Kind

    init(_ name: String, _ bytes: String, _ kind: HTTP1Failure.Kind) {
        self.name = name
        self.bytes = bytes
        self.kind = kind
    }

    var testDescription: String { name }

    static func get(_ name: String, _ fields: String, _ kind: HTTP1Failure.Kind) -> BadRequest {
        BadRequest(name, "GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n", kind)
    }

    static func post(_ name: String, _ fields: String, _ kind: HTTP1Failure.Kind) -> BadRequest {
        BadRequest(name, "POST / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n0\r\n\r\n", kind)
    }

    static func chunked(_ name: String, _ body: String, _ kind: HTTP1Failure.Kind = .malformedChunk) -> BadRequest {
        BadRequest(name, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(body)", kind)
    }

    static func line(_ name: String, _ line: String, _ kind: HTTP1Failure.Kind) -> BadRequest {
        BadRequest(name, "\(line)\r\nHost: a\r\n\r\n", kind)
    }
}

@Suite struct RequestStrictnessTests {
    @Test(arguments: [
        BadRequest.line("no version", "GET /", .lowVersion),
        .line("no version, no path", "GET foo", .malformedRequestLine),
        .line("no space", "GET", .malformedRequestLine),
        .line("HTTP/1.0", "GET / HTTP/1.0", .lowVersion),
        .line("HTTP/0.9", "GET / HTTP/0.9", .lowVersion),
        .line("HTTP/2.0", "GET / HTTP/2.0", .unsupportedVersion),
        .line("HTTP/9.9", "GET / HTTP/9.9", .unsupportedVersion),
        .line("HTTP/11", "GET / HTTP/11", .malformedRequestLine),
        .line("HTTP/1.10", "GET / HTTP/1.10", .malformedRequestLine),
        .line("lower-case version", "GET / http/1.1", .malformedRequestLine),
        .line("two spaces", "GET  / HTTP/1.1", .malformedRequestLine),
        .line("two spaces before version", "GET /  HTTP/1.1", .malformedRequestLine),
        .line("space behind", "GET / HTTP/1.1 ", .malformedRequestLine),
        .line("tab", "GET\t/ HTTP/1.1", .malformedRequestLine),
        .line("space in target", "GET /a b HTTP/1.1", .malformedRequestLine),
        .line("leading space", " GET / HTTP/1.1", .malformedRequestLine),
        .line("unknown method", "BREW / HTTP/1.1", .unknownMethod),
        .line("lower-case method", "get / HTTP/1.1", .unknownMethod),
        .line("illegal method", "G@T / HTTP/1.1", .malformedRequestLine),
        .line("relative target", "GET foo HTTP/1.1", .invalidTarget),
        .line("asterisk", "GET * HTTP/1.1", .invalidTarget),
        .line("fragment", "GET /x#y HTTP/1.1", .fragmentInTarget),
        .line("UTF-8 in target", "GET /\u{e9} HTTP/1.1", .malformedRequestLine),
        .line("DEL in target", "GET /\u{7f} HTTP/1.1", .malformedRequestLine),
        .line("NUL in target", "GET /\0 HTTP/1.1", .invalidCharacter),
        .line("CR in target", "GET /\r HTTP/1.1", .bareLineEnding),
        .line("other scheme", "GET ftp://b/ HTTP/1.1", .invalidScheme),
        .line("user in target", "GET http://u@b/ HTTP/1.1", .invalidAuthority),
        .line("no authority in target", "GET http:///x HTTP/1.1", .invalidAuthority),
        .line("CONNECT without port", "CONNECT a HTTP/1.1", .invalidTarget),
        .line("CONNECT with empty port", "CONNECT a: HTTP/1.1", .invalidTarget),
        .line("CONNECT with path", "CONNECT /a HTTP/1.1", .invalidTarget),
        .line("CONNECT with big port", "CONNECT a:65536 HTTP/1.1", .invalidTarget),
        .line("HTTP/2 preface", "PRI * HTTP/2.0", .unsupportedVersion),
        BadRequest("TLS", "\u{16}\u{3}\u{1}", .malformedRequestLine),
        BadRequest("LF first", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .bareLineEnding),
        BadRequest("CR before the line", "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", .bareLineEnding),
        BadRequest("LF lines", "GET / HTTP/1.1\nHost: a\n\n", .bareLineEnding),
    ])
    func startLines(bad: BadRequest) { check(bad) }

    @Test(arguments: [
        BadRequest("no Host", "GET / HTTP/1.1\r\nX: a\r\n\r\n", .missingHost),
        BadRequest("no Host beside absolute target", "GET http://a/ HTTP/1.1\r\nX: a\r\n\r\n", .missingHost),
        .get("two Hosts", "Host: b\r\n", .duplicateHost),
        .get("two equal Hosts", "hOsT: a\r\n", .duplicateHost),
        BadRequest("Host with user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", .invalidAuthority),
        BadRequest("Host with space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", .invalidAuthority),
        BadRequest("Host with slash", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", .invalidAuthority),
        BadRequest("Host list", "GET / HTTP/1.1\r\nHost: a,b:c\r\n\r\n", .invalidAuthority),
        BadRequest("Host with bad port", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", .invalidAuthority),
        BadRequest("Host with big port", "GET / HTTP/1.1\r\nHost: a:70000\r\n\r\n", .invalidAuthority),
        BadRequest("port alone", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", .invalidAuthority),
        BadRequest("open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", .invalidAuthority),
        BadRequest("bad brackets", "GET / HTTP/1.1\r\nHost: [x]\r\n\r\n", .invalidAuthority),
        BadRequest("behind brackets", "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", .invalidAuthority),
        .get("bad Host beside absolute target", "", .invalidAuthority).with(
            "GET http://b/ HTTP/1.1\r\nHost: a@b\r\n\r\n"),
    ])
    func hosts(bad: BadRequest) { check(bad) }

    @Test(arguments: [
        BadRequest.get("space before colon", "X : a\r\n", .malformedField),
        .get("tab before colon", "X\t: a\r\n", .malformedField),
        .get("no name", ": a\r\n", .malformedField),
        .get("no colon", "foo\r\n", .malformedField),
        .get("illegal name", "X(y: a\r\n", .malformedField),
        .get("UTF-8 name", "\u{e9}: a\r\n", .malformedField),
        .get("NUL in name", "X\0: a\r\n", .invalidCharacter),
        .get("NUL in value", "X: a\0b\r\n", .invalidCharacter),
        .get("control in value", "X: \u{1}\r\n", .invalidCharacter),
        .get("DEL in value", "X: abcdefgh\u{7f}\r\n", .invalidCharacter),
        .get("bare CR", "X: a\rb\r\n", .bareLineEnding),
        .get("CR before CRLF", "X: a\r\r\n", .bareLineEnding),
        .get("bare LF", "X: a\nY: b\r\n", .bareLineEnding),
        .get("LF in place of the empty line", "X: a\r\n\n", .bareLineEnding),
        .get("CR in place of the empty line", "X: a\r\n\r\r\n", .bareLineEnding),
        .get("folded", "X: a\r\n b\r\n", .foldedField),
        .get("folded by tab", "X: a\r\n\tb\r\n", .foldedField),
        BadRequest("folded first line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", .foldedField),
        .get("CR in name", "X\rY: a\r\n", .malformedField),
    ])
    func fields(bad: BadRequest) { check(bad) }

    @Test(arguments: [
        BadRequest.post(
            "CL and TE", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", .contentLengthAndTransferEncoding),
        .post("TE and CL 0", "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", .contentLengthAndTransferEncoding),
        .post("gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n", .invalidTransferEncoding),
        .post("chunked, gzip", "Transfer-Encoding: chunked, gzip\r\n", .invalidTransferEncoding),
        .post("identity", "Transfer-Encoding: identity\r\n", .invalidTransferEncoding),
        .post("xchunked", "Transfer-Encoding: xchunked\r\n", .invalidTransferEncoding),
        .post("chunked twice", "Transfer-Encoding: chunked, chunked\r\n", .invalidTransferEncoding),
        .post("two fields", "Transfer-Encoding: chunked\r\ntransfer-encoding: chunked\r\n", .invalidTransferEncoding),
        .post("empty coding", "Transfer-Encoding:\r\n", .invalidTransferEncoding),
        .post("chunked with parameter", "Transfer-Encoding: chunked;q=1\r\n", .invalidTransferEncoding),
        .post("quoted chunked", "Transfer-Encoding: \"chunked\"\r\n", .invalidTransferEncoding),
        .post("vertical tab", "Transfer-Encoding: \u{b}chunked\r\n", .invalidCharacter),
        .post("two lengths", "Content-Length: 1\r\nContent-Length: 2\r\n", .invalidContentLength),
        .post("two equal lengths", "Content-Length: 1\r\nContent-Length: 1\r\n", .invalidContentLength),
        .post("list", "Content-Length: 1, 1\r\n", .invalidContentLength),
        .post("negative", "Content-Length: -1\r\n", .invalidContentLength),
        .post("plus", "Content-Length: +1\r\n", .invalidContentLength),
        .post("hex", "Content-Length: 0x1\r\n", .invalidContentLength),
        .post("empty", "Content-Length:\r\n", .invalidContentLength),
        .post("blank inside", "Content-Length: 1 1\r\n", .invalidContentLength),
        .post("fraction", "Content-Length: 1.0\r\n", .invalidContentLength),
        .post("over 64 bits", "Content-Length: 18446744073709551616\r\n", .invalidContentLength),
        .post("over 63 bits", "Content-Length: 9223372036854775808\r\n", .invalidContentLength),
        BadRequest(
            "CONNECT with a length", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", .bodyForbidden),
        BadRequest(
            "CONNECT with chunks", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            .bodyForbidden),
    ])
    func framing(bad: BadRequest) { check(bad) }

    @Test(arguments: [
        BadRequest.chunked("no digit", "zz\r\n"),
        .chunked("empty size", "\r\n"),
        .chunked("0x", "0x1\r\na\r\n"),
        .chunked("sign", "+1\r\na\r\n"),
        .chunked("leading blank", " 1\r\na\r\n"),
        .chunked("blank behind", "1 \r\na\r\n"),
        .chunked("junk behind blank", "1 a\r\na\r\n"),
        .chunked("overflow", "11111111111111111\r\n"),
        .chunked("64 bits", "ffffffffffffffff\r\n"),
        .chunked("63 bits", "8000000000000000\r\n"),
        .chunked("many zeros", "00000000000000001\r\na\r\n"),
        .chunked("LF behind size", "1\na\r\n"),
        .chunked("CR behind size", "1\rXa\r\n"),
        .chunked("LF in extension", "1;a\nb\r\na\r\n"),
        .chunked("CR in extension", "1;a\rb\r\na\r\n"),
        .chunked("NUL in extension", "1;a\0\r\na\r\n"),
        .chunked("junk behind data", "1\r\naX\r\n0\r\n\r\n"),
        .chunked("LF behind data", "1\r\na\n0\r\n\r\n"),
        .chunked("CR without LF behind data", "1\r\na\r0\r\n\r\n"),
        .chunked("comma list", "1,1\r\na\r\n"),
        .chunked("huge extension", "1;" + String(repeating: "x", count: 17000) + "\r\na\r\n"),
        .chunked("folded trailer", "0\r\nX: a\r\n b\r\n\r\n", .foldedField),
        .chunked("bad trailer", "0\r\nX : a\r\n\r\n", .malformedField),
        .chunked("LF behind trailers", "0\r\nX: a\r\n\n", .bareLineEnding),
    ])
    func chunks(bad: BadRequest) { check(bad) }

    @Test func manySmallChunksWithExtensionsAreStopped() {
        let chunk = "1;" + String(repeating: "x", count: 200) + "\r\na\r\n"
        let request = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        let (transcript, failure) = parseRequests(request + String(repeating: chunk, count: 100))
        #expect(failure?.kind == .malformedChunk)
        #expect(transcript.lines.count == 4)
    }

    private func check(_ bad: BadRequest) {
        let (_, failure) = parseRequests(bad.bytes)
        #expect(failure?.kind == bad.kind, "\(failure?.text ?? "no failure")")
    }
}

extension BadRequest {
    func with(_ bytes: String) -> BadRequest { BadRequest(name, bytes, kind) }
}
