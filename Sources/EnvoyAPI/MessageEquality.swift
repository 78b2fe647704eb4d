// Equality of messages: scripts/lib/bare-messages leaves them none of their own.

import SwiftProtobuf

/// A message that is the value of a map: of those SwiftProtobuf wants to know which are equal.
public protocol ComparedByBytes: SwiftProtobuf.Message, Hashable {}

extension ComparedByBytes {
    public static func == (lhs: Self, rhs: Self) -> Bool { lhs.isEqualTo(message: rhs) }
}

extension SwiftProtobuf.Message {
    /// Whether the other message is of the same type and has the same bytes, maps in the order of their keys. For what
    /// SwiftProtobuf itself may ask: it makes both messages' bytes.
    public func isEqualTo(message: any SwiftProtobuf.Message) -> Bool {
        var order = BinaryEncodingOptions()
        order.useDeterministicOrdering = true
        guard type(of: message) == Self.self,
            let own: [UInt8] = try? serializedBytes(partial: true, options: order),
            let others: [UInt8] = try? message.serializedBytes(partial: true, options: order)
        else { return false }
        return own == others
    }
}
