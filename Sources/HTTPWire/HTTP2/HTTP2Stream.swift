// One HTTP/2 stream: what of it waits to be delivered or sent, and the events that codecs override.
import CNGHTTP2
import Reactor

/// How a stream ended.
public enum HTTP2StreamEnd: Sendable {
    /// Both sides have said all.
    case complete
    /// The peer sent RST_STREAM.
    case resetByPeer(HTTP2ErrorCode)
    /// The peer has not processed it: GOAWAY, or RST_STREAM with REFUSED_STREAM. Safe to repeat.
    case refused
    /// The peer broke the protocol on it, and we sent RST_STREAM.
    case violation(HTTP2ErrorCode, details: StaticString)
    /// The whole connection is gone, or could not take it.
    case connectionGone

    var isComplete: Bool {
        if case .complete = self { return true }
        return false
    }
}

/// A stream. Codecs make a subclass and override the events, which come after the session has taken in what there was
/// to read, in the stream's order. Loop thread only.
///
/// Any event may reset the stream; nothing follows then.
open class HTTP2Stream {
    /// 0 until it is sent (clients).
    public internal(set) final var id: Int32 = 0

    // What has come and was not delivered yet.
    final var incoming: ByteQueue
    final var headIsReady = false
    final var hasTrailers = false
    final var remoteEnded = false
    final var endWasDelivered = false
    final var headWasDelivered = false
    final var isPaused = false
    /// Our end leaves the peer's side open.
    final var isTunnel = false
    /// Of `incoming`, bytes whose connection window was given back.
    final var returnedToConnection = 0
    /// Clients: the final head has begun.
    final var hasFinalHead = false

    // What waits to be sent.
    final var outgoing: ByteQueue
    final var localEnded = false
    final var endWasSent = false
    final var pendingTrailers: HeaderMap?
    final var isDeferred = false
    final var wasBackedUp = false
    /// Interim responses that were handed over and not laid out yet.
    final var waitingInterims: UInt8 = 0
    final var hasProgressed = false

    // Its life.
    final var session: HTTP2Session?
    final var position = -1
    final var isReady = false
    /// The codec wants no more events.
    final var isDetached = false
    /// nghttp2 knows it no longer.
    final var isClosed = false
    final var end = HTTP2StreamEnd.complete
    /// What of the peer was wrong, when something was.
    final var fault: StaticString?
    final var bytesReceived: UInt64 = 0
    final var bytesSent: UInt64 = 0

    private final let pool: SlabPool

    public init(pool: SlabPool) {
        self.pool = pool
        incoming = ByteQueue(pool: pool)
        outgoing = ByteQueue(pool: pool)
    }

    /// Where the head and the trailers are decoded into: maps of whoever handles the stream; nil: nobody does any more.
    public final var headers: HeaderMap?
    public final var trailers: HeaderMap?

    /// After `released`: forgets all that was, so that the stream can serve once more.
    public final func renew() {
        id = 0
        headIsReady = false
        hasTrailers = false
        remoteEnded = false
        endWasDelivered = false
        headWasDelivered = false
        isPaused = false
        isTunnel = false
        returnedToConnection = 0
        hasFinalHead = false
        localEnded = false
        endWasSent = false
        isDeferred = false
        wasBackedUp = false
        waitingInterims = 0
        hasProgressed = false
        isReady = false
        isDetached = false
        isClosed = false
        end = .complete
        fault = nil
        bytesReceived = 0
        bytesSent = 0
    }

    // MARK: Events, for subclasses

    /// The head is whole. `end` when neither body nor trailers follow.
    open func headCame(end: Bool) {}
    /// Clients: an interim response is in `headers`; the final head will follow in the same map.
    open func interimCame() {}
    /// Take all bytes out of `bytes`. None come while the stream is paused.
    open func bodyCame(_ bytes: inout ByteQueue, end: Bool) {}
    /// The trailers are in `trailers`, and the peer has said all.
    open func trailersCame() {}
    /// The last event, unless the stream was reset by its own side.
    open func streamEnded(_ end: HTTP2StreamEnd) {}
    /// `isBackedUp` is false again.
    open func drained() {}
    /// After `detach`: bytes that were handed over before have left for the connection's output.
    open func progressed() {}
    /// The session has forgotten the stream. Comes for every stream, and last.
    open func released() {}

    /// Where a section is decoded into.
    final func map(of section: HTTP2Section) -> HeaderMap? { section == .trailers ? trailers : headers }

    // MARK: Facts

    /// As many bytes as may wait for the peer do (`HTTP2Options.streamBacklog`).
    public final var isBackedUp: Bool { wasBackedUp }
    /// Body bytes that wait for the peer, or for their turn.
    public final var pendingBytes: Int { outgoing.count }
    /// The whole of our side was handed over but not all of it has been sent.
    public final var isFlushing: Bool { localEnded && !endWasSent && !isClosed }
    /// Bytes of frames of this stream.
    public final var wireBytesReceived: UInt64 { bytesReceived }
    public final var wireBytesSent: UInt64 { bytesSent }
    /// The peer has said all.
    public final var isRemoteEnded: Bool { remoteEnded }

    // MARK: Delivering

    /// Delivers what there is, as far as the codec takes it.
    final func deliver() {
        if headIsReady && isWanted {
            headIsReady = false
            headWasDelivered = true
            let ends = remoteEnded && incoming.isEmpty && !hasTrailers
            if ends { endWasDelivered = true }
            headCame(end: ends)
        }
        if !isPaused && headWasDelivered && isWanted { deliverBody() }
        if isDetached { dropIncoming() }
        guard isClosed, isDetached || isDone || !end.isComplete else { return }
        finish()
    }

    /// A stream that is about to be reset for what its peer did begins nothing any more.
    private final var isWanted: Bool { !isDetached && fault == nil }

    /// Nothing is left to be delivered.
    private final var isDone: Bool { incoming.isEmpty && (endWasDelivered || !remoteEnded) }

    private final func deliverBody() {
        let count = incoming.count
        let ends = remoteEnded && !hasTrailers && !endWasDelivered
        if count > 0 || ends {
            if ends { endWasDelivered = true }
            session?.consumed(count, of: self)
            // Out of the stream's hands: what is called may end the whole connection.
            var bytes = ByteQueue(pool: pool)
            incoming.moveAll(to: &bytes)
            bodyCame(&bytes, end: ends)
        }
        guard hasTrailers, remoteEnded, !endWasDelivered, !isPaused, !isDetached else { return }
        endWasDelivered = true
        trailersCame()
    }

    /// Bytes that nobody wants any more still fill the connection's window.
    private final func dropIncoming() {
        guard !incoming.isEmpty else { return }
        session?.consumed(incoming.count, of: self)
        incoming.clear()
    }

    /// No more events, and nothing is decoded into the reader's maps.
    final func forgetReader() {
        isDetached = true
        session?.stopReading(self)
        headers = nil
        trailers = nil
    }

    /// Leaves the session and says so.
    final func finish() {
        guard let session else { return }
        dropIncoming()
        session.stopReading(self)
        session.remove(self)
        self.session = nil
        session.pendingSendBytes &-= outgoing.count
        outgoing.clear()
        pendingTrailers = nil
        if !isDetached {
            forgetReader()
            streamEnded(end)
        }
        released()
    }
}
