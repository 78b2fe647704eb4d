// What a cluster's spec means for its sockets and codecs.
import HTTPWire
import Reactor

enum UpstreamDefaults {
    /// How long sent bytes may stay unacknowledged before a connection counts as dead, ms. Outrider's own: without it
    /// the kernel holds requests to a dead host for a quarter of an hour. `socket_options` may say otherwise.
    static let userTimeoutMilliseconds: UInt32 = 30_000
    /// Probes on silent connections, for the same reason.
    static let keepalive = TCPKeepalive(idleSeconds: 60, intervalSeconds: 10, probes: 3)

    static func socketOptions(_ spec: ClusterSpec) -> SocketOptions {
        var options = spec.socketOptions
        if let source = spec.sourceAddress { options.source = source }
        guard spec.detectsDeadPeers else { return options }
        if options.userTimeoutMilliseconds == nil { options.userTimeoutMilliseconds = userTimeoutMilliseconds }
        if options.keepalive == nil { options.keepalive = keepalive }
        return options
    }

    static func requestStyle(_ spec: UpstreamHTTPSpec) -> HTTP1Style {
        var style = HTTP1Style()
        switch spec.http1.headerCase {
        case .preserve: style.names = .preserve
        case .lower: style.names = .lower
        case .proper: style.names = .proper
        }
        style.absoluteTarget = spec.http1.sendFullyQualifiedURL
        return style
    }

    /// What a response head may be, and where the cluster says nothing of its bytes, `defaultKiB`.
    static func responseLimits(_ spec: UpstreamHTTPSpec, defaultKiB: Int = 80) -> HTTP1Limits {
        HTTP1Limits(
            maxHeaderBytes: (spec.maxResponseHeadersKiB ?? defaultKiB) * 1024, maxHeaderCount: spec.maxHeaderCount,
            of: .server)
    }

    static func http2Options(_ spec: ClusterSpec) -> HTTP2Options {
        var options = HTTP2Options(spec.http.http2, bufferLimit: spec.perConnectionBufferLimit)
        options.limits = responseLimits(spec.http, defaultKiB: 60)
        return options
    }

    static func responseOptions(_ spec: UpstreamHTTPSpec) -> HTTP1Options {
        var options = HTTP1Options()
        options.allowHTTP10 = true
        options.allowChunkedLength = spec.http1.allowChunkedLength
        return options
    }
}
