// What is known about one request or TCP session: the access log, the formatters and the stats read it.
import HTTPWire
import Reactor

/// The facts of one stream, filled in as it lives. Loop thread only; reused by `reset()`, never reallocated.
public final class StreamInfo {
    /// Monotonic marks of a stream's life; nil until reached.
    public struct Marks {
        public var start = MonotonicTime(nanoseconds: 0)
        public var requestEnd: MonotonicTime?
        public var firstUpstreamSent: MonotonicTime?
        public var lastUpstreamSent: MonotonicTime?
        public var firstUpstreamReceived: MonotonicTime?
        public var lastUpstreamReceived: MonotonicTime?
        public var firstDownstreamSent: MonotonicTime?
        public var lastDownstreamSent: MonotonicTime?
        public var end: MonotonicTime?
        public init() {}
    }

    public var marks = Marks()
    public var startWall = WallTime(unixNanoseconds: 0)
    public var httpVersion: HTTPVersion?
    /// 0 until a response head went downstream (as Envoy prints it).
    public var responseCode = 0
    /// `%RESPONSE_CODE_DETAILS%`; spaces already replaced by `_`. Empty: unset.
    public var responseCodeDetails = ""
    public var connectionTerminationDetails = ""
    public var flags: ResponseFlags = []
    /// Body bytes (`%BYTES_RECEIVED%`, `%BYTES_SENT%`); for TCP all bytes.
    public var bytesReceived: UInt64 = 0
    public var bytesSent: UInt64 = 0
    public var downstreamWireReceived: UInt64 = 0
    public var downstreamWireSent: UInt64 = 0
    public var upstreamWireReceived: UInt64 = 0
    public var upstreamWireSent: UInt64 = 0
    public var routeName = ""
    public var virtualCluster = ""
    public var isHealthCheck = false
    public var downstream: DownstreamInfo?
    public var upstream = UpstreamInfo()

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
        downstreamWireReceived = 0
        downstreamWireSent = 0
        upstreamWireReceived = 0
        upstreamWireSent = 0
        routeName = ""
        virtualCluster = ""
        isHealthCheck = false
        downstream = nil
        upstream = UpstreamInfo()
    }
}

/// The downstream connection as its streams see it; one object a connection.
public final class DownstreamInfo {
    public let connectionID: UInt64
    public let localAddress: SocketAddress
    /// The peer of the socket.
    public let directRemoteAddress: SocketAddress
    /// The peer as trusted headers or PROXY protocol tell it; the direct one until then.
    public var remoteAddress: SocketAddress
    public var tls: TLSConnectionInfo?
    /// SNI, from the handshake.
    public var requestedServerName = ""
    public var transportFailureReason = ""
    public var handshakeDone: MonotonicTime?
    public let accepted: MonotonicTime

    public init(connectionID: UInt64, local: SocketAddress, remote: SocketAddress, accepted: MonotonicTime) {
        self.connectionID = connectionID
        localAddress = local
        directRemoteAddress = remote
        remoteAddress = remote
        self.accepted = accepted
    }
}

/// The last upstream try of a stream.
public struct UpstreamInfo {
    public var clusterName = ""
    public var host: Host?
    public var localAddress: SocketAddress?
    public var remoteAddress: SocketAddress?
    public var connectionID: UInt64 = 0
    public var httpVersion: HTTPVersion?
    public var tls: TLSConnectionInfo?
    public var transportFailureReason = ""
    public var attemptCount = 0
    /// From asking the pool to having a connection.
    public var poolReady: TimeAmount?

    public init() {}
}
