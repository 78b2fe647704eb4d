// Frame headers as they come by: looked at before nghttp2 does, because it says nothing of frames that it ignores.
import Reactor

/// The nine bytes before a frame's payload (RFC 9113, section 4.1).
struct HTTP2FrameHeader {
    enum Kind: UInt8 {
        case data = 0
        case headers = 1
        case priority = 2
        case resetStream = 3
        case settings = 4
        case pushPromise = 5
        case ping = 6
        case goAway = 7
        case windowUpdate = 8
        case continuation = 9
    }

    let length: Int
    /// nil for types that nobody knows.
    let kind: Kind?
    let flags: UInt8
    let stream: Int32

    var endsStream: Bool { flags & 1 != 0 }
}

/// Follows the borders of frames through bytes that come in parts of any size.
struct HTTP2FrameScanner {
    private var bytes = InlineArray<9, UInt8>(repeating: 0)
    private var have = 0
    private var payloadLeft: Int

    /// `preface`: bytes before the first frame.
    init(preface: Int) { payloadLeft = preface }

    /// What lies at the front of `part`: its bytes up to the end of the frame, and the header when it is complete with
    /// them.
    mutating func next(_ part: ByteView) -> (count: Int, header: HTTP2FrameHeader?) {
        var count = 0
        var header: HTTP2FrameHeader?
        if payloadLeft == 0 {
            while have < 9 && count < part.count {
                bytes[have] = part[count]
                have &+= 1
                count &+= 1
            }
            guard have == 9 else { return (count, nil) }
            have = 0
            let found = read()
            payloadLeft = found.length
            header = found
        }
        let payload = min(payloadLeft, part.count &- count)
        payloadLeft &-= payload
        return (count &+ payload, header)
    }

    private func read() -> HTTP2FrameHeader {
        let length = Int(bytes[0]) << 16 | Int(bytes[1]) << 8 | Int(bytes[2])
        let stream = UInt32(bytes[5] & 0x7f) << 24 | UInt32(bytes[6]) << 16 | UInt32(bytes[7]) << 8 | UInt32(bytes[8])
        return HTTP2FrameHeader(
            length: length, kind: HTTP2FrameHeader.Kind(rawValue: bytes[3]), flags: bytes[4],
            stream: Int32(truncatingIfNeeded: stream))
    }
}
