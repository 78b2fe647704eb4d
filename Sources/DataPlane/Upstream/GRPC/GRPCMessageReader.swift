// gRPC's framing: a flag, four bytes of length, the message.
import Reactor

/// Cuts messages out of a body that comes in pieces. Holds one message at most, which grows with what has come of it and
/// not with what it says of itself.
struct GRPCMessageReader {
    /// Bytes of a message; 0: no limit.
    let limit: Int
    private var bytes: [UInt8] = []
    /// Where the next message begins in `bytes`.
    private var start = 0
    /// Why nothing more is read, for people.
    private(set) var problem: String?
    private(set) var isOverLimit = false

    init(limit: Int) { self.limit = limit }

    /// A message in its frame. Those that are sent are far below the 4 GiB that a frame can hold.
    static func frame(_ message: [UInt8]) -> [UInt8] {
        var framed: [UInt8] = []
        appendFrame(message, to: &framed)
        return framed
    }

    /// Adds a message in its frame to a body.
    static func appendFrame(_ message: [UInt8], to body: inout [UInt8]) {
        let count = UInt32(clamping: message.count)
        body.reserveCapacity(body.count + message.count + 5)
        body.append(0)
        for shift in stride(from: 24, through: 0, by: -8) { body.append(UInt8(truncatingIfNeeded: count >> shift)) }
        body += message
    }

    /// Takes more of the body; call `next` until it has nothing more.
    mutating func feed(_ more: ByteView) {
        guard problem == nil else { return }
        if start > 0 {
            bytes.removeFirst(start)
            start = 0
        }
        bytes += more.array
        checkFrame()
    }

    /// The next whole message.
    mutating func next() -> [UInt8]? {
        guard problem == nil, bytes.count - start >= 5 else { return nil }
        let count = length
        guard bytes.count - start - 5 >= count else { return nil }
        let message = Array(bytes[(start + 5)..<(start + 5 + count)])
        start += 5 + count
        if start == bytes.count {
            // A large message is not kept until the next one.
            bytes = []
            start = 0
        }
        checkFrame()
        return message
    }

    /// Of the message that begins at `start`.
    private var length: Int { bytes[(start + 1)..<(start + 5)].reduce(0) { $0 << 8 | Int($1) } }

    private mutating func checkFrame() {
        guard bytes.count - start >= 5 else { return }
        if bytes[start] != 0 {
            problem = "a message of the answer is compressed, which was not asked for"
        } else if limit > 0, length > limit {
            isOverLimit = true
            problem = "a message of the answer is \(length) bytes long, and \(limit) is the limit"
        }
        if problem != nil { bytes = [] }
    }
}
