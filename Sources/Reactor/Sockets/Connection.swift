// A stream socket on a loop, plain or TLS: bytes in, bytes out, and the moments that matter.
import CLinux
import Glibc
import Synchronization

/// One TCP or Unix stream connection. Used on its loop's thread only.
///
/// The socket is registered with epoll once, edge-triggered for both directions. Reads that return less than was asked
/// for are taken as "drained", writes are tried at once: a request and its answer cost one read and one write.
public final class Connection: IOHandler {
    enum State: UInt8 {
        case connecting
        /// Bytes can flow; the owner has not heard of it yet, because TLS is not ready or the loop has not come round.
        case handshaking
        case open
        /// Broken; `connectionClosed` is on its way.
        case failing
        case closed
    }

    /// What is to be done or told when the loop comes round to it.
    struct Pending: OptionSet {
        let rawValue: UInt8
        static let transportUp = Pending(rawValue: 1)
        static let readable = Pending(rawValue: 2)
        static let flush = Pending(rawValue: 4)
        static let drained = Pending(rawValue: 8)
        static let failure = Pending(rawValue: 16)
        static let release = Pending(rawValue: 32)
    }

    /// Why it is going down.
    private final class Failure: Sendable {
        let reason: ConnectionCloseReason
        let text: String?

        init(_ reason: ConnectionCloseReason, _ text: String?) {
            self.reason = reason
            self.text = text
        }

        static let flushed = Failure(.flushed, nil)
    }

    /// Reads per event, and writev calls per event, before other connections get their turn.
    static let readBudget: UInt8 = 16
    static let writeBudget = 4

    /// The loop that it lives on.
    public let loop: EventLoop
    /// Unique in the process.
    public let id: UInt64
    /// The peer. For a connection that is being made: where it goes.
    public let remoteAddress: SocketAddress
    /// When it was accepted, or when connecting began.
    public let createdAt: MonotonicTime

    /// Bytes that were read and not consumed yet.
    public var input: ByteQueue
    /// Bytes to be written by `flush`.
    public var output: ByteQueue
    /// `isAboveHighWatermark` is true beyond this many bytes of unwritten output. 1 MiB unless set.
    public var highWatermark = 1 << 20

    /// Who hears of it; may be handed on by the owner. Let go when the connection closes.
    public var delegate: ConnectionDelegate?
    /// Called once when the socket is closed, whoever closed it, after everything else. For those who count connections.
    public var onClose: ((Connection) -> Void)?
    /// Bytes taken in by `fill` (plain text where there is TLS).
    public internal(set) var bytesRead: UInt64 = 0
    /// Bytes handed to the system, or sealed by TLS, out of `output`.
    public internal(set) var bytesWritten: UInt64 = 0
    /// In words, why it failed; nil while it has not.
    public var failureReason: String? { failure?.text }
    /// When it was up (TLS included), nil before.
    public internal(set) var establishedAt: MonotonicTime?

    // An object is laid out in this order, and there are thousands of it: what is small stands together.

    var state: State
    var pending: Pending = []
    var readsLeft = Connection.readBudget
    /// The last read said that there is nothing more, and no event has come since.
    var isReadDrained = true
    /// The last read took all that it had room for: the next one brings more room.
    var isStreaming = false
    /// A FIN is there or on its way: short reads do not mean drained any more.
    var hasPeerFinished = false
    /// A read has returned the end.
    var hasReadEnd = false
    var isReadingPaused = false
    /// The socket took less than it was given, and no event has come since.
    var isWriteBlocked = false
    var wasAboveHighWatermark = false
    var wasStuck = false
    var wantsShutdown = false
    var hasShutDown = false
    var wantsCloseAfterFlush = false
    /// Why writing failed (errno), or 0. What the peer has sent before it went is still read.
    var writeError: Int32 = 0
    var descriptor: Int32 = -1
    var key = SlotKey(bits: 0)
    /// TLS, where there is.
    var secure: SecureLayer?
    /// Bytes to be written that are in the kernel; before those in `output`.
    var pipe: SplicePipe?
    private var failure: Failure?
    var cachedLocalAddress: SocketAddress?

    init(loop: EventLoop, remoteAddress: SocketAddress, state: State, delegate: ConnectionDelegate?) {
        self.loop = loop
        self.remoteAddress = remoteAddress
        self.state = state
        self.delegate = delegate
        id = Connection.nextID.add(1, ordering: .relaxed).newValue
        createdAt = loop.now
        input = ByteQueue(pool: loop.slabs)
        output = ByteQueue(pool: loop.slabs)
    }

    deinit {
        if descriptor >= 0 { Glibc.close(descriptor) }
    }

    private static let nextID = Atomic<UInt64>(0)

    /// True until it is closed or has failed.
    public var isOpen: Bool { state == .connecting || state == .handshaking || state == .open }

    /// True from `connectionEstablished` until it is closed or has failed.
    public var isEstablished: Bool { state == .open }

    /// The peer has sent its FIN (it may not have been read yet).
    public var peerHasFinished: Bool { hasPeerFinished }

    /// Our end of it, which the system has chosen when connecting began; nil after it is closed, unless asked before.
    public var localAddress: SocketAddress? {
        if cachedLocalAddress == nil, descriptor >= 0 {
            cachedLocalAddress = SocketCalls.localAddress(descriptor)
        }
        return cachedLocalAddress
    }

    /// The user at the other end of a Unix socket, as the kernel knows it; nil: there is none, or it is no such socket.
    public var peerUser: UInt32? {
        guard case .unix = remoteAddress, descriptor >= 0 else { return nil }
        var (process, user): (Int32, UInt32) = (0, 0)
        return clinux_peer(descriptor, &process, &user) == 0 ? user : nil
    }

    /// More unwritten output than `highWatermark`.
    public var isAboveHighWatermark: Bool { unwrittenBytes > highWatermark }

    /// True when it speaks TLS, or is about to.
    public var isTLS: Bool { secure != nil }

    /// What TLS has negotiated; nil on plain connections and before the handshake is done.
    public var tls: TLSConnectionInfo? { secure?.session.info }

    /// Why TLS failed; nil while it has not.
    public var tlsFailure: TLSFailure? { secure?.session.failure }

    // MARK: - Events

    func ioReady(_ events: IOEvents) {
        switch state {
        case .connecting: finishConnecting(events)
        case .handshaking, .open: break
        case .failing, .closed: return
        }
        if events.canWrite && isWriteBlocked && writeError == 0 && state != .connecting {
            isWriteBlocked = false
            flushFromLoop()
        }
        guard events.canRead || events.peerFinished || events.isBroken, state == .handshaking || state == .open
        else { return }
        isReadDrained = false
        let finishesNow = events.peerFinished && !hasPeerFinished
        if finishesNow { hasPeerFinished = true }
        if state == .handshaking {
            // A plain connection whose owner has not heard of it yet waits for its turn in `runPending`.
            if secure != nil { advanceHandshake() }
            return
        }
        if events.isBroken && hasNothingToRead && failFromSocketError() {
            deliverFailure()
            return
        }
        if finishesNow && !wantsCloseAfterFlush {
            delegate?.connectionPeerFinished(self)
            if state != .open { return }
        }
        deliverReadable()
    }

    /// What was put off: called by the loop once per `schedule`.
    func runPending() {
        let due = pending
        pending = []
        if due.contains(.release) {
            onClose?(self)
            onClose = nil
            input.clear()
            output.clear()
            secure?.clear()
            return
        }
        if due.contains(.failure) {
            deliverFailure()
            return
        }
        if due.contains(.transportUp) {
            transportUp()
            if state == .open { deliverReadable() }
        }
        if due.contains(.flush) && state == .open { flushFromLoop() }
        if due.contains(.drained) && state == .open { delegate?.connectionDrained(self) }
        if due.contains(.readable) {
            if state == .handshaking { advanceHandshake() } else if state == .open { deliverReadable() }
        }
    }

    func schedule(_ work: Pending) {
        if pending.isEmpty { loop.enqueue(self) }
        pending.insert(work)
    }

    // MARK: - Failing and closing

    /// Notes a failure; `deliverFailure` tells of it, now or by way of `schedule(.failure)`.
    func fail(_ reason: ConnectionCloseReason, _ text: String) {
        guard isOpen else { return }
        state = .failing
        failure = Failure(reason, text)
    }

    /// Nobody will read (any more), and nothing would be lost: an error need not wait to be found by a read.
    var hasNothingToRead: Bool {
        hasReadEnd || wantsCloseAfterFlush
            || isReadingPaused && !mayHavePlaintext && SocketCalls.readableBytes(descriptor) == 0
    }

    /// Notes the socket's error, if it has one. Both directions being shut is none.
    func failFromSocketError() -> Bool {
        var code = SocketCalls.pendingError(descriptor)
        if code == 0 { code = writeError }
        if code != 0 { fail(reading: code) }
        return code != 0
    }

    func fail(reading code: Int32) {
        let error = SystemError("read", code: code, subject: remoteAddress.description)
        let isReset = code == ECONNRESET || code == EPIPE
        fail(isReset ? .remoteReset : .failed(error), error.description)
    }

    /// Everything is written: on to the close that was asked for.
    func finishFlushed() {
        state = .failing
        failure = .flushed
    }

    func deliverFailure() {
        guard state == .failing, let reason = failure?.reason else { return }
        let owner = delegate
        // After a TLS failure the peer is to see the alert.
        tearDown(abort: reason != .flushed && reason != .tlsFailed)
        owner?.connectionClosed(self, reason)
    }

    /// Closes now. Output that is not written is lost, and the peer gets a reset then, or when `abort` is set. The
    /// delegate is let go and not called any more.
    public func close(abort: Bool = false) {
        if state == .closed { return }
        tearDown(abort: abort || unwrittenBytes > 0)
    }

    /// Closes once everything in `output` has been written; then calls `connectionClosed` with `.flushed`. Reading ends
    /// at once. A peer that does not read keeps it open: set a timer.
    public func closeAfterFlush() {
        guard isOpen else { return }
        wantsCloseAfterFlush = true
        flush()
        if state == .open && unwrittenBytes == 0 {
            finishFlushed()
            schedule(.failure)
        }
    }

    private func tearDown(abort: Bool) {
        _ = localAddress
        dropPipe()
        if descriptor >= 0 {
            if abort {
                SocketCalls.abortOnClose(descriptor)
            } else {
                sayCloseNotify()
                discardUnread()
            }
            loop.unregister(descriptor, key)
            Glibc.close(descriptor)
            descriptor = -1
        }
        state = .closed
        delegate = nil
        // The queues may be in use further up the stack: emptied when the loop comes round.
        schedule(.release)
    }
}
