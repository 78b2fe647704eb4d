// Bytes from one connection to another, past the process where that pays.
import CLinux
import Glibc

/// What `Connection.relay` found.
public enum RelayResult: Equatable, Sendable {
    /// This many bytes went on to the target.
    case moved(Int)
    /// Nothing for now; `connectionReadable` will be called when there is.
    case wouldBlock
    /// The target has more unwritten than its high watermark, or cannot take more before it is written: pause reading
    /// until its `connectionDrained`.
    case targetFull
    /// The peer has finished its direction.
    case end
    /// This connection is broken; `connectionClosed` will be called.
    case failed
}

extension Connection {
    /// Takes what there is to read and hands it to `target`, flushed: `fill` and a move between the queues, or, between
    /// plain sockets that carry a fast stream, splice(2), which leaves the bytes in the kernel. Call it from
    /// `connectionReadable` until it does not say `.moved`. Both connections live on one loop.
    ///
    /// While a stream is relayed, nobody else appends to the target's `output`.
    public func relay(to target: Connection) -> RelayResult {
        if state == .failing || state == .closed { return .failed }
        if target.isAboveHighWatermark || target.pipe != nil { return .targetFull }
        if canSplice(to: target), let result = splice(to: target) { return result }
        if input.isEmpty {
            switch fill() {
            case .data: break
            case .wouldBlock: return .wouldBlock
            case .end: return .end
            case .failed: return .failed
            }
        }
        let count = input.count
        input.moveAll(to: &target.output)
        target.flush()
        return .moved(count)
    }

    private func canSplice(to target: Connection) -> Bool {
        isStreaming && state == .open && target.state == .open && secure == nil && target.secure == nil
            && input.isEmpty && target.output.isEmpty && !target.isWriteBlocked && target.writeError == 0
            && writeError == 0 && !hasReadEnd && !isReadDrained && readsLeft > 0
    }

    /// One splice in, and what the target takes of it out. Nil when there is no pipe, or nothing came: reading tells.
    private func splice(to target: Connection) -> RelayResult? {
        guard let pipe = loop.pipes.take() else { return nil }
        readsLeft &-= 1
        let (count, code) = pipe.fill(from: descriptor)
        guard count > 0 else {
            isStreaming = false
            loop.pipes.giveBack(pipe)
            if count == 0 || code == EAGAIN || code == EINTR || code == EINVAL { return nil }
            // The error was taken off the socket: a read would not find it again.
            fail(reading: code)
            schedule(.failure)
            return .failed
        }
        bytesRead &+= UInt64(count)
        // A trickle is cheaper to copy, and a short read then says that there is no more.
        isStreaming = count >= SlabPool.slabSize
        target.pipe = pipe
        target.flush()
        return .moved(count)
    }

    /// Writes what is in the pipe, as much as goes.
    func drainPipe() {
        guard let pipe else { return }
        let (count, code) = pipe.drain(to: descriptor)
        if count > 0 {
            bytesWritten &+= UInt64(count)
            if pipe.count == 0 { dropPipe() }
            return
        }
        switch code {
        case EINTR: break
        case EAGAIN: isWriteBlocked = true
        default:
            dropPipe()
            breakWriting(code)
        }
    }

    /// Gives the pipe back, with whatever is in it.
    func dropPipe() {
        if let pipe { loop.pipes.giveBack(pipe) }
        pipe = nil
    }
}
