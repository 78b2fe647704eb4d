// What the HTTP/1 parsers are told and what they tell.
import Reactor

/// What a parser found next.
public enum HTTP1Event {
    /// All bytes there are were used; call again when more came.
    case needMore
    /// The head is in the header map.
    case head
    /// This many bytes at the front of the queue are body: take them all out before the next call.
    case body(Int)
    /// The trailers are in the trailer map.
    case trailers
    /// The message is complete. What is left in the queue belongs to what follows. `needMore` from now on, until the
    /// parser is told to begin the next message.
    case end
    /// The message broke a rule. Sticks.
    case failure(HTTP1Failure)
}

/// How the length of a message's body is known (RFC 9112, section 6).
public enum HTTP1Framing: Sendable, Equatable {
    /// There is no body.
    case none
    /// The body has this many bytes, at least one.
    case length(UInt64)
    case chunked
    /// The body ends with the connection. Responses only.
    case untilClose
    /// What follows the head is no HTTP any more: 101, or a 2xx to CONNECT. Responses only.
    case tunnel
}

/// Bounds of heads and trailers. Every parser has its own copy: 12 bytes.
public struct HTTP1Limits: Sendable, Equatable {
    /// Who sends what is bounded: each has a setting of its own.
    public enum Sender: Sendable { case client, server }

    // Invariant: neither is negative, and an Int holds both.
    private let headerBytes: UInt32
    private let headerCount: UInt32
    private let sender: Sender

    public init(maxHeaderBytes: Int = 60 * 1024, maxHeaderCount: Int = 100, of sender: Sender = .client) {
        headerBytes = UInt32(min(max(maxHeaderBytes, 0), HeaderTable.maxBytes / 2))
        headerCount = UInt32(min(max(maxHeaderCount, 0), HeaderTable.maxEntries - 1))
        self.sender = sender
    }

    /// Bytes of the head (start line, fields and line ends as received); trailers have as many again.
    public var maxHeaderBytes: Int { Int(headerBytes) }
    /// Field lines of the head; trailers have as many again.
    public var maxHeaderCount: Int { Int(headerCount) }

    /// The name of the setting behind `maxHeaderBytes`, for messages.
    public var bytesSetting: String {
        switch sender {
        case .client: "max_request_headers_kb"
        case .server: "common_http_protocol_options.max_response_headers_kb"
        }
    }
    /// The name of the setting behind `maxHeaderCount`, for messages.
    public var countSetting: String { "common_http_protocol_options.max_headers_count" }

    /// Envoy's limits for requests: 60 KiB, 100 fields.
    public static let request = HTTP1Limits()
    /// Envoy's limits for HTTP/1 responses: 80 KiB, 100 fields.
    public static let response = HTTP1Limits(maxHeaderBytes: 80 * 1024, of: .server)
}

/// What is done with a field whose name has an underscore (`headers_with_underscores_action`).
public enum UnderscoreAction: Sendable, Equatable {
    case allow
    case rejectRequest
    case dropHeader
}

/// Choices of the parsers that configuration makes.
public struct HTTP1Options: Sendable {
    /// `http_protocol_options.default_host_for_http_10`: the authority of HTTP/1.0 requests without a Host field.
    public var defaultHost: FixedBytes?
    /// `http_protocol_options.accept_http_10`.
    public var allowHTTP10 = false
    /// `http_protocol_options.allow_absolute_url`.
    public var allowAbsoluteURL = true
    /// `http_protocol_options.allow_chunked_length`: Content-Length beside chunked is dropped instead of refused.
    public var allowChunkedLength = false
    /// `http_protocol_options.allow_custom_methods`: methods that are on no list.
    public var allowCustomMethods = false
    /// `headers_with_underscores_action`.
    public var underscores = UnderscoreAction.allow

    public init() {}
}
