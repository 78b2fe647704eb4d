// The response parser: bytes of an upstream connection to the events of one response after another.
import Reactor

/// Parses the responses of one connection (RFC 9112). Tell it with `begin` what was asked before each response.
///
/// Interim responses (1xx but 101) come as `head` with `isInterim`; the final head follows in the same map. Loop
/// thread only.
public struct HTTP1ResponseParser: ~Copyable {
    private enum State {
        case head
        case body(HTTP1Body)
        case trailers
        case ended
        case failed(HTTP1Failure)
    }

    private var state = State.ended
    /// A head, then the trailers.
    private var fields: HTTP1FieldBlock
    private var method = HTTPMethod.get
    private var askedForUpgrade = false
    private var sawInterim = false

    /// How the body's length is known; valid from the final `head` on.
    public private(set) var framing = HTTP1Framing.none
    /// True when the upstream keeps the connection and the framing allows it; valid from the final `head` on.
    public private(set) var keepAlive = true
    /// The version of the response; valid from `head` on.
    public private(set) var version = HTTPVersion.http11
    /// Fields of the head that were dropped because their names have underscores.
    public private(set) var droppedFields = 0
    /// True when the head just reported is an interim one.
    public private(set) var isInterim = false

    /// A parser for a new connection.
    public init(limits: HTTP1Limits = .response, options: HTTP1Options = HTTP1Options()) {
        fields = HTTP1FieldBlock(.response, limits, options)
    }

    /// Makes the parser ready for the response to a request with this method; `upgrade` when it asked for one.
    public mutating func begin(method: HTTPMethod, upgrade: Bool = false) {
        self.method = method
        askedForUpgrade = upgrade
        state = .head
        fields.begin(.response)
        framing = .none
        keepAlive = true
        isInterim = false
        sawInterim = false
    }

    /// True when a byte of the response was seen and its end was not.
    public var isInMessage: Bool {
        switch state {
        case .head: !fields.isFresh || sawInterim
        case .body, .trailers: true
        case .ended, .failed: false
        }
    }

    /// Parses on. `headers` and `trailers` must be the same from the first call for a response to its end; they are
    /// emptied when something is about to be written into them.
    public mutating func next(_ queue: inout ByteQueue, headers: HeaderMap, trailers: HeaderMap) -> HTTP1Event {
        switch state {
        case .head:
            if isInterim {
                isInterim = false
                fields.begin(.response)
            }
            switch fields.read(&queue, &headers.table) {
            case .needMore: return .needMore
            case .failure(let failure): return fail(failure)
            case .complete: return headDone(&headers.table)
            }
        case .body(var body):
            let event = body.next(&queue)
            state = .body(body)
            switch event {
            case .needMore: return .needMore
            case .body(let count): return .body(count)
            case .failure(let failure): return fail(failure)
            case .end:
                state = .ended
                return .end
            case .trailers:
                state = .trailers
                fields.begin(.trailers)
                return next(&queue, headers: headers, trailers: trailers)
            }
        case .trailers:
            switch fields.read(&queue, &trailers.table) {
            case .needMore: return .needMore
            case .failure(let failure): return fail(failure)
            case .complete: break
            }
            if trailers.isEmpty {
                state = .ended
                return .end
            }
            state = .body(HTTP1Body(.none))
            return .trailers
        case .ended: return .needMore
        case .failed(let failure): return .failure(failure)
        }
    }

    /// Takes what is left of a body that nobody wants out of the queue. True when that was all of it and the response has
    /// ended; false when more is to come, or trailers are: the connection is of no further use then.
    public mutating func skipBody(_ queue: inout ByteQueue) -> Bool {
        guard case .body(var body) = state else { return false }
        state = .ended
        while true {
            switch body.next(&queue) {
            case .body(let count): queue.consume(count)
            case .end: return true
            case .trailers:
                guard queue.contiguous(2).equals("\r\n") else { return false }
                queue.consume(2)
                return true
            case .needMore, .failure: return false
            }
        }
    }

    /// Says that the upstream will send nothing more: `end` when the response is complete by that (or none was begun),
    /// `failure` otherwise.
    public mutating func finish() -> HTTP1Event {
        switch state {
        case .failed(let failure): return .failure(failure)
        case .ended: return .end
        case .head where fields.isFresh && !sawInterim: return .end
        case .head: return fail(HTTP1Failure(.truncated, "connection ended inside of the response headers"))
        case .body(let body) where body.endsWithConnection:
            state = .ended
            return .end
        case .body, .trailers: return fail(HTTP1Failure(.truncated, "connection ended inside of the response body"))
        }
    }

    private mutating func fail(_ failure: HTTP1Failure) -> HTTP1Event {
        state = .failed(failure)
        return .failure(failure)
    }

    // MARK: The head as a whole (RFC 9112, section 6.3)

    private mutating func headDone(_ table: inout HeaderTable) -> HTTP1Event {
        version = fields.startLine.version
        droppedFields = Int(fields.droppedFields)
        let status = table.status
        if status < 200 && status != 101 {
            table.removeAll(.contentLength)
            table.removeAll(.transferEncoding)
            isInterim = true
            sawInterim = true
            return .head
        }
        keepAlive = version != .http10
        let isTunnel = status == 101 || (method == .connect && status / 100 == 2)
        if status == 101 && !askedForUpgrade {
            return fail(HTTP1Failure(.unexpectedUpgrade, "upstream switched protocols without being asked"))
        }
        if isTunnel {
            table.removeAll(.contentLength)
            table.removeAll(.transferEncoding)
            framing = .tunnel
            keepAlive = false
        } else if let failure = readFraming(&table, status) {
            return fail(failure)
        }
        readConnection(table)
        state = .body(HTTP1Body(framing))
        return .head
    }

    private mutating func readConnection(_ table: borrowing HeaderTable) {
        guard table.has(.connection) || table.has(.proxyConnection) else { return }
        if version != .http10 && table.saysKeepAliveAlone { return }
        if table.hasToken(.connection, "close") || table.hasToken(.proxyConnection, "close") {
            keepAlive = false
        } else if version == .http10 && framing != .untilClose && framing != .tunnel {
            keepAlive = table.hasToken(.connection, "keep-alive")
        }
    }

    private mutating func readFraming(_ table: inout HeaderTable, _ status: Int) -> HTTP1Failure? {
        let hasLength = table.has(.contentLength)
        let hasCoding = table.has(.transferEncoding)
        var length: UInt64?
        if hasCoding {
            if hasLength {
                guard fields.options.allowChunkedLength else { return HTTP1FramingRules.bothLengths }
                table.removeAll(.contentLength)
                keepAlive = false
            }
            if let failure = HTTP1FramingRules.transferEncoding(table, version) { return failure }
        } else if hasLength {
            switch HTTP1FramingRules.contentLength(table) {
            case .failure(let failure): return failure
            case .success(let value): length = value
            }
        }
        if status == 204 {
            if hasCoding { return HTTP1Failure(.bodyForbidden, "204 response has Transfer-Encoding") }
            if let length, length > 0 {
                return HTTP1Failure(.bodyForbidden, "204 response has a Content-Length of \(length)")
            }
            table.removeAll(.contentLength)
            framing = .none
        } else if method == .head || status == 304 {
            framing = .none
        } else if hasCoding {
            framing = .chunked
        } else if let length {
            framing = length > 0 ? .length(length) : .none
        } else {
            framing = .untilClose
            keepAlive = false
        }
        return nil
    }
}
