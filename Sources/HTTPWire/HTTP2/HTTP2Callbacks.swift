// What nghttp2 calls. The unsafe part of HTTP/2: pointers in, calls on the session and its streams out.
//
// Why it is safe: the session owns its nghttp2 handle and outlives every call of it; `user_data` of a stream points to
// an object that the session's list holds until `on_stream_close`; bytes are read during the call that brings them.
//
// nghttp2 tells when there is no memory. Where a session is made, that ends the process, as it does at every allocation of
// Swift's own; later, it ends the connection or the stream.
import CNGHTTP2
import Reactor

enum HTTP2Callbacks {
    /// A new nghttp2 session with our callbacks and options; it allocates from `blocks`, which has to outlive it.
    static func makeHandle(_ role: HTTP2Role, _ options: HTTP2Options, _ blocks: BlockPool) -> OpaquePointer {
        var memory = nghttp2_mem(
            mem_user_data: blocks.handle, malloc: BlockPool.ForC.malloc, free: BlockPool.ForC.free,
            calloc: BlockPool.ForC.calloc, realloc: BlockPool.ForC.realloc)
        var settings: OpaquePointer?
        guard nghttp2_option_new(&settings) == 0 else { outOfMemory() }
        nghttp2_option_set_no_auto_window_update(settings, 1)
        nghttp2_option_set_no_closed_streams(settings, 1)
        nghttp2_option_set_max_outbound_ack(settings, options.maxOutboundControlFrames)
        nghttp2_option_set_max_deflate_dynamic_table_size(settings, Int(options.headerTableSize))
        nghttp2_option_set_max_send_header_block_length(settings, HeaderTable.maxBytes)
        // Resets and header blocks are counted by limits of our own.
        nghttp2_option_set_stream_reset_rate_limit(settings, .max / 2, .max / 2)
        nghttp2_option_set_max_continuations(settings, options.maxContinuations)
        defer { nghttp2_option_del(settings) }
        var handle: OpaquePointer?
        // A server's frame buffer (16 KiB) is one for all sessions of the loop: there is something in it only while
        // `send` lays a frame out. A client's holds the preface from the start, and there are few of them.
        let result =
            role == .server
            ? blocks.sharingLargeBlocks { nghttp2_session_server_new3(&handle, table, nil, settings, &memory) }
            : nghttp2_session_client_new3(&handle, table, nil, settings, &memory)
        guard result == 0, let handle else { outOfMemory() }
        return handle
    }

    private static func outOfMemory() -> Never { fatalError("no memory for an HTTP/2 session") }

    private static let stop = Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
    private static let resetStream = Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)

    // Invariant: written once, before anybody reads it; nghttp2 copies it into each session.
    private nonisolated(unsafe) static let table: OpaquePointer? = {
        var callbacks: OpaquePointer?
        guard nghttp2_session_callbacks_new(&callbacks) == 0 else { outOfMemory() }
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, frame, data in
            guard let frame else { return stop }
            return with(data, else: stop) { session in
                session.blockBegins(frame.pointee.headers)
                return 0
            }
        }
        nghttp2_session_callbacks_set_on_header_callback(callbacks) {
            _, _, name, nameCount, value, valueCount, _, data in
            with(data, else: stop) { session in
                let name = ByteView(UnsafeRawBufferPointer(start: name, count: nameCount))
                let value = ByteView(UnsafeRawBufferPointer(start: value, count: valueCount))
                return session.fieldCame(name, value) ? 0 : resetStream
            }
        }
        nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks) { _, _, _, _, _, _, _, _ in resetStream }
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { _, frame, data in
            guard let frame else { return stop }
            return with(data, else: stop) { $0.frameCame(frame.pointee) ? 0 : stop }
        }
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) { handle, _, id, bytes, count, data in
            with(data, else: stop) { session in
                let bytes = ByteView(UnsafeRawBufferPointer(start: bytes, count: count))
                session.bodyCame(bytes, on: stream(handle, id))
                return 0
            }
        }
        nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks) { _, frame, error, data in
            guard let frame else { return stop }
            return with(data, else: stop) {
                $0.frameWasInvalid(frame.pointee.hd, nghttp2_error(error)) ? 0 : stop
            }
        }
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) { handle, id, code, data in
            with(data, else: 0) { session in
                guard let stream = stream(handle, id) else { return 0 }
                session.streamClosed(stream, HTTP2ErrorCode(rawValue: code))
                return 0
            }
        }
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks) { _, frame, data in
            guard let frame else { return stop }
            return with(data, else: stop) { session in
                session.frameSent(frame.pointee)
                return 0
            }
        }
        nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks) { handle, frame, _, data in
            guard let frame else { return stop }
            return with(data, else: stop) { session in
                session.frameNotSent(frame.pointee, stream(handle, frame.pointee.hd.stream_id))
                return 0
            }
        }
        nghttp2_session_callbacks_set_send_data_callback(callbacks) { _, frame, _, count, source, data in
            guard let frame, let pointer = source?.pointee.ptr else { return stop }
            return with(data, else: stop) { session in
                let stream = Unmanaged<HTTP2Stream>.fromOpaque(pointer).takeUnretainedValue()
                guard stream.session != nil else { return resetStream }
                // Not the header that nghttp2 has laid out: after "would block" another session may have used the buffer.
                return session.writeBody(of: stream, count, header: frame.pointee.hd)
                    ? 0 : Int32(NGHTTP2_ERR_WOULDBLOCK.rawValue)
            }
        }
        nghttp2_session_callbacks_set_error_callback2(callbacks) { _, _, text, count, data in
            with(data, else: 0) { session in
                let bytes = ByteView(UnsafeRawBufferPointer(start: text, count: count))
                session.lastError = HTTP1Failure.printable(bytes)
                return 0
            }
        }
        return callbacks
    }()

    static let readBody: nghttp2_data_source_read_callback = { _, _, _, length, flags, source, _ in
        guard let flags, let pointer = source?.pointee.ptr else { return Int(stop) }
        let stream = Unmanaged<HTTP2Stream>.fromOpaque(pointer).takeUnretainedValue()
        guard let part = stream.nextPart(atMost: length) else { return Int(NGHTTP2_ERR_DEFERRED.rawValue) }
        flags.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue
        if part.isLast { flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue }
        if part.hasTrailers { flags.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue }
        return part.count
    }

    /// Runs `body` with the session that nghttp2 calls back. It is not counted up for it: whoever called nghttp2 holds it.
    @inline(__always)
    private static func with(
        _ data: UnsafeMutableRawPointer?, else failure: Int32, _ body: (HTTP2Session) -> Int32
    ) -> Int32 {
        guard let data else { return failure }
        return Unmanaged<HTTP2Session>.fromOpaque(data)._withUnsafeGuaranteedRef(body)
    }

    static func stream(_ handle: OpaquePointer?, _ id: Int32) -> HTTP2Stream? {
        nghttp2_session_get_stream_user_data(handle, id).map {
            Unmanaged<HTTP2Stream>.fromOpaque($0).takeUnretainedValue()
        }
    }
}
