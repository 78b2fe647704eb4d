// Streams that serve a second time: nothing of the first may show.
import Reactor
import Testing

@testable import HTTPWire

@Suite struct HTTP2StreamReuseTests {
    /// What a first life may leave behind: bytes to a rig whose stream has the number 1.
    static let lives: [(String, @Sendable (SessionRig) -> Void)] = [
        (
            "answered in full",
            { rig in
                rig.onHead = { SessionRig.answer($0) }
                rig.receive(headers(1, getFields))
            }
        ),
        (
            "with trailers",
            { rig in
                rig.onHead = { SessionRig.answer($0) }
                rig.receive(headers(1, postFields, end: false) + data(1, "x") + headers(1, [("x-a", "b")]))
            }
        ),
        (
            "reset by its peer while it is paused",
            { rig in
                rig.onHead = { $0.pause() }
                rig.receive(headers(1, postFields, end: false) + data(1, "x"))
                rig.receive(frame(.resetStream, 0, stream: 1, number(8)))
            }
        ),
        (
            "reset by us",
            { rig in
                rig.onHead = { $0.reset(.cancel) }
                rig.receive(headers(1, postFields, end: false))
            }
        ),
        (
            "a tunnel that is backed up",
            { rig in
                rig.onHead = { stream in
                    stream.keepRequestOpen()
                    let response = HeaderMap()
                    response.status = 200
                    stream.sendResponse(response, end: false)
                    stream.send(text: String(repeating: "x", count: 300_000), end: true)
                }
                rig.receive(headers(1, postFields, end: false))
                rig.receive(frame(.resetStream, 0, stream: 1, number(8)))
            }
        ),
        ("malformed", { rig in rig.receive(headers(1, postFields + [("host", "b")])) }),
        (
            "over a limit",
            { rig in rig.receive(headers(1, getFields + [("x-a", String(repeating: "x", count: 10_000))])) }
        ),
        (
            "cut off with its connection",
            { rig in
                rig.receive(headers(1, postFields, end: false) + data(1, "x"))
                rig.session.close(.connectionGone)
            }
        ),
    ]

    @Test(arguments: lives.indices)
    func aSecondLifeIsLikeAFirst(_ index: Int) throws {
        let (name, live) = HTTP2StreamReuseTests.lives[index]
        let first = SessionRig { options in
            options.resetsMalformedMessages = true
            options.limits = HTTP1Limits(maxHeaderBytes: 1000)
        }
        live(first)
        _ = first.sent()
        let stream = try #require(first.streams.first)
        #expect(stream.events.last == "released", "\(name)")

        let second = SessionRig(settings: [(4, 1 << 20)])
        stream.serveAgain()
        second.spare = stream
        second.onHead = { stream in
            let response = HeaderMap()
            response.status = 200
            stream.sendResponse(response, end: false)
        }
        second.receive(headers(1, postFields, end: false) + data(1, "hello") + headers(1, [("x-c", "d")]))
        #expect(stream.id == 1 && stream.wireBytesReceived > 0 && !stream.isBackedUp && !stream.isFlushing, "\(name)")
        stream.send(text: "bye", end: true)
        let frames = second.sent()
        #expect(frames.map(\.kind) == [.headers, .data], "\(name)")
        #expect(
            stream.events == ["head POST / a", "body hello", "trailers x-c: d", "ended complete", "released"], "\(name)"
        )
        #expect(stream.wireBytesSent == frames.reduce(0) { $0 + UInt64($1.payload.count) + 9 }, "\(name)")
    }

    @Test func aStreamThatEndsInTheMiddleOfItsBlockReadsNoMore() {
        let rig = SessionRig()
        rig.receive(frame(.headers, Flag.end, stream: 1, block(postFields)))
        let map = rig.streams[0].head
        rig.session.close(.connectionGone)
        map.removeAll()
        rig.receive(frame(.continuation, Flag.endHeaders, stream: 1, block(("x-c", "d"))))
        #expect(map.lines == [] && rig.session.streamCount == 0)
    }
}
