// One HTTP/2 request between the session that decodes it and the stream logic that answers it.
import HTTPWire
import Reactor

/// The response side of an HTTP/2 stream. Loop thread only. Held by its session, and then by a pool.
final class HTTP2ServerStream: HTTP2Stream, ResponseWriter, TimerTarget {
    private enum Tunnel {
        case none
        /// The request asks for one; what follows its head waits.
        case asked
        case open
    }

    private let loop: EventLoop
    /// Until the session has released the stream.
    private var codec: HTTP2ServerConnection?
    private var receiver: RequestReceiver?
    private var tunnel = Tunnel.none
    private var responseEnded = false
    /// The client's side of a tunnel ended before the tunnel stood.
    private var endedEarly = false
    /// How long the client may take no byte of a response that is complete; nil: for ever.
    private var flushLimit: TimeAmount?
    /// Waits for a client that does not read the end of its response.
    private var flushTimer: LoopTimer?

    init(loop: EventLoop) {
        self.loop = loop
        super.init(pool: loop.slabs)
    }

    /// `receiver` is nil when the connection takes no more requests.
    func begin(_ codec: HTTP2ServerConnection, _ receiver: RequestReceiver?) {
        self.codec = codec
        self.receiver = receiver
        tunnel = .none
        responseEnded = false
        endedEarly = false
        flushLimit = nil
        guard let receiver else { return }
        headers = receiver.requestHeaders
        trailers = receiver.requestTrailers
    }

    // MARK: Events of the session

    override func headCame(end: Bool) {
        guard let receiver else { return }
        guard let headers, headers.methodKind == .connect || headers.contains(.upgrade) else {
            return receiver.requestHead(end: end)
        }
        tunnel = .asked
        endedEarly = end
        pause()
        receiver.requestHead(end: true)
    }

    override func bodyCame(_ bytes: inout ByteQueue, end: Bool) {
        receiver?.requestBody(&bytes, end: end)
        endTunnelIfDone()
    }

    override func trailersCame() { receiver?.requestTrailersDone() }

    override func streamEnded(_ end: HTTP2StreamEnd) {
        let cutOff = receiver
        receiver = nil
        switch end {
        case .resetByPeer, .refused, .complete: cutOff?.downstreamReset(.remoteReset)
        case .violation(_, let details): cutOff?.downstreamReset(.protocolError(details))
        case .connectionGone: cutOff?.downstreamReset(codec?.endReason ?? .connectionTermination)
        }
    }

    override func drained() { receiver?.downstreamDrained() }

    override func progressed() {
        if isFlushing { armFlushTimer() } else { flushTimer = nil }
    }

    override func released() {
        flushTimer = nil
        receiver = nil
        let last = codec
        codec = nil
        last?.takeBack(self)
    }

    // MARK: ResponseWriter

    var httpVersion: HTTPVersion { .http2 }

    func sendInformational(_ response: HeaderMap) { sendInterim(response) }

    func sendHead(_ response: HeaderMap, end: Bool) {
        sendResponse(response, end: end)
        if end { complete() }
    }

    func sendBody(_ bytes: inout ByteQueue, end: Bool) {
        let hadRoom = !isBackedUp
        send(&bytes, end: end)
        if end {
            complete()
        } else if hadRoom && isBackedUp {
            receiver?.downstreamBackedUp()
        }
    }

    func sendTrailers(_ trailers: HeaderMap) {
        sendFinalFields(trailers)
        complete()
    }

    func pauseReading() { pause() }

    func resumeReading() {
        if tunnel != .asked { resume() }
    }

    func reset() {
        receiver = nil
        reset(.internalError)
    }

    func becomeTunnel() {
        tunnel = .open
        keepRequestOpen()
        resume()
        guard endedEarly else { return }
        loop.later { [self] in
            var nothing = ByteQueue(pool: loop.slabs)
            receiver?.requestBody(&nothing, end: true)
            endTunnelIfDone()
        }
    }

    /// Streams share a connection, which is told to end by GOAWAY and not by a response.
    func closeAfterResponse() {}

    // MARK: The end

    private func complete() {
        responseEnded = true
        if tunnel == .open && !isRemoteEnded { return }
        release()
    }

    private func endTunnelIfDone() {
        if tunnel == .open && isRemoteEnded && responseEnded { release() }
    }

    /// The stream logic is done with us; what was handed over still has to reach the client.
    private func release() {
        flushLimit = receiver?.flushLimit.flatMap { $0 > .zero ? $0 : nil }
        receiver = nil
        detach()
        // Most responses are sent in this very turn and need no timer.
        if isFlushing && flushLimit != nil { loop.later { [self] in progressed() } }
    }

    private func armFlushTimer() {
        guard let limit = flushLimit else { return }
        let timer = flushTimer ?? LoopTimer(loop: loop, target: self)
        flushTimer = timer
        timer.arm(after: limit)
    }

    func timerFired(_ timer: LoopTimer) {
        guard isFlushing else { return }
        codec?.noteFlushTimeout()
        codec?.note(
            "stream \(id) has \(pendingBytes) bytes that the client did not take within stream_flush_timeout"
                + (flushLimit.map { " \($0)" } ?? ""))
        reset(.cancel)
    }
}
