// What a session sends: settings, heads, resets, GOAWAY and PING.
import CNGHTTP2
import Reactor

extension HTTP2Session {
    func submitSettings() {
        var entries: [nghttp2_settings_entry] = []
        func add(_ identifier: UInt16, _ value: UInt32) {
            entries.append(nghttp2_settings_entry(settings_id: Int32(identifier), value: value))
        }
        if role == .server {
            add(UInt16(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue), options.maxConcurrentStreams)
        }
        add(UInt16(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue), UInt32(clamping: options.streamWindow))
        if options.headerTableSize != 4096 {
            add(UInt16(NGHTTP2_SETTINGS_HEADER_TABLE_SIZE.rawValue), options.headerTableSize)
        }
        if role == .client { add(UInt16(NGHTTP2_SETTINGS_ENABLE_PUSH.rawValue), 0) }
        if role == .server && options.allowConnect {
            add(UInt16(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL.rawValue), 1)
        }
        for setting in options.customSettings { add(setting.identifier, setting.value) }
        nghttp2_submit_settings(handle, UInt8(NGHTTP2_FLAG_NONE.rawValue), entries, entries.count)
        nghttp2_session_set_local_window_size(
            handle, UInt8(NGHTTP2_FLAG_NONE.rawValue), 0, options.connectionWindow)
    }

    // MARK: Heads

    /// Begins a request on `stream` (clients). False: the connection takes no new stream.
    public func submitRequest(_ stream: HTTP2Stream, _ headers: HeaderMap, end: Bool) -> Bool {
        guard failure == nil else { return false }
        let source = Unmanaged.passUnretained(stream).toOpaque()
        let id = HTTP2HeadWriter.withFields(headers, .request, indexesAll: nextHeadIndexesAll()) { fields, count in
            withBody(from: source, unless: end) { nghttp2_submit_request(handle, nil, fields, count, $0, source) }
        }
        guard let id, id > 0 else { return false }
        stream.localEnded = end
        stream.isDeferred = false
        add(stream, id: id)
        wantSend()
        return true
    }

    func submitResponse(_ stream: HTTP2Stream, _ headers: HeaderMap, end: Bool) {
        let (source, id) = (Unmanaged.passUnretained(stream).toOpaque(), stream.id)
        let result = HTTP2HeadWriter.withFields(headers, .response, indexesAll: nextHeadIndexesAll()) { fields, count in
            withBody(from: source, unless: end) { nghttp2_submit_response(handle, id, fields, count, $0) }
        }
        if result != 0 { submitReset(stream, .internalError) }
        wantSend()
    }

    /// Interim responses and trailers.
    func submitFields(_ stream: HTTP2Stream, _ headers: HeaderMap, _ kind: HTTP2HeadWriter.Kind) {
        let flags = UInt8((kind == .trailers ? NGHTTP2_FLAG_END_STREAM : NGHTTP2_FLAG_NONE).rawValue)
        let result = HTTP2HeadWriter.withFields(headers, kind) { fields, count in
            nghttp2_submit_headers(handle, flags, stream.id, nil, fields, count, nil)
        }
        if result.map({ $0 < 0 }) ?? true { submitReset(stream, .internalError) }
        wantSend()
    }

    /// Values that are another each time stay out of the peer's table, but their names are worth a place there: now and
    /// then a head puts them in, and the others refer to it.
    private func nextHeadIndexesAll() -> Bool {
        headsSent &+= 1
        return headsSent & 63 == 1
    }

    /// The body comes out of the stream's queue as windows allow. The stream outlives nghttp2's use of the pointer: it
    /// is held by `streams` until nghttp2 has closed it.
    @inline(__always)
    private func withBody(
        from stream: UnsafeMutableRawPointer, unless end: Bool, _ body: (UnsafePointer<nghttp2_data_provider>?) -> Int32
    ) -> Int32 {
        guard !end else { return body(nil) }
        var provider = nghttp2_data_provider(
            source: nghttp2_data_source(ptr: stream), read_callback: HTTP2Callbacks.readBody)
        return withUnsafePointer(to: &provider) { body($0) }
    }

    // MARK: Ends

    func submitReset(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {
        if role == .server { history.noteReset(stream.id) }
        nghttp2_submit_rst_stream(handle, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream.id, code.rawValue)
        wantSend()
    }

    /// The first GOAWAY of two: no new streams, please, but those on their way are served (servers).
    public func announceGoAway() {
        guard role == .server, !isGoingAway else { return }
        nghttp2_submit_shutdown_notice(handle)
        delegate?.session(self, noted: .gracefulGoAwaySent)
        wantSend()
    }

    /// The last GOAWAY: streams that came until now are served, and then the connection is over.
    public func goAway() {
        guard !isGoingAway else { return }
        isGoingAway = true
        nghttp2_submit_goaway(
            handle, UInt8(NGHTTP2_FLAG_NONE.rawValue), nghttp2_session_get_last_proc_stream_id(handle),
            HTTP2ErrorCode.noError.rawValue, nil, 0)
        wantSend()
    }

    /// Asks the peer for a sign of life; `sessionGotPong` tells of it.
    public func ping() {
        nghttp2_submit_ping(handle, UInt8(NGHTTP2_FLAG_NONE.rawValue), nil)
        wantSend()
    }

    // MARK: The peer's settings

    /// Streams that the peer lets us open at once (clients).
    public var peerMaxConcurrentStreams: Int {
        Int(nghttp2_session_get_remote_settings(handle, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS))
    }

    /// The peer takes CONNECT with `:protocol` (RFC 8441).
    public var peerAllowsConnect: Bool {
        nghttp2_session_get_remote_settings(handle, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1
    }
}
