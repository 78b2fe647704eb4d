// The writing half of a Connection.
import CLinux
import Glibc

extension Connection {
    private static let vectorCount = 32

    /// Writes as much of `output` as the socket takes. The rest follows by itself when the socket is writable again.
    /// Before the connection is up, everything waits; after it is closed, everything is dropped.
    public func flush() {
        guard state == .open else {
            if state == .closed { output.clear() }
            return
        }
        writeOut()
        // Told by way of the loop: never from inside a call of the owner.
        if takeDrained() { schedule(.drained) }
    }

    /// Flushes at the end of this turn, so that what follows in the same turn leaves in the same write.
    public func flushLater() {
        if state == .open && unwrittenBytes > 0 { schedule(.flush) }
    }

    /// The same, when the loop found the socket writable.
    func flushFromLoop() {
        writeOut()
        guard state == .open else { return }
        if wantsCloseAfterFlush && unwrittenBytes == 0 {
            finishFlushed()
            deliverFailure()
            return
        }
        if takeDrained() { delegate?.connectionDrained(self) }
    }

    /// Bytes of output that the system has not taken yet.
    public var unwrittenBytes: Int {
        var count = output.count
        if let secure { count &+= secure.rawOutput.count }
        if let pipe { count &+= pipe.count }
        return count
    }

    func writeOut() {
        if writeError != 0 {
            output.clear()
            return
        }
        var rounds = Connection.writeBudget
        while !isWriteBlocked && unwrittenBytes > 0 && state != .failing {
            if rounds == 0 {
                schedule(.flush)
                break
            }
            rounds &-= 1
            if pipe != nil {
                // These bytes are older than those in the queues.
                drainPipe()
                continue
            }
            if let secure {
                seal(secure)
                if secure.rawOutput.isEmpty { break }
                _ = send(from: &secure.rawOutput)
            } else {
                bytesWritten &+= UInt64(send(from: &output))
            }
        }
        if unwrittenBytes > 0 {
            wasStuck = true
            if isAboveHighWatermark { wasAboveHighWatermark = true }
        } else if wantsShutdown {
            sendEnd()
        }
    }

    /// Turns output into records, as many as one write takes.
    private func seal(_ secure: SecureLayer) {
        guard state == .open, !output.isEmpty, secure.rawOutput.count < SecureLayer.sealLimit else { return }
        switch secure.encrypt(from: &output) {
        case .data(let count):
            bytesWritten &+= UInt64(count)
        case .failed(let failure):
            fail(.tlsFailed, failure.reason)
            schedule(.failure)
        }
    }

    /// One write of the socket; returns how many bytes it took.
    private func send(from queue: inout ByteQueue) -> Int {
        let (count, offered) = withUnsafeTemporaryAllocation(of: iovec.self, capacity: Connection.vectorCount) {
            vectors -> (Int, Int) in
            guard let base = vectors.baseAddress else { return (0, 0) }
            let (parts, bytes) = queue.describe(into: base, capacity: Connection.vectorCount)
            // One part, as almost always: the system has no list to copy in.
            if parts == 1 {
                return (Glibc.send(descriptor, base.pointee.iov_base, bytes, Int32(MSG_NOSIGNAL)), bytes)
            }
            var message = msghdr()
            message.msg_iov = base
            message.msg_iovlen = parts
            return (sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL)), bytes)
        }
        if count >= 0 {
            queue.consume(count)
            if count < offered { isWriteBlocked = true }
            return count
        }
        switch errno {
        case EINTR:
            break
        case EAGAIN:
            isWriteBlocked = true
        default:
            queue.clear()
            breakWriting(errno)
        }
        return 0
    }

    /// The peer is gone for writing. It may have answered before it went: reading goes on to its end.
    func breakWriting(_ code: Int32) {
        writeError = code
        isWriteBlocked = true
        isReadDrained = false
        if state == .open && hasNothingToRead && failFromSocketError() {
            schedule(.failure)
        } else {
            schedule(.readable)
        }
    }

    /// True when the owner waits to hear of room, and there is.
    private func takeDrained() -> Bool {
        let isLow = wasAboveHighWatermark && unwrittenBytes <= highWatermark / 2
        let isEmpty = wasStuck && unwrittenBytes == 0
        if isLow { wasAboveHighWatermark = false }
        if isEmpty { wasStuck = false }
        return (isLow || isEmpty) && writeError == 0
    }

    /// Sends the end of our direction (close_notify and FIN) once all of `output` is written. Reading goes on.
    public func shutdownWrite() {
        guard isOpen, !wantsShutdown else { return }
        wantsShutdown = true
        if state == .open { flush() }
        if state == .open && unwrittenBytes == 0 { sendEnd() }
    }

    private func sendEnd() {
        if hasShutDown || writeError != 0 || descriptor < 0 { return }
        sayCloseNotify()
        // What did not fit goes first; the FIN follows from `writeOut`.
        if unwrittenBytes > 0 { return }
        hasShutDown = true
        _ = shutdown(descriptor, Int32(SHUT_WR))
    }

    /// Tries to send what TLS ends with.
    func sayCloseNotify() {
        guard let secure, writeError == 0 else { return }
        secure.closeNotify()
        if !secure.rawOutput.isEmpty && !isWriteBlocked { _ = send(from: &secure.rawOutput) }
    }
}
