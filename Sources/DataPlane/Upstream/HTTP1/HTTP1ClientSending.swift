// The sending half of the HTTP/1 client codec.
import HTTPWire
import Reactor

extension HTTP1ClientConnection {
    func sendHead(_ head: HeaderMap, end: Bool) {
        guard delegate != nil, case .waitingForHead = request else { return }
        let method = head.methodKind
        let wantsUpgrade = head.contains(.upgrade)
        parser.begin(method: method, upgrade: wantsUpgrade)
        let framing = Self.framing(of: head, end: end, wantsUpgrade: wantsUpgrade)
        HTTP1Serializer.requestHead(
            head, framing: framing, connection: wantsUpgrade ? .upgrade : .none, style: requestStyle,
            to: &socket.output)
        if case .length(let length) = framing { bodyBytesLeft = length }
        if end {
            request = .done
            flush()
            return
        }
        request = .body(framing)
        // The first of the body often follows at once, and goes into the same segment then.
        socket.flushLater()
        if socket.isAboveHighWatermark {
            flush()
            noteBackedUp()
        }
    }

    /// A request for an upgrade has no body of unknown length: what follows it is not HTTP any more.
    private static func framing(of head: HeaderMap, end: Bool, wantsUpgrade: Bool) -> HTTP1SendFraming {
        wantsUpgrade && !head.contains(.contentLength) ? .none : .request(head, end: end)
    }

    func sendBody(_ bytes: inout ByteQueue, end: Bool) {
        guard delegate != nil else {
            bytes.clear()
            return
        }
        switch request {
        case .tunnel:
            bytes.moveAll(to: &socket.output)
            if end {
                request = .done
                flush()
                endTunnelDirection()
                return
            }
        case .body(.chunked):
            if !bytes.isEmpty { HTTP1Serializer.chunk(&bytes, to: &socket.output) }
            if end {
                HTTP1Serializer.lastChunk(to: &socket.output)
                request = .done
            }
        case .body(.length):
            let count = UInt64(bytes.count)
            guard count <= bodyBytesLeft, !end || count == bodyBytesLeft else {
                bytes.clear()
                reset(.localReset, byPeer: false, detail: "request body does not have its content-length")
                return
            }
            bodyBytesLeft -= count
            bytes.moveAll(to: &socket.output)
            if end { request = .done }
        case .body:
            // No body was announced: a tunnel that did not open, or an empty request that ends late.
            guard bytes.isEmpty else {
                bytes.clear()
                reset(.localReset, byPeer: false, detail: "request body without a length")
                return
            }
            if end { request = .done }
        case .waitingForHead, .done:
            bytes.clear()
            return
        }
        flush()
        noteBackedUp()
    }

    /// After a flush: what the socket did not take. Only that drains later, and is told of then.
    private func noteBackedUp() {
        guard !wasBackedUp, socket.isAboveHighWatermark else { return }
        wasBackedUp = true
        delegate?.upstreamBackedUp(self)
    }

    func sendTrailers(_ trailers: HeaderMap) {
        guard delegate != nil, case .body(let framing) = request else { return }
        if case .chunked = framing {
            if pool.sendsTrailers {
                HTTP1Serializer.lastChunk(trailers: trailers, style: requestStyle, to: &socket.output)
            } else {
                HTTP1Serializer.lastChunk(to: &socket.output)
            }
        } else if case .length = framing, bodyBytesLeft > 0 {
            reset(.localReset, byPeer: false, detail: "request body does not have its content-length")
            return
        }
        request = .done
        flush()
    }

    func flush() {
        socket.flush()
        link.countBytes()
    }

    // MARK: - Tunnels

    func becomeTunnel() {
        guard delegate != nil else { return }
        isTunnel = true
        request = .tunnel
    }

    /// One direction of the tunnel has ended; with both, the stream has.
    func endTunnelDirection() {
        if !tunnelEnded {
            socket.shutdownWrite()
        } else if case .done = request {
            _ = endStream(.flushThenClose)
        }
    }
}
