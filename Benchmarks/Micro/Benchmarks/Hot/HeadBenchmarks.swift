// Heads of HTTP/1 and HTTP/2: parsed, read, changed and written.
import Benchmark
import HTTPWire
import Reactor

/// What a browser sends.
private let head: [UInt8] = Array(
    """
    GET /api/v1/items/4711?fields=name,price HTTP/1.1\r
    Host: shop.example.com\r
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r
    Accept-Language: en-US,en;q=0.5\r
    Accept-Encoding: gzip, deflate, br\r
    Referer: https://shop.example.com/items\r
    Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r
    X-Forwarded-For: 203.0.113.7\r
    \r

    """.utf8)

/// A parser that is given the same head again and again.
private final class HTTP1Reader {
    private let pool = SlabPool()
    private var parser = HTTP1RequestParser()
    private let trailers = HeaderMap()
    let headers = HeaderMap()

    func read() {
        parser.beginNext()
        var queue = ByteQueue(pool: pool)
        queue.append(head)
        while true {
            switch parser.next(&queue, headers: headers, trailers: trailers) {
            case .head: return
            case .failure(let failure): fatalError(failure.text)
            default: continue
            }
        }
    }
}

func headBenchmarks() {
    let reader = HTTP1Reader()
    measure("http1-request-head-with-9-fields") { reader.read() }

    reader.read()
    let headers = reader.headers
    measure("header-map-look-up-4-with-2-in-vain") {
        blackHole(headers.value(.userAgent))
        blackHole(headers.value(.cookie))
        blackHole(headers.value(.contentLength))
        blackHole(headers.value(.transferEncoding))
    }
    let copy = HeaderMap()
    measure("header-map-copy-then-set-2-and-remove-1") {
        copy.copy(from: headers)
        copy.set(.xForwardedProto, "https")
        copy.set(.userAgent, "outrider")
        copy.remove(.referer)
    }
}
