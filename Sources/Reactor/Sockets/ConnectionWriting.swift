// The writing half of a Connection.
import CLinux
import Glibc

extension Connection {
    private static let vectorCount = 32

    /// Writes as much of `output` as the socket takes. The rest follows by itself when the socket is writable again.
    public func flush() {
        guard state == .open, establishedAt != nil else { return }
        writeOut()
        // Told by way of the loop: never from inside a call of the owner.
        if takeDrained() { schedule(.drained) }
    }

    /// The same, when the loop found the socket writable.
    func flushFromLoop() {
        writeOut()
        guard state == .open else { return }
        if wantsCloseAfterFlush && output.isEmpty {
            state = .failing
            closeReason = .flushed
            deliverFailure()
            return
        }
        if takeDrained() { delegate?.connectionDrained(self) }
    }

    private func writeOut() {
        if writeError != nil {
            output.clear()
            return
        }
        var rounds = Connection.writeBudget
        while !output.isEmpty && !isWriteBlocked {
            if rounds == 0 {
                schedule(.flush)
                break
            }
            rounds &-= 1
            send(from: &output)
        }
        if output.isEmpty {
            if wantsShutdown { sendFIN() }
        } else {
            wasStuck = true
            if isAboveHighWatermark { wasAboveHighWatermark = true }
        }
    }

    /// One write of the socket.
    private func send(from queue: inout ByteQueue) {
        let (count, offered) = withUnsafeTemporaryAllocation(of: iovec.self, capacity: Connection.vectorCount) {
            vectors -> (Int, Int) in
            guard let base = vectors.baseAddress else { return (0, 0) }
            let (parts, bytes) = queue.describe(into: base, capacity: Connection.vectorCount)
            var message = msghdr()
            message.msg_iov = base
            message.msg_iovlen = parts
            return (sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL)), bytes)
        }
        if count >= 0 {
            queue.consume(count)
            bytesWritten &+= UInt64(count)
            if count < offered { isWriteBlocked = true }
            return
        }
        switch errno {
        case EINTR:
            return
        case EAGAIN:
            isWriteBlocked = true
        default:
            // The peer is gone for writing. It may have answered before it went: reading goes on to its end.
            writeError = SystemError("write", subject: remoteAddress.description)
            queue.clear()
            isReadDrained = false
            if isReadingPaused && SocketCalls.readableBytes(descriptor) == 0 {
                failFromSocketError()
                schedule(.failure)
            } else {
                schedule(.readable)
            }
        }
    }

    /// True when the owner waits to hear of room, and there is.
    private func takeDrained() -> Bool {
        let isLow = wasAboveHighWatermark && unwrittenBytes <= highWatermark / 2
        let isEmpty = wasStuck && output.isEmpty
        if isLow { wasAboveHighWatermark = false }
        if isEmpty { wasStuck = false }
        return (isLow || isEmpty) && writeError == nil
    }

    /// Sends FIN once all of `output` is written. Reading goes on.
    public func shutdownWrite() {
        guard state == .open || state == .connecting, !wantsShutdown else { return }
        wantsShutdown = true
        if state == .open && output.isEmpty { sendFIN() }
    }

    private func sendFIN() {
        if hasShutDown || descriptor < 0 { return }
        hasShutDown = true
        _ = shutdown(descriptor, Int32(SHUT_WR))
    }
}
