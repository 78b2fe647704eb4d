// The request parser: bytes of a client connection to the events of one request after another.
import Reactor

/// Parses the requests of one connection (RFC 9112), strictly: what two parsers could read differently is refused.
///
/// Call `next` until it says `needMore` or `end`. After `end`, and once the response is done, `beginNext` makes it
/// ready for the request that follows; pipelined bytes wait in the queue until then. One byte at a time or all at
/// once, the events are the same but for the sizes of `body`. Loop thread only.
public struct HTTP1RequestParser: ~Copyable {
    private enum State {
        case head
        case body(HTTP1Body)
        case trailers
        case ended
        case failed(HTTP1Failure)
    }

    private var state = State.head
    /// The head, then the trailers.
    private var fields: HTTP1FieldBlock
    private var facts = HTTP1RequestFacts()

    // Stored, not computed: asking a computed property of a value this large copies all of it.

    /// The version of the request; valid from `head` on, and after a failure behind a whole start line.
    public private(set) var version = HTTPVersion.http11
    /// How the body's length is known; valid from `head` on.
    public private(set) var framing = HTTP1Framing.none
    /// True when the client wants the connection kept and the framing allows it; valid from `head` on.
    public private(set) var keepAlive = true
    /// Fields of the head that were dropped because their names have underscores.
    public private(set) var droppedFields = 0

    /// A parser for a new connection.
    public init(limits: HTTP1Limits = .request, options: HTTP1Options = HTTP1Options()) {
        fields = HTTP1FieldBlock(.request, limits, options)
    }

    /// Makes the parser ready for the next request on the connection.
    public mutating func beginNext() {
        state = .head
        fields.begin(.request)
        facts = HTTP1RequestFacts()
        version = .http11
        framing = .none
        keepAlive = true
        droppedFields = 0
    }

    /// True when a request was begun and its end not seen yet.
    public var isInMessage: Bool {
        switch state {
        case .head: !fields.isFresh
        case .body, .trailers: true
        case .ended, .failed: false
        }
    }

    /// Parses on. `headers` and `trailers` must be the same from the first call for a request to its end; they are
    /// emptied when something is about to be written into them.
    public mutating func next(_ queue: inout ByteQueue, headers: HeaderMap, trailers: HeaderMap) -> HTTP1Event {
        switch state {
        case .head:
            switch fields.read(&queue, &headers.table) {
            case .needMore: return .needMore
            case .failure(let failure): return fail(failure)
            case .complete: break
            }
            if let failure = facts.read(&headers.table, fields.startLine, fields.options) { return fail(failure) }
            version = fields.startLine.version
            framing = facts.framing
            keepAlive = facts.keepAlive
            droppedFields = Int(fields.droppedFields)
            state = .body(HTTP1Body(facts.framing))
            return .head
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

    /// Says that the client will send nothing more: `end` between two requests, `failure` inside of one.
    public mutating func finish() -> HTTP1Event {
        switch state {
        case .failed(let failure): return .failure(failure)
        case .head where fields.isFresh, .ended: return .end
        case .head: return fail(HTTP1Failure(.truncated, "connection ended inside of the request headers"))
        case .body, .trailers: return fail(HTTP1Failure(.truncated, "connection ended inside of the request body"))
        }
    }

    private mutating func fail(_ failure: HTTP1Failure) -> HTTP1Event {
        if case .head = state { version = fields.startLine.version }
        state = .failed(failure)
        return .failure(failure)
    }
}
