// What RFC 9113 and RFC 7541 say a peer must not do, and what must come of it.
import Reactor
import Testing

@testable import HTTPWire

@Suite struct HTTP2ConformanceTests {
    /// What a client sends after the prefaces, and the connection error that must follow.
    static let connectionErrors: [(String, [UInt8], HTTP2ErrorCode)] = [
        (
            "a frame larger than SETTINGS_MAX_FRAME_SIZE, 4.2",
            frame(.headers, Flag.endHeaders, stream: 1, [UInt8](repeating: 0, count: 16385)), .frameSizeError
        ),
        (
            "a header block that cannot be decoded, 4.3",
            frame(.headers, Flag.endHeaders | Flag.end, stream: 1, [0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]),
            .compressionError
        ),
        (
            "a frame inside a header block, 4.3",
            frame(.headers, Flag.end, stream: 1, block(getFields)) + frame(.priority, 0, stream: 1, number(0) + [15]),
            .protocolError
        ),
        (
            "an unknown frame inside a header block, 5.5",
            frame(.headers, Flag.end, stream: 1, block(getFields)) + rawFrame(0x16, 0, 0, [1]), .protocolError
        ),
        ("DATA on an idle stream, 5.1", data(1, "x"), .protocolError),
        ("RST_STREAM on an idle stream, 5.1", frame(.resetStream, 0, stream: 1, number(8)), .protocolError),
        ("WINDOW_UPDATE on an idle stream, 5.1", frame(.windowUpdate, 0, stream: 1, number(100)), .protocolError),
        (
            "CONTINUATION on an idle stream, 5.1",
            frame(.continuation, Flag.endHeaders, stream: 1, block(getFields)), .protocolError
        ),
        ("an even stream, 5.1.1", headers(2, getFields), .protocolError),
        ("a lower stream, 5.1.1", headers(5, getFields) + headers(3, getFields), .protocolError),
        ("DATA on stream 0, 6.1", data(0, "x"), .protocolError),
        (
            "DATA with too much padding, 6.1",
            headers(1, postFields, end: false) + frame(.data, Flag.padded | Flag.end, stream: 1, [6, 0, 0]),
            .protocolError
        ),
        ("HEADERS on stream 0, 6.2", headers(0, getFields), .protocolError),
        (
            "HEADERS with too much padding, 6.2",
            frame(.headers, Flag.padded | Flag.endHeaders | Flag.end, stream: 1, [99] + block(getFields)),
            .protocolError
        ),
        ("PRIORITY on stream 0, 6.3", frame(.priority, 0, stream: 0, number(0) + [15]), .protocolError),
        ("RST_STREAM on stream 0, 6.4", frame(.resetStream, 0, stream: 0, number(8)), .protocolError),
        (
            "RST_STREAM of another size, 6.4",
            headers(1, postFields, end: false) + frame(.resetStream, 0, stream: 1, [0, 0, 8]), .frameSizeError
        ),
        ("SETTINGS ACK with a payload, 6.5", frame(.settings, Flag.ack, [0, 1, 0, 0, 16, 0]), .frameSizeError),
        ("SETTINGS on a stream, 6.5", frame(.settings, 0, stream: 1), .protocolError),
        ("SETTINGS of another size, 6.5", frame(.settings, 0, [0, 3, 0]), .frameSizeError),
        ("SETTINGS_ENABLE_PUSH of 2, 6.5.2", frame(.settings, 0, [0, 2] + number(2)), .protocolError),
        (
            "SETTINGS_INITIAL_WINDOW_SIZE over 2^31-1, 6.5.2",
            frame(.settings, 0, [0, 4] + number(1 << 31)), .flowControlError
        ),
        ("SETTINGS_MAX_FRAME_SIZE below 16384, 6.5.2", frame(.settings, 0, [0, 5] + number(16383)), .protocolError),
        ("SETTINGS_MAX_FRAME_SIZE over 2^24-1, 6.5.2", frame(.settings, 0, [0, 5] + number(1 << 24)), .protocolError),
        ("PING on a stream, 6.7", frame(.ping, 0, stream: 1, [0, 0, 0, 0, 0, 0, 0, 0]), .protocolError),
        ("PING of another size, 6.7", frame(.ping, 0, [0, 0, 0]), .frameSizeError),
        ("GOAWAY on a stream, 6.8", frame(.goAway, 0, stream: 1, number(0) + number(0)), .protocolError),
        (
            "WINDOW_UPDATE of 0 on a stream, 6.9",
            headers(1, postFields, end: false) + frame(.windowUpdate, 0, stream: 1, number(0)), .protocolError
        ),
        ("WINDOW_UPDATE of 0 on the connection, 6.9", frame(.windowUpdate, 0, number(0)), .protocolError),
        ("WINDOW_UPDATE of another size, 6.9", frame(.windowUpdate, 0, [0, 1]), .frameSizeError),
        (
            "a stream window over 2^31-1, 6.9.1",
            headers(1, postFields, end: false) + frame(.windowUpdate, 0, stream: 1, number(0x7fff_ffff)),
            .flowControlError
        ),
        (
            "SETTINGS that make a stream window larger than 2^31-1, 6.9.2",
            headers(1, postFields, end: false) + frame(.windowUpdate, 0, stream: 1, number(0x7fff_ffff - 65535))
                + frame(.settings, 0, [0, 4] + number(65536)),
            .flowControlError
        ),
        ("a connection window over 2^31-1, 6.9.1", frame(.windowUpdate, 0, number(0x7fff_ffff)), .flowControlError),
        (
            "CONTINUATION on another stream, 6.10",
            frame(.headers, Flag.end, stream: 1, block(getFields)) + frame(.continuation, Flag.endHeaders, stream: 3),
            .protocolError
        ),
        (
            "CONTINUATION after the end of the block, 6.10",
            headers(1, postFields, end: false) + frame(.continuation, Flag.endHeaders, stream: 1, block(getFields)),
            .protocolError
        ),
        (
            "CONTINUATION after DATA, 6.10",
            headers(1, postFields, end: false) + data(1, "x") + frame(.continuation, Flag.endHeaders, stream: 1),
            .protocolError
        ),
        (
            "PUSH_PROMISE from a client, 8.4",
            headers(1, postFields, end: false)
                + frame(.pushPromise, Flag.endHeaders, stream: 1, number(2) + block(getFields)), .protocolError
        ),
        (
            "an index without an entry, RFC 7541 2.3.3",
            frame(.headers, Flag.endHeaders | Flag.end, stream: 1, [0xff, 0x20]), .compressionError
        ),
        (
            "a literal name without an entry, RFC 7541 2.3.3",
            frame(.headers, Flag.endHeaders | Flag.end, stream: 1, [0x7f, 0x20, 0]), .compressionError
        ),
        (
            "a table size update at the end of a block, RFC 7541 4.2",
            frame(.headers, Flag.endHeaders | Flag.end, stream: 1, block(getFields) + [0x21]), .compressionError
        ),
        (
            "a table size over the limit, RFC 7541 6.3",
            frame(.headers, Flag.endHeaders | Flag.end, stream: 1, [0x3f, 0xe2, 0x1f] + block(getFields)),
            .compressionError
        ),
        (
            "Huffman padding of more than 7 bits, RFC 7541 5.2",
            frame(.headers, Flag.endHeaders | Flag.end, stream: 1, block(getFields) + [0, 1, 0x78, 0x82, 0x1f, 0xff]),
            .compressionError
        ),
        (
            "Huffman padding of zeros, RFC 7541 5.2",
            frame(.headers, Flag.endHeaders | Flag.end, stream: 1, block(getFields) + [0, 1, 0x78, 0x81, 0x18]),
            .compressionError
        ),
        (
            "Huffman EOS, RFC 7541 5.2",
            frame(
                .headers, Flag.endHeaders | Flag.end, stream: 1,
                block(getFields) + [0, 1, 0x78, 0x84, 0xff, 0xff, 0xff, 0xff]),
            .compressionError
        ),
        ("index 0, RFC 7541 6.1", frame(.headers, Flag.endHeaders | Flag.end, stream: 1, [0x80]), .compressionError),
    ]

    @Test(arguments: connectionErrors.indices, [Int.max, 1])
    func endsTheConnection(_ index: Int, parts: Int) {
        let (name, bytes, code) = HTTP2ConformanceTests.connectionErrors[index]
        let rig = SessionRig()
        rig.receive(bytes, parts: parts)
        let goAway = rig.sent().last { $0.kind == .goAway }
        #expect(rig.session.failure != nil && goAway?.code == code, "\(name)")
    }

    /// The same where a stream is at fault, and the rest goes on.
    static let streamErrors: [(String, [UInt8], HTTP2ErrorCode)] = [
        ("DATA on a half-closed stream, 5.1", headers(1, getFields) + data(1, "x"), .streamClosed),
        ("HEADERS on a half-closed stream, 5.1", headers(1, getFields) + headers(1, getFields), .streamClosed),
        (
            "a stream that depends on itself, RFC 7540 5.3.1",
            frame(
                .headers, Flag.endHeaders | Flag.end | Flag.priority, stream: 1, number(1) + [255] + block(getFields)),
            .protocolError
        ),
    ]

    @Test(arguments: streamErrors.indices)
    func endsTheStream(_ index: Int) {
        let (name, bytes, code) = HTTP2ConformanceTests.streamErrors[index]
        let rig = SessionRig()
        rig.receive(bytes)
        let found = rig.sent().compactMap(\.code)
        #expect(found == [code], "\(name)")
    }

    /// Requests that break the rules for messages (section 8).
    static let malformed: [(String, [UInt8])] = [
        ("an upper-case name, 8.2.1", headers(1, getFields + [("X-Test", "a")])),
        ("an unknown pseudo-header, 8.3", headers(1, getFields + [(":test", "a")])),
        ("a pseudo-header of responses, 8.3", headers(1, getFields + [(":status", "200")])),
        (
            "a pseudo-header in trailers, 8.3",
            headers(1, postFields, end: false) + headers(1, [(":method", "GET")])
        ),
        ("a pseudo-header behind a field, 8.3", headers(1, [("x-a", "b")] + getFields)),
        ("connection, 8.2.2", headers(1, getFields + [("connection", "keep-alive")])),
        ("transfer-encoding, 8.2.2", headers(1, postFields + [("transfer-encoding", "chunked")])),
        ("upgrade, 8.2.2", headers(1, getFields + [("upgrade", "websocket")])),
        ("keep-alive, 8.2.2", headers(1, getFields + [("keep-alive", "1")])),
        ("proxy-connection, 8.2.2", headers(1, getFields + [("proxy-connection", "keep-alive")])),
        ("te but for trailers, 8.2.2", headers(1, getFields + [("te", "gzip")])),
        (
            "an empty path, 8.3.1",
            headers(1, [(":method", "GET"), (":scheme", "http"), (":path", ""), (":authority", "a")])
        ),
        ("no path, 8.3.1", headers(1, [(":method", "GET"), (":scheme", "http"), (":authority", "a")])),
        ("no method, 8.3.1", headers(1, [(":path", "/"), (":scheme", "http"), (":authority", "a")])),
        ("no scheme, 8.3.1", headers(1, [(":method", "GET"), (":path", "/"), (":authority", "a")])),
        ("two methods, 8.3.1", headers(1, [(":method", "GET")] + getFields)),
        ("two paths, 8.3.1", headers(1, [(":path", "/")] + getFields)),
        ("two schemes, 8.3.1", headers(1, [(":scheme", "http")] + getFields)),
        ("two authorities, 8.3.1", headers(1, [(":authority", "a")] + getFields)),
        ("another host, 8.3.1", headers(1, getFields + [("host", "b")])),
        (
            "user info, 8.3.1",
            headers(1, [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "u@a")])
        ),
        ("a fragment", headers(1, [(":method", "GET"), (":scheme", "http"), (":path", "/#a"), (":authority", "a")])),
        (
            "a space in the path",
            headers(1, [(":method", "GET"), (":scheme", "http"), (":path", "/a b"), (":authority", "a")])
        ),
        (
            "a line end in the path",
            headers(1, [(":method", "GET"), (":scheme", "http"), (":path", "/ HTTP/1.1\r\nx: y"), (":authority", "a")])
        ),
        ("a line end in a value, 8.2.1", headers(1, getFields + [("x-a", "b\r\nc: d")])),
        ("NUL in a value, 8.2.1", headers(1, getFields + [("x-a", "b\0")])),
        ("a blank before a value, 8.2.1", headers(1, getFields + [("x-a", " b")])),
        ("a colon in a name, 8.2.1", headers(1, getFields + [("x:a", "b")])),
        ("a blank in a name, 8.2.1", headers(1, getFields + [("x a", "b")])),
        ("an empty name, 8.2.1", headers(1, getFields + [("", "b")])),
        (
            "a method that is no token",
            headers(1, [(":method", "GET / HTTP/1.1"), (":scheme", "http"), (":path", "/"), (":authority", "a")])
        ),
        (
            "content-length that is too long, 8.1.1",
            headers(1, postFields + [("content-length", "2")], end: false) + data(1, "x", end: true)
        ),
        (
            "content-length that is too short, 8.1.1",
            headers(1, postFields + [("content-length", "1")], end: false) + data(1, "xy", end: true)
        ),
        ("content-length without DATA, 8.1.1", headers(1, postFields + [("content-length", "1")])),
        (
            "content-length over several DATA frames, 8.1.1",
            headers(1, postFields + [("content-length", "5")], end: false) + data(1, "ab") + data(1, "cd", end: true)
        ),
        (
            "two content-lengths",
            headers(1, postFields + [("content-length", "1"), ("content-length", "1")], end: false)
        ),
        ("a content-length that is no number", headers(1, postFields + [("content-length", "+1")], end: false)),
        (
            "trailers that do not end, 8.1",
            headers(1, postFields, end: false) + headers(1, [("x-a", "b")], end: false)
        ),
        ("CONNECT with a path, 8.5", headers(1, [(":method", "CONNECT"), (":authority", "a:1"), (":path", "/")])),
        (
            "CONNECT with a scheme, 8.5",
            headers(1, [(":method", "CONNECT"), (":authority", "a:1"), (":scheme", "http")])
        ),
        ("CONNECT without a port, 8.5", headers(1, [(":method", "CONNECT"), (":authority", "a")])),
        (
            ":protocol that was not allowed, RFC 8441 3",
            headers(1, [(":method", "CONNECT"), (":protocol", "websocket")] + getFields.dropFirst())
        ),
    ]

    @Test(arguments: malformed.indices)
    func resetsWhatIsMalformed(_ index: Int) {
        let (name, bytes) = HTTP2ConformanceTests.malformed[index]
        let rig = SessionRig { $0.resetsMalformedMessages = true }
        rig.receive(bytes)
        #expect(rig.sent().compactMap(\.code).contains(.protocolError), "\(name)")
        // A stream that is reset before its head is whole is not told of it.
        let ends = rig.streams.first?.events ?? []
        #expect(!ends.contains { $0.hasSuffix(" end") }, "\(name): \(ends)")
        rig.receive(headers(3, getFields))
        #expect(rig.session.failure == nil && rig.streams.last?.events.first == "head GET / a end", "\(name)")
    }

    @Test(arguments: malformed.indices)
    func endsTheConnectionUnlessToldOtherwise(_ index: Int) {
        let (name, bytes) = HTTP2ConformanceTests.malformed[index]
        let rig = SessionRig()
        rig.receive(bytes)
        #expect(rig.sent().compactMap(\.code).contains(.protocolError), "\(name)")
    }

    /// What must be tolerated.
    static let fine: [(String, [UInt8])] = [
        ("an unknown frame, 4.1", rawFrame(0x16, 0, 0, [1, 2, 3])),
        ("unknown flags, 4.1", frame(.ping, 0x16, [0, 0, 0, 0, 0, 0, 0, 0])),
        ("a reserved bit, 4.1", rawFrame(6, 0, .min, [0, 0, 0, 0, 0, 0, 0, 0])),
        ("PRIORITY on an idle stream, 5.1", frame(.priority, 0, stream: 9, number(0) + [15])),
        (
            "WINDOW_UPDATE on a half-closed stream, 5.1",
            headers(7, getFields) + frame(.windowUpdate, 0, stream: 7, number(9))
        ),
        (
            "RST_STREAM on a half-closed stream, 5.1",
            headers(7, getFields) + frame(.resetStream, 0, stream: 7, number(8))
        ),
        (
            "padding, 6.1",
            headers(7, postFields, end: false) + frame(.data, Flag.padded | Flag.end, stream: 7, [2, 65, 0, 0])
        ),
        ("unknown settings, 6.5.2", frame(.settings, 0, [0, 0xff] + number(1))),
        ("settings twice, 6.5.3", frame(.settings, 0, [0, 3] + number(1) + [0, 3] + number(2))),
        ("an unknown error code, 7", headers(7, getFields) + frame(.resetStream, 0, stream: 7, number(0xff))),
        ("GOAWAY with an unknown code, 7", frame(.ping, 0, [1, 2, 3, 4, 5, 6, 7, 8])),
    ]

    @Test(arguments: fine.indices)
    func goesOn(_ index: Int) {
        let (name, bytes) = HTTP2ConformanceTests.fine[index]
        let rig = SessionRig()
        rig.receive(bytes)
        rig.receive(headers(11, getFields))
        #expect(rig.session.failure == nil && rig.streams.last?.events == ["head GET / a end"], "\(name)")
    }

    @Test func framesAfterOurResetAreNoOffence() {
        let rig = SessionRig()
        rig.onHead = { $0.reset(.cancel) }
        rig.receive(headers(1, postFields, end: false))
        _ = rig.sent()
        rig.receive(data(1, "late") + headers(1, [("x-a", "b")]))
        #expect(rig.session.failure == nil)
    }

    @Test func framesAfterTheEndAre() {
        let rig = SessionRig()
        rig.onHead = { SessionRig.answer($0) }
        rig.receive(headers(1, getFields))
        _ = rig.sent()
        rig.receive(data(1, "late"))
        #expect(rig.sent().last?.code == .streamClosed)
    }

    @Test func refusesStreamsOverTheLimit() {
        // Before the client can know the limit, its streams are refused; afterwards they are an offence.
        let rig = SessionRig(knowsSettings: false) { $0.maxConcurrentStreams = 2 }
        rig.receive(headers(1, getFields) + headers(3, getFields) + headers(5, getFields) + headers(7, getFields))
        rig.receive(data(5, "late"))
        #expect(rig.sent().compactMap(\.code) == [.refusedStream, .refusedStream])
        #expect(rig.streams.count == 2 && rig.notices.filter { $0 == .streamRefused }.count == 2)
        rig.receive(frame(.settings, Flag.ack) + headers(9, getFields))
        #expect(rig.sent().last?.code == .protocolError)
    }

    @Test func anEmptyPrefaceIsNoHTTP2() {
        let rig = SessionRig()
        let session = HTTP2Session(.server, HTTP2Options(), pool: rig.pool)
        session.start(Deaf())
        var queue = ByteQueue(pool: rig.pool)
        queue.append("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        session.receive(&queue)
        #expect(session.failure?.details.description == "http2.bad_client_magic")
    }

    private final class Deaf: HTTP2SessionDelegate {
        func sessionMakesStream(_ session: HTTP2Session) -> HTTP2Stream { HTTP2Stream(pool: session.pool) }
        func sessionWantsToSend(_ session: HTTP2Session) {}
        func session(_ session: HTTP2Session, noted notice: HTTP2Notice) {}
        func session(_ session: HTTP2Session, refused text: @autoclosure () -> String) {}
        func sessionGotSettings(_ session: HTTP2Session) {}
        func sessionGotGoAway(_ session: HTTP2Session, _ code: HTTP2ErrorCode) {}
        func sessionGotPong(_ session: HTTP2Session) {}
    }
}
