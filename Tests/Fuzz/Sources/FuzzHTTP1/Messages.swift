// The parsers: cuts must not matter, and what is accepted must mean the same after it was written out again.
import HTTPWire
import Reactor

// libFuzzer runs inputs one after another on one thread.
private nonisolated(unsafe) let pool = SlabPool(keepLimit: 64)

/// What a parser said, one line for each event; bodies joined.
private struct Log {
    var lines: [String] = []
    private var body: [UInt8] = []

    mutating func add(_ line: String) {
        flush()
        lines.append(line)
    }

    mutating func add(_ headers: HeaderMap) {
        headers.forEachField { name, value in
            check(name.isToken, "illegal name \(name)")
            for index in 0..<value.count {
                let byte = value[index]
                check(byte == 9 || (byte >= 32 && byte != 127), "illegal byte \(byte) in value of \(name)")
            }
            lines.append("\(name.array): \(value.array)")
        }
    }

    mutating func add(body bytes: [UInt8]) { body += bytes }

    mutating func flush() {
        if body.isEmpty { return }
        lines.append("body \(body)")
        body = []
    }
}

private func limits(_ choice: UInt8) -> HTTP1Limits {
    choice & 1 == 0
        ? HTTP1Limits() : HTTP1Limits(maxHeaderBytes: 20 + Int(choice) * 2, maxHeaderCount: Int(choice >> 4))
}

private func options(_ choice: UInt8) -> HTTP1Options {
    var options = HTTP1Options()
    options.allowHTTP10 = choice & 1 != 0
    options.allowChunkedLength = choice & 2 != 0
    options.allowCustomMethods = choice & 4 != 0
    options.underscores = choice & 8 == 0 ? .allow : choice & 16 == 0 ? .dropHeader : .rejectRequest
    options.defaultHost = choice & 32 == 0 ? nil : FixedBytes("default")
    options.allowAbsoluteURL = choice & 64 == 0
    return options
}

/// Looks at all that a map holds: an access log reads what incomplete and refused heads leave behind.
private func readAll(_ headers: HeaderMap) {
    for pseudo in [HeaderKey.Pseudo.method, .path, .authority, .scheme, .status] {
        check((headers.value(pseudo)?.count ?? 0) <= 1 << 20, "long pseudo-header")
    }
    var size = headers.reason.count
    headers.forEachField { size += $0.count + $1.count }
    check(size <= 1 << 20, "long fields")
}

func fuzzRequests(_ input: inout Input) {
    let limits = limits(input.byte())
    let options = options(input.byte())
    let seed = input.byte()
    let bytes = input.remainder()
    let whole = requests([bytes], limits, options)
    let cut = requests(cutUp(bytes, seed), limits, options)
    check(whole == cut, "cuts matter:\n\(whole)\n\(cut)")
    check(pool.slabsInUse == 0 && pool.oversizeInUse == 0, "slabs leaked")
}

func fuzzResponse(_ input: inout Input) {
    let limits = limits(input.byte())
    let options = options(input.byte())
    let choice = input.byte()
    let seed = input.byte()
    let bytes = input.remainder()
    let method = HTTPMethod(rawValue: choice & 7) ?? .get
    let whole = response([bytes], method, choice & 8 != 0, limits, options)
    let cut = response(cutUp(bytes, seed), method, choice & 8 != 0, limits, options)
    check(whole == cut, "cuts matter:\n\(whole)\n\(cut)")
    check(pool.slabsInUse == 0 && pool.oversizeInUse == 0, "slabs leaked")
}

private func cutUp(_ bytes: [UInt8], _ seed: UInt8) -> [[UInt8]] {
    if seed == 0 { return bytes.map { [$0] } }
    var cuts = Cuts(seed)
    var rest = bytes[...]
    var parts: [[UInt8]] = []
    while !rest.isEmpty {
        let size = cuts.next()
        parts.append(Array(rest.prefix(size)))
        rest = rest.dropFirst(size)
    }
    return parts
}

private func requests(_ parts: [[UInt8]], _ limits: HTTP1Limits, _ options: HTTP1Options) -> [String] {
    var parser = HTTP1RequestParser(limits: limits, options: options)
    var queue = ByteQueue(pool: pool)
    let headers = HeaderMap()
    let trailers = HeaderMap()
    var log = Log()
    parts: for part in parts {
        queue.append(part)
        events: while true {
            switch parser.next(&queue, headers: headers, trailers: trailers) {
            case .needMore:
                readAll(headers)
                break events
            case .head:
                log.add("head \(headers.method.array) \(headers.path.array) \(headers.authority.array)")
                log.add("\(parser.version) \(parser.framing) \(parser.keepAlive)")
                log.add(headers)
                checkWritten(headers, parser.framing)
            case .body(let count):
                check(count > 0 && count <= queue.count, "body of \(count) bytes in a queue of \(queue.count)")
                var part = ByteQueue(pool: pool)
                queue.move(count, to: &part)
                log.add(body: part.array)
            case .trailers:
                log.add("trailers")
                log.add(trailers)
            case .end:
                log.add("end")
                parser.beginNext()
            case .failure(let failure):
                readAll(headers)
                readAll(trailers)
                log.add("failure \(failure.kind)")
                break parts
            }
        }
        check(queue.isEmpty, "bytes left behind")
    }
    log.flush()
    return log.lines
}

/// Writes an accepted request out and reads it back: it must be accepted by the strictest options and say the same.
private func checkWritten(_ headers: HeaderMap, _ framing: HTTP1Framing) {
    let copy = HeaderMap()
    copy.copy(from: headers)
    copy.removeHopByHop()
    let sent: HTTP1SendFraming =
        switch framing {
        case .none: .request(copy, end: true)
        case .length, .chunked: .request(copy, end: false)
        case .untilClose, .tunnel: fatalError("no framing of requests")
        }
    var queue = ByteQueue(pool: pool)
    HTTP1Serializer.requestHead(copy, framing: sent, to: &queue)
    let written = queue.array
    var options = HTTP1Options()
    options.allowCustomMethods = true
    var parser = HTTP1RequestParser(
        limits: HTTP1Limits(maxHeaderBytes: 1 << 20, maxHeaderCount: 10000), options: options)
    let again = HeaderMap()
    guard case .head = parser.next(&queue, headers: again, trailers: HeaderMap()) else {
        // An HTTP/1.0 request may have no authority at all; every other one must be readable.
        check(!copy.hasAuthority, "unreadable: \(String(decoding: written, as: UTF8.self))")
        return
    }
    check(queue.isEmpty, "head goes on: \(String(decoding: written, as: UTF8.self))")
    check(again.method == copy.method && again.path == copy.path, "target changed")
    check(again.authority == copy.authority, "authority changed")
    switch (sent, parser.framing) {
    case (.none, .none), (.length(0), .none), (.chunked, .chunked): break
    case (.length(let before), .length(let after)): check(before == after, "length changed")
    default: fatalError("framing changed from \(sent) to \(parser.framing)")
    }
}

private func response(
    _ parts: [[UInt8]], _ method: HTTPMethod, _ upgrade: Bool, _ limits: HTTP1Limits, _ options: HTTP1Options
) -> [String] {
    var parser = HTTP1ResponseParser(limits: limits, options: options)
    parser.begin(method: method, upgrade: upgrade)
    var queue = ByteQueue(pool: pool)
    let headers = HeaderMap()
    let trailers = HeaderMap()
    var log = Log()
    parts: for part in parts {
        queue.append(part)
        events: while true {
            switch parser.next(&queue, headers: headers, trailers: trailers) {
            case .needMore:
                readAll(headers)
                break events
            case .head:
                check(headers.status >= 100 && headers.status <= 999, "status \(headers.status)")
                log.add("head \(headers.status) \(parser.isInterim) \(parser.version)")
                log.add("\(parser.framing) \(parser.keepAlive)")
                log.add(headers)
                var written = ByteQueue(pool: pool)
                let framing = HTTP1SendFraming.response(headers, to: method, version: .http11, end: false)
                HTTP1Serializer.responseHead(headers, framing: framing, to: &written)
                check(!written.isEmpty, "nothing written")
            case .body(let count):
                check(count > 0 && count <= queue.count, "body of \(count) bytes in a queue of \(queue.count)")
                var part = ByteQueue(pool: pool)
                queue.move(count, to: &part)
                log.add(body: part.array)
            case .trailers:
                log.add("trailers")
                log.add(trailers)
            case .end:
                log.add("end")
                return log.lines
            case .failure(let failure):
                readAll(headers)
                readAll(trailers)
                log.add("failure \(failure.kind)")
                return log.lines
            }
        }
        check(queue.isEmpty, "bytes left behind")
    }
    switch parser.finish() {
    case .end: log.add("end")
    case .failure(let failure): log.add("failure \(failure.kind)")
    case .needMore, .head, .body, .trailers: fatalError("no end")
    }
    return log.lines
}
