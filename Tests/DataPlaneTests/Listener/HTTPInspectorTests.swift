// What the http_inspector makes of first bytes, whole and one by one.
import Reactor
import Testing

@testable import DataPlane

@Suite struct HTTPInspectorTests {
    private func look(_ text: String) -> HTTPInspector.Look {
        Array(text.utf8).withUnsafeBytes { HTTPInspector.look(at: ByteView($0)) }
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\n", HTTPInspector.Look.http11), ("GET / HTTP/1.1\n", .http11),
        ("M-SEARCH * HTTP/1.1\r\nhost: a\r\n", .http11), ("GET / HTTP/1.0\r\n", .http10),
        ("GET / HTTP/2.0\r\n", .http10),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .http2), ("PRI * HTTP/2.0\r\n\r\nSN", .http10),
        ("\r\nGET / HTTP/1.1\r\n", .notHTTP), ("EHLO me\r\n", .notHTTP), ("SSH-2.0-x\r\n", .notHTTP),
        ("GET / FTP/1.1\r\n", .notHTTP), ("GET  HTTP/1.1\r\n", .notHTTP), ("GET HTTP/1.1\r\n", .notHTTP),
        ("G{T / HTTP/1.1\r\n", .notHTTP), (" GET / HTTP/1.1\r\n", .notHTTP), ("\0\u{1}", .notHTTP),
    ])
    func firstBytes(_ text: String, _ expected: HTTPInspector.Look) { #expect(look(text) == expected) }

    @Test func partsOfALineWaitForMore() {
        for text in ["GET /index HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
            let bytes = Array(text.utf8)
            for count in bytes.indices {
                let found = bytes[..<count].withUnsafeBytes { HTTPInspector.look(at: ByteView($0)) }
                // The preface's first line is a request line until its last byte.
                #expect(found == .needMore, "\(count) bytes of \(text)")
            }
        }
    }
}
