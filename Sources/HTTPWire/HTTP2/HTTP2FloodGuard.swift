// Counts the frames of a peer that cost work and carry nothing.

/// The limits on empty, PRIORITY and WINDOW_UPDATE frames, counted as Envoy does.
struct HTTP2FloodGuard {
    private var emptyFrames: UInt64 = 0
    private var priorityFrames: UInt64 = 0
    private var windowUpdates: UInt64 = 0
    /// Streams opened so far, by either side.
    var openedStreams: UInt64 = 0
    var dataFramesSent: UInt64 = 0

    /// A HEADERS, CONTINUATION or DATA frame came; `isEmpty` when it carries nothing and ends nothing.
    mutating func noteContent(isEmpty: Bool, _ options: HTTP2Options) -> HTTP2Flood? {
        guard isEmpty else {
            emptyFrames = 0
            return nil
        }
        emptyFrames &+= 1
        guard emptyFrames > options.maxEmptyFrames else { return nil }
        return HTTP2Flood(
            .emptyFramesFlood, "http2.inbound_empty_frames_flood",
            "\(emptyFrames) consecutive frames without payload exceed max_consecutive_inbound_frames_with_empty_payload"
                + " \(options.maxEmptyFrames)")
    }

    mutating func notePriority(_ options: HTTP2Options) -> HTTP2Flood? {
        priorityFrames &+= 1
        let limit = options.maxPriorityFramesPerStream &* (1 &+ openedStreams)
        guard priorityFrames > limit else { return nil }
        return HTTP2Flood(
            .priorityFramesFlood, "http2.inbound_priority_frames_flood",
            "\(priorityFrames) PRIORITY frames for \(openedStreams) streams exceed max_inbound_priority_frames_per_stream"
                + " \(options.maxPriorityFramesPerStream)")
    }

    mutating func noteWindowUpdate(_ options: HTTP2Options) -> HTTP2Flood? {
        windowUpdates &+= 1
        let perData = options.maxWindowUpdatesPerDataFrame
        let limit = 5 &+ 2 &* (openedStreams &+ perData &* dataFramesSent)
        guard windowUpdates > limit else { return nil }
        return HTTP2Flood(
            .windowUpdateFramesFlood, "http2.inbound_window_update_frames_flood",
            "\(windowUpdates) WINDOW_UPDATE frames for \(openedStreams) streams and \(dataFramesSent) DATA frames exceed"
                + " max_inbound_window_update_frames_per_data_frame_sent \(perData)")
    }
}

/// A limit that a peer went past.
struct HTTP2Flood {
    let notice: HTTP2Notice
    let failure: HTTP2Failure

    init(_ notice: HTTP2Notice, _ details: StaticString, _ text: String) {
        self.notice = notice
        failure = HTTP2Failure(.enhanceYourCalm, details, text)
    }
}

/// What a server remembers of streams that are gone, so that frames on them are judged as RFC 9113, section 5.1 says.
struct HTTP2StreamHistory {
    private static let maxResets = 1024

    /// The highest stream that the peer has opened.
    private(set) var last: Int32 = 0
    /// Bit `n`: stream `last - 2n` was opened. Streams before those count as opened.
    private var opened: UInt64 = 0
    /// Streams that we reset, the latest ones: frames that were on their way are no offence.
    private var resets: [Int32] = []
    private var nextReset = 0

    mutating func noteOpened(_ id: Int32) {
        guard id > last else { return }
        let shift = UInt64(id - last) / 2
        opened = (shift < 64 ? opened << shift : 0) | 1
        last = id
    }

    mutating func noteReset(_ id: Int32) {
        if resets.count < HTTP2StreamHistory.maxResets {
            resets.append(id)
        } else {
            resets[nextReset] = id
            nextReset = (nextReset + 1) % HTTP2StreamHistory.maxResets
        }
    }

    /// What is wrong with HEADERS or DATA on a stream that is not open; nil when it is new, or was reset by us.
    func fault(of id: Int32) -> HTTP2ErrorCode? {
        if id > last || id & 1 == 0 || resets.contains(id) { return nil }
        let place = UInt64(last - id) / 2
        return place >= 64 || opened >> place & 1 == 1 ? .streamClosed : .protocolError
    }
}
