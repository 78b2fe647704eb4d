// One try of a request on one upstream connection, whatever its codec: the wall between router and codecs.
import HTTPWire
import Reactor

/// Why a stream ended before its response did.
public enum StreamResetReason: Sendable, Equatable {
    /// The peer closed or reset the connection.
    case connectionTermination
    /// TCP or TLS connect failed.
    case connectFailure
    /// The socket could not even be made ready to connect, as when it cannot be bound to its source address.
    case localConnectFailure
    /// TCP or TLS connect took longer than `connect_timeout`.
    case connectTimeout
    /// A circuit breaker refused.
    case overflow
    /// The peer reset this stream alone (HTTP/2).
    case remoteReset
    /// The peer refused this stream unprocessed: safe to repeat (HTTP/2 REFUSED_STREAM, GOAWAY).
    case remoteRefused
    /// The response broke the protocol.
    case protocolError
    case localReset

    /// A breaker that is full, or what failed at our own end, tells nothing of the host.
    var tellsOfHost: Bool {
        switch self {
        case .overflow, .localReset, .localConnectFailure: false
        case .connectionTermination, .connectFailure, .connectTimeout, .remoteReset, .remoteRefused, .protocolError:
            true
        }
    }
}

/// The sending side of a try. Loop thread only. After `reset`/`cancel`/the end of both directions the object is dead.
public protocol UpstreamStream: AnyObject {
    /// Writes the request head; `end` when there is neither body nor trailers.
    func sendHead(_ request: HeaderMap, end: Bool)
    /// Takes all bytes out of `bytes`.
    func sendBody(_ bytes: inout ByteQueue, end: Bool)
    func sendTrailers(_ trailers: HeaderMap)
    /// Flow control of the response.
    func pauseReading()
    func resumeReading()
    /// The peer cannot take more for now: stop sending body until `upstreamDrained`.
    var isBackedUp: Bool { get }
    /// Gives the try up: the delegate hears nothing more of it. HTTP/1 closes the connection.
    func cancel()
    /// Called from inside `upstreamHead` of a 101 or of a 2xx to CONNECT: bytes flow both ways, `sendBody(end: true)`
    /// and `upstreamBody(end: true)` are half-closes.
    func becomeTunnel()
    /// Requests that this connection served before this one; 0 on a fresh connection.
    var earlierRequests: Int { get }
    /// Whether the kernel took any byte of this request: while it has not, the request can be sent again whatever
    /// its method. Still right inside `upstreamReset`.
    var sentAnything: Bool { get }
    /// Bytes of this stream on the wire so far, heads and framing included. Still right after the end.
    var wireBytesSent: UInt64 { get }
    var wireBytesReceived: UInt64 { get }
    var connectionInfo: UpstreamConnectionInfo { get }
}

/// The connection that carries a try; one object a connection.
public final class UpstreamConnectionInfo {
    public let connectionID: UInt64
    public let localAddress: SocketAddress?
    public let remoteAddress: SocketAddress
    public let httpVersion: HTTPVersion
    public let tls: TLSConnectionInfo?
    /// When connecting began, and when the connection was up (its TLS handshake done).
    public let connectStart: MonotonicTime?
    public let established: MonotonicTime?

    public init(
        connectionID: UInt64, local: SocketAddress?, remote: SocketAddress, httpVersion: HTTPVersion,
        tls: TLSConnectionInfo?, connectStart: MonotonicTime? = nil, established: MonotonicTime? = nil
    ) {
        self.connectionID = connectionID
        localAddress = local
        remoteAddress = remote
        self.httpVersion = httpVersion
        self.tls = tls
        self.connectStart = connectStart
        self.established = established
    }
}

/// The receiving side of a try: the router. Calls come from the loop, in wire order.
public protocol UpstreamStreamDelegate: AnyObject {
    /// Where the codec parses the response head and trailers into (the stream's own maps: no copy).
    var upstreamResponseHeaders: HeaderMap { get }
    var upstreamResponseTrailers: HeaderMap { get }
    /// A 1xx other than 101 is in `upstreamResponseHeaders`; the final head will follow in the same map.
    func upstreamInformational(_ stream: UpstreamStream)
    func upstreamHead(_ stream: UpstreamStream, end: Bool)
    /// `bytes` holds body bytes; the delegate takes all of them (moves them on).
    func upstreamBody(_ stream: UpstreamStream, _ bytes: inout ByteQueue, end: Bool)
    func upstreamTrailers(_ stream: UpstreamStream)
    func upstreamReset(_ stream: UpstreamStream, _ reason: StreamResetReason, detail: String)
    func upstreamBackedUp(_ stream: UpstreamStream)
    func upstreamDrained(_ stream: UpstreamStream)
}

/// Someone who waits for a pooled connection.
public protocol PoolWaiter: StreamOriginating {
    /// `stream` is ready for `sendHead`; its delegate is the waiter's.
    func poolReady(_ stream: UpstreamStream, host: Host)
    /// No connection; `detail` is the transport's own text ("connection refused", a TLS reason).
    func poolFailed(_ reason: StreamResetReason, host: Host, detail: String)
    var upstreamDelegate: UpstreamStreamDelegate { get }
}
