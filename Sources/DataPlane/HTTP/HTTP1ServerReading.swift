// The receiving half of the HTTP/1 server codec.
import HTTPWire
import Reactor

extension HTTP1ServerConnection {
    /// Reads and parses until the socket is empty, the receiver pauses, or the request is complete.
    func read() {
        guard !isReading else { return }
        isReading = true
        defer { isReading = false }
        while parse() {
            switch connection.fill() {
            case .data: continue
            case .wouldBlock, .failed: return
            case .end: return inputEnded()
            }
        }
    }

    /// Handles what is in the input. False when nothing more may be read for now.
    private func parse() -> Bool {
        if let overload = settings.overload, shed(overload) { return false }
        while true {
            switch life {
            case .open: break
            case .lingering:
                connection.input.clear()
                return true
            case .finishing, .closed: return false
            }
            if isPaused { return false }
            if isTunnel {
                if request == .complete { return false }
                passTunnelBytes()
                return life == .open && !isPaused
            }
            switch request {
            case .complete: return false
            case .idle:
                if connection.input.isEmpty { return true }
                beginRequest()
            case .head, .body: break
            }
            guard let receiver else { return false }
            if isStarved(after: receiver) { return life == .open && !isPaused }
        }
    }

    /// Answers in place of taking in what has come, where the overload manager wants it so; that is the connection's end.
    private func shed(_ overload: OverloadGate) -> Bool {
        guard life == .open, !isPaused, request != .complete, !connection.input.isEmpty,
            overload.refuses(.dispatchHTTP1)
        else { return false }
        if request == .idle { beginRequest() }
        closeAfterResponse()
        receiver?.requestShed()
        return true
    }

    /// Takes the parser as far as one receiver goes. True when only more input can lead further.
    private func isStarved(after receiver: RequestReceiver) -> Bool {
        var chunk = ByteQueue(pool: connection.loop.slabs)
        let headers = receiver.requestHeaders
        let trailers = receiver.requestTrailers
        while true {
            let event = parser.next(&connection.input, headers: headers, trailers: trailers)
            switch event {
            case .needMore:
                if !chunk.isEmpty { receiver.requestBody(&chunk, end: false) }
                return isSame(receiver)
            case .head:
                noteHead(headers)
                if parser.framing == .none {
                    completeRequest()
                    receiver.requestHead(end: true)
                    return false
                }
                request = .body
                receiver.requestHead(end: false)
                if !isSame(receiver) || isPaused { return false }
            case .body(let count):
                connection.input.move(count, to: &chunk)
            case .trailers:
                if !chunk.isEmpty {
                    receiver.requestBody(&chunk, end: false)
                    if !isSame(receiver) { return false }
                }
                completeRequest()
                receiver.requestTrailersDone()
                return false
            case .end:
                completeRequest()
                receiver.requestBody(&chunk, end: true)
                return false
            case .failure(let failure):
                chunk.clear()
                fail(receiver, failure)
                return false
            }
        }
    }

    /// The receiver is still the one that is being served.
    private func isSame(_ one: RequestReceiver) -> Bool { life == .open && receiver === one }

    private func completeRequest() {
        request = .complete
        pauseSocket()
    }

    private func fail(_ receiver: RequestReceiver, _ failure: HTTP1Failure) {
        closeAfterResponse()
        if failure.kind == .underscoreInName { settings.stats.requestsRejectedWithUnderscores.increment() }
        receiver.requestFailed(failure)
    }

    private func passTunnelBytes() {
        guard let receiver, !connection.input.isEmpty else { return }
        var bytes = ByteQueue(pool: connection.loop.slabs)
        connection.input.moveAll(to: &bytes)
        receiver.requestBody(&bytes, end: false)
    }

    /// The client will send nothing more.
    private func inputEnded() {
        switch life {
        case .lingering, .finishing: terminate(.connectionTermination)
        case .closed: break
        case .open:
            if isTunnel, request != .complete, let receiver {
                request = .complete
                var nothing = ByteQueue(pool: connection.loop.slabs)
                receiver.requestBody(&nothing, end: true)
                endTunnelIfDone()
            } else {
                terminate(.connectionTermination)
            }
        }
    }
}
