// The protocol version and the request method, as small values.
import Reactor

/// The HTTP version that a message came in.
public enum HTTPVersion: UInt8, Sendable, Equatable {
    case http10
    case http11
    case http2

    /// As on the wire and in access logs: "HTTP/1.1".
    public var text: StaticString {
        switch self {
        case .http10: "HTTP/1.0"
        case .http11: "HTTP/1.1"
        case .http2: "HTTP/2"
        }
    }
}

/// A request method (RFC 9110, section 9). Methods are case-sensitive.
public enum HTTPMethod: UInt8, Sendable, Equatable {
    case get
    case head
    case post
    case put
    case delete
    case connect
    case options
    case trace
    case patch
    /// Registered elsewhere (WebDAV and the like) and let through as Envoy does.
    case registered
    /// A token that no list knows.
    case other

    /// Recognises a method; anything that is not on the lists is `other`.
    public init(_ name: ByteView) {
        switch name.count {
        case 3 where name.equals("GET"): self = .get
        case 3 where name.equals("PUT"): self = .put
        case 4 where name.equals("POST"): self = .post
        case 4 where name.equals("HEAD"): self = .head
        case 5 where name.equals("PATCH"): self = .patch
        case 5 where name.equals("TRACE"): self = .trace
        case 6 where name.equals("DELETE"): self = .delete
        case 7 where name.equals("OPTIONS"): self = .options
        case 7 where name.equals("CONNECT"): self = .connect
        default: self = HTTPMethod.isRegistered(name) ? .registered : .other
        }
    }

    /// True when repeating a request with this method does no more than sending it once (RFC 9110, section 9.2.2).
    public var isIdempotent: Bool {
        switch self {
        case .get, .head, .put, .delete, .options, .trace: true
        case .post, .patch, .connect, .registered, .other: false
        }
    }

    /// True when the method asks for no change at all (RFC 9110, section 9.2.1).
    public var isSafe: Bool {
        switch self {
        case .get, .head, .options, .trace: true
        case .post, .put, .delete, .patch, .connect, .registered, .other: false
        }
    }

    /// The rest of the methods that Envoy takes unless `allow_custom_methods` is set.
    private static func isRegistered(_ name: ByteView) -> Bool {
        let known: [StaticString] = [
            "ACL", "BIND", "CHECKOUT", "COPY", "LINK", "LOCK", "M-SEARCH", "MERGE", "MKACTIVITY", "MKCALENDAR", "MKCOL",
            "MOVE", "NOTIFY", "PROPFIND", "PROPPATCH", "PURGE", "REBIND", "REPORT", "SEARCH", "SOURCE", "SUBSCRIBE",
            "UNBIND", "UNLINK", "UNLOCK", "UNSUBSCRIBE",
        ]
        return known.contains { name.equals($0) }
    }
}
