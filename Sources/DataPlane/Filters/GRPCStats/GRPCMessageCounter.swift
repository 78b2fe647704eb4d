// Finds the messages in a gRPC body.
import Reactor

/// Counts messages as they begin: one byte of flags and four of length stand before each. gRPC page: "gRPC over HTTP2",
/// "Length-Prefixed-Message".
struct GRPCMessageCounter {
    private enum Place {
        case flags
        /// Bytes of the length that are still to come.
        case length(Int, soFar: Int)
        case payload(Int)
        /// This is no gRPC.
        case lost
    }

    private var place = Place.flags

    /// Looks at the next bytes of the body; how many messages begin in them.
    mutating func take(_ bytes: borrowing ByteQueue) -> UInt64 {
        var begun: UInt64 = 0
        bytes.forEachPart { part in
            begun &+= take(part)
            return true
        }
        return begun
    }

    private mutating func take(_ part: ByteView) -> UInt64 {
        var begun: UInt64 = 0
        var index = 0
        while index < part.count {
            switch place {
            case .flags:
                guard part[index] <= 1 else {
                    place = .lost
                    return begun
                }
                begun &+= 1
                index &+= 1
                place = .length(4, soFar: 0)
            case .length(let left, let soFar):
                let length = soFar << 8 | Int(part[index])
                index &+= 1
                place = left > 1 ? .length(left - 1, soFar: length) : length > 0 ? .payload(length) : .flags
            case .payload(let left):
                let step = min(left, part.count &- index)
                index &+= step
                place = left > step ? .payload(left &- step) : .flags
            case .lost:
                return begun
            }
        }
        return begun
    }
}
