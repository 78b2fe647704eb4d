// The reading half of a Connection.
import CLinux
import Glibc

extension Connection {
    /// Reads at most one slab (16 KiB) into `input`. See `FillResult`.
    ///
    /// When this connection has had its share of the turn, it says `.wouldBlock` and `connectionReadable` comes again
    /// after the others have been served.
    public func fill() -> FillResult {
        switch state {
        case .open: break
        case .connecting: return .wouldBlock
        case .failing, .closed: return .failed
        }
        if hasReadEnd { return .end }
        if isReadDrained { return .wouldBlock }
        if readsLeft == 0 {
            schedule(.readable)
            return .wouldBlock
        }
        readsLeft &-= 1
        return receive(into: &input)
    }

    /// One read of the socket.
    private func receive(into queue: inout ByteQueue) -> FillResult {
        // Half a slab at least, so that no slab is left mostly empty and no read is tiny.
        let room = queue.writable(atLeast: SlabPool.slabSize / 2)
        while true {
            let count = recv(descriptor, room.baseAddress, room.count, 0)
            if count > 0 {
                queue.commit(count)
                bytesRead &+= UInt64(count)
                if count < room.count && !hasPeerFinished { isReadDrained = true }
                return .data(count)
            }
            let code = errno
            if count < 0 && code == EINTR { continue }
            queue.commit(0)
            if count == 0 && writeError == nil {
                hasPeerFinished = true
                hasReadEnd = true
                return .end
            }
            if count < 0 && code == EAGAIN && writeError == nil {
                isReadDrained = true
                return .wouldBlock
            }
            fail(reading: writeError?.code ?? code)
            schedule(.failure)
            return .failed
        }
    }

    /// Stops `connectionReadable` until `resumeReading`. What the peer sends stays in the system, which slows it down.
    public func pauseReading() {
        isReadingPaused = true
    }

    /// Ends `pauseReading`; calls `connectionReadable` in this turn if something is there.
    public func resumeReading() {
        guard isReadingPaused else { return }
        isReadingPaused = false
        if state == .open && !isReadDrained { schedule(.readable) }
    }

    /// True between `pauseReading` and `resumeReading`.
    public var isPaused: Bool { isReadingPaused }

    /// Asks the system whether the peer has gone: true after its FIN or a reset. One system call; bytes that are there
    /// to be read are not taken. For connections that waited in a pool.
    public func peekClosed() -> Bool {
        guard state == .open, !hasPeerFinished else { return true }
        var byte: UInt8 = 0
        while true {
            let count = recv(descriptor, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT))
            if count > 0 { return false }
            if count == 0 { return true }
            if errno == EINTR { continue }
            return errno != EAGAIN
        }
    }
}
