// What is known about one request or TCP session: the access log, the formatters and the stats read it.
import HTTPWire
import Reactor

/// The facts of one stream, filled in as it lives. Loop thread only; reused by `reset()`, never reallocated.
public final class StreamInfo {
    /// Monotonic marks of a stream's life; nil until reached.
    public struct Marks {
        /// The first byte of the request (HTTP), or the accepted connection (TCP).
        public var start = MonotonicTime.zero
        public var requestEnd: MonotonicTime?
        public var firstUpstreamSent: MonotonicTime?
        public var lastUpstreamSent: MonotonicTime?
        public var firstUpstreamReceived: MonotonicTime?
        /// The first byte of the response's body.
        public var firstUpstreamBodyReceived: MonotonicTime?
        public var lastUpstreamReceived: MonotonicTime?
        public var firstDownstreamSent: MonotonicTime?
        public var lastDownstreamSent: MonotonicTime?
        /// Set when the stream is over, before it is logged.
        public var end: MonotonicTime?
        public init() {}
    }

    @exclusivity(unchecked) public var marks = Marks()
    public var startWall = WallTime(unixNanoseconds: 0)
    public var httpVersion: HTTPVersion?
    /// 0 until a response head went downstream (as Envoy prints it).
    public var responseCode = 0
    /// `%RESPONSE_CODE_DETAILS%`; spaces already replaced by `_`. Empty: unset.
    public var responseCodeDetails = ""
    public var connectionTerminationDetails = ""
    @exclusivity(unchecked) public var flags: ResponseFlags = []
    /// Body bytes (`%BYTES_RECEIVED%`, `%BYTES_SENT%`); for TCP all bytes.
    @exclusivity(unchecked) public var bytesReceived: UInt64 = 0
    @exclusivity(unchecked) public var bytesSent: UInt64 = 0
    /// Heads, bodies and framing of this stream on the wire.
    @exclusivity(unchecked) public var downstreamWire = WireBytes()
    @exclusivity(unchecked) public var upstreamWire = WireBytes()
    public var routeName = ""
    /// Where the route or its virtual host has any.
    @exclusivity(unchecked) var routeMetadata: RouteMetadata?
    public var virtualCluster = ""
    public var isHealthCheck = false
    /// A gRPC call ended with a status that stands for a failure of the server, or without any.
    public var isGRPCFailure = false
    /// `%STREAM_ID%` of a stream without an x-request-id (TCP).
    public var streamID = ""
    public var downstream: DownstreamInfo?
    /// What HTTP filters have noted for logs (`%DYNAMIC_METADATA%`).
    @exclusivity(unchecked) var notes: [StreamNote] = []
    /// The client as trusted headers tell it; nil: the peer of the connection.
    public var client: SocketAddress?
    @exclusivity(unchecked) public var upstream = UpstreamInfo()
    /// The stream's own, where its requests are traced (`%TRACE_ID%`, `%SPAN_ID%`). Set with the stream.
    var trace: StreamTrace?

    public init() {}

    /// Forgets everything, for the next stream.
    public func reset() {
        marks = Marks()
        startWall = WallTime(unixNanoseconds: 0)
        httpVersion = nil
        responseCode = 0
        responseCodeDetails = ""
        connectionTerminationDetails = ""
        flags = []
        bytesReceived = 0
        bytesSent = 0
        downstreamWire = WireBytes()
        upstreamWire = WireBytes()
        routeName = ""
        if routeMetadata != nil { routeMetadata = nil }
        virtualCluster = ""
        isHealthCheck = false
        isGRPCFailure = false
        streamID = ""
        downstream = nil
        if !notes.isEmpty { notes.removeAll(keepingCapacity: true) }
        client = nil
        upstream = UpstreamInfo()
    }
}

/// Bytes of one stream on one side's wire, before TLS.
public struct WireBytes: Sendable, Equatable {
    public var received: UInt64 = 0
    public var sent: UInt64 = 0
    /// Of these, the head's.
    public var headersReceived: UInt64 = 0
    public var headersSent: UInt64 = 0

    public init() {}
}

/// How a connection went down, as `%DOWNSTREAM_DETECTED_CLOSE_TYPE%` tells it.
public enum DetectedCloseType: UInt8, Sendable {
    case normal
    case localReset
    case remoteReset
}

/// The last upstream try of a stream.
public struct UpstreamInfo {
    /// The cluster's name. Empty until one was chosen.
    public var clusterName = ""
    /// `alt_stat_name`, when the cluster has one: what `%UPSTREAM_CLUSTER%` prints.
    public var clusterAlias = ""
    var clusterMetadata: Metadata?
    public var host: Host?
    /// Those before the last one, in order.
    public var earlierTries: [UpstreamTry] = []
    /// How the last one ended, where it failed.
    public var end = TryEnd.open
    public var localAddress: SocketAddress?
    public var remoteAddress: SocketAddress?
    public var connectionID: UInt64 = 0
    public var httpVersion: HTTPVersion?
    public var tls: TLSConnectionInfo?
    /// The SNI that was sent.
    public var serverName = ""
    public var transportFailureReason = ""
    public var localCloseReason = ""
    public var detectedCloseType = DetectedCloseType.normal
    public var attemptCount = 0
    /// From asking the pool to having a connection.
    public var poolReady: TimeAmount?
    /// When the connection in use was begun, was connected, and had finished its handshake.
    public var connectStart: MonotonicTime?
    public var connectEnd: MonotonicTime?
    public var handshakeEnd: MonotonicTime?

    public init() {}
}
