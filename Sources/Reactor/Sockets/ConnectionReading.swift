// The reading half of a Connection.
import CLinux
import Glibc

extension Connection {
    /// Reads into `input`: 16 KiB at most, or 64 KiB while the peer sends faster than that. See `FillResult`.
    ///
    /// When this connection has had its share of the turn, it says `.wouldBlock` and `connectionReadable` comes again
    /// after the others have been served.
    public func fill() -> FillResult {
        switch state {
        case .open: break
        case .connecting, .handshaking: return .wouldBlock
        case .failing, .closed: return .failed
        }
        if hasReadEnd { return .end }
        if let secure { return fill(from: secure) }
        let result = receive(into: &input)
        switch result {
        case .data(let count): bytesRead &+= UInt64(count)
        case .end: hasReadEnd = true
        case .wouldBlock, .failed: break
        }
        return result
    }

    /// The same through TLS: opens what is there before it reads more.
    private func fill(from secure: SecureLayer) -> FillResult {
        while true {
            if !secure.rawInput.isEmpty || secure.session.hasPlaintext {
                let result = secure.decrypt(into: &input)
                // Alerts and key updates are answered at once.
                if !secure.rawOutput.isEmpty { flush() }
                switch result {
                case .data(let count):
                    bytesRead &+= UInt64(count)
                    return .data(count)
                case .end:
                    hasReadEnd = true
                    return .end
                case .failed(let failure):
                    fail(.tlsFailed, failure.reason)
                    schedule(.failure)
                    return .failed
                case .needsInput:
                    break
                }
            }
            if secure.hasRawEnd {
                // The end without close_notify: HTTP framing tells whether something is missing.
                hasReadEnd = true
                return .end
            }
            switch receive(into: &secure.rawInput) {
            case .data: break
            case .end: secure.hasRawEnd = true
            case .wouldBlock: return .wouldBlock
            case .failed: return .failed
            }
        }
    }

    /// One read of the socket, if there is reason to believe that it gives something and the share is not used up.
    func receive(into queue: inout ByteQueue) -> FillResult {
        if isReadDrained { return .wouldBlock }
        if readsLeft == 0 {
            schedule(.readable)
            return .wouldBlock
        }
        readsLeft &-= 1
        while true {
            let (count, offered, code) = isStreaming ? readSlabs(into: &queue) : readSlab(into: &queue)
            if count > 0 {
                if count < offered && !hasPeerFinished { isReadDrained = true }
                isStreaming = count == offered
                return .data(count)
            }
            if count < 0 && code == EINTR { continue }
            if count == 0 && writeError == 0 {
                hasPeerFinished = true
                return .end
            }
            if count < 0 && code == EAGAIN && writeError == 0 {
                isReadDrained = true
                return .wouldBlock
            }
            fail(reading: writeError == 0 ? code : writeError)
            schedule(.failure)
            return .failed
        }
    }

    /// Reads into the room of the last slab, or a new one.
    private func readSlab(into queue: inout ByteQueue) -> (count: Int, offered: Int, code: Int32) {
        // Half a slab at least, so that no slab is left mostly empty and no read is tiny.
        let room = queue.writable(atLeast: SlabPool.slabSize / 2)
        let count = recv(descriptor, room.baseAddress, room.count, 0)
        let code = errno
        queue.commit(max(count, 0))
        return (count, room.count, code)
    }

    /// Reads several slabs at once: for when the last read was as much as it asked for.
    private func readSlabs(into queue: inout ByteQueue) -> (count: Int, offered: Int, code: Int32) {
        var code: Int32 = 0
        let count = queue.read { vectors, parts in
            let count = readv(descriptor, vectors, Int32(parts))
            code = errno
            return count
        }
        return (count, ByteQueue.readSlabs * SlabPool.slabSize, code)
    }

    /// Bytes or the end may be there.
    var mayHaveInput: Bool { !isReadDrained || mayHavePlaintext }

    /// TLS may have something to give without another read.
    var mayHavePlaintext: Bool { secure?.mayHavePlaintext == true }

    /// Tells the owner that there is something to read, unless it does not want to know.
    func deliverReadable() {
        if isReadingPaused || hasReadEnd || wantsCloseAfterFlush || !mayHaveInput { return }
        readsLeft = Connection.readBudget
        delegate?.connectionReadable(self)
    }

    /// Stops `connectionReadable` until `resumeReading`. What the peer sends stays in the system, which slows it down.
    public func pauseReading() {
        isReadingPaused = true
    }

    /// Ends `pauseReading`; calls `connectionReadable` in this turn if something is there.
    public func resumeReading() {
        guard isReadingPaused else { return }
        isReadingPaused = false
        if state == .open && mayHaveInput { schedule(.readable) }
    }

    /// True between `pauseReading` and `resumeReading`.
    public var isPaused: Bool { isReadingPaused }

    /// Throws away what has come and nobody will read (TLS session tickets, say): closing a TCP socket with unread bytes
    /// sends a reset, which can overtake what was written before.
    func discardUnread() {
        if hasReadEnd || remoteAddress.isUnix { return }
        _ = recv(descriptor, nil, 1 << 20, Int32(MSG_TRUNC | MSG_DONTWAIT))
    }

    /// Bytes have come that nobody has read, or the end has: one system call.
    public var hasUnreadInput: Bool {
        hasPeerFinished || descriptor >= 0 && SocketCalls.readableBytes(descriptor) > 0
    }

    /// Looks whether the peer has gone: true after its FIN, close_notify or a reset. For connections that waited in a
    /// pool; one system call. Plain bytes that are there are left there; TLS records are opened, for only their content
    /// tells a session ticket from the end, and data among them goes to `input`.
    public func peekClosed() -> Bool {
        guard state == .open, !hasPeerFinished, !hasReadEnd else { return true }
        var byte: UInt8 = 0
        while true {
            let count = recv(descriptor, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT))
            if count > 0 {
                guard secure != nil else { return false }
                isReadDrained = false
                readsLeft = Connection.readBudget
                switch fill() {
                case .data, .wouldBlock: return false
                case .end, .failed: return true
                }
            }
            if count == 0 { return true }
            if errno == EINTR { continue }
            return errno != EAGAIN
        }
    }
}
