// The sending side of a stream.
import CNGHTTP2
import Reactor

extension HTTP2Stream {
    /// Sends a response head (servers). `end` when nothing follows.
    public final func sendResponse(_ headers: HeaderMap, end: Bool) {
        guard let session, !isClosed else { return }
        localEnded = end
        session.submitResponse(self, headers, end: end)
    }

    /// Interim responses of a stream that may wait: no window holds them back.
    private static let maxWaitingInterims: UInt8 = 16

    /// Sends an interim response, 1xx (servers). One that the peer has no room for is dropped: they are hints, and a
    /// server may send them without end.
    public final func sendInterim(_ headers: HeaderMap) {
        guard let session, !isClosed, waitingInterims < HTTP2Stream.maxWaitingInterims else { return }
        waitingInterims &+= 1
        session.submitFields(self, headers, .interim)
    }

    /// Takes all bytes out of `bytes`; they leave as the peer's windows allow.
    public final func send(_ bytes: inout ByteQueue, end: Bool) {
        guard let session, !isClosed, !localEnded else { return bytes.clear() }
        session.pendingSendBytes &+= bytes.count
        bytes.moveAll(to: &outgoing)
        if end { localEnded = true }
        if isDeferred {
            isDeferred = false
            nghttp2_session_resume_data(session.handle, id)
        }
        if outgoing.count > session.backlogLimit { wasBackedUp = true }
        session.wantSend()
    }

    /// Ends our side with trailers.
    public final func sendFinalFields(_ trailers: HeaderMap) {
        guard let session, !isClosed, !localEnded else { return }
        localEnded = true
        if outgoing.isEmpty {
            session.submitFields(self, trailers, .trailers)
        } else {
            // The map is the caller's, and the body has to go first.
            let copy = HeaderMap()
            copy.copy(from: trailers)
            pendingTrailers = copy
        }
    }

    /// Ends the stream from our side; no event follows.
    public final func reset(_ code: HTTP2ErrorCode) {
        forgetReader()
        guard let session else { return }
        if !isClosed {
            localEnded = true
            session.submitReset(self, code)
        }
        session.makeReady(self)
    }

    /// No more events, and no more of the body; what was handed over to be sent still goes out.
    public final func detach() {
        forgetReader()
        session?.makeReady(self)
    }

    /// From now on the two directions end by themselves; otherwise a response that ends before its request resets the
    /// stream with NO_ERROR (RFC 9113, section 8.1).
    public final func keepRequestOpen() { isTunnel = true }

    /// Holds `bodyCame` back; the peer's window for this stream is not renewed.
    public final func pause() { isPaused = true }

    public final func resume() {
        guard isPaused else { return }
        isPaused = false
        session?.makeReady(self)
    }
}
