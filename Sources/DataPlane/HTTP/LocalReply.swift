// Responses that the proxy makes itself: one place for status, body, flags and details.
import HTTPWire
import Reactor

/// An answer of our own. The body names the setting and the value that decided, behind the words that Envoy uses, so
/// that matchers written for Envoy still work.
struct LocalReply {
    enum Body {
        case none
        case text(String)
        case array([UInt8])

        var count: Int {
            switch self {
            case .none: 0
            case .text(let text): text.utf8.count
            case .array(let bytes): bytes.count
            }
        }

        func withView<Result>(_ body: (ByteView) -> Result) -> Result {
            switch self {
            case .none:
                return body(ByteView())
            case .text(let text):
                var text = text
                return text.withUTF8 { body(ByteView(UnsafeRawBufferPointer($0))) }
            case .array(let bytes):
                return bytes.withUnsafeBytes { body(ByteView($0)) }
            }
        }
    }

    /// The `content-type` that goes with the body.
    enum ContentType {
        /// `text/plain`, unless the route gave another one.
        case standard
        /// This one, whatever the route says.
        case replacing(String)
    }

    var status: Int
    var body = Body.none
    var contentType = ContentType.standard
    /// `%RESPONSE_CODE_DETAILS%`.
    var details: String
    var flags: ResponseFlags = []
    /// The setting that decided and its value, where one did: "route 'api' timeout 15s".
    var decidedBy = ""
    /// For gRPC requests, any number; nil: as the HTTP status says.
    var grpcStatus: Int?

    init(
        _ status: Int, _ body: String = "", details: String, flags: ResponseFlags = [], decidedBy: String = ""
    ) {
        self.decidedBy = decidedBy
        self.status = status
        self.body = body.isEmpty ? .none : .text(body)
        self.details = details
        self.flags = flags
    }

    /// Adds the fields that belong to the body. Returns whether a body follows (not for gRPC and HEAD).
    func writeContent(
        _ headers: HeaderMap, isGRPC: Bool, isHead: Bool, _ scratch: inout ByteArena
    ) -> Bool {
        if isGRPC {
            headers.set(.contentType, "application/grpc")
            let code = grpcStatus ?? GRPCRules.Status(http: status).rawValue
            headers.set(.grpcStatus, decimal: UInt64(clamping: code))
            if body.count > 0 {
                scratch.removeAll()
                body.withView { GRPCRules.encodeMessage($0, into: &scratch) }
                headers.append(.grpcMessage, scratch.view)
            }
            return false
        }
        guard body.count > 0 else { return false }
        headers.set(.contentLength, decimal: UInt64(body.count))
        switch contentType {
        case .standard:
            if !headers.contains(.contentType) { headers.append(.contentType, "text/plain") }
        case .replacing(let type):
            scratch.removeAll()
            scratch.append(text: type)
            headers.set(.contentType, scratch.view)
        }
        return !isHead
    }
}

/// `%RESPONSE_CODE_DETAILS%` values that do not vary, in Envoy's spelling.
enum CodeDetails {
    static let viaUpstream = "via_upstream"
    static let internalRedirect = "internal_redirect"
    static let directResponse = "direct_response"
    static let routeNotFound = "route_not_found"
    static let clusterNotFound = "cluster_not_found"
    static let noHealthyUpstream = "no_healthy_upstream"
    static let responseTimeout = "response_timeout"
    static let perTryTimeout = "upstream_per_try_timeout"
    static let perTryIdleTimeout = "upstream_per_try_idle_timeout"
    static let upstreamMaxStreamDuration = "upstream_max_stream_duration_reached"
    static let streamIdleTimeout = "stream_idle_timeout"
    static let requestOverallTimeout = "request_overall_timeout"
    static let requestHeaderTimeout = "request_header_timeout"
    static let maxDurationTimeout = "max_duration_timeout"
    static let missingHost = "missing_host_header"
    static let missingPath = "missing_path_rejected"
    static let absolutePath = "absolute_path_rejected"
    static let pathNormalizationFailed = "path_normalization_failed"
    static let overload = "overload"
    static let badConnection = "http1.connection_header_rejected"
    static let upgradeFailed = "upgrade_failed"
    static let invalidEnvoyHeaders = "request_headers_failed_strict_check"
    static let retryBufferExceeded = "request_payload_exceeded_retry_buffer_limit"
    static let downstreamRemoteDisconnect = "downstream_remote_disconnect"
    static let downstreamLocalDisconnect = "downstream_local_disconnect"
    static let lateReset = "upstream_reset_after_response_started"
    static let earlyReset = "upstream_reset_before_response_started"

    /// Details hold no blanks.
    static func clean(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 == 0x20 || $0 >= 0x09 && $0 <= 0x0d }) else { return text }
        let bytes = text.utf8.map { $0 == 0x20 || $0 >= 0x09 && $0 <= 0x0d ? UInt8(ascii: "_") : $0 }
        return String(decoding: bytes, as: UTF8.self)
    }
}
