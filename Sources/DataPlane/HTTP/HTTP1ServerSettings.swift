// What the HTTP/1 server codec is made with.
import HTTPWire
import Reactor

/// The codec's settings, compiled once per connection manager and worker, and shared by its connections.
public final class HTTP1ServerSettings {
    let options: HTTP1OptionsSpec
    let limits: HTTP1Limits
    let parserOptions: HTTP1Options
    let style: HTTP1Style
    /// High watermark of the connection's output and of a request body that nobody takes, bytes.
    let bufferLimit: Int
    let stats: HTTP1CodecStats
    /// nil: no overload manager has a say here.
    let overload: OverloadGate?

    public init(
        _ spec: HTTPConnectionManagerSpec, bufferLimit: Int, stats: HTTP1CodecStats, overload: OverloadGate? = nil
    ) {
        self.overload = overload
        options = spec.http1
        limits = HTTP1Limits(
            maxHeaderBytes: spec.maxRequestHeadersKiB * 1024, maxHeaderCount: spec.maxHeaderCount)
        var parsing = HTTP1Options()
        parsing.allowHTTP10 = spec.http1.acceptHTTP10
        if !spec.http1.defaultHostForHTTP10.isEmpty {
            parsing.defaultHost = FixedBytes(spec.http1.defaultHostForHTTP10)
        }
        parsing.allowAbsoluteURL = spec.http1.allowAbsoluteURL
        parsing.allowChunkedLength = spec.http1.allowChunkedLength
        switch spec.underscores {
        case .allow: parsing.underscores = .allow
        case .rejectRequest: parsing.underscores = .rejectRequest
        case .dropHeader: parsing.underscores = .dropHeader
        }
        parserOptions = parsing
        var style = HTTP1Style()
        switch spec.http1.headerCase {
        case .preserve: style.names = .preserve
        case .lower: style.names = .lower
        case .proper: style.names = .proper
        }
        self.style = style
        self.bufferLimit = bufferLimit
        self.stats = stats
    }
}
