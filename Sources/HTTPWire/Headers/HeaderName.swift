// The field names that Outrider knows: each has its own bit in a HeaderMap.
import Reactor

/// A well-known field name. A `HeaderMap` has a bit for each, so that asking for one that is not
/// there costs one test.
public enum HeaderName: UInt8, Sendable, CaseIterable {
    case accept
    case acceptEncoding
    case acceptLanguage
    case accessControlAllowCredentials
    case accessControlAllowHeaders
    case accessControlAllowMethods
    case accessControlAllowOrigin
    case accessControlExposeHeaders
    case accessControlMaxAge
    case accessControlRequestHeaders
    case accessControlRequestMethod
    case age
    case allow
    case authorization
    case b3
    case cacheControl
    case connection
    case contentEncoding
    case contentLanguage
    case contentLength
    case contentRange
    case contentType
    case cookie
    case date
    case etag
    case expect
    case expires
    case forwarded
    case grpcAcceptEncoding
    case grpcEncoding
    case grpcMessage
    case grpcStatus
    case grpcTimeout
    case host
    case http2Settings
    case ifMatch
    case ifModifiedSince
    case ifNoneMatch
    case ifRange
    case ifUnmodifiedSince
    case keepAlive
    case lastModified
    case link
    case location
    case maxForwards
    case origin
    case proxyAuthenticate
    case proxyAuthorization
    case proxyConnection
    case proxyStatus
    case range
    case referer
    case retryAfter
    case secWebsocketAccept
    case secWebsocketKey
    case server
    case setCookie
    case strictTransportSecurity
    case te
    case traceparent
    case tracestate
    case trailer
    case transferEncoding
    case upgrade
    case userAgent
    case vary
    case via
    case wwwAuthenticate
    case xB3Flags
    case xB3ParentSpanID
    case xB3Sampled
    case xB3SpanID
    case xB3TraceID
    case xClientTraceID
    case xEnvoyAttemptCount
    case xEnvoyDecoratorOperation
    case xEnvoyDegraded
    case xEnvoyDownstreamServiceCluster
    case xEnvoyDownstreamServiceNode
    case xEnvoyExpectedRQTimeoutMs
    case xEnvoyExternalAddress
    case xEnvoyForceTrace
    case xEnvoyHedgeOnPerTryTimeout
    case xEnvoyImmediateHealthCheckFail
    case xEnvoyInternal
    case xEnvoyIPTags
    case xEnvoyIsTimeoutRetry
    case xEnvoyLocalOverloaded
    case xEnvoyMaxRetries
    case xEnvoyOriginalDstHost
    case xEnvoyOriginalHost
    case xEnvoyOriginalMethod
    case xEnvoyOriginalPath
    case xEnvoyOriginalURL
    case xEnvoyOverloaded
    case xEnvoyRateLimited
    case xEnvoyRetriableHeaderNames
    case xEnvoyRetriableStatusCodes
    case xEnvoyRetryGRPCOn
    case xEnvoyRetryOn
    case xEnvoyUpstreamAltStatName
    case xEnvoyUpstreamCanary
    case xEnvoyUpstreamHealthCheckedCluster
    case xEnvoyUpstreamRQPerTryTimeoutMs
    case xEnvoyUpstreamRQTimeoutAltResponse
    case xEnvoyUpstreamRQTimeoutMs
    case xEnvoyUpstreamServiceTime
    case xEnvoyUpstreamStreamDurationMs
    case xForwardedClientCert
    case xForwardedFor
    case xForwardedHost
    case xForwardedPort
    case xForwardedProto
    case xRateLimitLimit
    case xRateLimitRemaining
    case xRateLimitReset
    case xRealIP
    case xRequestID
}

extension HeaderName {
    /// The name in lower case, as HTTP/2 and Envoy write it.
    public var text: StaticString {
        switch self {
        case .accept: "accept"
        case .acceptEncoding: "accept-encoding"
        case .acceptLanguage: "accept-language"
        case .accessControlAllowCredentials: "access-control-allow-credentials"
        case .accessControlAllowHeaders: "access-control-allow-headers"
        case .accessControlAllowMethods: "access-control-allow-methods"
        case .accessControlAllowOrigin: "access-control-allow-origin"
        case .accessControlExposeHeaders: "access-control-expose-headers"
        case .accessControlMaxAge: "access-control-max-age"
        case .accessControlRequestHeaders: "access-control-request-headers"
        case .accessControlRequestMethod: "access-control-request-method"
        case .age: "age"
        case .allow: "allow"
        case .authorization: "authorization"
        case .b3: "b3"
        case .cacheControl: "cache-control"
        case .connection: "connection"
        case .contentEncoding: "content-encoding"
        case .contentLanguage: "content-language"
        case .contentLength: "content-length"
        case .contentRange: "content-range"
        case .contentType: "content-type"
        case .cookie: "cookie"
        case .date: "date"
        case .etag: "etag"
        case .expect: "expect"
        case .expires: "expires"
        case .forwarded: "forwarded"
        case .grpcAcceptEncoding: "grpc-accept-encoding"
        case .grpcEncoding: "grpc-encoding"
        case .grpcMessage: "grpc-message"
        case .grpcStatus: "grpc-status"
        case .grpcTimeout: "grpc-timeout"
        case .host: "host"
        case .http2Settings: "http2-settings"
        case .ifMatch: "if-match"
        case .ifModifiedSince: "if-modified-since"
        case .ifNoneMatch: "if-none-match"
        case .ifRange: "if-range"
        case .ifUnmodifiedSince: "if-unmodified-since"
        case .keepAlive: "keep-alive"
        case .lastModified: "last-modified"
        case .link: "link"
        case .location: "location"
        case .maxForwards: "max-forwards"
        case .origin: "origin"
        case .proxyAuthenticate: "proxy-authenticate"
        case .proxyAuthorization: "proxy-authorization"
        case .proxyConnection: "proxy-connection"
        case .proxyStatus: "proxy-status"
        case .range: "range"
        case .referer: "referer"
        case .retryAfter: "retry-after"
        case .secWebsocketAccept: "sec-websocket-accept"
        case .secWebsocketKey: "sec-websocket-key"
        case .server: "server"
        case .setCookie: "set-cookie"
        case .strictTransportSecurity: "strict-transport-security"
        case .te: "te"
        case .traceparent: "traceparent"
        case .tracestate: "tracestate"
        case .trailer: "trailer"
        case .transferEncoding: "transfer-encoding"
        case .upgrade: "upgrade"
        case .userAgent: "user-agent"
        case .vary: "vary"
        case .via: "via"
        case .wwwAuthenticate: "www-authenticate"
        case .xB3Flags: "x-b3-flags"
        case .xB3ParentSpanID: "x-b3-parentspanid"
        case .xB3Sampled: "x-b3-sampled"
        case .xB3SpanID: "x-b3-spanid"
        case .xB3TraceID: "x-b3-traceid"
        case .xClientTraceID: "x-client-trace-id"
        case .xEnvoyAttemptCount: "x-envoy-attempt-count"
        case .xEnvoyDecoratorOperation: "x-envoy-decorator-operation"
        case .xEnvoyDegraded: "x-envoy-degraded"
        case .xEnvoyDownstreamServiceCluster: "x-envoy-downstream-service-cluster"
        case .xEnvoyDownstreamServiceNode: "x-envoy-downstream-service-node"
        case .xEnvoyExpectedRQTimeoutMs: "x-envoy-expected-rq-timeout-ms"
        case .xEnvoyExternalAddress: "x-envoy-external-address"
        case .xEnvoyForceTrace: "x-envoy-force-trace"
        case .xEnvoyHedgeOnPerTryTimeout: "x-envoy-hedge-on-per-try-timeout"
        case .xEnvoyImmediateHealthCheckFail: "x-envoy-immediate-health-check-fail"
        case .xEnvoyInternal: "x-envoy-internal"
        case .xEnvoyIPTags: "x-envoy-ip-tags"
        case .xEnvoyIsTimeoutRetry: "x-envoy-is-timeout-retry"
        case .xEnvoyLocalOverloaded: "x-envoy-local-overloaded"
        case .xEnvoyMaxRetries: "x-envoy-max-retries"
        case .xEnvoyOriginalDstHost: "x-envoy-original-dst-host"
        case .xEnvoyOriginalHost: "x-envoy-original-host"
        case .xEnvoyOriginalMethod: "x-envoy-original-method"
        case .xEnvoyOriginalPath: "x-envoy-original-path"
        case .xEnvoyOriginalURL: "x-envoy-original-url"
        case .xEnvoyOverloaded: "x-envoy-overloaded"
        case .xEnvoyRateLimited: "x-envoy-ratelimited"
        case .xEnvoyRetriableHeaderNames: "x-envoy-retriable-header-names"
        case .xEnvoyRetriableStatusCodes: "x-envoy-retriable-status-codes"
        case .xEnvoyRetryGRPCOn: "x-envoy-retry-grpc-on"
        case .xEnvoyRetryOn: "x-envoy-retry-on"
        case .xEnvoyUpstreamAltStatName: "x-envoy-upstream-alt-stat-name"
        case .xEnvoyUpstreamCanary: "x-envoy-upstream-canary"
        case .xEnvoyUpstreamHealthCheckedCluster: "x-envoy-upstream-healthchecked-cluster"
        case .xEnvoyUpstreamRQPerTryTimeoutMs: "x-envoy-upstream-rq-per-try-timeout-ms"
        case .xEnvoyUpstreamRQTimeoutAltResponse: "x-envoy-upstream-rq-timeout-alt-response"
        case .xEnvoyUpstreamRQTimeoutMs: "x-envoy-upstream-rq-timeout-ms"
        case .xEnvoyUpstreamServiceTime: "x-envoy-upstream-service-time"
        case .xEnvoyUpstreamStreamDurationMs: "x-envoy-upstream-stream-duration-ms"
        case .xForwardedClientCert: "x-forwarded-client-cert"
        case .xForwardedFor: "x-forwarded-for"
        case .xForwardedHost: "x-forwarded-host"
        case .xForwardedPort: "x-forwarded-port"
        case .xForwardedProto: "x-forwarded-proto"
        case .xRateLimitLimit: "x-ratelimit-limit"
        case .xRateLimitRemaining: "x-ratelimit-remaining"
        case .xRateLimitReset: "x-ratelimit-reset"
        case .xRealIP: "x-real-ip"
        case .xRequestID: "x-request-id"
        }
    }

    /// The bytes of `text`; valid for ever.
    public var bytes: ByteView { ByteView(text) }

    /// The well-known name that `name` spells in any case, or nil.
    public init?(_ name: ByteView) {
        guard let known = HeaderNameIndex.shared.find(name) else { return nil }
        self = known
    }
}
