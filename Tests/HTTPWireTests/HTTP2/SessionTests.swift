// Messages through an HTTP/2 session, its windows, and its limits.
import Reactor
import Testing

@testable import HTTPWire

@Suite struct HTTP2SessionTests {
    @Test(arguments: [Int.max, 1, 7])
    func requestsComeAsEvents(parts: Int) throws {
        let rig = SessionRig()
        rig.receive(
            headers(1, postFields + [("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers")], end: false)
                + data(1, "hello ") + data(1, "world") + headers(1, [("x-checksum", "7"), ("authorization", "me")]),
            parts: parts)
        let stream = try #require(rig.streams.first)
        #expect(stream.events.first == "head POST / a" && stream.events.last == "trailers x-checksum: 7")
        #expect(stream.events.dropFirst().dropLast().map { $0.dropFirst(5) }.joined() == "hello world")
        #expect(stream.head.lines == ["cookie: a=1; b=2", "te: trailers"])
    }

    @Test func hostStandsForTheAuthority() throws {
        let rig = SessionRig()
        rig.receive(headers(1, [(":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "b")]))
        rig.receive(headers(3, getFields + [("host", "a")]))
        #expect(rig.streams.map { $0.head.authority.string } == ["b", "a"] && rig.streams.map(\.head.count) == [0, 0])
    }

    @Test func extendedConnectIsAnUpgrade() throws {
        let rig = SessionRig { $0.allowConnect = true }
        rig.receive(
            headers(1, [(":method", "CONNECT"), (":protocol", "websocket")] + getFields.dropFirst(), end: false))
        let head = try #require(rig.streams.first?.head)
        #expect(head.methodKind == .get && head.lines == ["upgrade: websocket", "connection: upgrade"])
    }

    @Test func responsesLeaveInFull() throws {
        let rig = SessionRig()
        rig.onHead = { stream in
            let response = HeaderMap()
            response.status = 103
            stream.sendInterim(response)
            response.status = 200
            response.append(.contentType, "text/plain")
            response.append(.connection, "close")
            stream.sendResponse(response, end: false)
            stream.send(text: "hello")
            let trailers = HeaderMap()
            trailers.append(.grpcStatus, "0")
            stream.sendFinalFields(trailers)
        }
        rig.receive(headers(1, getFields))
        let frames = rig.sent()
        #expect(frames.map(\.kind) == [.headers, .headers, .data, .headers])
        #expect(frames.last?.flags == Flag.end | Flag.endHeaders)
        #expect(rig.streams.first?.events.last == "released" && rig.session.streamCount == 0)
    }

    @Test func valuesThatChangeStayOutOfThePeersTableButTheirNamesAreThere() throws {
        let rig = SessionRig()
        rig.onHead = { stream in
            let response = HeaderMap()
            response.status = 200
            Array("request-number-\(stream.id)".utf8).withUnsafeBytes { response.append(.xRequestID, ByteView($0)) }
            SessionRig.answer(stream, response)
        }
        for id: Int32 in [1, 3, 5] { rig.receive(headers(id, getFields)) }
        let blocks = rig.sent().map(\.payload)
        // Literal with indexing and a new name; then literals that are never indexed, with the name of entry 62.
        #expect(blocks.map { $0.dropFirst().prefix(2).first } == [0x40, 0x1f, 0x1f])
        try #require(blocks.count == 3)
        #expect(blocks[2].count == blocks[1].count && blocks[1].count + 8 < blocks[0].count)
        let client = SessionRig(.client)
        let request = HeaderMap()
        request.setMethod(ByteView("GET"))
        let streams = [1, 3, 5].map { _ in NotingStream(pool: client.pool) }
        for stream in streams { #expect(client.session.submitRequest(stream, request, end: true)) }
        _ = client.sent()
        for (index, block) in blocks.enumerated() {
            client.receive(frame(.headers, Flag.endHeaders | Flag.end, stream: Int32(2 * index + 1), block))
        }
        #expect(streams.map { $0.head.lines } == [1, 3, 5].map { ["x-request-id: request-number-\($0)"] })
    }

    /// nghttp2 is told not to copy these, and so does not write them in lower case.
    @Test func wellKnownNamesAreWrittenAsHTTP2WantsThem() {
        for name in HeaderName.allCases {
            #expect(name.bytes.isToken && name.bytes.string == name.bytes.string.lowercased())
        }
        let rig = SessionRig()
        rig.onHead = { stream in
            let response = HeaderMap()
            response.status = 200
            response.append(name: ByteView("X-Odd"), value: ByteView("0"))
            response.append(name: ByteView("Content-Type"), value: ByteView("0"))
            SessionRig.answer(stream, response)
        }
        rig.receive(headers(1, getFields))
        #expect(rig.sent().first?.payload.contains(0x58) == false)
    }

    /// All sessions of a loop lay their frames out in one buffer of nghttp2's. One that stops in the middle, because its
    /// output is full, must not go on with what another has left there.
    @Test func sessionsOfOneLoopKeepTheirFramesApart() throws {
        let pool = SlabPool()
        let rigs = (0..<3).map { _ in SessionRig(pool: pool) }
        for (index, rig) in rigs.enumerated() {
            rig.onHead = { stream in
                let response = HeaderMap()
                response.status = 200 + index
                stream.sendResponse(response, end: false)
                stream.send(text: String(repeating: "\(index)", count: 40_000), end: true)
            }
            rig.receive(headers(Int32(1 + 2 * index), getFields))
        }
        var frames: [[SentFrame]] = [[], [], []]
        for _ in 0..<20 {
            for (index, rig) in rigs.enumerated() { frames[index] += rig.sent(limit: 100) }
        }
        for (index, sent) in frames.enumerated() {
            #expect(sent.map(\.kind).first == .headers && sent.dropFirst().allSatisfy { $0.kind == .data })
            #expect(sent.allSatisfy { $0.stream == Int32(1 + 2 * index) })
            let body = sent.dropFirst().flatMap(\.payload)
            #expect(body == Array(repeating: UInt8(ascii: "0") + UInt8(index), count: 40_000))
            #expect(sent.last?.flags == Flag.end && sent.dropLast().allSatisfy { $0.flags & Flag.end == 0 })
        }
    }

    @Test func trailersAfterASilenceHaveNoEmptyFrame() throws {
        let rig = SessionRig()
        rig.onHead = { stream in
            let response = HeaderMap()
            response.status = 200
            stream.sendResponse(response, end: false)
        }
        rig.receive(headers(1, getFields))
        #expect(rig.sent().map(\.kind) == [.headers])
        let trailers = HeaderMap()
        trailers.append(.grpcStatus, "0")
        rig.streams[0].sendFinalFields(trailers)
        #expect(rig.sent().map(\.kind) == [.headers] && rig.session.streamCount == 0)
    }

    @Test func aResponseBeforeItsRequestEndsTheStream() throws {
        let rig = SessionRig()
        rig.onHead = { SessionRig.answer($0) }
        rig.receive(headers(1, postFields, end: false))
        let frames = rig.sent()
        #expect(frames.map(\.kind) == [.headers, .resetStream] && frames.last?.code == .noError)
    }

    @Test func bodiesKeepToThePeersWindow() throws {
        let rig = SessionRig(settings: [(4, 10)]) { $0.streamBacklog = 8 }
        rig.onHead = { stream in
            let response = HeaderMap()
            response.status = 200
            stream.sendResponse(response, end: false)
            stream.send(text: String(repeating: "x", count: 30))
        }
        rig.receive(headers(1, getFields))
        let stream = rig.streams[0]
        #expect(rig.sent().last?.payload.count == 10 && stream.isBackedUp && stream.pendingBytes == 20)
        rig.receive(frame(.windowUpdate, 0, stream: 1, number(100)))
        stream.send(text: "", end: true)
        #expect(rig.sent().last?.payload.count == 20 && !stream.isBackedUp)
        #expect(stream.events.contains("drained") && stream.events.last == "released")
    }

    @Test func aPausedStreamStopsItselfAndNoOther() throws {
        let rig = SessionRig { options in
            options.streamWindow = 100_000
            options.connectionWindow = 100_000
        }
        rig.onHead = { if $0.id == 1 { $0.pause() } }
        rig.receive(headers(1, postFields, end: false) + headers(3, postFields, end: false))
        let part = String(repeating: "x", count: 16_000)
        for _ in 0..<4 { rig.receive(data(1, part)) }
        // The stream's own window is not renewed, the connection's is.
        #expect(rig.sent().filter { $0.kind == .windowUpdate }.map(\.stream) == [0])
        for _ in 0..<8 { rig.receive(data(3, part)) }
        #expect(rig.session.failure == nil)
        #expect(Set(rig.sent().filter { $0.kind == .windowUpdate }.map(\.stream)) == [0, 3])
        rig.streams[0].resume()
        rig.session.deliver()
        #expect(rig.streams[0].events == ["head POST / a", "body 64000 bytes"])
        #expect(rig.sent().filter { $0.kind == .windowUpdate }.map(\.stream) == [1])
    }

    @Test func largeResponsesTakeTurns() throws {
        let rig = SessionRig(settings: [(4, 1 << 20)])
        rig.onHead = { stream in
            let response = HeaderMap()
            response.status = 200
            stream.sendResponse(response, end: false)
            stream.send(text: String(repeating: "x", count: stream.id == 1 ? 500_000 : 100), end: true)
        }
        rig.receive(frame(.windowUpdate, 0, number(1 << 20)) + headers(1, getFields) + headers(3, getFields))
        let first = rig.sent(limit: 64 * 1024)
        #expect(first.contains { $0.stream == 3 && $0.flags & Flag.end != 0 })
        #expect(first.filter { $0.kind == .data }.reduce(0) { $0 + $1.payload.count } <= 96 * 1024)
    }

    @Test func whereMuchWaitsEachHasLittle() {
        let rig = SessionRig(settings: [(4, 0)]) { $0.connectionBacklog = 100_000 }
        rig.onHead = { stream in
            let response = HeaderMap()
            response.status = 200
            stream.sendResponse(response, end: false)
            stream.send(text: String(repeating: "x", count: stream.id == 5 ? 20_000 : 60_000))
        }
        rig.receive(headers(1, getFields) + headers(3, getFields) + headers(5, getFields))
        #expect(rig.streams.map(\.isBackedUp) == [false, true, true] && rig.session.pendingSendBytes == 140_000)
        rig.receive(frame(.resetStream, 0, stream: 1, number(8)))
        #expect(rig.session.pendingSendBytes == 80_000)
        rig.receive(frame(.settings, 0, [0, 4] + number(1 << 20)))
        _ = rig.sent()
        #expect(rig.session.pendingSendBytes == 14_465 && !rig.streams[1].isBackedUp)
    }

    @Test func aStreamThatIsGivenUpInTheMiddleOfABlockReadsNoMore() {
        let rig = SessionRig()
        rig.receive(headers(1, postFields, end: false))
        let stream = rig.streams[0]
        rig.receive(frame(.headers, Flag.end, stream: 1, block(("x-a", "b"))))
        let map = stream.tail
        stream.detach()
        map.removeAll()
        rig.receive(frame(.continuation, Flag.endHeaders, stream: 1, block(("x-c", "d"))) + headers(3, getFields))
        #expect(map.lines == [] && rig.session.failure == nil && rig.streams.last?.events.first == "head GET / a end")
    }

    // MARK: Limits

    @Test func headersHaveLimits() {
        let rig = SessionRig { $0.limits = HTTP1Limits(maxHeaderBytes: 1000, maxHeaderCount: 10) }
        rig.receive(headers(1, getFields + [("x-a", String(repeating: "x", count: 1000))]))
        rig.receive(headers(3, getFields + (0..<11).map { ("x-\($0)", "") }))
        #expect(rig.session.failure == nil && rig.notices == [.headerListTooLarge, .headerOverflow])
        #expect(rig.sent().filter { $0.kind == .resetStream }.map(\.stream) == [1, 3])
        #expect(rig.streams.allSatisfy { !$0.events.contains { $0.hasPrefix("head") } })
    }

    @Test func aHeaderBombIsCutOff() {
        // One entry of 4 KiB, then a thousand references to it: 4 MiB out of 5 KiB.
        let rig = SessionRig()
        let entry = [UInt8(0x40)] + block(("x-bomb", String(repeating: "x", count: 4000))).dropFirst()
        let bomb = block(getFields) + entry + [UInt8](repeating: 0xbe, count: 1000)
        rig.receive(frame(.headers, Flag.endHeaders | Flag.end, stream: 1, bomb))
        #expect(rig.notices == [.headerListTooLarge] && rig.session.failure == nil)
        #expect(rig.sent().contains { $0.kind == .resetStream && $0.stream == 1 })
        #expect(rig.streams[0].head.byteSize <= 61 * 1024)
    }

    @Test func headerBlocksAreBoundedBeforeTheyAreDecoded() {
        let rig = SessionRig()
        let part = block(("x-a", String(repeating: "x", count: 16_000)))
        rig.receive(frame(.headers, Flag.end, stream: 1, block(getFields)))
        for _ in 0..<10 { rig.receive(frame(.continuation, 0, stream: 1, part)) }
        #expect(rig.session.failure?.code == .enhanceYourCalm && rig.notices.contains(.headerListTooLarge))
    }

    @Test func manySmallContinuationsAreCutOff() {
        let rig = SessionRig()
        rig.receive(frame(.headers, Flag.end, stream: 1, block(getFields)))
        for _ in 0..<1000 { rig.receive(frame(.continuation, 0, stream: 1, block(("x-a", "")))) }
        #expect(rig.session.failure != nil)
    }

    /// What to repeat, how often, and what is counted.
    static let floods: [(String, [UInt8], Int, HTTP2Notice)] = [
        ("empty DATA", data(1, ""), 2, .emptyFramesFlood),
        ("padding alone", frame(.data, Flag.padded, stream: 1, [3, 0, 0, 0]), 2, .emptyFramesFlood),
        ("PRIORITY", frame(.priority, 0, stream: 1, number(0) + [15]), 201, .priorityFramesFlood),
        ("WINDOW_UPDATE", frame(.windowUpdate, 0, stream: 1, number(1)), 9, .windowUpdateFramesFlood),
        ("PING", frame(.ping, 0, [0, 0, 0, 0, 0, 0, 0, 0]), 1100, .outboundControlFlood),
        ("SETTINGS", frame(.settings), 1100, .outboundControlFlood),
    ]

    @Test(arguments: floods.indices)
    func floodsEndTheConnection(_ index: Int) {
        let (name, bytes, count, notice) = HTTP2SessionTests.floods[index]
        let rig = SessionRig()
        rig.receive(headers(1, postFields, end: false))
        for _ in 0..<count where rig.session.failure == nil { rig.receive(bytes) }
        #expect(rig.notices.contains(notice) && rig.session.failure?.code == .enhanceYourCalm, "\(name)")
        #expect(rig.sent().last?.code == .enhanceYourCalm)
    }

    @Test func headersWithUnderscoresAreDroppedOrRefused() {
        let dropping = SessionRig { $0.underscores = .dropHeader }
        dropping.receive(headers(1, getFields + [("x_a", "b")]))
        #expect(dropping.streams[0].head.isEmpty && dropping.notices == [.droppedHeaderWithUnderscore])
        let refusing = SessionRig { $0.underscores = .rejectRequest }
        refusing.receive(headers(1, getFields + [("x_a", "b")]))
        #expect(refusing.notices == [.rejectedUnderscore] && refusing.sent().contains { $0.kind == .resetStream })
    }

    // MARK: The end

    @Test func goodbyeIsSaidTwice() {
        let rig = SessionRig()
        rig.receive(headers(1, getFields))
        rig.session.announceGoAway()
        let notice = rig.sent().first { $0.kind == .goAway }
        #expect(notice?.number(at: 0) == 0x7fff_ffff && notice?.code == .noError)
        rig.receive(headers(3, getFields))
        #expect(rig.streams.count == 2)
        rig.session.goAway()
        #expect(rig.sent().first { $0.kind == .goAway }?.number(at: 0) == 3)
        rig.receive(headers(5, getFields))
        #expect(rig.streams.count == 2 && !rig.session.isOver)
        for stream in rig.streams { SessionRig.answer(stream) }
        _ = rig.sent()
        #expect(rig.session.isOver)
    }

    @Test func memoryComesBack() {
        let rig = SessionRig()
        rig.onHead = { SessionRig.answer($0) }
        for id in stride(from: Int32(1), to: 200, by: 2) {
            rig.receive(headers(id, postFields, end: false) + data(id, "x"))
        }
        _ = rig.sent()
        #expect(rig.session.streamCount == 0 && rig.pool.slabsInUse == 0)
    }
}
