// The counters of the HTTP/2 codecs: `http2.` downstream, `cluster.<name>.http2.` upstream.
import HTTPWire
import Metrics

/// Envoy page: HTTP connection manager stats, "Http2 codec statistics".
final class HTTP2CodecStats {
    let droppedHeadersWithUnderscores, requestsRejectedWithUnderscores: Counter
    let goAwaySent, goAwayGracefulSent: Counter
    let headerOverflow, headerListTooLarge, headersWithoutStream, rxMessagingError, rxReset, txReset: Counter
    let emptyFramesFlood, priorityFramesFlood, windowUpdateFramesFlood: Counter
    let outboundFlood, outboundControlFlood: Counter
    let keepaliveTimeout, streamRefusedErrors, trailers, txFlushTimeout: Counter
    let streamsActive, outboundFramesActive, outboundControlFramesActive, pendingSendBytes: Gauge

    /// `prefix` is "http2." or "cluster.<name>.http2.".
    init(_ cells: StatCells, prefix: String) {
        func counter(_ name: String) -> Counter { cells.counter(prefix + name) }
        func gauge(_ name: String) -> Gauge { cells.gauge(prefix + name) }
        droppedHeadersWithUnderscores = counter("dropped_headers_with_underscores")
        requestsRejectedWithUnderscores = counter("requests_rejected_with_underscores_in_headers")
        goAwaySent = counter("goaway_sent")
        goAwayGracefulSent = counter("goaway_graceful_sent")
        headerOverflow = counter("header_overflow")
        headerListTooLarge = counter("header_list_size_too_large")
        headersWithoutStream = counter("headers_cb_no_stream")
        rxMessagingError = counter("rx_messaging_error")
        rxReset = counter("rx_reset")
        txReset = counter("tx_reset")
        emptyFramesFlood = counter("inbound_empty_frames_flood")
        priorityFramesFlood = counter("inbound_priority_frames_flood")
        windowUpdateFramesFlood = counter("inbound_window_update_frames_flood")
        outboundFlood = counter("outbound_flood")
        outboundControlFlood = counter("outbound_control_flood")
        keepaliveTimeout = counter("keepalive_timeout")
        streamRefusedErrors = counter("stream_refused_errors")
        trailers = counter("trailers")
        txFlushTimeout = counter("tx_flush_timeout")
        streamsActive = gauge("streams_active")
        outboundFramesActive = gauge("outbound_frames_active")
        outboundControlFramesActive = gauge("outbound_control_frames_active")
        pendingSendBytes = gauge("pending_send_bytes")
        // METADATA is not spoken, and closed streams are gone at once: these stay 0.
        _ = counter("metadata_empty_frames")
        _ = gauge("deferred_stream_close")
    }

    /// Makes them with the first connection, as Envoy does: whoever speaks no HTTP/2 sees none of them.
    final class Source {
        private let cells: StatCells
        private let prefix: String
        private(set) lazy var stats = HTTP2CodecStats(cells, prefix: prefix)

        init(_ cells: StatCells, prefix: String) {
            self.cells = cells
            self.prefix = prefix
        }
    }

    func count(_ notice: HTTP2Notice) {
        switch notice {
        case .droppedHeaderWithUnderscore: droppedHeadersWithUnderscores.increment()
        case .goAwaySent: goAwaySent.increment()
        case .gracefulGoAwaySent: goAwayGracefulSent.increment()
        case .headerOverflow: headerOverflow.increment()
        case .headerListTooLarge: headerListTooLarge.increment()
        case .headersWithoutStream: headersWithoutStream.increment()
        case .emptyFramesFlood: emptyFramesFlood.increment()
        case .priorityFramesFlood: priorityFramesFlood.increment()
        case .windowUpdateFramesFlood: windowUpdateFramesFlood.increment()
        case .outboundControlFlood: outboundControlFlood.increment()
        case .outboundFlood: outboundFlood.increment()
        case .rejectedUnderscore: requestsRejectedWithUnderscores.increment()
        case .messagingError: rxMessagingError.increment()
        case .resetReceived: rxReset.increment()
        case .resetSent: txReset.increment()
        case .streamRefused: streamRefusedErrors.increment()
        case .trailers: trailers.increment()
        }
    }
}
