// A downstream stream's two faces, whatever its codec: the wall between the server codecs and the stream logic.
import HTTPWire
import Reactor

/// How a downstream stream ended from the codec's side.
public enum DownstreamResetReason: Sendable {
    /// The client closed or reset the connection.
    case connectionTermination
    /// The client reset this stream alone (HTTP/2).
    case remoteReset
    /// We closed the connection (drain deadline, max duration, flush timeout...).
    case localClose
    /// The client broke the protocol (HTTP/2), with Envoy's code details.
    case protocolError(StaticString)

    var isByPeer: Bool {
        if case .localClose = self { return false }
        return true
    }
}

/// The response side of one stream, implemented by the codecs. Loop thread only.
///
/// The writer is done with its receiver once it was handed the end of the response (`end: true`, `sendTrailers`)
/// or was `reset`: from then on it calls nothing on the receiver, which may serve another request at once. A tunnel
/// ends when both directions have ended. A response that ends before its request did makes an HTTP/1 codec close the
/// connection after the flush (with `delayClose`), and an HTTP/2 codec reset the stream with NO_ERROR.
public protocol ResponseWriter: AnyObject {
    /// A 1xx (100, 103) but 101; may be sent several times before the head.
    func sendInformational(_ response: HeaderMap)
    /// `end` when there is neither body nor trailers. The codec decides the framing (from `content-length` in
    /// `response`, the status and the request's method) and adds `connection: close` or `keep-alive` as needed.
    /// It removes no field and adds no other.
    func sendHead(_ response: HeaderMap, end: Bool)
    /// Takes all bytes out of `bytes`.
    func sendBody(_ bytes: inout ByteQueue, end: Bool)
    /// Ends the response. HTTP/1 sends the fields only after a chunked body and when `enable_trailers` is set.
    func sendTrailers(_ trailers: HeaderMap)
    /// Flow control of the request body: no `requestBody` comes between the two calls, and the codec stops reading
    /// from the socket once its own buffers are full. May be called from inside `requestHead` and `requestBody`.
    func pauseReading()
    func resumeReading()
    /// The client cannot take more for now: hold the response until `downstreamDrained`.
    var isBackedUp: Bool { get }
    /// Ends the stream without the rest of the response: HTTP/1 closes the connection.
    func reset()
    /// Called right before `sendHead` of a 101 or of a 2xx to CONNECT: from then on bytes flow raw both ways,
    /// `requestBody(end: true)` and `sendBody(end: true)` are half-closes.
    func becomeTunnel()
    /// The connection will not be used for another request after this stream. Called before `sendHead`. Codecs with
    /// several streams at once do nothing: `ServerCodec.announceDrain` is their way.
    func closeAfterResponse()
    var httpVersion: HTTPVersion { get }
    /// Bytes of this stream on the wire so far, heads and framing included.
    var wireBytesReceived: UInt64 { get }
    var wireBytesSent: UInt64 { get }
}

/// The request side of one stream, implemented by the stream logic. Calls come from the codec in wire order.
///
/// Any call may end the stream from inside (a local reply, a reset): a codec looks at its own state after each one.
public protocol RequestReceiver: AnyObject {
    /// Where the codec parses the request head and trailers into. The head stays as it was parsed: the receiver
    /// removes the hop-by-hop fields itself and reads `upgrade`, `expect` and `te` from it.
    var requestHeaders: HeaderMap { get }
    var requestTrailers: HeaderMap { get }
    /// How long the client may take no byte of a response that is complete; nil or zero: for ever.
    var flushLimit: TimeAmount? { get }
    /// The head is whole. `end` when neither body nor trailers follow. A CONNECT, and an upgrade without a body, end
    /// with their head; after `becomeTunnel` the client's bytes come as `requestBody`, with an end of their own. Bytes
    /// that come before that wait in the codec.
    func requestHead(end: Bool)
    /// The receiver takes all bytes out of `bytes`.
    func requestBody(_ bytes: inout ByteQueue, end: Bool)
    /// The trailers are in `requestTrailers`; the request is over.
    func requestTrailersDone()
    /// The request broke a rule before it was complete; nothing more of it will come. The receiver answers, or resets
    /// when it had begun to answer. The codec will not keep the connection.
    func requestFailed(_ failure: HTTP1Failure)
    /// The overload manager wants no more of the connection (HTTP/1): nothing more of the request will come, and the codec
    /// will not keep the connection. The receiver answers as in `requestFailed`.
    func requestShed()
    /// The writer's `isBackedUp` became true, or false again.
    func downstreamBackedUp()
    func downstreamDrained()
    /// The stream is gone; the writer must not be used any more.
    func downstreamReset(_ reason: DownstreamResetReason)
}

/// What a server codec asks of the connection manager; one object a connection, held by the codec. It owns the timers
/// and counters of the connection, so that codecs have none. Loop thread only.
public protocol ServerSession: AnyObject {
    var downstream: DownstreamInfo { get }
    /// Takes the codec over from the one that called: the connection's protocol has been found out.
    func attach(_ codec: ServerCodec)
    /// The first byte of a request is there. The codec parses into the receiver's maps.
    func openStream(_ writer: ResponseWriter) -> RequestReceiver
    /// All is flushed and our side is shut down: the codec reads on and throws away, until the client closes or
    /// `delayed_close_timeout` passes and the session calls `closeNow()`.
    func delayClose()
    /// The client did something that cost it a stream; `text` is for people.
    func noteOffence(_ text: @autoclosure () -> String)
    /// The client broke the protocol of the connection as a whole; `text` is for people.
    func protocolFailed(_ text: String)
    /// Bytes of the client are there (HTTP/2, only where there is an overload manager). True: the connection was closed
    /// instead of reading them.
    func shedConnection() -> Bool
    /// The connection is closed; after the last `downstreamReset`. Ends the session.
    func connectionClosed(byPeer: Bool)
}

/// Bytes of a connection: totals since it began, and what lies in its buffers now.
public struct ConnectionTraffic: Sendable, Equatable {
    public var received: UInt64
    public var sent: UInt64
    public var unread: Int
    public var unsent: Int

    public init(received: UInt64 = 0, sent: UInt64 = 0, unread: Int = 0, unsent: Int = 0) {
        self.received = received
        self.sent = sent
        self.unread = unread
        self.unsent = unsent
    }
}

/// What the connection manager asks of a server codec. The HTTP/1 one is
/// `HTTP1ServerConnection(connection: Connection, session: ServerSession, settings: HTTP1ServerSettings)`: it becomes
/// the connection's delegate and reads what is there already.
public protocol ServerCodec: AnyObject {
    /// Of the connection; HTTP/1.1 stands for all of HTTP/1. nil while it is not known.
    var protocolVersion: HTTPVersion? { get }
    var traffic: ConnectionTraffic { get }
    /// `drain` will follow: HTTP/2 asks the client for no more streams and serves those that come all the same.
    func announceDrain()
    /// Ends the connection when what runs is done: HTTP/1 says `connection: close` with the next response head,
    /// or closes now (flush, FIN, `delayClose`) when no request is under way. HTTP/2 sends GOAWAY.
    func drain()
    /// Closes at once; running streams hear `downstreamReset(.localClose)`.
    func closeNow()
}
