// What the HTTP/2 codecs are made with.
import HTTPWire
import Metrics
import Reactor

/// The server codec's settings, compiled once per connection manager and worker.
public struct HTTP2ServerSettings {
    let options: HTTP2Options
    let keepalive: HTTP2KeepaliveSpec?
    private let source: HTTP2CodecStats.Source
    var stats: HTTP2CodecStats { source.stats }

    /// `bufferLimit`: bytes of a response that may wait for its client.
    public init(_ spec: HTTPConnectionManagerSpec, bufferLimit: Int, cells: StatCells) {
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
