// An HTTP/2 connection in memory: bytes in, events out. nghttp2 frames and compresses; limits and order are ours.
import CNGHTTP2
import Reactor

/// What a session says that concerns the connection as a whole. Called in the middle of `receive` and `send`: take
/// note, and act when they have returned.
public protocol HTTP2SessionDelegate: AnyObject {
    /// Servers: a request begins. The session hands its events to the stream.
    func sessionMakesStream(_ session: HTTP2Session) -> HTTP2Stream
    /// There is something to send: call `send` soon.
    func sessionWantsToSend(_ session: HTTP2Session)
    func session(_ session: HTTP2Session, noted notice: HTTP2Notice)
    /// A stream is reset because of what its peer did; `text` is for people, with the setting that decided.
    func session(_ session: HTTP2Session, refused text: @autoclosure () -> String)
    /// The peer's SETTINGS are there, or changed.
    func sessionGotSettings(_ session: HTTP2Session)
    /// The peer takes no new streams (GOAWAY). Streams that it has not seen end as `refused`.
    func sessionGotGoAway(_ session: HTTP2Session, _ code: HTTP2ErrorCode)
    /// A PING of ours was answered.
    func sessionGotPong(_ session: HTTP2Session)
}

/// One end of an HTTP/2 connection (RFC 9113) without its socket. Loop thread only.
///
/// `receive` takes bytes in, `deliver` hands what they brought to the streams, and `send` lays frames out. Events come
/// from inside `deliver` alone, so that nothing of the session or its socket is in use when they do.
public final class HTTP2Session {
    public let role: HTTP2Role
    public let options: HTTP2Options
    /// What a client's side of the connection begins with (RFC 9113, section 3.4).
    public static let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" as StaticString
    let pool: SlabPool
    // Invariant: made in init, deleted in deinit; nghttp2 keeps an unretained pointer to this object.
    let handle: OpaquePointer
    private(set) var delegate: HTTP2SessionDelegate?

    /// Why the connection cannot go on. GOAWAY is ready to be sent then.
    public internal(set) var failure: HTTP2Failure?
    /// Streams that the codec or nghttp2 still knows.
    var streams: [HTTP2Stream] = []
    /// Streams that ended with the connection while nghttp2 still knew them: it holds pointers to them.
    private var abandoned: [HTTP2Stream] = []
    /// Streams with something to deliver.
    private var ready: [HTTP2Stream] = []
    private var isDelivering = false
    var isBusy = false

    private var scanner: HTTP2FrameScanner
    // Where decoded fields go: a stream, and its head or trailers.
    var current: HTTP2Stream?
    /// Not counted up for each field: `current` holds it, and says `stopReading` before it lets go.
    var fields: Unmanaged<HeaderMap>?
    var section = HTTP2Section.request
    var reader: HTTP2HeadReader
    /// Bytes of the header block under way, as they came.
    var blockBytes = 0
    /// It is over a limit, and was counted.
    var blockOverflowed = false

    var floods = HTTP2FloodGuard()
    var history = HTTP2StreamHistory()
    var backlog = HTTP2OutboundFrames()
    /// Bytes of paused streams whose connection window was given back all the same.
    var heldBytes = 0
    /// Body bytes of all streams that wait for the peer's windows, or for their turn.
    public internal(set) var pendingSendBytes = 0
    /// The output during `send`.
    var output: UnsafeMutablePointer<ByteQueue>?
    var outputLimit = 0
    /// Streams that sent something during `send`.
    var progressed: [HTTP2Stream] = []
    private var progressedBatch: [HTTP2Stream] = []
    /// nghttp2's own words on what was wrong last.
    var lastError = ""
    /// Heads of requests and final responses that were laid out.
    var headsSent: UInt64 = 0
    /// A GOAWAY is on its way, or was sent.
    public internal(set) var isGoingAway = false
    var peerHasGoneAway = false

    /// Does nothing before `start`.
    public init(_ role: HTTP2Role, _ options: HTTP2Options, pool: SlabPool) {
        self.role = role
        self.options = options
        self.pool = pool
        scanner = HTTP2FrameScanner(preface: role == .server ? HTTP2Session.preface.utf8CodeUnitCount : 0)
        reader = HTTP2HeadReader(options)
        handle = HTTP2Callbacks.makeHandle(role, options, pool.blocks)
        nghttp2_session_set_user_data(handle, Unmanaged.passUnretained(self).toOpaque())
    }

    deinit { nghttp2_session_del(handle) }

    /// Begins with our SETTINGS, to be sent at once. Holds its delegate until `letGo`.
    public func start(_ delegate: HTTP2SessionDelegate) {
        self.delegate = delegate
        submitSettings()
    }

    /// The connection is gone: the delegate hears nothing any more, and nothing is received or sent.
    public func letGo() {
        delegate = nil
        forgetAbandoned()
    }

    /// Streams hold their codec, and so this session. nghttp2 is not called any more, but for the end.
    private func forgetAbandoned() {
        if delegate == nil && !isBusy { abandoned = [] }
    }

    // MARK: Bytes in

    /// Takes all bytes in. Call `deliver` and look at `failure` afterwards.
    public func receive(_ input: inout ByteQueue) {
        guard delegate != nil else { return input.clear() }
        isBusy = true
        while !input.isEmpty && failure == nil {
            let part = input.front
            receive(part)
            input.consume(part.count)
        }
        if failure != nil { input.clear() }
        checkBacklog()
        isBusy = false
        forgetAbandoned()
    }

    /// Frame by frame: each is judged by the state that the one before has left.
    private func receive(_ part: ByteView) {
        var rest = part
        while !rest.isEmpty {
            let (count, header) = scanner.next(rest)
            if let header, !frameBegins(header) { return }
            let bytes = rest.unsafeBytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
            let result = nghttp2_session_mem_recv(handle, bytes, count)
            guard result >= 0 else { return giveUp(Int32(truncatingIfNeeded: result)) }
            if failure != nil { return }
            rest = rest.dropFirst(count)
        }
    }

    /// Hands to the streams what has come for them, and tells writers of room.
    public func deliver() {
        guard !isDelivering, !isBusy else { return }
        isDelivering = true
        tellProgress()
        var index = 0
        while index < ready.count {
            let stream = ready[index]
            index &+= 1
            stream.isReady = false
            stream.deliver()
        }
        ready.removeAll(keepingCapacity: true)
        isDelivering = false
    }

    func makeReady(_ stream: HTTP2Stream) {
        guard !stream.isReady else { return }
        stream.isReady = true
        ready.append(stream)
        if !isBusy && !isDelivering { delegate?.sessionWantsToSend(self) }
    }

    /// nghttp2 could not go on, or a callback of ours stopped it.
    private func giveUp(_ error: Int32) {
        guard failure == nil else { return }
        switch nghttp2_error(error) {
        case NGHTTP2_ERR_BAD_CLIENT_MAGIC:
            fail(HTTP2Failure(.protocolError, "http2.bad_client_magic", "the connection does not begin as HTTP/2 does"))
        case NGHTTP2_ERR_FLOODED:
            delegate?.session(self, noted: .outboundControlFlood)
            fail(
                HTTP2Failure(
                    .enhanceYourCalm, "http2.outbound_control_frames_flood",
                    "the peer makes us answer more frames than it reads: max_outbound_control_frames"
                        + " \(options.maxOutboundControlFrames)"))
        case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS:
            noteOverflow(.headerOverflow)
            fail(
                HTTP2Failure(
                    .enhanceYourCalm, "http2.too_many_headers",
                    "a header block of more than \(options.maxContinuations) frames is none of at most"
                        + " \(options.limits.bytesSetting) \(options.limits.maxHeaderBytes / 1024)"))
        default:
            fail(HTTP2Failure(.internalError, "http2.unknown.nghttp2.error", String(cString: nghttp2_strerror(error))))
        }
    }

    /// Ends the connection: GOAWAY with the code, and nothing is read any more. `isTold`: it was sent already.
    func fail(_ failure: HTTP2Failure, isTold: Bool = false) {
        guard self.failure == nil else { return }
        self.failure = failure
        isGoingAway = true
        if !isTold {
            nghttp2_session_terminate_session2(
                handle, nghttp2_session_get_last_proc_stream_id(handle), failure.code.rawValue)
        }
        delegate?.sessionWantsToSend(self)
    }

    /// Ends the connection because of something outside of it, such as a PING that nobody answers.
    public func terminate(_ failure: HTTP2Failure) { fail(failure) }

    // MARK: Bytes out

    /// Lays out frames until there is nothing more to send or `output` holds about `limit` bytes. Call `deliver`
    /// afterwards.
    public func send(to output: inout ByteQueue, limit: Int) {
        guard !isBusy, delegate != nil else { return }
        isBusy = true
        outputLimit = limit
        pool.blocks.beginUsingSharedBlock()
        defer { pool.blocks.endUsingSharedBlock() }
        withUnsafeMutablePointer(to: &output) { queue in
            // Invariant: the pointer is used by callbacks during this call only.
            self.output = queue
            while queue.pointee.count < limit {
                var bytes: UnsafePointer<UInt8>?
                let count = nghttp2_session_mem_send(handle, &bytes)
                guard count > 0, let bytes else {
                    if count < 0 { giveUp(Int32(truncatingIfNeeded: count)) }
                    break
                }
                queue.pointee.append(ByteView(UnsafeRawBufferPointer(start: bytes, count: count)))
            }
            self.output = nil
        }
        isBusy = false
    }

    /// Tells the writers that there is room again, or that their bytes are on their way.
    private func tellProgress() {
        guard !progressed.isEmpty else { return }
        swap(&progressed, &progressedBatch)
        for stream in progressedBatch {
            stream.hasProgressed = false
            if stream.isDetached {
                stream.progressed()
            } else if stream.wasBackedUp && stream.outgoing.count <= backlogLimit / 2 {
                stream.wasBackedUp = false
                stream.drained()
            }
        }
        progressedBatch.removeAll(keepingCapacity: true)
    }

    /// Bytes of a stream that may wait for the peer: fewer where many streams wait.
    var backlogLimit: Int {
        pendingSendBytes <= options.connectionBacklog
            ? options.streamBacklog : min(options.streamBacklog, HTTP2Options.crowdedBacklog)
    }

    /// Something is left for `send`.
    public var hasOutput: Bool { nghttp2_session_want_write(handle) != 0 }

    /// The connection has nothing more to do: all is said, or the peer may say nothing more.
    public var isOver: Bool {
        nghttp2_session_want_read(handle) == 0 && nghttp2_session_want_write(handle) == 0
    }

    func wantSend() {
        if !isBusy { delegate?.sessionWantsToSend(self) }
    }

    /// Frames that were laid out lie before `end` of all bytes ever written; `written` of those are gone.
    public func noteWritten(_ written: UInt64, end: UInt64) {
        backlog.note(written: written, end: end)
    }

    /// Frames that wait to be written, and of them those that answer the peer.
    public var outboundFrames: Int { backlog.frames &+ nghttp2_session_get_outbound_queue_size(handle) }
    public var outboundControlFrames: Int { backlog.controlFrames }

    /// A peer that makes us answer and does not read.
    private func checkBacklog() {
        guard failure == nil else { return }
        let waiting = nghttp2_session_get_outbound_queue_size(handle)
        if backlog.controlFrames &+ waiting > options.maxOutboundControlFrames && waiting > streams.count {
            delegate?.session(self, noted: .outboundControlFlood)
            fail(
                HTTP2Failure(
                    .enhanceYourCalm, "http2.outbound_control_frames_flood",
                    "\(backlog.controlFrames &+ waiting) frames wait for a peer that does not read:"
                        + " max_outbound_control_frames \(options.maxOutboundControlFrames)"))
        } else if backlog.frames &+ waiting > options.maxOutboundFrames {
            delegate?.session(self, noted: .outboundFlood)
            fail(
                HTTP2Failure(
                    .enhanceYourCalm, "http2.outbound_frames_flood",
                    "\(backlog.frames &+ waiting) frames wait for a peer that does not read: max_outbound_frames"
                        + " \(options.maxOutboundFrames)"))
        }
    }

    // MARK: Streams

    /// Streams under way.
    public var streamCount: Int { streams.count }

    func add(_ stream: HTTP2Stream, id: Int32) {
        stream.id = id
        stream.session = self
        stream.position = streams.count
        streams.append(stream)
        floods.openedStreams &+= 1
    }

    func remove(_ stream: HTTP2Stream) {
        guard stream.position >= 0, stream.position < streams.count else { return }
        let last = streams.removeLast()
        if last !== stream {
            last.position = stream.position
            streams[stream.position] = last
        }
        stream.position = -1
    }

    /// The connection is gone or broken: all streams end. `end` says why.
    public func close(_ end: HTTP2StreamEnd) {
        abandoned += streams
        while let stream = streams.last {
            if !stream.isClosed || stream.end.isComplete { stream.end = end }
            stream.isClosed = true
            stream.finish()
        }
    }

    // MARK: Windows

    /// Bytes of a stream have been taken: the peer may send as many again.
    func consumed(_ count: Int, of stream: HTTP2Stream) {
        guard count > 0 else { return }
        let returned = stream.returnedToConnection
        stream.returnedToConnection = 0
        heldBytes &-= returned
        if count > returned { nghttp2_session_consume_connection(handle, count &- returned) }
        if !stream.isClosed && !stream.remoteEnded { nghttp2_session_consume_stream(handle, stream.id, count) }
        wantSend()
    }

    /// A paused stream holds bytes: up to one connection window of them does not count, so that it stops no other.
    func hold(_ count: Int, of stream: HTTP2Stream) {
        guard heldBytes &+ count <= Int(options.connectionWindow) else { return }
        heldBytes &+= count
        stream.returnedToConnection &+= count
        nghttp2_session_consume_connection(handle, count)
    }
}
