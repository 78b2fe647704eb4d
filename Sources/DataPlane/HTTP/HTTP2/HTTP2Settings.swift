// What the HTTP/2 codecs are made with.
import HTTPWire
import Metrics
import Reactor

/// What the server codecs of one connection manager and worker share. Loop thread only.
public final class HTTP2ServerSettings {
    let options: HTTP2Options
    let keepalive: HTTP2KeepaliveSpec?
    let streams = HTTP2StreamPool<HTTP2ServerStream>()
    private let source: HTTP2CodecStats.Source
    var stats: HTTP2CodecStats { source.stats }
    /// No overload manager has a say here where it is false.
    let isUnderOverloadManager: Bool

    /// `bufferLimit`: bytes of a response that may wait for its client.
    public init(
        _ spec: HTTPConnectionManagerSpec, bufferLimit: Int, cells: StatCells, overload: OverloadGate? = nil
    ) {
        isUnderOverloadManager = overload != nil
        var options = HTTP2Options(spec.http2, bufferLimit: bufferLimit)
        options.limits = HTTP1Limits(
            maxHeaderBytes: spec.maxRequestHeadersKiB * 1024, maxHeaderCount: spec.maxHeaderCount)
        switch spec.underscores {
        case .allow: options.underscores = .allow
        case .rejectRequest: options.underscores = .rejectRequest
        case .dropHeader: options.underscores = .dropHeader
        }
        self.options = options
        keepalive = spec.http2.keepalive
        source = HTTP2CodecStats.Source(cells, prefix: "http2.")
    }
}

/// What the client codecs of one cluster and worker share. Loop thread only.
final class HTTP2ClientSettings {
    let options: HTTP2Options
    let keepalive: HTTP2KeepaliveSpec?
    /// Streams at once on a connection, whatever the peer allows.
    let maxStreams: Int
    let stats: HTTP2CodecStats
    let streams = HTTP2StreamPool<HTTP2ClientStream>()

    /// `statPrefix`: "cluster.<name>.".
    init(_ spec: ClusterSpec, cells: StatCells, statPrefix: String) {
        options = UpstreamDefaults.http2Options(spec)
        keepalive = spec.http.http2.keepalive
        maxStreams = Int(spec.http.http2.maxConcurrentStreams)
        stats = HTTP2CodecStats(cells, prefix: statPrefix + "http2.")
    }
}

extension HTTP2Options {
    /// Bytes of one stream that wait for the peer, at most; small enough for many streams, large enough for one.
    private static let largestBacklog = 256 * 1024

    init(_ spec: HTTP2OptionsSpec, bufferLimit: Int) {
        self.init()
        headerTableSize = spec.hpackTableSize
        maxConcurrentStreams = spec.maxConcurrentStreams
        streamWindow = spec.initialStreamWindow
        connectionWindow = spec.initialConnectionWindow
        allowConnect = spec.allowConnect
        customSettings = spec.customSettings.map { HTTP2Setting($0.identifier, $0.value) }
        resetsMalformedMessages = spec.streamErrorOnInvalidMessage
        maxOutboundFrames = Int(spec.maxOutboundFrames)
        maxOutboundControlFrames = Int(spec.maxOutboundControlFrames)
        maxEmptyFrames = UInt64(spec.maxConsecutiveEmptyFrames)
        maxPriorityFramesPerStream = UInt64(spec.maxPriorityFramesPerStream)
        maxWindowUpdatesPerDataFrame = UInt64(spec.maxWindowUpdatesPerDataFrame)
        streamBacklog = min(max(bufferLimit, 1), HTTP2Options.largestBacklog)
    }
}
