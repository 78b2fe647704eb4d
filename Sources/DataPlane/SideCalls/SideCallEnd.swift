// What a side call is made with, and how it can end.
import HTTPWire
import Reactor

/// How a side call is made. The same for all calls of one kind, and so made once.
struct SideCallRules {
    /// From `start` to the last byte of the answer, waiting for a connection and a second try included; nil: no limit.
    var timeout: TimeAmount?
    /// Bytes of the answer's body, at most: a longer one is a failure.
    var maxResponseBytes = 64 * 1024
    /// Asking twice does no harm: after a keep-alive connection that died under it, the request may go out once more.
    var isRepeatable = false
    /// What the cluster speaks where its protocol follows the request's.
    var version = HTTPVersion.http11
    /// The proxy's own address, sent as `x-forwarded-for` beside `x-envoy-internal`, as in Envoy; nil: neither is sent.
    var sender: FixedBytes?
    /// `x-envoy-internal` is sent without a `sender`, too.
    var isMarkedInternal = false
    /// The length of a body is told ahead, which gRPC does not do.
    var announcesLength = true
    /// The timeout is sent as `x-envoy-expected-rq-timeout-ms`.
    var announcesTimeout = false
}

/// Who makes side calls.
protocol SideCallOwner: AnyObject {
    /// The call is over; another one may be started from inside.
    func sideCallEnded(_ call: SideCall, _ end: SideCallEnd)
}

/// How a side call ended.
enum SideCallEnd: Equatable {
    /// The answer is whole, whatever its status: `response`, `responseBody`, `responseTrailers`.
    case answered
    case failed(SideCallFailure)
}

/// Why there is no answer.
enum SideCallFailure: Equatable, CustomStringConvertible {
    case noCluster
    case noHealthyHost
    case refused(HostRefusal)
    /// `detail` is the transport's own text.
    case reset(StreamResetReason, detail: String)
    case timedOut(TimeAmount)
    /// The cluster's `max_stream_duration`.
    case tookTooLong(TimeAmount)
    case tooLarge(limit: Int)

    /// The status that a client's request would have been answered with: what stats count, and what a filter that asks
    /// sees in place of an answer, as in Envoy.
    var status: Int {
        switch self {
        case .noCluster, .noHealthyHost, .refused, .tooLarge: 503
        case .reset(let reason, _): reason.status
        case .timedOut, .tookTooLong: 504
        }
    }

    /// What the log of a client's request would say.
    var flags: ResponseFlags {
        switch self {
        case .noCluster: .noClusterFound
        case .noHealthyHost: .noHealthyUpstream
        case .refused(let refusal): refusal.flags
        case .reset(let reason, _): reason.flag
        case .timedOut: .upstreamRequestTimeout
        case .tookTooLong: .upstreamMaxStreamDurationReached
        case .tooLarge: []
        }
    }

    /// For people.
    var description: String {
        switch self {
        case .noCluster: "the cluster does not exist"
        case .noHealthyHost: "no healthy upstream"
        case .refused(let refusal): refusal.message
        case .reset(let reason, let detail): detail.isEmpty ? reason.words : "\(reason.words): \(detail)"
        case .timedOut(let limit): "no answer within \(limit)"
        case .tookTooLong(let limit): "no answer within the cluster's max_stream_duration \(limit)"
        case .tooLarge(let limit): "the answer's body is longer than \(limit) bytes"
        }
    }
}
