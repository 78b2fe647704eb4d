// Drives the parsers with messages cut in every way, and writes down what they say.
import Reactor
import Testing

@testable import HTTPWire

/// What a parser said about a message, one line for each event; bodies are joined.
struct Transcript: Equatable, CustomStringConvertible {
    var lines: [String] = []
    private var body: [UInt8] = []

    mutating func add(_ line: String) {
        flush()
        lines.append(line)
    }

    mutating func add(body bytes: [UInt8]) { body += bytes }

    mutating func flush() {
        if body.isEmpty { return }
        lines.append("body \(String(decoding: body, as: UTF8.self))")
        body = []
    }

    /// The kind of the failure at the end, if there is one.
    var failure: String? {
        guard let last = lines.last, last.hasPrefix("failure ") else { return nil }
        return String(last.dropFirst(8))
    }

    var description: String { lines.joined(separator: "\n") }
}

/// One parser with its queue and maps, fed part by part.
struct RequestDriver: ~Copyable {
    var parser: HTTP1RequestParser
    let pool: SlabPool
    var queue: ByteQueue
    let headers = HeaderMap()
    let trailers = HeaderMap()
    var transcript = Transcript()
    var lastFailure: HTTP1Failure?

    init(_ limits: HTTP1Limits, _ options: HTTP1Options, _ pool: SlabPool) {
        parser = HTTP1RequestParser(limits: limits, options: options)
        self.pool = pool
        queue = ByteQueue(pool: pool)
    }

    /// Takes all events that are there.
    mutating func drain() {
        while lastFailure == nil {
            switch parser.next(&queue, headers: headers, trailers: trailers) {
            case .needMore: return
            case .head:
                var facts = "head \(headers.method) \(headers.path) \(parser.version) \(parser.framing)"
                if headers.hasAuthority { facts += " authority=\(headers.authority)" }
                if !headers.scheme.isEmpty { facts += " scheme=\(headers.scheme)" }
                if !parser.keepAlive { facts += " close" }
                transcript.add(facts)
                headers.forEachField { transcript.add("  \($0): \($1)") }
            case .body(let count):
                var part = ByteQueue(pool: pool)
                queue.move(count, to: &part)
                transcript.add(body: part.array)
            case .trailers:
                transcript.add("trailers")
                trailers.forEachField { transcript.add("  \($0): \($1)") }
            case .end:
                transcript.add("end")
                parser.beginNext()
            case .failure(let failure):
                lastFailure = failure
                readAll(headers)
                transcript.add("failure \(failure.kind)")
            }
        }
    }
}

struct ResponseDriver: ~Copyable {
    var parser: HTTP1ResponseParser
    let pool: SlabPool
    var queue: ByteQueue
    let headers = HeaderMap()
    let trailers = HeaderMap()
    var transcript = Transcript()
    var lastFailure: HTTP1Failure?

    init(_ method: HTTPMethod, _ upgrade: Bool, _ limits: HTTP1Limits, _ options: HTTP1Options, _ pool: SlabPool) {
        parser = HTTP1ResponseParser(limits: limits, options: options)
        parser.begin(method: method, upgrade: upgrade)
        self.pool = pool
        queue = ByteQueue(pool: pool)
    }

    mutating func drain() {
        while lastFailure == nil {
            if !take(parser.next(&queue, headers: headers, trailers: trailers)) { return }
        }
    }

    mutating func finish() {
        if lastFailure == nil { _ = take(parser.finish()) }
    }

    private mutating func take(_ event: HTTP1Event) -> Bool {
        switch event {
        case .needMore: return false
        case .head:
            if parser.isInterim {
                transcript.add("interim \(headers.status)")
            } else {
                transcript.add(
                    "head \(headers.status) \(parser.version) \(parser.framing)" + (parser.keepAlive ? "" : " close"))
            }
            headers.forEachField { transcript.add("  \($0): \($1)") }
        case .body(let count):
            var part = ByteQueue(pool: pool)
            queue.move(count, to: &part)
            transcript.add(body: part.array)
        case .trailers:
            transcript.add("trailers")
            trailers.forEachField { transcript.add("  \($0): \($1)") }
        case .end:
            transcript.add("end")
            return false
        case .failure(let failure):
            lastFailure = failure
            readAll(headers)
            transcript.add("failure \(failure.kind)")
        }
        return true
    }
}

/// Looks at all that a map holds: what a refused head leaves behind is read by the access log.
private func readAll(_ headers: HeaderMap) {
    for pseudo in [HeaderKey.Pseudo.method, .path, .authority, .scheme, .status] { _ = headers.value(pseudo) }
    _ = headers.reason
    headers.forEachField { _ = ($0.count, $1.count) }
}

/// Parses requests in one piece, then byte by byte, then in two pieces cut at every place, and across a slab's end;
/// expects the same events each time.
@discardableResult
func parseRequests(
    _ text: String, limits: HTTP1Limits = .request, options: HTTP1Options = HTTP1Options(),
    sourceLocation: SourceLocation = #_sourceLocation
) -> (transcript: Transcript, failure: HTTP1Failure?) {
    let bytes = Array(text.utf8)
    let pool = SlabPool(keepLimit: 4)
    func run(_ parts: [ArraySlice<UInt8>], slabOffset: Int = 0) -> (Transcript, HTTP1Failure?) {
        var driver = RequestDriver(limits, options, pool)
        if slabOffset > 0 { driver.queue.append([UInt8](repeating: 0x20, count: slabOffset)) }
        for part in parts {
            driver.queue.append(Array(part))
            if slabOffset > 0 { driver.queue.consume(slabOffset) }
            driver.drain()
        }
        driver.transcript.flush()
        return (driver.transcript, driver.lastFailure)
    }
    let whole = run([bytes[...]])
    forEachCut(bytes) { parts, slabOffset in
        let cut = run(parts, slabOffset: slabOffset).0
        #expect(
            cut == whole.0, "in \(parts.count) parts \(parts.first?.count ?? 0)...", sourceLocation: sourceLocation)
        return cut == whole.0
    }
    #expect(pool.slabsInUse == 0, sourceLocation: sourceLocation)
    return whole
}

/// The same for one response; the connection ends behind it.
@discardableResult
func parseResponse(
    _ text: String, to method: HTTPMethod = .get, upgrade: Bool = false, finish: Bool = true,
    limits: HTTP1Limits = .response, options: HTTP1Options = HTTP1Options(),
    sourceLocation: SourceLocation = #_sourceLocation
) -> (transcript: Transcript, failure: HTTP1Failure?) {
    let bytes = Array(text.utf8)
    let pool = SlabPool(keepLimit: 4)
    func run(_ parts: [ArraySlice<UInt8>], slabOffset: Int = 0) -> (Transcript, HTTP1Failure?) {
        var driver = ResponseDriver(method, upgrade, limits, options, pool)
        if slabOffset > 0 { driver.queue.append([UInt8](repeating: 0x20, count: slabOffset)) }
        for part in parts {
            driver.queue.append(Array(part))
            if slabOffset > 0 { driver.queue.consume(slabOffset) }
            driver.drain()
        }
        if finish && driver.transcript.lines.last != "end" { driver.finish() }
        driver.transcript.flush()
        return (driver.transcript, driver.lastFailure)
    }
    let whole = run([bytes[...]])
    forEachCut(bytes) { parts, slabOffset in
        let cut = run(parts, slabOffset: slabOffset).0
        #expect(
            cut == whole.0, "in \(parts.count) parts \(parts.first?.count ?? 0)...", sourceLocation: sourceLocation)
        return cut == whole.0
    }
    return whole
}

/// Byte by byte, in two parts cut at every place (at up to 300 places of a long message), and in one part that lies
/// across the end of a slab. Stops when `body` returns false.
private func forEachCut(_ bytes: [UInt8], _ body: (_ parts: [ArraySlice<UInt8>], _ slabOffset: Int) -> Bool) {
    guard bytes.count > 1 else { return }
    if !body(bytes.indices.map { bytes[$0...$0] }, 0) { return }
    for place in stride(from: 1, to: bytes.count, by: max(1, bytes.count / 300)) {
        if !body([bytes[..<place], bytes[place...]], 0) { return }
        if place < SlabPool.slabSize && !body([bytes[...]], SlabPool.slabSize - place) { return }
    }
}
