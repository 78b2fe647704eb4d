// Moves bytes between a socket and an HTTP/2 session; both codecs stand on it.
import HTTPWire
import Metrics
import Reactor

/// What a codec hears of its transport. Any of these may close the connection.
protocol HTTP2TransportOwner: AnyObject {
    /// Bytes were taken in or frames sent, and all events were delivered: time to look whether the session is over.
    func transportMoved()
    /// The peer has finished its direction.
    func transportEnded()
    /// A PING was not answered in time.
    func transportTimedOut()
}

/// A connection with its session. What several streams send in one turn of the loop leaves in one write. Loop thread
/// only.
final class HTTP2Transport {
    let connection: Connection
    let session: HTTP2Session
    let stats: HTTP2CodecStats
    /// Until the connection is gone; so is the session's delegate. A weak reference would make each use of what it
    /// points to slow.
    private var owner: HTTP2TransportOwner?
    private let keepalive: HTTP2Keepalive?
    private var isSendScheduled = false
    private var isClosed = false
    /// What the gauges hold of this connection.
    private var counted = Counted()

    /// Frames are laid out up to this many bytes ahead of the socket, so that streams take turns.
    private static let outputLimit = 128 * 1024
    /// Writes of a turn, so that other connections get theirs.
    private static let writesPerTurn = 4

    init(
        _ connection: Connection, _ session: HTTP2Session, _ stats: HTTP2CodecStats, keepalive: HTTP2KeepaliveSpec?
    ) {
        self.connection = connection
        self.session = session
        self.stats = stats
        self.keepalive = keepalive.map { HTTP2Keepalive($0, loop: connection.loop) }
        connection.highWatermark = HTTP2Transport.outputLimit / 2
    }

    /// Begins the session: its first frames leave with this turn.
    func start(_ owner: HTTP2TransportOwner & HTTP2SessionDelegate) {
        self.owner = owner
        session.start(owner)
        keepalive?.start(self)
        scheduleSend()
    }

    // MARK: In

    /// Takes in what is there.
    func read() {
        while connection.isOpen {
            if !connection.input.isEmpty {
                session.receive(&connection.input)
                session.deliver()
                // Acknowledgements and window updates are nghttp2's own.
                if session.hasOutput { scheduleSend() }
                moved()
                if session.failure != nil { return }
            }
            switch connection.fill() {
            case .data: keepalive?.noteLife()
            case .wouldBlock, .failed: return
            case .end:
                owner?.transportEnded()
                return
            }
        }
    }

    // MARK: Out

    /// Sends at the end of this turn.
    func scheduleSend() {
        guard !isSendScheduled else { return }
        isSendScheduled = true
        connection.loop.later { [self] in send() }
    }

    /// Sends what the socket and the peer's windows take.
    func send() {
        isSendScheduled = false
        guard !isClosed else { return }
        var writes = HTTP2Transport.writesPerTurn
        while connection.isOpen {
            let room = HTTP2Transport.outputLimit - connection.unwrittenBytes
            guard room > 0 else { break }
            let before = connection.output.count
            session.send(to: &connection.output, limit: before + room)
            let isIdle = connection.output.count == before
            session.noteWritten(
                connection.bytesWritten, end: connection.bytesWritten &+ UInt64(connection.output.count))
            connection.flush()
            if isIdle || connection.unwrittenBytes > 0 { break }
            writes -= 1
            if writes == 0 {
                scheduleSend()
                break
            }
        }
        session.noteWritten(connection.bytesWritten, end: connection.bytesWritten &+ UInt64(connection.output.count))
        session.deliver()
        moved()
    }

    private func moved() {
        guard !isClosed else { return }
        countActive()
        owner?.transportMoved()
    }

    // MARK: Life

    /// Asks a peer that has been silent for `connection_idle_interval` whether it is there.
    func noteNewStream() { keepalive?.noteNewStream(self) }

    func gotPong() { keepalive?.gotPong(self) }

    func keepaliveTimedOut() {
        stats.keepaliveTimeout.increment()
        owner?.transportTimedOut()
    }

    private struct Counted {
        var streams = 0
        var frames = 0
        var controlFrames = 0
        var pendingBytes = 0
    }

    private func countActive() {
        var now = Counted()
        now.streams = session.streamCount
        now.frames = session.outboundFrames
        now.controlFrames = session.outboundControlFrames
        now.pendingBytes = session.pendingSendBytes
        count(now)
    }

    private func count(_ now: Counted) {
        func move(_ gauge: Gauge, from before: Int, to after: Int) {
            if after != before { gauge.add(Int64(after - before)) }
        }
        move(stats.streamsActive, from: counted.streams, to: now.streams)
        move(stats.outboundFramesActive, from: counted.frames, to: now.frames)
        move(stats.outboundControlFramesActive, from: counted.controlFrames, to: now.controlFrames)
        move(stats.pendingSendBytes, from: counted.pendingBytes, to: now.pendingBytes)
        counted = now
    }

    /// The connection is gone: nothing of it stays in the gauges.
    func close() {
        isClosed = true
        owner = nil
        session.letGo()
        keepalive?.stop()
        count(Counted())
    }
}
