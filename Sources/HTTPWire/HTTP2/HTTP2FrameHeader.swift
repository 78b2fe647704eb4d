// Frame headers as they come by: looked at before nghttp2 does, because it says nothing of frames that it ignores.
import CNGHTTP2
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

    /// `start`: the first eight bytes, the very first in the highest bits. `last`: the ninth.
    init(start: UInt64, last: UInt8) {
        length = Int(truncatingIfNeeded: start &>> 40)
        kind = Kind(rawValue: UInt8(truncatingIfNeeded: start &>> 32))
        flags = UInt8(truncatingIfNeeded: start &>> 24)
        // The highest bit is reserved and says nothing.
        stream = Int32(truncatingIfNeeded: (start & 0x7f_ffff) &<< 8 | UInt64(last))
    }

    /// Lays a header out.
    static func append(_ header: nghttp2_frame_hd, to output: inout ByteQueue) {
        let front = UInt64(truncatingIfNeeded: header.length) << 40 | UInt64(header.type) << 32
        let word = front | UInt64(header.flags) << 24 | UInt64(UInt32(bitPattern: header.stream_id)) >> 8
        var bytes = InlineArray<9, UInt8>(repeating: UInt8(truncatingIfNeeded: header.stream_id))
        for index in 0..<8 { bytes[index] = UInt8(truncatingIfNeeded: word >> UInt64(56 &- 8 &* index)) }
        bytes.span.withUnsafeBytes { output.append(ByteView($0)) }
    }
}

/// Follows the borders of frames through bytes that come in parts of any size.
struct HTTP2FrameScanner {
    /// The first eight bytes of a header, as far as they have come, and how many that is.
    private var start: UInt64 = 0
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
            if have == 0 && part.count > 8 {
                start = part.word(at: 0).byteSwapped
                have = 8
                count = 8
            }
            while have < 8 && count < part.count {
                start = start &<< 8 | UInt64(part[count])
                have &+= 1
                count &+= 1
            }
            guard have == 8, count < part.count else { return (count, nil) }
            let found = HTTP2FrameHeader(start: start, last: part[count])
            have = 0
            count &+= 1
            payloadLeft = found.length
            header = found
        }
        let payload = min(payloadLeft, part.count &- count)
        payloadLeft &-= payload
        return (count &+ payload, header)
    }
}
