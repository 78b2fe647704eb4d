// Access log lines of a stream.
import HTTPWire
import Reactor

extension HTTPStream {
    /// Offers the stream to every access log of the connection manager.
    func logAccess(_ type: AccessLogType) {
        guard !core.accessLogs.isEmpty else { return }
        if let writer {
            info.downstreamWire.received = writer.wireBytesReceived
            info.downstreamWire.sent = writer.wireBytesSent
        }
        let context = FormatContext(
            info, request: hasHead ? requestHeaders : nil, response: responseHeaders, trailers: responseTrailers,
            logType: type,
            now: core.loop.now, wallNow: core.loop.wallNow)
        for log in core.accessLogs { log.log(context) }
    }
}
