// Frames as they come: what they mean for streams, and the rules and limits that nghttp2 leaves to us.
import CNGHTTP2
import Reactor

extension HTTP2Session {
    // MARK: Before a frame's payload

    /// False when the connection cannot go on.
    func frameBegins(_ header: HTTP2FrameHeader) -> Bool {
        switch header.kind {
        case .headers:
            blockBytes = header.length
            blockOverflowed = false
            return checkContent(header) && checkHistory(header) && checkBlock()
        case .continuation:
            blockBytes &+= header.length
            return checkContent(header) && checkBlock()
        case .data: return checkContent(header) && checkHistory(header)
        case .priority: return check(floods.notePriority(options))
        case .windowUpdate: return check(floods.noteWindowUpdate(options))
        case .resetStream, .settings, .pushPromise, .ping, .goAway, nil: return true
        }
    }

    private func check(_ flood: HTTP2Flood?) -> Bool {
        guard let flood else { return true }
        delegate?.session(self, noted: flood.notice)
        fail(flood.failure)
        return false
    }

    private func checkContent(_ header: HTTP2FrameHeader) -> Bool {
        // What is in a padded frame is known only when it is whole.
        if header.kind == .data && header.flags & UInt8(NGHTTP2_FLAG_PADDED.rawValue) != 0 { return true }
        return check(floods.noteContent(isEmpty: header.length == 0 && !header.endsStream, options))
    }

    /// The block as it is on the wire: decoding it cannot make it smaller, but for what the encoder adds to it.
    private func checkBlock() -> Bool {
        let limit = options.limits.maxHeaderBytes &+ 16 * 1024
        guard blockBytes > limit else { return true }
        noteOverflow(.headerListTooLarge)
        fail(
            HTTP2Failure(
                .enhanceYourCalm, "http2.headers_too_large",
                "a header block of at least \(blockBytes) bytes exceeds \(options.limits.bytesSetting)"
                    + " \(options.limits.maxHeaderBytes) bytes"))
        return false
    }

    /// Once a block, however many limits it goes past.
    func noteOverflow(_ notice: HTTP2Notice) {
        guard !blockOverflowed else { return }
        blockOverflowed = true
        delegate?.session(self, noted: notice)
    }

    /// Frames on streams that are gone (RFC 9113, sections 5.1 and 5.1.1).
    private func checkHistory(_ header: HTTP2FrameHeader) -> Bool {
        let id = header.stream
        guard role == .server, id > 0, id <= history.last, HTTP2Callbacks.stream(handle, id) == nil,
            let code = history.fault(of: id)
        else { return true }
        fail(
            HTTP2Failure(
                code, "http2.protocol_error",
                code == .streamClosed
                    ? "a frame came on stream \(id), which has ended"
                    : "stream \(id) is begun after stream \(history.last)"))
        return false
    }

    // MARK: Header blocks

    func blockBegins(_ headers: nghttp2_headers) {
        let id = headers.hd.stream_id
        reader.begin()
        if role == .server && headers.cat == NGHTTP2_HCAT_REQUEST {
            guard let stream = delegate?.sessionMakesStream(self) else { return }
            history.noteOpened(id)
            add(stream, id: id)
            nghttp2_session_set_stream_user_data(handle, id, Unmanaged.passUnretained(stream).toOpaque())
            begin(.request, on: stream)
            return
        }
        guard let stream = HTTP2Callbacks.stream(handle, id) else {
            delegate?.session(self, noted: .headersWithoutStream)
            setTarget(nil)
            return
        }
        begin(role == .server || stream.hasFinalHead ? .trailers : .response, on: stream)
    }

    private func begin(_ section: HTTP2Section, on stream: HTTP2Stream) {
        self.section = section
        let map = stream.map(of: section)
        map?.removeAll()
        setTarget(stream, map)
    }

    private func setTarget(_ stream: HTTP2Stream?, _ map: HeaderMap? = nil) {
        current = stream
        fields = map.map { Unmanaged.passUnretained($0) }
    }

    /// A stream is given up, in the middle of its block perhaps: its map serves another one then.
    func stopReading(_ stream: HTTP2Stream) {
        if current === stream { setTarget(nil) }
    }

    /// False: the stream is to be reset.
    func fieldCame(_ name: ByteView, _ value: ByteView) -> Bool {
        guard let fields else { return true }
        let verdict = fields._withUnsafeGuaranteedRef { reader.add(name, value, section, to: &$0.table) }
        return verdict == .taken || fieldWasNotTaken(verdict)
    }

    private func fieldWasNotTaken(_ verdict: HTTP2HeadReader.Verdict) -> Bool {
        guard let stream = current else { return true }
        switch verdict {
        case .taken: return true
        case .dropped:
            delegate?.session(self, noted: .droppedHeaderWithUnderscore)
            return true
        case .tooLarge:
            noteOverflow(.headerListTooLarge)
            return refuse(
                stream, "http2.headers_too_large",
                "\(options.limits.bytesSetting) \(options.limits.maxHeaderBytes / 1024)")
        case .tooMany:
            noteOverflow(.headerOverflow)
            return refuse(
                stream, "http2.too_many_headers", "\(options.limits.countSetting) \(options.limits.maxHeaderCount)")
        case .underscore:
            delegate?.session(self, noted: .rejectedUnderscore)
            return refuse(
                stream, "http2.unexpected_underscore", "headers_with_underscores_action REJECT_REQUEST")
        }
    }

    private func refuse(
        _ stream: HTTP2Stream, _ details: StaticString, _ setting: @autoclosure () -> String
    ) -> Bool {
        stream.fault = details
        delegate?.session(self, refused: "stream \(stream.id) is over \(setting())")
        setTarget(nil)
        return false
    }

    /// The block of `stream` is whole. False when the connection cannot go on.
    private func blockCame(_ stream: HTTP2Stream, ends: Bool) -> Bool {
        let map = fields?.takeUnretainedValue()
        setTarget(nil)
        guard let map else {
            if ends { stream.remoteEnded = true }
            return true
        }
        var fault: String?
        switch section {
        case .request: fault = reader.finishRequest(map)
        case .response: fault = reader.finishResponse(map)
        case .trailers:
            delegate?.session(self, noted: .trailers)
            stream.hasTrailers = true
        }
        if let fault { return isMalformed(stream, fault) }
        if ends { stream.remoteEnded = true }
        if section == .response {
            guard map.status >= 200 || map.status == 101 else {
                // Told at once: the final head comes into the same map.
                stream.interimCame()
                return true
            }
            stream.hasFinalHead = true
        }
        if section != .trailers { stream.headIsReady = true }
        makeReady(stream)
        return true
    }

    /// A message that breaks the rules for messages: by the setting, the end of its stream or of the connection.
    private func isMalformed(_ stream: HTTP2Stream?, _ text: String) -> Bool {
        delegate?.session(self, noted: .messagingError)
        stream?.fault = "http2.violation.of.messaging.rule"
        if options.resetsMalformedMessages {
            if let stream {
                delegate?.session(self, refused: "stream \(stream.id) is malformed: \(text)")
                submitReset(stream, .protocolError)
            }
            return true
        }
        fail(HTTP2Failure(.protocolError, "http2.violation.of.messaging.rule", text))
        return false
    }

    // MARK: Whole frames

    /// False when the connection cannot go on.
    func frameCame(_ frame: nghttp2_frame) -> Bool {
        let header = frame.hd
        let ends = UInt32(header.flags) & NGHTTP2_FLAG_END_STREAM.rawValue != 0
        switch nghttp2_frame_type(UInt32(header.type)) {
        case NGHTTP2_HEADERS:
            let known = current?.id == header.stream_id ? current : nil
            guard let stream = known ?? HTTP2Callbacks.stream(handle, header.stream_id) else { return true }
            stream.bytesReceived &+= UInt64(blockBytes) &+ 9
            return blockCame(stream, ends: ends)
        case NGHTTP2_DATA:
            let isPadded = UInt32(header.flags) & NGHTTP2_FLAG_PADDED.rawValue != 0
            if isPadded && !check(floods.noteContent(isEmpty: frame.data.padlen >= header.length && !ends, options)) {
                return false
            }
            guard let stream = HTTP2Callbacks.stream(handle, header.stream_id) else { return true }
            stream.bytesReceived &+= UInt64(header.length) &+ 9
            if ends {
                stream.remoteEnded = true
                makeReady(stream)
            }
        case NGHTTP2_RST_STREAM:
            delegate?.session(self, noted: .resetReceived)
            guard let stream = HTTP2Callbacks.stream(handle, header.stream_id) else { return true }
            let code = HTTP2ErrorCode(rawValue: frame.rst_stream.error_code)
            stream.end = code == .refusedStream ? .refused : .resetByPeer(code)
        case NGHTTP2_SETTINGS:
            if UInt32(header.flags) & NGHTTP2_FLAG_ACK.rawValue == 0 { delegate?.sessionGotSettings(self) }
        case NGHTTP2_PING:
            if UInt32(header.flags) & NGHTTP2_FLAG_ACK.rawValue != 0 { delegate?.sessionGotPong(self) }
        case NGHTTP2_GOAWAY:
            peerHasGoneAway = true
            delegate?.sessionGotGoAway(self, HTTP2ErrorCode(rawValue: frame.goaway.error_code))
        default: break
        }
        return true
    }

    func bodyCame(_ bytes: ByteView, on stream: HTTP2Stream?) {
        guard let stream, !stream.isDetached else {
            nghttp2_session_consume_connection(handle, bytes.count)
            return
        }
        stream.incoming.append(bytes)
        if stream.isPaused { hold(bytes.count, of: stream) } else { makeReady(stream) }
    }

    /// nghttp2 refused a frame. False when that ends the connection.
    func frameWasInvalid(_ header: nghttp2_frame_hd, _ error: nghttp2_error) -> Bool {
        let stream = HTTP2Callbacks.stream(handle, header.stream_id)
        switch error {
        case NGHTTP2_ERR_REFUSED_STREAM:
            delegate?.session(self, noted: .streamRefused)
            delegate?.session(
                self,
                refused: "stream \(header.stream_id) is over max_concurrent_streams \(options.maxConcurrentStreams)")
            if role == .server { history.noteReset(header.stream_id) }
            return true
        case NGHTTP2_ERR_HTTP_HEADER, NGHTTP2_ERR_HTTP_MESSAGING:
            delegate?.session(self, noted: .messagingError)
            stream?.fault =
                error == NGHTTP2_ERR_HTTP_HEADER ? "http2.invalid.header.field" : "http2.violation.of.messaging.rule"
            if options.resetsMalformedMessages {
                delegate?.session(self, refused: "stream \(header.stream_id) is malformed: \(lastError)")
                return true
            }
            fail(
                HTTP2Failure(
                    .protocolError, stream?.fault ?? "http2.violation.of.messaging.rule",
                    lastError.isEmpty ? "a message broke the rules of HTTP/2" : lastError))
            return false
        default: return true
        }
    }

    // MARK: The end of streams

    func streamClosed(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {
        stream.isClosed = true
        if stream.end.isComplete {
            if code == .refusedStream && role == .client {
                // Beyond the last stream of a GOAWAY, or never sent.
                stream.end = .refused
            } else if code != .noError {
                stream.end = .violation(code, details: stream.fault ?? "http2.protocol_error")
            }
        } else if case .resetByPeer(.noError) = stream.end, stream.remoteEnded {
            // The whole answer came, and the rest of the request is not wanted.
            stream.end = .complete
        }
        makeReady(stream)
    }
}
