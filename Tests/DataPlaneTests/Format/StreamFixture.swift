// A request as it stands when its line is written, for the tests of formats, routes and access logs.
import HTTPWire
import Reactor

@testable import DataPlane

/// A stream with its messages, and the clocks at its end.
final class StreamFixture {
    let info = StreamInfo()
    let request = HeaderMap()
    let response = HeaderMap()
    let trailers = HeaderMap()
    var logType = AccessLogType.notSet
    var now = MonotonicTime(ns: 0)
    /// 2016-04-15T20:17:00.310123456Z
    var wallNow = WallTime(unixNanoseconds: 1_460_751_420_310_123_456)

    /// `GET path` to `host`, over plain HTTP.
    init(_ path: String = "/", host: String = "h", headers: [(String, String)] = []) {
        set(request, ":method", "GET")
        set(request, ":path", path)
        set(request, ":authority", host)
        set(request, ":scheme", "http")
        for (name, value) in headers { add(request, name, value) }
        info.startWall = wallNow
        info.httpVersion = .http11
    }

    func add(_ headers: HeaderMap, _ name: String, _ value: String) {
        withView(name) { name in withView(value) { _ = headers.append(name: name, value: $0) } }
    }

    func set(_ headers: HeaderMap, _ name: String, _ value: String) {
        withView(name) { name in withView(value) { _ = headers.set(name: name, value: $0) } }
    }

    var context: FormatContext {
        FormatContext(
            info, request: request, response: response, trailers: trailers, logType: logType, now: now,
            wallNow: wallNow)
    }

    func format(_ template: String, omitEmpty: Bool = false) throws -> String {
        try Formatter(template, omitEmpty: omitEmpty).string(context)
    }

    func json(
        _ template: AccessLogFormatSpec.JSONTemplate, omitEmpty: Bool = false, sortKeys: Bool = false
    ) throws -> String {
        var sink = ByteArena()
        try JSONFormatter(template, omitEmpty: omitEmpty, sortKeys: sortKeys).append(to: &sink, context)
        return sink.view.string
    }

    /// The fields of a message, one line each, in order.
    static func lines(_ headers: HeaderMap) -> [String] {
        var lines: [String] = []
        headers.forEachField { lines.append("\($0.string): \($1.string)") }
        return lines
    }
}

/// Runs `body` with the bytes of a text.
func withView<Result>(_ text: String, _ body: (ByteView) -> Result) -> Result {
    var text = text
    return text.withUTF8 { body(ByteView(UnsafeRawBufferPointer($0))) }
}
