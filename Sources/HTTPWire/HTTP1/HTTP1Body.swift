// Bodies: by length, chunked (RFC 9112, section 7.1), or up to the end of the connection.
import Reactor

/// Takes a body's framing off, piece by piece.
struct HTTP1Body {
    /// What comes next. Each case holds only what is valid in it.
    private enum State {
        /// Body bytes to come.
        case fixed(UInt64)
        case untilClose
        case chunkSize(value: UInt64, digits: UInt8)
        /// In the extension of a chunk that is `size` bytes long; `blank` while only blanks were seen.
        case chunkExtension(size: UInt64, blank: Bool)
        case chunkSizeLineFeed(size: UInt64)
        case chunkData(UInt64)
        case chunkEnd
        case chunkEndLineFeed
        case trailers
        case ended
    }

    enum Event {
        case needMore
        case body(Int)
        /// The last chunk was read; the trailer section follows.
        case trailers
        case end
        case failure(HTTP1Failure)
    }

    private var state: State
    /// Bytes of chunk framing beyond what the data excuses; bounds the cost of one-byte chunks with long extensions.
    private var overhead: Int32 = 0

    /// Bytes of chunk framing that are tolerated beyond 16 and twice the data for each chunk.
    private static var maxOverhead: Int32 { 16 * 1024 }

    init(_ framing: HTTP1Framing) {
        switch framing {
        case .none, .tunnel: state = .ended
        case .length(let length): state = .fixed(length)
        case .chunked: state = .chunkSize(value: 0, digits: 0)
        case .untilClose: state = .untilClose
        }
    }

    /// True when the end of the connection is the end of the body.
    var endsWithConnection: Bool {
        if case .untilClose = state { return true }
        return false
    }

    mutating func next(_ queue: inout ByteQueue) -> Event {
        while true {
            switch state {
            case .fixed(let left):
                if left == 0 {
                    state = .ended
                    return .end
                }
                guard let part = HTTP1Body.part(left, queue) else { return .needMore }
                state = .fixed(left &- UInt64(part))
                return .body(part)
            case .chunkData(let left):
                if left == 0 {
                    state = .chunkEnd
                    continue
                }
                guard let part = HTTP1Body.part(left, queue) else { return .needMore }
                state = .chunkData(left &- UInt64(part))
                return .body(part)
            case .untilClose:
                return queue.isEmpty ? .needMore : .body(queue.count)
            case .trailers: return .trailers
            case .ended: return .end
            case .chunkSize, .chunkExtension, .chunkSizeLineFeed, .chunkEnd, .chunkEndLineFeed:
                if queue.isEmpty { return .needMore }
                if let failure = readFraming(&queue) { return .failure(failure) }
            }
        }
    }

    private static func part(_ left: UInt64, _ queue: borrowing ByteQueue) -> Int? {
        if queue.isEmpty { return nil }
        return left >= UInt64(queue.count) ? queue.count : Int(left)
    }

    /// Reads the framing at the front of the queue, up to body bytes or the end of the first part.
    private mutating func readFraming(_ queue: inout ByteQueue) -> HTTP1Failure? {
        let front = queue.front
        var place = 0
        var failure: HTTP1Failure?
        loop: while place < front.count && failure == nil {
            let byte = front[place]
            switch state {
            case .chunkSize(let value, let digits): failure = sizeByte(byte, value, digits)
            case .chunkExtension(let size, let blank): failure = extensionByte(byte, size, blank)
            case .chunkSizeLineFeed(let size):
                guard byte == 0x0a else { return HTTP1Body.bad("CR without LF after a chunk size") }
                failure = account(size)
                state = size == 0 ? .trailers : .chunkData(size)
            case .chunkEnd:
                guard byte == 0x0d else {
                    return HTTP1Body.bad("chunk data is followed by byte 0x\(HTTP1Failure.hex(byte)), not by CR LF")
                }
                state = .chunkEndLineFeed
            case .chunkEndLineFeed:
                guard byte == 0x0a else { return HTTP1Body.bad("CR without LF after chunk data") }
                state = .chunkSize(value: 0, digits: 0)
            case .chunkData, .trailers, .fixed, .untilClose, .ended: break loop
            }
            place &+= 1
        }
        queue.consume(place)
        return failure
    }

    private mutating func sizeByte(_ byte: UInt8, _ value: UInt64, _ digits: UInt8) -> HTTP1Failure? {
        if let digit = byte.hexDigitValue {
            // 15 digits and the sign's bit stay clear of every overflow later on.
            guard digits < 16, value >> 59 == 0 else { return HTTP1Body.bad("chunk size is too large") }
            state = .chunkSize(value: value << 4 | UInt64(digit), digits: digits &+ 1)
            return nil
        }
        guard digits > 0 else {
            return HTTP1Body.bad("chunk size begins with byte 0x\(HTTP1Failure.hex(byte)), no hexadecimal digit")
        }
        switch byte {
        case 0x0d: state = .chunkSizeLineFeed(size: value)
        case 0x3b: state = .chunkExtension(size: value, blank: false)
        case 0x20, 0x09: state = .chunkExtension(size: value, blank: true)
        default: return HTTP1Body.bad("illegal byte 0x\(HTTP1Failure.hex(byte)) in a chunk size")
        }
        return nil
    }

    private mutating func extensionByte(_ byte: UInt8, _ size: UInt64, _ blank: Bool) -> HTTP1Failure? {
        overhead &+= 1
        guard overhead <= HTTP1Body.maxOverhead else {
            return HTTP1Body.bad("chunk extensions exceed \(HTTP1Body.maxOverhead) bytes beyond what the data excuses")
        }
        switch byte {
        case 0x20, 0x09: return nil
        case 0x0d where !blank: state = .chunkSizeLineFeed(size: size)
        case 0x3b: state = .chunkExtension(size: size, blank: false)
        case 0x21...0x7e where !blank: return nil
        case 0x80... where !blank: return nil
        default: return HTTP1Body.bad("illegal byte 0x\(HTTP1Failure.hex(byte)) after a chunk size")
        }
        return nil
    }

    /// The data of a chunk excuses some of its framing.
    private mutating func account(_ size: UInt64) -> HTTP1Failure? {
        let excused =
            size >= UInt64(HTTP1Body.maxOverhead) ? HTTP1Body.maxOverhead : 16 + 2 * Int32(truncatingIfNeeded: size)
        overhead = max(0, overhead &- excused)
        return nil
    }

    @inline(never)
    private static func bad(_ text: String) -> HTTP1Failure { HTTP1Failure(.malformedChunk, text) }
}
