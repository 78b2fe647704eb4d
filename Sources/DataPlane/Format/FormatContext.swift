// What a formatted line may draw from.
import HTTPWire
import Reactor

/// The stream, its messages and the time: the input of every formatter. Made on the stack for one line.
public struct FormatContext {
    public let info: StreamInfo
    /// Absent for TCP, or before the head arrived.
    public let request: HeaderMap?
    public let response: HeaderMap?
    public let trailers: HeaderMap?
    public var logType: AccessLogType
    /// The body of our own answer (`%LOCAL_REPLY_BODY%`).
    public var localReplyBody: ByteView
    /// The loop's clocks.
    public let now: MonotonicTime
    public let wallNow: WallTime

    public init(
        _ info: StreamInfo, request: HeaderMap?, response: HeaderMap? = nil, trailers: HeaderMap? = nil,
        logType: AccessLogType = .notSet, localReplyBody: ByteView = ByteView(), now: MonotonicTime, wallNow: WallTime
    ) {
        self.info = info
        self.request = request
        self.response = response
        self.trailers = trailers
        self.logType = logType
        self.localReplyBody = localReplyBody
        self.now = now
        self.wallNow = wallNow
    }
}

/// When a line is written (`envoy.data.accesslog.v3.AccessLogType`).
public enum AccessLogType: UInt8, Sendable, CaseIterable {
    case notSet
    case tcpUpstreamConnected
    case tcpPeriodic
    case tcpConnectionEnd
    case tcpConnectionStart
    case downstreamStart
    case downstreamPeriodic
    case downstreamEnd
    case upstreamPoolReady
    case upstreamPeriodic
    case upstreamEnd
    case downstreamTunnelSuccessfullyEstablished

    /// As `%ACCESS_LOG_TYPE%` prints it.
    public var text: StaticString {
        switch self {
        case .notSet: "NotSet"
        case .tcpUpstreamConnected: "TcpUpstreamConnected"
        case .tcpPeriodic: "TcpPeriodic"
        case .tcpConnectionEnd: "TcpConnectionEnd"
        case .tcpConnectionStart: "TcpConnectionStart"
        case .downstreamStart: "DownstreamStart"
        case .downstreamPeriodic: "DownstreamPeriodic"
        case .downstreamEnd: "DownstreamEnd"
        case .upstreamPoolReady: "UpstreamPoolReady"
        case .upstreamPeriodic: "UpstreamPeriodic"
        case .upstreamEnd: "UpstreamEnd"
        case .downstreamTunnelSuccessfullyEstablished: "DownstreamTunnelSuccessfullyEstablished"
        }
    }
}
