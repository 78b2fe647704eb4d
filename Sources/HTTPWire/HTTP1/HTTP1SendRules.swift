// How the length of an outgoing message is to be told (RFC 9112, section 6; RFC 9110, section 8.6).
import Reactor

extension HTTP1SendFraming {
    /// The framing for a request; `end` when nothing follows the head.
    public static func request(_ headers: HeaderMap, end: Bool) -> HTTP1SendFraming {
        if end {
            switch headers.methodKind {
            case .get, .head, .delete, .connect, .options, .trace:
                return headers.contains(.contentLength) ? .length(0) : .none
            case .post, .put, .patch, .registered, .other: return .length(0)
            }
        }
        if headers.methodKind == .connect { return .none }
        if let length = headers.value(.contentLength)?.decimal { return .length(length) }
        return .chunked
    }

    /// The framing for a final response to `method`; `end` when nothing follows the head. A client of HTTP/1.0 knows
    /// no chunks: the connection has to be closed behind `untilClose`.
    public static func response(
        _ headers: HeaderMap, to method: HTTPMethod, version: HTTPVersion, end: Bool
    ) -> HTTP1SendFraming {
        let status = headers.status
        if status < 200 || status == 204 || (method == .connect && status / 100 == 2) { return .none }
        if method == .head || status == 304 { return .asGiven }
        if end { return .length(0) }
        if let length = headers.value(.contentLength)?.decimal { return .length(length) }
        return version == .http10 ? .untilClose : .chunked
    }
}
