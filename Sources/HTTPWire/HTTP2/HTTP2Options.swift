// What an HTTP/2 session is told: SETTINGS, windows, and the limits on what a peer may do.

/// Which end of the connection a session is.
public enum HTTP2Role: Sendable {
    case server
    case client
}

/// The settings of a session. Defaults are Envoy's. Envoy page: `config.core.v3.Http2ProtocolOptions`.
public struct HTTP2Options: Sendable {
    /// `hpack_table_size`, bytes: of our decoder, and the most that our encoder uses.
    public var headerTableSize: UInt32 = 4096
    /// `max_concurrent_streams` that the peer may have open.
    public var maxConcurrentStreams: UInt32 = 1024
    /// `initial_stream_window_size`, bytes.
    public var streamWindow: Int32 = 16 << 20
    /// `initial_connection_window_size`, bytes.
    public var connectionWindow: Int32 = 24 << 20
    /// `allow_connect`: CONNECT with `:protocol` (RFC 8441).
    public var allowConnect = false
    /// `custom_settings_parameters`.
    public var customSettings: [HTTP2Setting] = []
    /// Bytes and fields of a head; trailers have as many again. See `HTTP1Limits`.
    public var limits = HTTP1Limits()
    public var underscores = UnderscoreAction.allow
    /// `override_stream_error_on_invalid_http_message`: a malformed message resets its stream instead of ending the
    /// connection.
    public var resetsMalformedMessages = false
    /// `max_outbound_frames`, `max_outbound_control_frames`: frames that wait because the peer does not read.
    public var maxOutboundFrames = 10_000
    public var maxOutboundControlFrames = 1_000
    /// `max_consecutive_inbound_frames_with_empty_payload`.
    public var maxEmptyFrames: UInt64 = 1
    /// `max_inbound_priority_frames_per_stream`.
    public var maxPriorityFramesPerStream: UInt64 = 100
    /// `max_inbound_window_update_frames_per_data_frame_sent`.
    public var maxWindowUpdatesPerDataFrame: UInt64 = 10
    /// Bytes of a stream that may wait for the peer's window before its writer is told to stop.
    public var streamBacklog = 256 * 1024
    /// Bytes of a connection's streams that may wait. Above it each has `crowdedBacklog`: a peer that opens all its
    /// streams and reads none of them holds little, and the others go on.
    public var connectionBacklog = 16 << 20
    static let crowdedBacklog = 16 * 1024

    /// Frames of one header block; honest ones have a few large frames.
    var maxContinuations: Int { limits.maxHeaderBytes / 256 + 8 }

    public init() {}
}

/// One entry of a SETTINGS frame.
public struct HTTP2Setting: Sendable, Equatable {
    public var identifier: UInt16
    public var value: UInt32

    public init(_ identifier: UInt16, _ value: UInt32) {
        self.identifier = identifier
        self.value = value
    }
}

/// Things that a session counts; their names are those of Envoy's `http2.` stats.
public enum HTTP2Notice: Sendable, Equatable {
    case droppedHeaderWithUnderscore
    case goAwaySent
    case gracefulGoAwaySent
    /// More header fields than `max_headers_count`, or one block in far too many frames.
    case headerOverflow
    /// More bytes of header fields than the limit in KiB.
    case headerListTooLarge
    case headersWithoutStream
    case emptyFramesFlood
    case priorityFramesFlood
    case windowUpdateFramesFlood
    case outboundControlFlood
    case outboundFlood
    case rejectedUnderscore
    case messagingError
    case resetReceived
    case resetSent
    case streamRefused
    case trailers
}
