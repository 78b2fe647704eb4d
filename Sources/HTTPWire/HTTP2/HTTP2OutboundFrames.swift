// How many frames wait in a connection's output.

/// Counts frames from the moment when they are laid out until the system has taken their bytes.
struct HTTP2OutboundFrames {
    private struct Batch {
        /// Where the batch ends, counted in bytes written since the connection began.
        var end: UInt64
        var frames: Int
        var controlFrames: Int
    }

    private var batches: [Batch] = []
    private var head = 0
    private(set) var frames = 0
    private(set) var controlFrames = 0
    /// Laid out since the last `note`.
    private var newFrames = 0
    private var newControlFrames = 0

    /// A frame was laid out; `isControl` for those that a peer can make us send: RST_STREAM, SETTINGS and PING.
    mutating func add(isControl: Bool) {
        frames &+= 1
        newFrames &+= 1
        guard isControl else { return }
        controlFrames &+= 1
        newControlFrames &+= 1
    }

    /// `written` of the `end` bytes that were ever laid out are gone.
    mutating func note(written: UInt64, end: UInt64) {
        if written == end {
            frames = 0
            controlFrames = 0
            newFrames = 0
            newControlFrames = 0
            batches.removeAll(keepingCapacity: true)
            head = 0
            return
        }
        if newFrames > 0 {
            batches.append(Batch(end: end, frames: newFrames, controlFrames: newControlFrames))
            newFrames = 0
            newControlFrames = 0
        }
        while head < batches.count, batches[head].end <= written {
            frames &-= batches[head].frames
            controlFrames &-= batches[head].controlFrames
            head &+= 1
        }
        if head >= 64 {
            batches.removeFirst(head)
            head = 0
        }
    }
}
