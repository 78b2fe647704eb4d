// Frames as they leave: bodies out of the streams' queues, and what is counted of the others.
import CNGHTTP2
import Reactor

extension HTTP2Stream {
    /// What the next DATA frame carries.
    struct Part {
        let count: Int
        let isLast: Bool
        let hasTrailers: Bool
    }

    /// Parts from this size on are a frame of their own, so that their slabs change hands and are not copied.
    private static let ownFrame = 4096

    /// The next part of the body; nil when there is none yet.
    final func nextPart(atMost length: Int) -> Part? {
        let available = outgoing.count
        guard available > 0 || localEnded else {
            isDeferred = true
            return nil
        }
        var count = min(length, available)
        let front = outgoing.front.count
        if front < count && front >= HTTP2Stream.ownFrame { count = front }
        guard count == available, localEnded else { return Part(count: count, isLast: false, hasTrailers: false) }
        guard let trailers = pendingTrailers else { return Part(count: count, isLast: true, hasTrailers: false) }
        pendingTrailers = nil
        session?.submitFields(self, trailers, .trailers)
        return Part(count: count, isLast: true, hasTrailers: true)
    }
}

extension HTTP2Session {
    /// Moves a frame's worth of a body to the output. False when the output is full for now.
    func writeBody(of stream: HTTP2Stream, _ count: Int, header: nghttp2_frame_hd) -> Bool {
        guard let output, output.pointee.count < outputLimit else { return false }
        HTTP2FrameHeader.append(header, to: &output.pointee)
        stream.outgoing.move(count, to: &output.pointee)
        pendingSendBytes &-= count
        floods.dataFramesSent &+= 1
        if !stream.hasProgressed && (stream.wasBackedUp || stream.isDetached) {
            stream.hasProgressed = true
            progressed.append(stream)
        }
        return true
    }

    /// A frame was laid out.
    func frameSent(_ frame: nghttp2_frame) {
        let header = frame.hd
        switch nghttp2_frame_type(UInt32(header.type)) {
        case NGHTTP2_DATA, NGHTTP2_HEADERS:
            backlog.add(isControl: false)
            guard let stream = HTTP2Callbacks.stream(handle, header.stream_id) else { return }
            stream.bytesSent &+= UInt64(header.length) &+ 9
            // Interim responses are the first HEADERS of a stream.
            if stream.waitingInterims > 0 && header.type == UInt8(NGHTTP2_HEADERS.rawValue) {
                stream.waitingInterims &-= 1
            }
            guard UInt32(header.flags) & NGHTTP2_FLAG_END_STREAM.rawValue != 0 else { return }
            stream.endWasSent = true
            if role == .server && !stream.remoteEnded && !stream.isTunnel { submitReset(stream, .noError) }
        case NGHTTP2_RST_STREAM:
            backlog.add(isControl: true)
            delegate?.session(self, noted: .resetSent)
            if role == .server { history.noteReset(header.stream_id) }
            if frame.rst_stream.error_code == HTTP2ErrorCode.flowControlError.rawValue {
                // nghttp2's own: a window over its maximum. SETTINGS that make one so end the connection (section
                // 6.9.2), WINDOW_UPDATE may.
                fail(
                    HTTP2Failure(
                        .flowControlError, "http2.protocol_error", "the peer makes a window larger than 2^31-1"))
            }
        case NGHTTP2_SETTINGS, NGHTTP2_PING: backlog.add(isControl: true)
        case NGHTTP2_GOAWAY:
            backlog.add(isControl: false)
            delegate?.session(self, noted: .goAwaySent)
            let code = HTTP2ErrorCode(rawValue: frame.goaway.error_code)
            guard failure == nil, code != .noError else { return }
            // nghttp2 ends connections that break the protocol by itself.
            let text = lastError.isEmpty ? "the peer broke the protocol" : lastError
            fail(HTTP2Failure(code, "http2.protocol_error", "\(text) (\(code))"), isTold: true)
        default: backlog.add(isControl: false)
        }
    }

    /// A frame could not be sent. Requests are closed by nghttp2; a response that is lost must not leave its client
    /// waiting.
    func frameNotSent(_ frame: nghttp2_frame, _ stream: HTTP2Stream?) {
        guard frame.hd.type == UInt8(NGHTTP2_HEADERS.rawValue), role == .server, let stream, !stream.isClosed else {
            return
        }
        submitReset(stream, .internalError)
    }
}
