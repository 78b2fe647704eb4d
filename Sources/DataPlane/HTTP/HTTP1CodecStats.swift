// The counters of the HTTP/1 codecs: `http1.` downstream, `cluster.<name>.http1.` upstream.
import Metrics

/// Envoy page: HTTP connection manager stats, "Http1 codec statistics".
public struct HTTP1CodecStats {
    public let droppedHeadersWithUnderscores: Counter
    public let metadataNotSupported: Counter
    public let requestsRejectedWithUnderscores: Counter
    public let responseFlood: Counter

    /// `prefix` is "http1." or "cluster.<name>.http1.".
    public init(_ cells: StatCells, prefix: String) {
        droppedHeadersWithUnderscores = cells.counter(prefix + "dropped_headers_with_underscores")
        metadataNotSupported = cells.counter(prefix + "metadata_not_supported_error")
        requestsRejectedWithUnderscores = cells.counter(prefix + "requests_rejected_with_underscores_in_headers")
        responseFlood = cells.counter(prefix + "response_flood")
    }
}
