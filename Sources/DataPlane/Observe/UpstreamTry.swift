// How one try of a request went.
import Reactor

/// A try that is over.
public struct UpstreamTry {
    /// nil: the cluster had none for it.
    public var host: Host?
    /// 0: there was none.
    public var connectionID: UInt64
    /// From asking for a connection to the end.
    public var took: TimeAmount
    public var end: TryEnd
    /// The transport's own words for it.
    public var detail: String
    /// A retry by policy followed. Formatters list only such tries, as Envoy does.
    public var wasRetried: Bool

    public init(
        _ host: Host?, connectionID: UInt64, took: TimeAmount = .zero, end: TryEnd = .open, detail: String = "",
        wasRetried: Bool = true
    ) {
        self.host = host
        self.connectionID = connectionID
        self.took = took
        self.end = end
        self.detail = detail
        self.wasRetried = wasRetried
    }
}

/// How a try ended.
public enum TryEnd: Sendable, Equatable {
    /// Nobody has noted an end: it was given up with the request.
    case open
    case answered(status: Int)
    case reset(StreamResetReason)
    /// What it was connected for was over: a TCP session.
    case served
    case noHost
    case refused
    case perTryTimeout
    case perTryIdleTimeout
    case responseTimeout
    case maxDuration

    /// False: it ended before it had a connection.
    var hadConnection: Bool {
        switch self {
        case .noHost, .refused, .reset(.connectFailure), .reset(.connectTimeout), .reset(.localConnectFailure),
            .reset(.overflow):
            false
        default: true
        }
    }

    /// False: there was no host.
    var hadHost: Bool { self != .noHost && self != .refused }

    /// For people.
    var words: String {
        switch self {
        case .open: "given up"
        case .answered(let status): "answered \(status)"
        case .reset(let reason): reason.words
        case .served: "served"
        case .noHost: "no healthy host"
        case .refused: "the cluster refused it"
        case .perTryTimeout: "per_try_timeout"
        case .perTryIdleTimeout: "per_try_idle_timeout"
        case .responseTimeout: "the route's timeout"
        case .maxDuration: "max_stream_duration"
        }
    }
}
