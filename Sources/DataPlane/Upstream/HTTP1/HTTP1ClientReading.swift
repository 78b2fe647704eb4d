// The receiving half of the HTTP/1 client codec.
import HTTPWire
import Reactor

extension HTTP1ClientConnection {
    /// Reads and parses until nothing is left, reading pauses, or the stream is over.
    func read() {
        isReading = true
        defer { isReading = false }
        let stream = generation
        // Without input there is nothing to parse, unless a pause has held trailers back.
        while socket.input.isEmpty && !hasTrailers || parse(), stream == generation {
            switch socket.fill() {
            case .data: continue
            case .wouldBlock:
                link.countBytes()
                return
            case .end:
                link.countBytes()
                peerEnded()
                return
            case .failed:
                // `connectionClosed` follows.
                return
            }
        }
    }

    /// Goes on after a pause, when the stream is still the same.
    func readOn(_ stream: UInt64) {
        if stream == generation, delegate != nil, !isPaused { read() }
    }

    /// Handles what is in the input. False when the stream is over or its reading paused.
    private func parse() -> Bool {
        guard let delegate else { return false }
        let stream = generation
        if isTunnel { return passTunnelBytes(delegate) }
        var chunk = ByteQueue(pool: socket.loop.slabs)
        let headers = delegate.upstreamResponseHeaders
        let trailers = delegate.upstreamResponseTrailers
        while !isPaused {
            let event = parser.next(&socket.input, headers: headers, trailers: trailers)
            switch event {
            case .body(let count):
                socket.input.move(count, to: &chunk)
                continue
            case .end:
                complete(delegate, &chunk)
                return false
            case .failure(let failure):
                if !chunk.isEmpty { delegate.upstreamBody(self, &chunk, end: false) }
                if stream == generation { reset(.protocolError, byPeer: false, detail: failure.text) }
                return false
            case .needMore:
                if chunk.isEmpty { return true }
                delegate.upstreamBody(self, &chunk, end: false)
                return stream == generation && !isPaused
            case .trailers:
                hasTrailers = true
                if !chunk.isEmpty {
                    delegate.upstreamBody(self, &chunk, end: false)
                    if stream != generation { return false }
                }
            case .head:
                if parser.isInterim {
                    usedByInterim = socket.bytesRead &- UInt64(socket.input.count)
                    delegate.upstreamInformational(self)
                } else {
                    noteHead(headers)
                    if parser.framing == .none { continue }
                    delegate.upstreamHead(self, end: false)
                    if parser.framing == .tunnel { return stream == generation && enterTunnel(delegate) }
                }
                if stream != generation { return false }
            }
        }
        return false
    }

    /// What the head says about the connection.
    private func noteHead(_ head: HeaderMap) {
        if parser.droppedFields > 0 { codecStats.droppedHeadersWithUnderscores.add(UInt64(parser.droppedFields)) }
        if !parser.keepAlive, parser.framing != .tunnel {
            if parser.framing != .untilClose || parser.version == .http10 || head.hasToken(.connection, "close") {
                stats.cxCloseNotify.increment()
            }
        } else if head.contains(.keepAlive) {
            notePeerIdleLimit(head)
        }
    }

    /// `Keep-Alive: timeout=N` (RFC 2068, section 19.7.1.1): our side closes before the peer's does.
    private func notePeerIdleLimit(_ head: HeaderMap) {
        head.forEachToken(of: .keepAlive) { item in
            guard item.count > 8, item.prefix(8).equalsIgnoringCase("timeout="),
                let seconds = item.dropFirst(8).trimmingOWS.decimal
            else { return }
            link.peerIdleLimit = IdleLearner.beforehand(.seconds(Int64(clamping: seconds)))
        }
    }

    // MARK: - The end of a response

    /// The response is whole: settles with the pool, then tells the delegate.
    private func complete(_ last: any UpstreamStreamDelegate, _ chunk: inout ByteQueue, atEnd: Bool = false) {
        let hadHeadOnly = parser.framing == .none
        let withTrailers = hasTrailers
        _ = endStream(howItEnds(atEnd: atEnd))
        if withTrailers {
            last.upstreamTrailers(self)
        } else if hadHeadOnly {
            last.upstreamHead(self, end: true)
        } else {
            last.upstreamBody(self, &chunk, end: true)
        }
    }

    func howItEnds(atEnd: Bool) -> StreamEnd {
        var isWhole = false
        if case .done = request { isWhole = true }
        if atEnd { return .close(byPeer: true, complete: isWhole) }
        if !isWhole || !parser.keepAlive { return .close(byPeer: false, complete: isWhole) }
        // Costs no system call unless the socket has something to tell.
        if socket.input.isEmpty {
            switch socket.fill() {
            case .wouldBlock: return .reusable
            case .end: return .close(byPeer: true, complete: true)
            case .data, .failed: break
            }
        }
        // Bytes that no request asked for.
        stats.cxProtocolError.increment()
        return .close(byPeer: false, complete: true)
    }

    private func peerEnded() {
        guard let delegate else { return }
        var nothing = ByteQueue(pool: socket.loop.slabs)
        if isTunnel {
            tunnelEnded = true
            if case .done = request { _ = endStream(.flushThenClose) }
            delegate.upstreamBody(self, &nothing, end: true)
            return
        }
        if parser.framing == .untilClose, case .end = parser.finish() {
            complete(delegate, &nothing, atEnd: true)
            return
        }
        cutShort("")
    }

    /// The connection is gone before the response was whole. In the middle of a message that is a protocol error, as in
    /// Envoy; before its first byte it is the connection that ended.
    func cutShort(_ reason: String) {
        let isBetweenMessages = usedByInterim.map { $0 == socket.bytesRead } ?? !parser.isInMessage
        if !isTunnel, !isBetweenMessages, case .failure(let failure) = parser.finish() {
            reset(.protocolError, byPeer: true, detail: reason.isEmpty ? failure.text : reason)
        } else {
            reset(.connectionTermination, byPeer: true, detail: reason)
        }
    }

    // MARK: - Tunnels

    private func enterTunnel(_ delegate: any UpstreamStreamDelegate) -> Bool {
        guard isTunnel else {
            reset(.protocolError, byPeer: false, detail: "upstream switched protocols and nobody took over")
            return false
        }
        return passTunnelBytes(delegate)
    }

    private func passTunnelBytes(_ delegate: any UpstreamStreamDelegate) -> Bool {
        if isPaused { return false }
        if socket.input.isEmpty { return true }
        let stream = generation
        var chunk = ByteQueue(pool: socket.loop.slabs)
        socket.input.moveAll(to: &chunk)
        delegate.upstreamBody(self, &chunk, end: false)
        return stream == generation && !isPaused
    }

    // MARK: - Between streams

    /// Nothing may come on an idle connection but its end.
    func readIdle() {
        switch socket.fill() {
        case .wouldBlock, .failed:
            return
        case .end:
            pool.noteIdleClose(link)
            link.close(byPeer: true)
        case .data:
            // A 408 tells that the peer gave up waiting for a request: no offence.
            let isTimeout = socket.input.contiguous(12).dropFirst(8).equals(" 408")
            if !isTimeout { stats.cxProtocolError.increment() }
            link.close()
        }
    }
}
